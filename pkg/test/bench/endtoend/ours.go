package endtoend

import (
	"context"
	"errors"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	"github.com/erpstream/erpstream/pkg/topology"
)

// services are those that a record passes.
var services = []string{"transformer", "sink-mysql"}

// ours is our programs and the server that they run on.
type ours struct {
	*stage
	nats      *rig.NATS
	streams   *rig.Streams
	documents string
	profile   bool
}

const (
	oursDatabase = "bench_ours"
	connection   = "bi-main"
)

func openOurs(ctx context.Context, s *stage) (*ours, error) {
	n, err := s.NATS(ctx, "ours", true)
	if err != nil {
		return nil, err
	}
	o := &ours{stage: s, nats: n}
	for _, document := range []struct{ name, endpoint string }{
		{"connections/jst-main", "http://127.0.0.1:1"}, // nobody polls
		{"connections/bi-main", "mysql://" + s.db.Addr + "/" + oursDatabase},
		{"sources/jst-purchasein", ""},
		{"flows/jst-purchasein-to-mysql", ""},
	} {
		text, err := rig.Shipped(s.Root, document.name, document.endpoint)
		if err != nil {
			return nil, err
		}
		o.documents += text
	}
	if err := errors.Join(s.Secret(connection, "user", s.db.User), s.Secret(connection, "password", s.db.Password)); err != nil {
		return nil, err
	}
	o.streams, err = s.Streams(ctx, n, floor.Record, s.records)
	return o, err
}

// run runs the services until the sink has settled the last message; the accounts must balance then.
func (o *ours) run(ctx context.Context, loadData bool) (measure.Figure, error) {
	if err := o.streams.Reset(ctx); err != nil {
		return measure.Figure{}, err
	}
	if err := o.db.LoadData(ctx, loadData); err != nil {
		return measure.Figure{}, err
	}
	if err := o.Provision(ctx, o.nats, o.documents); err != nil {
		return measure.Figure{}, err
	}
	figure, err := o.stage.run(ctx, oursDatabase, o.nats, func() ([]*rig.Process, error) {
		var programs []*rig.Process
		for _, name := range services {
			service, err := o.start(ctx, name)
			if err != nil {
				return nil, err
			}
			programs = append(programs, service.Process)
		}
		return programs, o.streams.Settled(ctx, topology.Target, topology.SinkConsumer("mysql", connection), o.records, programs...)
	})
	if err != nil {
		return figure, err
	}
	_, err = o.Erpstream(ctx, "audit", "--nats", o.nats.URL)
	return figure, err
}

// profiled is how long a service is profiled from its start: less than a run takes.
const profiled = 2 * time.Second

func (o *ours) start(ctx context.Context, name string) (*rig.Service, error) {
	if !o.profile {
		return o.Service(o.nats, name, 1)
	}
	service, err := o.Service(o.nats, name, 1, rig.Profiled)
	if err == nil {
		go func() { _ = service.Profile(ctx, profiled) }() // without one the run counts all the same
	}
	return service, err
}

// largest is the peak of the service that took most, in MiB.
func largest(f measure.Figure) float64 {
	most := int64(0)
	for _, name := range services {
		most = max(most, f.RSS[rig.Replica(name, 1)])
	}
	return float64(most) / (1 << 20)
}
