// Package endtoend measures the whole way of records that are in RAW already: through the transformer and
// the MySQL sink, real processes with all that keeps the promises, beside a floor of two plain programs.
package endtoend

import (
	"context"
	"errors"
	"fmt"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// The lines: with LOAD DATA refused by the server and allowed, and the memory of the larger service. To each
// of the two belongs what the programs take of the processor, and what they and the servers do.
const (
	steady  = "endtoend"
	catchUp = "endtoend-catchup"
	memory  = "endtoend-rss"

	cpu    = "-cpu"
	cpuAll = "-cpu-all"
)

// cpuUnit is that of processor times.
const cpuUnit = "s/100k rows"

// Scenario is the comparison.
func Scenario() measure.Scenario {
	return measure.Scenario{
		Name:    "endtoend",
		What:    "records in RAW -> transformer -> TARGET -> sink-mysql -> MariaDB, 31 columns, 3 rows a record",
		CPUUnit: cpuUnit,
		Lines: []measure.Line{
			{Name: steady, Unit: "rows/s", Ratio: new(0.8)},
			{Name: catchUp, Unit: "rows/s", Floor: steady, Ratio: new(1.2)},
			{Name: steady + cpu, Unit: cpuUnit, Less: true, Limit: new(1.8)},
			{Name: catchUp + cpu, Unit: cpuUnit, Less: true, Floor: steady + cpu, Limit: new(1.8)},
			{Name: steady + cpuAll, Unit: cpuUnit, Less: true},
			{Name: catchUp + cpuAll, Unit: cpuUnit, Less: true, Floor: steady + cpuAll},
			{Name: memory, Unit: "MiB", Less: true, Limit: new(120.0)},
		},
		Notes: []string{
			"endtoend: ours runs on NATS with sync_interval always, with guards, receipts and message ids; the floor on its default, with none of them.",
			"endtoend: from the start of the programs to the last message acknowledged, on an empty table; -catchup is with LOAD DATA allowed at the server.",
			"endtoend: -cpu is the processor time of the programs, -cpu-all that of NATS and MariaDB too, which decides how many rows a busy machine manages; -rss is that of the larger service.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			return open(ctx, size(o), o.Profile)
		},
	}
}

func open(ctx context.Context, records int, profile bool) (measure.Sides, error) {
	s, err := openStage(ctx, "endtoend", records)
	if err != nil {
		return measure.Sides{}, err
	}
	sides, err := openSides(ctx, s, profile)
	if err != nil {
		return sides, errors.Join(err, s.Close())
	}
	return sides, nil
}

func openSides(ctx context.Context, s *stage, profile bool) (measure.Sides, error) {
	o, err := openOurs(ctx, s)
	if err != nil {
		return measure.Sides{}, err
	}
	o.profile = profile
	f, err := openFloor(ctx, s, "floor", false)
	if err != nil {
		return measure.Sides{}, err
	}
	floor := func(ctx context.Context) (measure.Sample, error) {
		figure, err := f.run(ctx, form{})
		sample := measure.Sample{}
		add(sample, steady, figure)
		return sample, err
	}
	return measure.Sides{Ours: o.both, Floor: floor, Close: s.Close}, nil
}

// both runs ours without LOAD DATA and with it.
func (o *ours) both(ctx context.Context) (measure.Sample, error) {
	sample := measure.Sample{}
	for _, line := range []string{steady, catchUp} {
		figure, err := o.run(ctx, line == catchUp)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		add(sample, line, figure)
		sample[memory] = measure.Figure{Value: max(sample[memory].Value, largest(figure))}
	}
	return sample, nil
}

// add adds the figure of a line, and those of the processor that belong to it.
func add(s measure.Sample, line string, f measure.Figure) {
	s[line] = f
	s[line+cpu] = measure.Figure{Value: f.CPU[measure.Program]}
	s[line+cpuAll] = measure.Figure{Value: f.CPU[measure.Program] + f.CPU[measure.NATS] + f.CPU[measure.MariaDB]}
}
