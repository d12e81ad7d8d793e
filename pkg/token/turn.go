package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/seam"
)

// Turn is the right of one replica to renew the value, for as long as its lease lasts. It belongs to
// the call of Refresh that it was given to.
type Turn[T any] struct {
	// Old is the value so far, which ended or was refused; Generation 0 says that there is none.
	Old Held[T]

	shared *Shared[T]
	state  state[T]
}

// Call makes one of the calls that the vendor limits: it waits until the limit lets it, all replicas
// counted, and runs call with a ctx that ends with the lease. The call is counted before it is made,
// so that no crash makes one too many. The error is that of call; ErrConflict says that this replica
// was too slow and another one has the turn.
func (t *Turn[T]) Call(ctx context.Context, call func(ctx context.Context) error) error {
	cfg := t.shared.cfg
	when := time.Now()
	if n := len(t.state.calls); n >= cfg.Calls {
		if free := t.state.calls[n-cfg.Calls].Add(cfg.Per); free.After(when) {
			when = free
		}
	}
	t.state.calls = append(t.state.calls, when)
	if n := len(t.state.calls); n > cfg.Calls {
		t.state.calls = t.state.calls[n-cfg.Calls:]
	}
	if err := t.claim(ctx, when); err != nil {
		return storeFault(err)
	}
	if err := sleep(ctx, time.Until(when)); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, t.state.until)
	defer cancel()
	seam.Reach(seam.TokenLeased)
	return call(ctx)
}

// Save keeps a new value with the time of its end (zero: not known) before anybody uses it. A value
// that can't be stored now is kept in the process and stored later, before a new one is asked for:
// it may be the only key to the next.
func (t *Turn[T]) Save(ctx context.Context, value T, ends time.Time) error {
	t.shared.unsaved = &Held[T]{Value: value, Generation: t.state.held.Generation + 1, Ends: ends}
	seam.Reach(seam.TokenRefreshed)
	return t.write(ctx)
}

// write stores the value that is not stored yet.
func (t *Turn[T]) write(ctx context.Context) error {
	next := t.state
	next.held = *t.shared.unsaved
	next.until = time.Now().Add(t.shared.cfg.Lease)
	revision, err := t.shared.save(ctx, next)
	if err != nil {
		return storeFault(fmt.Errorf("keep the new token of %s: %w", t.shared.cfg.Name, err))
	}
	next.revision = revision
	t.state = next
	t.shared.unsaved = nil
	seam.Reach(seam.TokenStored)
	return nil
}

// claim takes the lease, or prolongs it, from the given time on.
func (t *Turn[T]) claim(ctx context.Context, from time.Time) error {
	next := t.state
	next.holder = t.shared.holder
	next.until = from.Add(t.shared.cfg.Lease)
	revision, err := t.shared.save(ctx, next)
	if err != nil {
		return err
	}
	next.revision = revision
	t.state = next
	return nil
}

// finish gives the lease back and returns the error of the turn. When that can't be written the lease
// ends by itself.
func (t *Turn[T]) finish(ctx context.Context, err error) error {
	next := t.state
	next.holder, next.until = "", time.Time{}
	_, writing := t.shared.save(ctx, next)
	if writing != nil && !errors.Is(writing, ErrConflict) {
		t.shared.cfg.Log.WarnContext(ctx, "lease on a token not given back", "token", t.shared.cfg.Name, "err", writing)
	}
	if err != nil && fault.KindOf(err) == fault.Unknown && !errors.Is(err, ErrConflict) {
		return fault.Busy("token", 0, err)
	}
	return err
}

// sleep waits for d, or until ctx ends; then it returns the cause.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
