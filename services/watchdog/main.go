// Command watchdog looks after what nobody else would notice: messages that a consumer gave up without
// a dead letter, consumers that stand still or lost their place, and sources that are not polled. It
// says so, and mends what can be mended safely.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/supervise"
	"github.com/erpstream/erpstream/pkg/topology"
)

func main() { service.Main("watchdog", readConfig, run) }

// config is what the environment says.
type config struct {
	// look is how often it looks, stall how long a consumer may stand still, ticks the least that a
	// source may be late, stuck how long a job may take, audit how often all records are accounted for.
	look, stall, ticks, stuck, audit time.Duration
}

func readConfig(env *service.Env) (config, error) {
	cfg := config{
		look:  env.Duration("LOOK_EVERY", 10*time.Second, "how often consumers and schedules are looked at"),
		stall: env.Duration("STALL_AFTER", 2*time.Minute, "how long messages may wait for a consumer that nobody asks before an event says so"),
		ticks: env.Duration("LATE_AFTER", 2*time.Minute, "how long a source may go without a poll before an event says so; three of its intervals where that is longer"),
		stuck: env.Duration("STUCK_AFTER", 15*time.Minute, "how long one job of a poller may take before an event says so"),
		audit: env.Duration("AUDIT_EVERY", time.Hour, "how often records that are nowhere are looked for; a consumer that jumps is a reason at once"),
	}
	for name, d := range map[string]time.Duration{
		"LOOK_EVERY": cfg.look, "STALL_AFTER": cfg.stall, "LATE_AFTER": cfg.ticks, "STUCK_AFTER": cfg.stuck, "AUDIT_EVERY": cfg.audit,
	} {
		if d < time.Second {
			env.Fault(name, errors.New("is less than 1s"))
		}
	}
	return cfg, nil
}

// run keeps two loops running. All replicas read advisories; one of them looks around, that which the
// server serves.
func run(ctx context.Context, cfg config, svc *service.Service) error {
	var snapshot atomic.Pointer[flow.Snapshot]
	return supervise.Follow(ctx, svc, func(_ context.Context, now flow.Snapshot, _ *status.Reporter) map[string]supervise.Task {
		snapshot.Store(&now)
		return map[string]supervise.Task{
			"advisories": {Run: reaper{js: svc.JS, log: svc.Log}.run},
			"look": {Run: func(ctx context.Context) error {
				kv, err := svc.JS.KeyValue(ctx, topology.BucketPositions)
				if err != nil {
					return fmt.Errorf("bucket %s: %w", topology.BucketPositions, err)
				}
				return newWatch(cfg, svc.JS, kv, svc.Log, func() flow.Set { return snapshot.Load().Set }).run(ctx)
			}},
		}
	})
}
