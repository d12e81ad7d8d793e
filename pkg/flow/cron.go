package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cronField is one of the six fields of a schedule.
type cronField struct {
	name      string
	low, high int
	names     []string
}

var cronFields = []cronField{
	{"second", 0, 59, nil},
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"day of the week", 0, 6, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

// cron reads a schedule of six fields, seconds first, as the stream server runs it.
func (r *reader) cron(e entry) string {
	text := r.text(e)
	if text == "" {
		return ""
	}
	if err := checkCron(text); err != nil {
		r.fail(r.pos(e.value), e.path, "%v", err)
	}
	return text
}

func checkCron(text string) error {
	fields := strings.Fields(text)
	if len(fields) != len(cronFields) {
		return fmt.Errorf("%q has %d fields, not six: second minute hour day month weekday, such as 0 */5 * * * *", text, len(fields))
	}
	for i, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			if !cronFields[i].allows(part) {
				return fmt.Errorf("%q is no %s: from %d to %d, as 1, 1-5, */5 or *", part, cronFields[i].name, cronFields[i].low, cronFields[i].high)
			}
		}
	}
	return nil
}

// allows reports whether part is *, ?, a value or a range, with or without a step.
func (f cronField) allows(part string) bool {
	part, step, stepped := strings.Cut(part, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.high) {
		return false
	}
	if part == "*" {
		return true
	}
	if part == "?" {
		return !stepped && (f.low == 1 && f.high == 31 || f.high == 6)
	}
	from, to, ranged := strings.Cut(part, "-")
	low, ok := f.value(from)
	if !ranged {
		return ok
	}
	high, okHigh := f.value(to)
	return ok && okHigh && low <= high
}

func (f cronField) value(text string) (int, bool) {
	if i := slices.Index(f.names, strings.ToUpper(text)); i >= 0 {
		return f.low + i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.low && n <= f.high
}
