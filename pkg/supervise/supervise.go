// Package supervise keeps a set of named tasks running as the configuration says: one for each
// connection or flow, started, replaced and stopped as it changes, started again when it fails.
package supervise

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// Task is one thing that is to run.
type Task struct {
	// Fingerprint changes when the task must be stopped and started again.
	Fingerprint string
	// Revision is the configuration's that the task runs with.
	Revision uint64
	// Run blocks until ctx is done. When it returns before, it is run again after a while.
	Run func(ctx context.Context) error
}

// The wait before a failed task is started again grows from restartFirst to restartMost.
const (
	restartFirst = 500 * time.Millisecond
	restartMost  = 30 * time.Second
)

// Run keeps exactly the tasks of the newest set running. It returns when ctx is done and all
// tasks have returned, or when sets is closed and ctx is done. report hears of each task's state: nil when
// it starts, its error when it failed.
func Run(ctx context.Context, sets <-chan map[string]Task, log *slog.Logger, report func(name string, revision uint64, err error)) {
	running := map[string]*handle{}
	defer func() {
		for _, h := range running {
			h.stop()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case wanted, open := <-sets:
			if !open {
				sets = nil
				continue
			}
			reconcile(ctx, running, wanted, log, report)
		}
	}
}

// handle is one running task.
type handle struct {
	fingerprint string
	cancel      context.CancelFunc
	done        sync.WaitGroup
}

// stop ends the task and waits for it.
func (h *handle) stop() {
	h.cancel()
	h.done.Wait()
}

func reconcile(ctx context.Context, running map[string]*handle, wanted map[string]Task, log *slog.Logger, report func(string, uint64, error)) {
	for name, h := range maps.All(running) {
		if task, ok := wanted[name]; !ok || task.Fingerprint != h.fingerprint {
			h.stop()
			delete(running, name)
		}
	}
	for name, task := range wanted {
		if running[name] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		h := &handle{fingerprint: task.Fingerprint, cancel: cancel}
		h.done.Go(func() { keep(ctx, name, task, log, report) })
		running[name] = h
	}
}

// keep runs a task until ctx is done.
func keep(ctx context.Context, name string, task Task, log *slog.Logger, report func(string, uint64, error)) {
	for wait := restartFirst; ; wait = min(2*wait, restartMost) {
		report(name, task.Revision, nil)
		began := time.Now()
		err := task.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > restartMost {
			wait = restartFirst
		}
		report(name, task.Revision, err)
		log.ErrorContext(ctx, "task ended, it is started again", "task", name, "err", err, "wait", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)): //nolint:gosec // jitter
		}
	}
}
