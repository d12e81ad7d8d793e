// Command transformer maps the records of flows into target messages: RAW in, TARGET out. A record that
// looks up master data which is not there yet waits in PARKED, and goes on by itself when it comes.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
	_ "time/tzdata" // zones that mappings name, in images that have no zone files

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/supervise"
)

func main() { service.Main("transformer", readConfig, run) }

// config is what the environment says.
type config struct {
	batch       int
	parkedAlarm time.Duration
}

func readConfig(env *service.Env) (config, error) {
	cfg := config{
		batch:       env.Int("BATCH", 500, "most records that are mapped and published together"),
		parkedAlarm: env.Duration("PARKED_ALARM", time.Hour, "how long records may wait for master data before an event says so"),
	}
	if cfg.parkedAlarm <= 0 {
		env.Fault("PARKED_ALARM", errors.New("is not more than 0"))
	}
	return cfg, nil
}

// run keeps one loop running for each flow, and one for the master data of each connection that flows
// look up. A flow that changes is stopped and started with its new revision, which the status bucket
// then confirms.
func run(ctx context.Context, cfg config, svc *service.Service) error {
	h := host{config: cfg, svc: svc, stores: map[string]*reference.Store{}, shared: newShared(svc.JS, svc.Log, cfg.batch), mappers: map[string]compiled{}}
	return supervise.Follow(ctx, svc, h.tasks)
}

// host is the transformer service.
type host struct {
	config
	svc *service.Service
	// stores are the master data in use, by connection.
	stores map[string]*reference.Store
	shared shared
	// mappers are those of the newest configuration, by flow.
	mappers map[string]compiled
}

// compiled is a mapper with the revisions that it was made of.
type compiled struct {
	mapper
	fingerprint string
}

// tasks is a loop for each flow, one for each connection whose master data they look up, and one for what
// operators ask.
func (h host) tasks(ctx context.Context, snapshot flow.Snapshot, reporter *status.Reporter) map[string]supervise.Task {
	tasks := map[string]supervise.Task{"control": {Run: h.shared.board.run}}
	used := map[string]bool{}
	for name, f := range snapshot.Flows {
		revision := snapshot.Revision(flow.KindFlow, name)
		fingerprint := fmt.Sprint(revision, "/", snapshot.Revision(flow.KindSource, f.From), "/", snapshot.Revision(flow.KindConnection, f.Target.Connection))
		m, err := h.mapper(snapshot, f, fingerprint)
		if err != nil {
			h.svc.Log.ErrorContext(ctx, "flow can't run", "flow", name, "revision", revision, "err", err)
			reporter.Set(name, status.Failed, revision, err)
			continue
		}
		t := transform{mapper: m, shared: h.shared, js: h.svc.JS, instance: h.svc.Instance, log: h.svc.Log.With("flow", name), parkedAlarm: h.parkedAlarm}
		t.paused = func() { reporter.Set(name, status.Paused, revision, nil) }
		t.resumed = func() { reporter.Set(name, status.Running, revision, nil) }
		if m.looksUp() {
			used[m.connection] = true
			t.store = h.store(m.connection)
		}
		tasks[name] = supervise.Task{
			Fingerprint: fingerprint,
			Revision:    revision,
			Run:         t.run,
		}
	}
	maps.DeleteFunc(h.mappers, func(name string, _ compiled) bool { _, there := snapshot.Flows[name]; return !there })
	for connection := range h.stores {
		if !used[connection] {
			delete(h.stores, connection)
			continue
		}
		tasks["references:"+connection] = supervise.Task{Run: h.stores[connection].Run}
	}
	return tasks
}

// mapper returns the mapper of a flow, which is made when one of those revisions is another one.
func (h host) mapper(snapshot flow.Snapshot, f flow.Flow, fingerprint string) (mapper, error) {
	if have, ok := h.mappers[f.Name]; ok && have.fingerprint == fingerprint {
		return have.mapper, nil
	}
	m, err := newMapper(snapshot, f, snapshot.Revision(flow.KindFlow, f.Name), h.svc.NC.MaxPayload())
	if err == nil {
		h.mappers[f.Name] = compiled{m, fingerprint}
	}
	return m, err
}

// store returns the master data of a connection, of which there is one for all flows.
func (h host) store(connection string) *reference.Store {
	if h.stores[connection] == nil {
		h.stores[connection] = reference.NewStore(h.svc.JS, connection, h.svc.Log)
	}
	return h.stores[connection]
}
