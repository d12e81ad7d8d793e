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

// openFloor makes a floor on a server of that name, which flushes each message if flushed is set.
func openFloor(ctx context.Context, s *stage, name string, flushed bool) (*floorSide, error) {
	n, err := s.NATS(ctx, name, flushed)
	if err != nil {
		return nil, err
	}
	f := &floorSide{stage: s, nats: n}
	f.streams, err = s.Streams(ctx, n, floor.Record, s.records)
	return f, err
}

// form is what a floor does, and how.
type form struct {
	oneHop, loadData bool
	promises         floor.Promises
}

// run runs the programs to their end.
func (f *floorSide) run(ctx context.Context, as form) (measure.Figure, error) {
	if err := f.streams.Reset(ctx); err != nil {
		return measure.Figure{}, err
	}
	if err := f.db.LoadData(ctx, as.loadData); err != nil {
		return measure.Figure{}, err
	}
	modes := []string{floor.TransformerMode, floor.SinkMode}
	if as.oneHop {
		modes = modes[1:]
	}
	work := floor.Work{
		NATS: f.nats.URL, Records: f.records, DSN: f.db.DSN(floorDatabase),
		OneHop: as.oneHop, LoadData: as.loadData, Promises: as.promises,
	}
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
