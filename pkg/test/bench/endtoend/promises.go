package endtoend

import (
	"context"
	"errors"

	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// steps are the floor with one promise more each time, and with all of them where the server takes LOAD DATA.
var steps = []struct {
	line string
	form form
}{
	{"promises-flush", form{promises: floor.Flushed}},
	{"promises-envelope", form{promises: floor.Enveloped}},
	{"promises-guard", form{promises: floor.Guarded}},
	{"promises-receipts", form{promises: floor.Booked}},
	{"promises-catchup", form{promises: floor.Booked, loadData: true}},
}

// The lines of ours, which keeps all promises.
const (
	oursSteady  = "promises-ours"
	oursCatchUp = "promises-ours-catchup"
)

// Promises compares the floor with itself when it keeps the promises, one more each time, and with ours: what
// each promise costs whoever keeps it, and what is left that is ours.
func Promises() measure.Scenario {
	s := measure.Scenario{
		Name:    "promises",
		What:    "the floor of endtoend, keeping one promise after the other, and ours, which keeps all",
		CPUUnit: cpuUnit,
		Asked:   true,
		Notes: []string{
			"promises: the floor stands under ours, each line with the promises of those above. -flush stores target messages in atomic batches of 500, which NATS flushes; -envelope adds headers, ids and partitions; -guard the guard and the look for vanished rows; -receipts the receipts; -catchup is that with LOAD DATA.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) { return openPromises(ctx, size(o)) },
	}
	for _, step := range steps {
		s.Lines = append(s.Lines, measure.Line{Name: step.line, Unit: "rows/s", Floor: plainFloor})
	}
	for _, line := range []string{oursSteady, oursCatchUp} {
		s.Lines = append(s.Lines, measure.Line{Name: line, Unit: "rows/s", Floor: plainFloor})
	}
	return s
}

func openPromises(ctx context.Context, records int) (measure.Sides, error) {
	st, err := openStage(ctx, "promises", records)
	if err != nil {
		return measure.Sides{}, err
	}
	plain, err1 := openFloor(ctx, st, "floor", false)
	promising, err2 := openFloor(ctx, st, "promising", true)
	us, err3 := openOurs(ctx, st)
	if err := errors.Join(err1, err2, err3); err != nil {
		return measure.Sides{}, errors.Join(err, st.Close())
	}
	ladder := func(ctx context.Context) (measure.Sample, error) {
		sample := measure.Sample{}
		for _, step := range steps {
			if sample[step.line], err = promising.run(ctx, step.form); err != nil {
				return nil, err
			}
		}
		for _, line := range []string{oursSteady, oursCatchUp} {
			if sample[line], err = us.run(ctx, line == oursCatchUp); err != nil {
				return nil, err
			}
		}
		return sample, nil
	}
	floor := func(ctx context.Context) (measure.Sample, error) {
		figure, err := plain.run(ctx, form{})
		return measure.Sample{plainFloor: figure}, err
	}
	return measure.Sides{Ours: ladder, Floor: floor, Close: st.Close}, nil
}
