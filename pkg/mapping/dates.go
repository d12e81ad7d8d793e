package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// units are the lengths of time whose beginning start_of finds.
var units = []string{"minute", "hour", "day", "week", "month", "quarter", "year"}

// maxShift bounds what is added to a time: a thousand years of days.
const maxShift = 366_000

// timeFunctions are the functions of times. What they do differs from feed to feed.
func timeFunctions() []function {
	dyn, s, i, at := cel.DynType, cel.StringType, cel.IntType, cel.TimestampType
	part := []form{global(i, dyn)}
	shift := []form{global(at, dyn, i)}
	functions := []function{
		{"datetime", []form{global(at, dyn), global(at, dyn, s), global(at, dyn, s, s)}, nil},
		{"date", []form{global(s, dyn)}, nil},
		{"format_time", []form{global(s, dyn, s), global(s, dyn, s, s)}, nil},
		{"start_of", []form{global(at, dyn, s)}, nil},
		{"from_unix", []form{global(at, dyn)}, nil},
		{"from_unix_ms", []form{global(at, dyn)}, nil},
		{"unix", part, nil},
		{"unix_ms", part, nil},
		{"days_between", []form{global(i, dyn, dyn)}, nil},
		{"seconds_between", []form{global(i, dyn, dyn)}, nil},
	}
	for _, name := range []string{"year", "quarter", "month", "day", "weekday", "hour", "minute", "second"} {
		functions = append(functions, function{name, part, nil})
	}
	for _, name := range []string{"add_seconds", "add_days", "add_months"} {
		functions = append(functions, function{name, shift, nil})
	}
	return functions
}

// functions are what the functions of times do, in the zone and the forms of one feed.
func (t times) functions() map[string]func(*call) ref.Val {
	part := func(of func(time.Time) int) func(*call) ref.Val {
		return t.each(func(_ *call, at time.Time) ref.Val { return types.Int(of(at)) })
	}
	return map[string]func(*call) ref.Val{
		"datetime":     t.datetimeIn(t.zone),
		"format_time":  t.formatIn(t.zone),
		"date":         t.each(func(_ *call, at time.Time) ref.Val { return types.String(at.Format(time.DateOnly)) }),
		"year":         part(time.Time.Year),
		"quarter":      part(func(at time.Time) int { return quarter(at) + 1 }),
		"month":        part(func(at time.Time) int { return int(at.Month()) }),
		"day":          part(time.Time.Day),
		"weekday":      part(func(at time.Time) int { return daysSinceMonday(at) + 1 }),
		"hour":         part(time.Time.Hour),
		"minute":       part(time.Time.Minute),
		"second":       part(time.Time.Second),
		"add_seconds":  t.shift(func(at time.Time, n int) time.Time { return at.Add(time.Duration(n) * time.Second) }, maxShift*24*60*60),
		"add_days":     t.shift(func(at time.Time, n int) time.Time { return at.AddDate(0, 0, n) }, maxShift),
		"add_months":   t.shift(addMonths, maxShift/30),
		"start_of":     t.each(startOf),
		"unix":         t.each(func(_ *call, at time.Time) ref.Val { return types.Int(at.Unix()) }),
		"unix_ms":      t.each(func(_ *call, at time.Time) ref.Val { return types.Int(at.UnixMilli()) }),
		"from_unix":    t.fromUnix(func(n int64) time.Time { return time.Unix(n, 0) }),
		"from_unix_ms": t.fromUnix(time.UnixMilli),
		"days_between": t.between(func(a, b time.Time) int64 {
			return int64(midnight(b).Sub(midnight(a)).Round(24*time.Hour) / (24 * time.Hour))
		}),
		"seconds_between": t.between(func(a, b time.Time) int64 { return int64(b.Sub(a) / time.Second) }),
	}
}

// each makes a function of a time, given in the zone of the feed; null gives null.
func (t times) each(do func(c *call, at time.Time) ref.Val) func(*call) ref.Val {
	return func(c *call) ref.Val {
		at, ok := t.datetime(c.args[0]).(types.Timestamp)
		if !ok {
			return t.datetime(c.args[0])
		}
		return do(c, at.In(t.zone))
	}
}

// shift makes a function that adds a whole number to a time.
func (t times) shift(add func(at time.Time, n int) time.Time, most int) func(*call) ref.Val {
	return t.each(func(c *call, at time.Time) ref.Val { return c.instant(add(at, c.whole(1, -most, most))) })
}

// instant returns a time that can be written with four digits of a year.
func (c *call) instant(at time.Time) ref.Val {
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return c.fail("the year would be %d", year)
	}
	return types.Timestamp{Time: at}
}

// addMonths keeps the day, or takes the last day of a month that has fewer: January 31 and a month is
// February 28.
func addMonths(at time.Time, n int) time.Time {
	moved := at.AddDate(0, n, 0)
	if moved.Day() != at.Day() {
		return moved.AddDate(0, 0, -moved.Day())
	}
	return moved
}

// startOf is the function start_of.
func startOf(c *call, at time.Time) ref.Val {
	unit := c.text(1)
	if err := checkUnit(unit); err != nil {
		return c.fail("%v", err)
	}
	year, month, day := at.Date()
	hour, minute := 0, 0
	switch unit {
	case "minute":
		hour, minute = at.Hour(), at.Minute()
	case "hour":
		hour = at.Hour()
	case "week":
		day -= daysSinceMonday(at)
	case "month":
		day = 1
	case "quarter":
		month, day = time.Month(quarter(at)*3+1), 1
	case "year":
		month, day = time.January, 1
	}
	return c.instant(time.Date(year, month, day, hour, minute, 0, 0, at.Location()))
}

func checkUnit(unit string) error {
	if !slices.Contains(units, unit) {
		return fmt.Errorf("%q is none of %s", shorten(unit), strings.Join(units, ", "))
	}
	return nil
}

func daysSinceMonday(at time.Time) int { return (int(at.Weekday()) + 6) % 7 }

// quarter counts from 0.
func quarter(at time.Time) int { return int(at.Month()-1) / 3 }

// midnight is the day of a time as one of UTC, where all days have 24 hours.
func midnight(at time.Time) time.Time {
	year, month, day := at.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// between makes a function of two times, given in the zone of the feed; null gives null.
func (t times) between(do func(a, b time.Time) int64) func(*call) ref.Val {
	return t.each(func(c *call, a time.Time) ref.Val {
		b, ok := t.datetime(c.args[1]).(types.Timestamp)
		if !ok {
			return t.datetime(c.args[1])
		}
		return types.Int(do(a, b.In(t.zone)))
	})
}

// fromUnix makes a function of the seconds or milliseconds since 1970, as a number or as text; null, ""
// and 0, which vendors write for no time, give null.
func (t times) fromUnix(at func(int64) time.Time) func(*call) ref.Val {
	return func(c *call) ref.Val {
		if isBlank(c.args[0]) {
			return types.NullValue
		}
		n, ok := toDecimal(c).(*number)
		if !ok {
			return c.fail("%s is no number of seconds", kindOf(c.args[0]))
		}
		if err := n.parse(); err != nil {
			return c.fail("%v", err)
		}
		whole, ok := n.toInt().(types.Int)
		switch {
		case !ok || whole > 1e15 || whole < -1e15:
			return c.fail("the number is no time")
		case whole == 0:
			return types.NullValue
		default:
			return c.instant(at(int64(whole)).In(t.zone))
		}
	}
}

// datetimeIn is the function datetime: of a text in the forms of the feed, or in the layout of the second
// argument and a zone.
func (t times) datetimeIn(zone *time.Location) func(*call) ref.Val {
	return func(c *call) ref.Val {
		if !c.has(1) {
			return t.datetime(c.args[0])
		}
		if _, ok := c.args[0].(types.Timestamp); ok || isNull(c.args[0]) {
			return t.datetime(c.args[0])
		}
		layout, err := translateLayout(c.text(1))
		if err != nil {
			return c.fail("%v", err)
		}
		text, _ := lookupText(c.args[0])
		if isZeroDate(text) {
			return types.NullValue
		}
		at, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			return c.fail("%q is no time in the form %s", shorten(text), c.text(1))
		}
		return c.instant(at)
	}
}

// formatIn is the function format_time: a time in a zone in a layout of yyyy, MM, dd, HH, mm, ss, SSS.
func (t times) formatIn(zone *time.Location) func(*call) ref.Val {
	return t.each(func(c *call, at time.Time) ref.Val {
		layout, err := translateLayout(c.text(1))
		if err != nil {
			return c.fail("%v", err)
		}
		return types.String(at.In(zone).Format(layout))
	})
}

// inZone is what datetime and format_time do with a zone that is written out.
func (t times) inZone(name, zone string) (func(*call) ref.Val, error) {
	location, err := loadZone(zone)
	if err != nil {
		return nil, err
	}
	if name == "datetime" {
		return t.datetimeIn(location), nil
	}
	return t.formatIn(location), nil
}

// loadZone refuses Local, which is another zone on each machine.
func loadZone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("unknown time zone %q: write one such as Asia/Shanghai or UTC", shorten(name))
	}
	return location, nil
}
