package dataset

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Editor makes the edits of a Store that come by themselves while a vendor is polled. Its methods
// may be called at once.
type Editor[D Document] struct {
	store *Store[D]
	goal  int

	mu sync.Mutex
}

// NewEditor returns an Editor that makes goal edits, those before a restart included.
func NewEditor[D Document](s *Store[D], goal int) *Editor[D] { return &Editor[D]{store: s, goal: goal} }

// Some makes n edits, or as many as are left.
func (e *Editor[D]) Some(n int, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n = min(n, e.Remaining()); n == 0 {
		return nil
	}
	_, err := e.store.EditAny(n, Change{}, Stream, now)
	return err
}

// Remaining is how many edits are still to come; none where there is nothing to edit.
func (e *Editor[D]) Remaining() int {
	if e.store.Len() == 0 {
		return 0
	}
	return max(0, e.goal-e.store.Edits()[Stream])
}

// Editing is an Editor of documents of any kind.
type Editing interface {
	Some(n int, now time.Time) error
	Remaining() int
}

// EditAll lets each editor make rate edits a second once begun is closed, until there are no more
// edits to make or ctx ends. A rate of 0 makes none.
func EditAll(ctx context.Context, rate float64, begun <-chan struct{}, now func() time.Time, editors ...Editing) error {
	if rate == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-begun:
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, e := range editors {
		g.Go(func() error { return edit(ctx, rate, now, e) })
	}
	return g.Wait()
}

func edit(ctx context.Context, rate float64, now func() time.Time, e Editing) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for e.Remaining() > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := e.Some(1, now()); err != nil {
				return fmt.Errorf("edit while polled: %w", err)
			}
		}
	}
	return nil
}
