// Command transformer maps the records of flows into target messages: RAW in, TARGET out.
package main

import (
	"context"
	"fmt"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/supervise"
)

func main() { service.Main("transformer", readConfig, run) }

// config is what the environment says.
type config struct {
	batch int
}

func readConfig(env *service.Env) (config, error) {
	return config{batch: env.Int("BATCH", 500, "most records that are mapped and published together")}, nil
}

// run keeps one loop running for each flow. A flow that changes is stopped and started with its
// new revision, which the status bucket then confirms.
func run(ctx context.Context, cfg config, svc *service.Service) error {
	return supervise.Follow(ctx, svc, func(ctx context.Context, snapshot flow.Snapshot, reporter *status.Reporter) map[string]supervise.Task {
		tasks := map[string]supervise.Task{}
		for name, f := range snapshot.Flows {
			revision := snapshot.Revision(flow.KindFlow, name)
			m, err := newMapper(snapshot, f, revision, svc.NC.MaxPayload())
			if err != nil {
				svc.Log.ErrorContext(ctx, "flow can't run", "flow", name, "revision", revision, "err", err)
				reporter.Set(name, status.Failed, revision, err)
				continue
			}
			tasks[name] = supervise.Task{
				Fingerprint: fmt.Sprint(revision, "/", snapshot.Revision(flow.KindSource, f.From)),
				Revision:    revision,
				Run:         transform{mapper: m, js: svc.JS, instance: svc.Instance, log: svc.Log.With("flow", name), batch: cfg.batch}.run,
			}
		}
		return tasks
	})
}
