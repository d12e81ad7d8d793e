// Package freshness measures how long a record takes from the moment at which it can be polled to its commit
// in the database.
package freshness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// The lines: all of the way, and the medians of its parts.
const (
	median  = "freshness-p50"
	slow    = "freshness-p99"
	slowest = "freshness-max"
	polled  = "freshness-p50-tick-to-raw"
	mapped  = "freshness-p50-raw-to-target"
	written = "freshness-p50-target-to-commit"
)

// settle is how far behind now a window ends.
const settle = time.Second

// Scenario is the measurement.
func Scenario() measure.Scenario {
	return measure.Scenario{
		Name:    "freshness",
		What:    fmt.Sprintf("%d records a second: vendor -> poller -> transformer -> sink-mysql -> MariaDB, a process each", perSecond),
		CPUUnit: "ms/record",
		Repeat:  3,
		Lines: []measure.Line{
			{Name: median, Unit: "ms", Less: true, Limit: new(60.0)},
			{Name: slow, Unit: "ms", Less: true, Limit: new(300.0)},
			{Name: slowest, Unit: "ms", Less: true},
			{Name: polled, Unit: "ms", Less: true},
			{Name: mapped, Unit: "ms", Less: true},
			{Name: written, Unit: "ms", Less: true},
		},
		Notes: []string{
			"freshness: a tick comes with each second, so a second's records can be polled when their settle time is over; from there to the time of their receipt, which the sink writes when its commit has returned. The vendor's budget is no limit.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			if o.Quick {
				return open(ctx, 5*time.Second)
			}
			return open(ctx, 12*time.Second)
		},
	}
}

// services are those that a record passes.
var services = []string{"poller-jushuitan", "transformer", "sink-mysql"}

const database = "bench_fresh"

// stage is the services at work.
type stage struct {
	*rig.Rig
	vendor   *vendor
	nats     *rig.NATS
	js       jetstream.JetStream
	db       *rig.MariaDB
	programs []*rig.Process
	during   time.Duration // of one run
}

func open(ctx context.Context, during time.Duration) (measure.Sides, error) {
	r, err := rig.New("freshness")
	if err != nil {
		return measure.Sides{}, err
	}
	s := &stage{Rig: r, during: during}
	if err := s.open(ctx); err != nil {
		return measure.Sides{}, errors.Join(err, r.Close())
	}
	return measure.Sides{Ours: s.run, Close: r.Close}, nil
}

func (s *stage) open(ctx context.Context) (err error) {
	if _, err = s.Build(ctx, append([]string{"erpstream"}, services...)...); err != nil {
		return err
	}
	if s.db, err = s.MariaDB(ctx); err != nil {
		return err
	}
	if s.nats, err = s.NATS(ctx, "ours", true); err != nil {
		return err
	}
	if s.js, err = s.Connect(s.nats); err != nil {
		return err
	}
	if s.vendor, err = listen(s.Rig); err != nil {
		return err
	}
	if err := errors.Join(
		s.Secret("bi-main", "user", s.db.User), s.Secret("bi-main", "password", s.db.Password),
		s.Secret("jst-main", "app_secret", "secret"), s.Secret("jst-main", "access_token", "token"),
	); err != nil {
		return err
	}
	if err := s.configure(ctx); err != nil {
		return err
	}
	for _, name := range services {
		service, err := s.Service(s.nats, name, 1)
		if err != nil {
			return err
		}
		s.programs = append(s.programs, service.Process)
	}
	return s.flowing(ctx)
}

// source is polled each second, by a tick of the server.
const source = `
connection: jst-main
system: jushuitan
endpoint: %s
time_zone: Asia/Shanghai
budget: {per_second: 100000, per_minute: 100000}
settings: {app_key: bench}
---
source: jst-purchasein
connection: jst-main
feed: jushuitan.purchasein
every: 1s
settle: %s
overlap: 1s
start: %s
---
`

// configure makes the table and applies the documents.
func (s *stage) configure(ctx context.Context) error {
	ddl, err := s.Erpstream(ctx, "ddl", "erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		return err
	}
	rows, guard, _ := strings.Cut(ddl, ";\n")
	if err := s.db.Fresh(ctx, database, rows, guard); err != nil {
		return err
	}
	target, err := rig.Shipped(s.Root, "connections/bi-main", "mysql://"+s.db.Addr+"/"+database)
	if err != nil {
		return err
	}
	flow, err := rig.Shipped(s.Root, "flows/jst-purchasein-to-mysql", "")
	if err != nil {
		return err
	}
	text := fmt.Sprintf(source, s.vendor.url, settle, s.vendor.from.In(shanghai).Format(time.RFC3339)) + target + flow
	return s.Provision(ctx, s.nats, text)
}

// flowing waits until all is at work: until records of some seconds have come through.
func (s *stage) flowing(ctx context.Context) error {
	first := s.vendor.from.Add(settle)
	_, err := s.collect(ctx, first, first.Add(4*time.Second))
	return err
}

// run takes the records of a while.
func (s *stage) run(ctx context.Context) (measure.Sample, error) {
	from := time.Now().Truncate(time.Second).Add(time.Second)
	roles := map[string]rig.Metered{measure.NATS: s.nats, measure.MariaDB: s.db}
	for _, p := range s.programs {
		roles[fmt.Sprint(p.PID())] = p
	}
	meter, err := rig.NewMeter(roles)
	if err != nil {
		return nil, err
	}
	ways, err := s.collect(ctx, from, from.Add(s.during))
	if err != nil {
		return nil, err
	}
	figure, err := meter.Figure(0, float64(len(ways))/1000)
	if err != nil {
		return nil, err
	}
	for _, p := range s.programs {
		figure.CPU[measure.Program] += figure.CPU[fmt.Sprint(p.PID())]
		figure.RSS[measure.Program] = max(figure.RSS[measure.Program], figure.RSS[fmt.Sprint(p.PID())])
	}
	share := func(part float64, of func(way) time.Duration) measure.Figure {
		all := make([]time.Duration, len(ways))
		for i, w := range ways {
			all[i] = of(w)
		}
		slices.Sort(all)
		return measure.Figure{Value: all[int(part*float64(len(all)-1))].Seconds() * 1000}
	}
	whole := func(w way) time.Duration { return w.booked.Sub(w.due) }
	sample := measure.Sample{
		slow: share(0.99, whole), slowest: share(1, whole),
		polled:  share(0.5, func(w way) time.Duration { return w.raw.Sub(w.due) }),
		mapped:  share(0.5, func(w way) time.Duration { return w.target.Sub(w.raw) }),
		written: share(0.5, func(w way) time.Duration { return w.booked.Sub(w.target) }),
	}
	figure.Value = share(0.5, whole).Value
	sample[median] = figure
	return sample, nil
}
