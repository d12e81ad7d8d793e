// Package rest measures what the services take while there is nothing to do.
package rest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// services are all that run for the shipped configuration.
var services = []string{
	"poller-jushuitan", "poller-kingdee", "poller-wangdiantong", "transformer",
	"sink-kingdee", "sink-kis", "sink-mysql", "sink-reference", "watchdog",
}

// What is measured of each service.
const (
	size  = "-size"
	ready = "-ready"
	idle  = "-idle"
)

const database = "bench_rest"

// Scenario is the measurement.
func Scenario() measure.Scenario {
	s := measure.Scenario{
		Name:    "rest",
		What:    "each service with the shipped configuration and nothing new at the vendors",
		CPUUnit: "s/minute",
		Repeat:  1,
		Notes: []string{
			"rest: -size is the stripped program, -ready the time from its start to a /readyz of 200, -idle its memory (and its processor time) half a minute later; the shipped sources are polled every five minutes.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			if o.Quick {
				return open(ctx, 8*time.Second, 4*time.Second)
			}
			return open(ctx, 20*time.Second, 10*time.Second)
		},
	}
	for _, name := range services {
		s.Lines = append(s.Lines,
			measure.Line{Name: name + size, Unit: "MB", Less: true, Limit: new(30.0)},
			measure.Line{Name: name + ready, Unit: "ms", Less: true, Limit: new(300.0)},
			measure.Line{Name: name + idle, Unit: "MiB", Less: true, Limit: new(30.0)})
	}
	return s
}

// stage is what the services run on.
type stage struct {
	*rig.Rig
	bin  string
	db   *rig.MariaDB
	nats *rig.NATS
	// calm is how long the services have for what there is to do, during how long they are watched then.
	calm, during time.Duration
}

func open(ctx context.Context, calm, during time.Duration) (measure.Sides, error) {
	r, err := rig.New("rest")
	if err != nil {
		return measure.Sides{}, err
	}
	s := &stage{Rig: r, calm: calm, during: during}
	if err := s.open(ctx); err != nil {
		return measure.Sides{}, errors.Join(err, r.Close())
	}
	return measure.Sides{Ours: s.run, Close: r.Close}, nil
}

func (s *stage) open(ctx context.Context) (err error) {
	if s.bin, err = s.Build(ctx, append(slices.Clone(services), "erpstream", "sandbox")...); err != nil {
		return err
	}
	if s.db, err = s.MariaDB(ctx); err != nil {
		return err
	}
	if err := s.tables(ctx); err != nil {
		return err
	}
	if s.nats, err = s.NATS(ctx, "ours", true); err != nil {
		return err
	}
	sandbox, err := s.sandbox(ctx)
	if err != nil {
		return err
	}
	documents, err := s.configuration(sandbox)
	if err != nil {
		return err
	}
	return s.Provision(ctx, s.nats, documents)
}

// run starts the services one by one, lets them do what there is to do, and watches them.
func (s *stage) run(ctx context.Context) (measure.Sample, error) {
	sample, roles := measure.Sample{}, map[string]rig.Metered{}
	for _, name := range services {
		megabytes, err := s.size(name)
		if err != nil {
			return nil, err
		}
		sample[name+size] = measure.Figure{Value: megabytes}
		began := time.Now()
		service, err := s.Service(s.nats, name, 1)
		if err != nil {
			return nil, err
		}
		if err := service.Ready(ctx); err != nil {
			return nil, err
		}
		sample[name+ready] = measure.Figure{Value: time.Since(began).Seconds() * 1000}
		roles[name] = service
	}
	if err := wait(ctx, s.calm); err != nil {
		return nil, err
	}
	meter, err := rig.NewMeter(roles)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, s.during); err != nil {
		return nil, err
	}
	all, err := meter.Figure(0, s.during.Minutes())
	for _, name := range services {
		sample[name+idle] = measure.Figure{
			Value: float64(all.RSS[name]) / (1 << 20),
			CPU:   map[string]float64{measure.Program: all.CPU[name]},
		}
	}
	return sample, err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
