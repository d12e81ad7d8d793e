package flow

import (
	"strconv"
	"strings"
	"time"
)

// TicksPerHour is how often the schedule of a source fires in an hour in which it does.
func (s Source) TicksPerHour() int {
	if s.Every > 0 {
		return int((time.Hour + s.Every - 1) / s.Every)
	}
	fields := strings.Fields(s.Cron)
	if len(fields) != len(cronFields) {
		return 0
	}
	return cronFields[0].count(fields[0]) * cronFields[1].count(fields[1])
}

// count returns how many values a field of a schedule stands for.
func (f cronField) count(text string) int {
	n := 0
	for v := f.low; v <= f.high; v++ {
		for part := range strings.SplitSeq(text, ",") {
			if f.holds(part, v) {
				n++
				break
			}
		}
	}
	return n
}

// holds reports whether part, which allows lets in, stands for a value.
func (f cronField) holds(part string, v int) bool {
	part, step, stepped := strings.Cut(part, "/")
	low, high := f.low, f.high
	if part != "*" && part != "?" {
		from, to, ranged := strings.Cut(part, "-")
		low, _ = f.value(from)
		switch {
		case ranged:
			high, _ = f.value(to)
		case !stepped:
			high = low
		}
	}
	every := 1
	if stepped {
		every = max(number(step), 1)
	}
	return v >= low && v <= high && (v-low)%every == 0
}

// number returns a whole number, 0 for what is none.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
