package sink

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/supervise"
)

// Open makes the sink of one connection. get returns a setting of it: see
// flow.Connection.Getter. It may be called later too. A sink that is an io.Closer is closed.
type Open func(ctx context.Context, get func(string) string) (Sink, error)

// OpenOn makes the sink of one connection for a sink that needs more of its service than settings:
// NATS itself, the logger, the instance's name.
type OpenOn func(ctx context.Context, connection flow.Connection, svc *service.Service) (Sink, error)

// Main is the main function of a sink service: it serves every connection of that kind that is
// the target of a flow, each in a loop of its own, until SIGINT or SIGTERM. It does not return.
func Main(kind string, open Open) {
	MainOn(kind, func(ctx context.Context, connection flow.Connection, svc *service.Service) (Sink, error) {
		return open(ctx, connection.Getter(svc.Secrets.Read))
	})
}

// MainOn is Main for a sink that needs more than settings.
func MainOn(kind string, open OpenOn) {
	service.Main("sink-"+kind, readConfig, func(ctx context.Context, cfg config, svc *service.Service) error {
		h := host{config: cfg, svc: svc, kind: kind, open: open}
		return supervise.Follow(ctx, svc, h.tasks)
	})
}

// config is what the environment says.
type config struct {
	batch int
}

func readConfig(env *service.Env) (config, error) {
	return config{batch: env.Int("BATCH", 1000, "most messages in one write")}, nil
}

// host is a sink service.
type host struct {
	config
	svc  *service.Service
	kind string
	open OpenOn
}

// tasks is a loop for each connection that flows write to.
func (h host) tasks(_ context.Context, snapshot flow.Snapshot, reporter *status.Reporter) map[string]supervise.Task {
	wanted := map[string]supervise.Task{}
	for _, name := range targets(snapshot, h.kind) {
		wanted[name] = h.task(snapshot, name, reporter)
	}
	return wanted
}

// task is the loop of one connection.
func (h host) task(snapshot flow.Snapshot, name string, reporter *status.Reporter) supervise.Task {
	connection, revision := snapshot.Connections[name], snapshot.Revision(flow.KindConnection, name)
	run := func(ctx context.Context) error {
		s, err := h.open(ctx, connection, h.svc)
		if err != nil {
			return fmt.Errorf("open connection %s: %w", name, err)
		}
		if c, ok := s.(io.Closer); ok {
			defer func() { _ = c.Close() }()
		}
		return Run(ctx, h.svc.JS, s, Options{
			Kind: h.kind, Connection: name, Instance: h.svc.Instance, Batch: h.batch, Log: h.svc.Log,
			Grace:  writeGrace(h.svc.Grace),
			Report: func(err error) { reporter.Set(name, status.Of(err, status.Open), revision, err) },
		})
	}
	return supervise.Task{Fingerprint: fmt.Sprint(revision), Revision: revision, Run: run}
}

// settleTime is what is left of GRACE when a write has taken all that it may, to settle what it wrote.
const settleTime = 5 * time.Second

// writeGrace is how long a batch in hand may take when the service is to stop: what GRACE leaves beside settling, and
// half of it where that is little.
func writeGrace(grace time.Duration) time.Duration { return max(grace-settleTime, grace/2) }

// targets returns the connections of the kind that flows write to, sorted.
func targets(snapshot flow.Snapshot, kind string) []string {
	var names []string
	for _, f := range snapshot.Flows {
		if _, ok := snapshot.Connections[f.Target.Connection]; ok && f.Target.Kind == kind {
			names = append(names, f.Target.Connection)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
