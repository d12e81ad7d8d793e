package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/supervise"
)

// journal notes what tasks do.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := slices.Sorted(slices.Values(j.lines))
	j.lines = nil
	return lines
}

func (j *journal) task(name, fingerprint string) supervise.Task {
	return supervise.Task{Fingerprint: fingerprint, Run: func(ctx context.Context) error {
		j.add("start " + name + fingerprint)
		<-ctx.Done()
		j.add("stop " + name + fingerprint)
		return ctx.Err()
	}}
}

func TestTasksFollowTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sets := make(chan map[string]supervise.Task)
		var j journal
		var done sync.WaitGroup
		done.Go(func() { supervise.Run(ctx, sets, slog.New(slog.DiscardHandler), func(string, uint64, error) {}) })
		steps := []struct {
			set  map[string]supervise.Task
			want []string
		}{
			{map[string]supervise.Task{"a": j.task("a", "1"), "b": j.task("b", "1")}, []string{"start a1", "start b1"}},
			{map[string]supervise.Task{"a": j.task("a", "1"), "b": j.task("b", "2")}, []string{"start b2", "stop b1"}},
			{map[string]supervise.Task{"b": j.task("b", "2")}, []string{"stop a1"}},
		}
		for i, step := range steps {
			sets <- step.set
			synctest.Wait()
			if got := j.take(); !slices.Equal(got, step.want) {
				t.Errorf("step %d: %v, want %v", i, got, step.want)
			}
		}
		cancel()
		done.Wait()
		if got := j.take(); !slices.Equal(got, []string{"stop b2"}) {
			t.Errorf("at the end: %v", got)
		}
	})
}

func TestFailedTaskIsStartedAgainWithGrowingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		runs := 0
		sets := make(chan map[string]supervise.Task, 1)
		sets <- map[string]supervise.Task{"a": {Run: func(context.Context) error { runs++; return errors.New("no") }}}
		var states []string
		supervise.Run(ctx, sets, slog.New(slog.DiscardHandler), func(name string, _ uint64, err error) { states = append(states, fmt.Sprint(name, " ", err)) })
		// Doubling from 0.5 s to 30 s fits some 25 starts in ten minutes; a loop without waits, none or millions.
		if runs < 15 || runs > 60 {
			t.Errorf("%d runs in ten minutes", runs)
		}
		if states[0] != "a <nil>" || states[1] != "a no" {
			t.Errorf("states = %v", states[:2])
		}
	})
}
