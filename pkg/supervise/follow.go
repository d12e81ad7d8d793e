package supervise

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
)

// Plan says what a service is to do under a configuration: a task for each unit.
type Plan func(ctx context.Context, snapshot flow.Snapshot, reporter *status.Reporter) map[string]Task

// Follow keeps running what plan makes of the newest configuration, and reports the state of
// each unit, until ctx is done. It is the whole run function of most services.
func Follow(ctx context.Context, svc *service.Service, plan Plan) error {
	reporter, err := status.NewReporter(ctx, svc.JS, svc.Name, svc.Instance, svc.Log)
	if err != nil {
		return err
	}
	snapshots, err := flow.Watch(ctx, svc.JS, svc.Log)
	if err != nil {
		return err
	}
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
