package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// lateGoods lets the finance systems know the late goods of a World, on demand or some time after
// the first call of any of them.
type lateGoods struct {
	world *world.World
	after time.Duration // 0: on demand only
	file  string        // remembers the release over a restart; empty: nothing does
	now   func() time.Time

	first     sync.Once
	called    chan struct{} // closed by the first call
	releasing sync.Mutex
}

// openLateGoods returns the late goods of w, released if the file says so.
func openLateGoods(w *world.World, after time.Duration, file string, now func() time.Time) (*lateGoods, error) {
	l := &lateGoods{world: w, after: after, file: file, now: now, called: make(chan struct{})}
	var at time.Time
	released, err := dataset.ReadJSON(file, &at)
	if err != nil {
		return nil, fmt.Errorf("read release of late goods: %w", err)
	}
	if released {
		w.Release(at)
	}
	return l, nil
}

// watch notices the first call that a finance system gets.
func (l *lateGoods) watch(system http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.first.Do(func() { close(l.called) })
		system.ServeHTTP(w, r)
	})
}

// run releases the goods when it is time, and returns then or when ctx ends.
func (l *lateGoods) run(ctx context.Context) error {
	if l.after == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-l.called:
	}
	timer := time.NewTimer(l.after)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-timer.C:
		return l.release()
	}
}

// release lets the finance systems know the goods, once it will be remembered.
func (l *lateGoods) release() error {
	l.releasing.Lock()
	defer l.releasing.Unlock()
	if !l.world.Released().IsZero() {
		return nil
	}
	now := l.now()
	if err := dataset.WriteJSON(l.file, now); err != nil {
		return fmt.Errorf("release late goods: %w", err)
	}
	l.world.Release(now)
	return nil
}
