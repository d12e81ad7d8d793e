package endtoend

import (
	"context"
	"errors"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// plainFloor is the line of the floor as endtoend has it: two hops and no promise.
const plainFloor = "floor"

// Hops compares floors with one another: what a hop costs, and what LOAD DATA saves.
func Hops() measure.Scenario {
	variants := []struct {
		line string
		form form
	}{
		{"floor-loaddata", form{loadData: true}}, {"floor-onehop", form{oneHop: true}},
		{"floor-onehop-loaddata", form{oneHop: true, loadData: true}},
	}
	s := measure.Scenario{
		Name:    "hops",
		What:    "the floor of endtoend in other forms, beside itself",
		CPUUnit: cpuUnit,
		Asked:   true,
		Notes:   []string{"hops: the forms stand under ours; -onehop is RAW -> map -> MariaDB in one program, -loaddata is LOAD DATA of 5000 rows instead of REPLACE of 1000."},
	}
	for _, v := range variants {
		s.Lines = append(s.Lines, measure.Line{Name: v.line, Unit: "rows/s", Floor: plainFloor})
	}
	s.Open = func(ctx context.Context, o measure.Options) (measure.Sides, error) {
		st, err := openStage(ctx, "hops", size(o))
		if err != nil {
			return measure.Sides{}, err
		}
		f, err := openFloor(ctx, st, "floor", false)
		if err != nil {
			return measure.Sides{}, errors.Join(err, st.Close())
		}
		forms := func(ctx context.Context) (measure.Sample, error) {
			sample := measure.Sample{}
			for _, v := range variants {
				figure, err := f.run(ctx, v.form)
				if err != nil {
					return nil, err
				}
				sample[v.line] = figure
			}
			return sample, nil
		}
		floor := func(ctx context.Context) (measure.Sample, error) {
			figure, err := f.run(ctx, form{})
			return measure.Sample{plainFloor: figure}, err
		}
		return measure.Sides{Ours: forms, Floor: floor, Close: st.Close}, nil
	}
	return s
}
