// Command watchdog looks after what nobody else would notice: messages that a consumer gave up without
// a dead letter, consumers that stand still or lost their place, sources that are not polled, hours and flows that are not
// as usual, and records that look different from before. It says so, and mends what can be mended safely.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	_ "time/tzdata" // images have no zone files

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/shape"
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
	// usualDays is how many days must be known before an hour is judged, deadShare the percentage of dead
	// letters that is too many; 0 is never.
	usualDays, deadShare int
	// shape says when the shape of records is known, and when a field is gone.
	shape shape.Rules
}

func readConfig(env *service.Env) (config, error) {
	cfg := config{
		look:  env.Duration("LOOK_EVERY", 10*time.Second, "how often consumers and schedules are looked at"),
		stall: env.Duration("STALL_AFTER", 2*time.Minute, "how long messages may wait for a consumer that nobody asks before an event says so"),
		ticks: env.Duration("LATE_AFTER", 2*time.Minute, "how long a source may go without a poll before an event says so; three of its intervals where that is longer"),
		stuck: env.Duration("STUCK_AFTER", 15*time.Minute, "how long one job of a poller may take before an event says so"),
		audit: env.Duration("AUDIT_EVERY", time.Hour, "how often records that are nowhere are looked for; a consumer that jumps is a reason at once"),
	}
	cfg.usualDays = env.Int("USUAL_DAYS", 7, "how many days of a source's windows must be known before an hour with unusually many or few records is an event; 0 is never")
	cfg.deadShare = env.Int("DEAD_SHARE", 5, "percentage of a flow's records of the last hour that may die before an event says so; 0 is never")
	cfg.shape = shape.Rules{
		Records: int64(env.Int("SHAPE_RECORDS", 200, "how many records of a source it takes to know their shape")),
		For:     env.Duration("SHAPE_FOR", time.Hour, "how long records must have come to know their shape; 24 times that is enough where there are few"),
		Absent:  int64(env.Int("SHAPE_ABSENT", 100, "after how many records without it a field that was always there is gone")),
	}
	if cfg.usualDays < 0 || cfg.usualDays > usualDays {
		env.Fault("USUAL_DAYS", fmt.Errorf("is not from 0 to %d", usualDays))
	}
	if cfg.deadShare < 0 || cfg.deadShare > 99 {
		env.Fault("DEAD_SHARE", errors.New("is not from 0 to 99"))
	}
	if cfg.shape.Records < 1 || cfg.shape.Absent < 1 || cfg.shape.For < 0 {
		env.Fault("SHAPE_RECORDS", errors.New("and SHAPE_ABSENT must be 1 at least, and SHAPE_FOR not less than 0"))
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

// idleEvery is how often it is asked which units stand still: before each look of an autoscaler.
const idleEvery = 10 * time.Second

// run keeps four loops running. All replicas read advisories, learn the shape of records and measure which units stand still; one of
// them looks around, that which the server serves.
func run(ctx context.Context, cfg config, svc *service.Service) error {
	var snapshot atomic.Pointer[flow.Snapshot]
	return supervise.Follow(ctx, svc, func(_ context.Context, now flow.Snapshot, _ *status.Reporter) map[string]supervise.Task {
		snapshot.Store(&now)
		return map[string]supervise.Task{
			"advisories": {Run: reaper{js: svc.JS, log: svc.Log}.run},
			"shapes":     {Run: drift{js: svc.JS, log: svc.Log, rules: cfg.shape}.run},
			"idle":       {Run: func(ctx context.Context) error { return status.MeasureIdle(ctx, svc.JS, idleEvery, svc.Log) }},
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
