// Package growth measures whether a record costs the same when there is more of everything: records in the
// streams, flows, lines in a document, replicas.
package growth

import (
	"context"
	"errors"
	"fmt"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// The lines: the processor time of all programs for one record, or one row, beside that of the small form.
const (
	records = "growth-records"
	flows   = "growth-flows"
	lines   = "growth-lines"
)

// form is what one run works on.
type form struct {
	// line is that of the table.
	line string
	// fill is how many records come through before the slice that is measured.
	fill, slice int
	// flows is how many there are; the first five have records.
	flows int
	// lines is how many each document has; a run with per counts rows and not records.
	lines int
	// replicas is how many transformers and sinks there are.
	replicas int
}

// forms are the small and the large form of each line.
type forms struct {
	small, large []form
}

// sizes returns what is compared: a first look, the usual, or all of it.
func sizes(o measure.Options) forms {
	fills, others, widths, slice, rows := [2]int{10_000, 100_000}, [2]int{5, 50}, [2]int{1, 20}, 10_000, 20_000
	switch {
	case o.Quick:
		fills, slice, rows = [2]int{5_000, 20_000}, 5_000, 10_000
	case o.Long:
		fills, others, widths, slice, rows = [2]int{10_000, 2_000_000}, [2]int{5, 500}, [2]int{1, 100}, 50_000, 200_000
	}
	of := func(i int) []form {
		return []form{
			{line: records, fill: fills[i], slice: slice, flows: active, lines: 3, replicas: 1},
			{line: flows, fill: 1000, slice: slice, flows: others[i], lines: 3, replicas: 1},
			{line: lines, fill: max(1000/widths[i], 10), slice: rows / widths[i], flows: active, lines: widths[i], replicas: 1},
		}
	}
	return forms{small: of(0), large: of(1)}
}

// Scenario is the comparison. Long, it is that of the sizes that are promised, and takes many minutes.
func Scenario() measure.Scenario {
	return measure.Scenario{
		Name:    "growth",
		What:    "RAW -> transformer -> sink-mysql -> MariaDB with more of everything, beside less",
		CPUUnit: "µs/record",
		Repeat:  1,
		Lines: []measure.Line{
			{Name: records, Unit: "µs/record", Less: true, Ratio: new(1.1)},
			{Name: flows, Unit: "µs/record", Less: true, Ratio: new(1.1)},
			{Name: lines, Unit: "µs/row", Less: true, Ratio: new(1.1)},
		},
		Notes: []string{
			"growth: the processor time of programs, NATS and MariaDB for one record; under floor stands the small form. -records is a slice behind 10 k records and behind 100 k (long: 2 M), -flows 5 and 50 (500), of which five have records, -lines 1 and 20 (100) lines a document, for one row.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			s, err := openStage(ctx, "growth")
			if err != nil {
				return measure.Sides{}, err
			}
			compared := sizes(o)
			sides := measure.Sides{Ours: s.side(compared.large), Floor: s.side(compared.small), Close: s.Close}
			return sides, nil
		},
	}
}

// side runs forms one after the other.
func (s *stage) side(all []form) measure.Side {
	return func(ctx context.Context) (measure.Sample, error) {
		sample := measure.Sample{}
		for _, f := range all {
			r, err := s.run(ctx, f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.line, err)
			}
			per := float64(f.slice) / 1e6
			if f.line == lines {
				per *= float64(f.lines)
			}
			figure, err := r.figure(per)
			if err != nil {
				return nil, err
			}
			figure.Value = figure.CPU[measure.Program] + figure.CPU[measure.NATS] + figure.CPU[measure.MariaDB]
			sample[f.line] = figure
		}
		return sample, nil
	}
}

// Replicas is how fast more replicas catch up; a machine with few processors gains little.
func Replicas() measure.Scenario {
	s := measure.Scenario{
		Name:    "replicas",
		What:    "catching up through 1, 2 and 4 transformers and sinks",
		CPUUnit: "s/100k rows",
		Asked:   true,
		Repeat:  1,
		Notes:   []string{"replicas: under floor stands one replica. NATS, MariaDB and all replicas share this machine's processors."},
	}
	const one = "catchup-1"
	counts := []int{2, 4}
	for _, n := range counts {
		s.Lines = append(s.Lines, measure.Line{Name: fmt.Sprintf("catchup-%d", n), Unit: "rows/s", Floor: one})
	}
	s.Open = func(ctx context.Context, o measure.Options) (measure.Sides, error) {
		st, err := openStage(ctx, "replicas")
		if err != nil {
			return measure.Sides{}, err
		}
		slice := 50_000
		if o.Long {
			slice = 200_000
		}
		of := func(ctx context.Context, replicas ...int) (measure.Sample, error) {
			sample := measure.Sample{}
			for _, n := range replicas {
				r, err := st.run(ctx, form{fill: 1000, slice: slice, flows: active, lines: 3, replicas: n})
				if err != nil {
					return nil, err
				}
				rows := float64(slice * 3)
				figure, err := r.figure(rows / 100_000)
				if err != nil {
					return nil, err
				}
				figure.Value = rows / r.took.Seconds()
				sample[fmt.Sprintf("catchup-%d", n)] = figure
			}
			return sample, nil
		}
		return measure.Sides{
			Ours:  func(ctx context.Context) (measure.Sample, error) { return of(ctx, counts...) },
			Floor: func(ctx context.Context) (measure.Sample, error) { return of(ctx, 1) },
			Close: st.Close,
		}, nil
	}
	return s
}

// openStage starts the database. When what comes after it fails, the stage is to be closed.
func openStage(ctx context.Context, name string) (*stage, error) {
	r, err := rig.New(name)
	if err != nil {
		return nil, err
	}
	s := &stage{Rig: r}
	if _, err = s.Build(ctx, "erpstream", "transformer", "sink-mysql"); err == nil {
		s.db, err = s.MariaDB(ctx)
	}
	if err == nil {
		err = errors.Join(s.Secret("bi-main", "user", s.db.User), s.Secret("bi-main", "password", s.db.Password))
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return s, nil
}
