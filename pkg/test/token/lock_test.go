package token_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/token"
)

// TestLockIsHeldByOne lets processes of a fleet do something many times: never two at once.
func TestLockIsHeldByOne(t *testing.T) {
	s := fleet(t)
	const processes, times = 4, 20
	var inside, most, done atomic.Int32
	var fleet sync.WaitGroup
	for range processes {
		lock := &token.Lock{Store: bucket(t, s), Name: "kis-main.turn", Longest: time.Minute}
		fleet.Go(func() {
			for range times {
				err := lock.Do(t.Context(), func(context.Context) error {
					most.Store(max(most.Load(), inside.Add(1)))
					done.Add(1)
					inside.Add(-1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	fleet.Wait()
	if most.Load() != 1 || done.Load() != processes*times {
		t.Errorf("%d at once, %d done: want 1 and %d", most.Load(), done.Load(), processes*times)
	}
}

// TestLockOfOneThatDied is lost in time, and the one that held it too long learns it by its context.
func TestLockOfOneThatDied(t *testing.T) {
	s := fleet(t)
	first := &token.Lock{Store: bucket(t, s), Name: "kis-main.turn", Longest: 300 * time.Millisecond}
	second := &token.Lock{Store: bucket(t, s), Name: "kis-main.turn", Longest: time.Minute}
	held, lost := make(chan struct{}), make(chan struct{})
	var stuck sync.WaitGroup
	stuck.Go(func() {
		err := first.Do(t.Context(), func(ctx context.Context) error {
			close(held)
			<-ctx.Done()
			close(lost)
			return ctx.Err()
		})
		if err == nil {
			t.Error("the holder did not learn that it lost the lock")
		}
	})
	<-held
	err := second.Do(t.Context(), func(context.Context) error {
		select {
		case <-lost:
		case <-time.After(10 * time.Second):
			t.Error("the lock was taken while it was held")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	stuck.Wait()
}

// TestLockWaitsNoLongerThanItsContext gives up with ctx.
func TestLockWaitsNoLongerThanItsContext(t *testing.T) {
	lock := &token.Lock{Store: &token.Memory{}, Name: "x", Longest: time.Minute}
	ctx, cancel := context.WithCancel(t.Context())
	err := lock.Do(t.Context(), func(context.Context) error {
		cancel()
		return lock.Do(ctx, func(context.Context) error { t.Error("held twice"); return nil })
	})
	if err == nil {
		t.Error("waiting did not end with its context")
	}
}
