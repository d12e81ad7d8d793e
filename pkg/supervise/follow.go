package supervise

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
)

// Plan says what a service is to do under a configuration: a task for each unit.
type Plan func(ctx context.Context, snapshot flow.Snapshot, reporter *status.Reporter) map[string]Task

// provisionWait is how often Follow looks for buckets that are not there yet.
const provisionWait = 2 * time.Second

// Follow keeps running what plan makes of the newest configuration, and reports the state of
// each unit, until ctx is done. It is the whole run function of most services. While NATS is not
// provisioned it waits, and readiness says so.
func Follow(ctx context.Context, svc *service.Service, plan Plan) error {
	reporter, snapshots, err := open(ctx, svc)
	for err != nil {
		svc.Health.Set("config", err)
		consume.Pause(ctx, provisionWait)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reporter, snapshots, err = open(ctx, svc)
	}
	svc.Health.Set("config", nil)
	sets := make(chan map[string]Task)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return reporter.Run(ctx) })
	g.Go(func() error {
		Run(ctx, sets, svc.Log, func(unit string, revision uint64, err error) {
			reporter.Set(unit, status.Of(err, status.Failed), revision, err)
		})
		return nil
	})
	g.Go(func() error {
		for snapshot := range snapshots {
			select {
			case sets <- plan(ctx, snapshot, reporter):
			case <-ctx.Done():
			}
		}
		return nil
	})
	return g.Wait()
}

// open binds to the buckets, which must be there.
func open(ctx context.Context, svc *service.Service) (*status.Reporter, <-chan flow.Snapshot, error) {
	reporter, err := status.NewReporter(ctx, svc.JS, svc.Name, svc.Instance, svc.Log)
	if err != nil {
		return nil, nil, err
	}
	snapshots, err := flow.Watch(ctx, svc.JS, svc.Log)
	return reporter, snapshots, err
}
