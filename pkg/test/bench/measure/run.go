package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Run opens a scenario and runs its sides in turn. What it does is told on progress. The rows are there
// for the lines that brought figures, also beside an error.
func Run(ctx context.Context, s Scenario, o Options, progress io.Writer) (rows []Row, err error) {
	o.Repeat = max(1, o.Repeat)
	if s.Repeat > 0 {
		o.Repeat = min(o.Repeat, s.Repeat)
	}
	fmt.Fprintf(progress, "%s: %s\n", s.Name, s.What)
	sides, err := s.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if sides.Close != nil {
		defer func() { err = errors.Join(err, sides.Close()) }()
	}
	r := runs{scenario: s, options: o, progress: progress}
	if err := r.all(ctx, sides); err != nil {
		return r.rows(), fmt.Errorf("%s: %w", s.Name, err)
	}
	return r.rows(), nil
}

// runs are the samples of a scenario.
type runs struct {
	scenario             Scenario
	options              Options
	progress             io.Writer
	ours, floor, control []Sample
}

// all runs floor, ours and control in turn. Every other round goes the other way, so that what grows with
// time falls on all alike.
func (r *runs) all(ctx context.Context, sides Sides) error {
	if sides.Control == nil {
		sides.Control = sides.Floor
	}
	turns := []struct {
		name string
		side Side
		into *[]Sample
	}{{"floor", sides.Floor, &r.floor}, {"ours", sides.Ours, &r.ours}, {"control", sides.Control, &r.control}}
	for round := range r.options.Repeat {
		for _, turn := range turns {
			if turn.side == nil {
				continue
			}
			began := time.Now()
			sample, err := turn.side(ctx)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", turn.name, round+1, err)
			}
			*turn.into = append(*turn.into, sample)
			fmt.Fprintf(r.progress, "  %d/%d %-8s%s  (%.1f s)\n", round+1, r.options.Repeat, turn.name, r.told(sample), time.Since(began).Seconds())
		}
		slices.Reverse(turns)
	}
	return nil
}

// told is a sample as one line.
func (r *runs) told(s Sample) string {
	var text strings.Builder
	said := map[string]bool{}
	for _, l := range r.scenario.Lines {
		for _, name := range []string{l.Name, l.Floor} {
			if f, ok := s[name]; ok && !said[name] {
				said[name] = true
				text.WriteString("  " + name + " " + short(f.Value) + " " + l.Unit)
			}
		}
	}
	return text.String()
}

func (r *runs) rows() []Row {
	var rows []Row
	for _, l := range r.scenario.Lines {
		floor := cmp.Or(l.Floor, l.Name)
		ours := values(r.ours, l.Name)
		if len(ours) == 0 {
			continue
		}
		row := Row{
			Scenario: r.scenario.Name, Name: l.Name, Unit: l.Unit, Less: l.Less, CPUUnit: r.scenario.CPUUnit,
			Ours: side(r.ours, l.Name), Target: l.Target(),
		}
		equal := ours // what the control repeats
		if slices.ContainsFunc(r.floor, func(s Sample) bool { _, ok := s[floor]; return ok }) {
			f := side(r.floor, floor)
			row.Floor, row.Ratio, equal = &f, ratio(row.Ours.Median, f.Median), f.Values
		} else {
			floor = l.Name
		}
		row.Control, row.Noise = noise(equal, values(r.control, floor))
		row.Met = l.met(row)
		rows = append(rows, row)
	}
	return rows
}

// Target says what the line is to reach, "" when nothing is asked.
func (l Line) Target() string {
	sign, text := "≥ ", ""
	if l.Less {
		sign = "≤ "
	}
	if l.Ratio != nil {
		text = sign + short(*l.Ratio) + " of the floor"
	}
	if l.Limit != nil {
		if text != "" {
			text += ", "
		}
		text += sign + short(*l.Limit)
	}
	return text
}

// met tells whether a row reaches what the line asks; nil when nothing is asked.
func (l Line) met(row Row) *bool {
	met := true
	if l.Ratio != nil {
		met = row.Floor != nil && l.reaches(row.Ratio, *l.Ratio)
	}
	if l.Limit != nil {
		met = met && l.reaches(row.Ours.Median, *l.Limit)
	}
	if l.Ratio == nil && l.Limit == nil {
		return nil
	}
	return &met
}

func (l Line) reaches(value, limit float64) bool {
	if l.Less {
		return value <= limit
	}
	return value >= limit
}
