package endtoend

import (
	"context"

	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// floorSide is the programs of the floor and the server that they run on.
type floorSide struct {
	*stage
	nats    *rig.NATS
	streams *rig.Streams
}

const floorDatabase = "bench_floor"

func openFloor(ctx context.Context, s *stage) (*floorSide, error) {
	n, err := s.NATS(ctx, "floor", false)
	if err != nil {
		return nil, err
	}
	f := &floorSide{stage: s, nats: n}
	f.streams, err = s.Streams(ctx, n, floor.Record, s.records)
	return f, err
}

// run runs the programs to their end.
func (f *floorSide) run(ctx context.Context, oneHop, loadData bool) (measure.Figure, error) {
	if err := f.streams.Reset(ctx); err != nil {
		return measure.Figure{}, err
	}
	if err := f.db.LoadData(ctx, loadData); err != nil {
		return measure.Figure{}, err
	}
	modes := []string{floor.TransformerMode, floor.SinkMode}
	if oneHop {
		modes = modes[1:]
	}
	work := floor.Work{NATS: f.nats.URL, Records: f.records, DSN: f.db.DSN(floorDatabase), OneHop: oneHop, LoadData: loadData}
	return f.stage.run(ctx, floorDatabase, f.nats, func() ([]*rig.Process, error) {
		var programs []*rig.Process
		for _, mode := range modes {
			p, err := f.Self(mode, mode, work.Arguments()...)
			if err != nil {
				return nil, err
			}
			programs = append(programs, p)
		}
		for _, p := range programs {
			if err := p.Wait(ctx); err != nil {
				return nil, err
			}
		}
		return programs, nil
	})
}
