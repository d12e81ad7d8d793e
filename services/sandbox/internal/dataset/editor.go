package dataset

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Editor makes the edits of a Store that come by themselves while a vendor is polled. Its methods
// may be called at once.
type Editor[D Document] struct {
	store *Store[D]
	plan  Edits

	mu sync.Mutex
}

// Edits says how many edits of a Store come by themselves: so many that are seen at once, and so many
// that are seen up to LateBy after the time that they bear, as when a transaction commits late.
type Edits struct {
	Prompt, Late int
	LateBy       time.Duration
}

// NewEditor returns an Editor that makes those edits, those before a restart included.
func NewEditor[D Document](s *Store[D], plan Edits) *Editor[D] {
	return &Editor[D]{store: s, plan: plan}
}

// Some makes n edits, or as many as are left. The late ones are spread over the others.
func (e *Editor[D]) Some(n int, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	n = min(n, e.Remaining())
	if n > 0 && e.plan.Late == 0 {
		_, err := e.store.EditAny(n, Change{}, Stream, now)
		return err
	}
	for range n {
		change, cause := Change{}, Stream
		if e.lateIsNext() {
			change, cause = Change{ModifiedAgo: e.delay(), Late: true}, Late
		}
		if _, err := e.store.EditAny(1, change, cause, now); err != nil {
			return err
		}
	}
	return nil
}

// Remaining is how many edits are still to come; none where there is nothing to edit.
func (e *Editor[D]) Remaining() int {
	if e.store.Len() == 0 {
		return 0
	}
	prompt, late := e.left()
	return prompt + late
}

func (e *Editor[D]) left() (prompt, late int) {
	made := e.store.Edits()
	return max(0, e.plan.Prompt-made[Stream]), max(0, e.plan.Late-made[Late])
}

// lateIsNext reports whether more of the late edits are left than of the others, in proportion.
func (e *Editor[D]) lateIsNext() bool {
	prompt, late := e.left()
	return late > 0 && (prompt == 0 || late*e.plan.Prompt >= prompt*e.plan.Late)
}

// delay returns how late the next late edit is: the same for the same number of edits before. Times of
// modification have whole seconds, and what is cut off makes an edit late by up to one more.
func (e *Editor[D]) delay() time.Duration {
	most := max(int64(e.plan.LateBy/time.Second)-1, 0)
	rng := rand.New(rand.NewPCG(e.store.kind.Seed, choiceOfDelays<<48|uint64(e.store.Edits()[Late])))
	return time.Duration(min(1+rng.Int64N(max(most, 1)), most)) * time.Second
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
