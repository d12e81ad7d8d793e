package token

import (
	"context"
	"errors"
	"time"
)

// Lock lets one process of a fleet at a time do something that an account does not take twice at
// once. It costs two writes to the store each time, so it is for what is slow itself. Its methods
// may be called at once.
type Lock struct {
	Store Store
	// Name is that of its entry in the store.
	Name string
	// Longest is how long it may be held, the difference of the machines' clocks included: who holds
	// it for longer, because it died, has lost it.
	Longest time.Duration
}

// Do waits for the lock and does something while it holds it, with a context that ends when it is
// lost. The error is that of do, of ctx, or of the store; a store that can't be reached does nothing.
func (l *Lock) Do(ctx context.Context, do func(ctx context.Context) error) error {
	revision, until, err := l.acquire(ctx)
	if err != nil {
		return storeFault(err)
	}
	held, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err = do(held)
	// Where the store is gone the lock is lost in time.
	_, _ = l.Store.Save(context.WithoutCancel(ctx), l.Name, nil, revision)
	return err
}

// acquire waits until nobody holds the lock and takes it.
func (l *Lock) acquire(ctx context.Context) (revision uint64, until time.Time, err error) {
	for {
		data, at, err := l.Store.Load(ctx, l.Name)
		if err != nil {
			return 0, until, err
		}
		var theirs time.Time
		if theirs.UnmarshalText(data) == nil && time.Now().Before(theirs) {
			if err := l.await(ctx, at, theirs); err != nil {
				return 0, until, err
			}
			continue
		}
		until = time.Now().Add(l.Longest)
		text, err := until.MarshalText()
		if err != nil {
			return 0, until, err
		}
		revision, err = l.Store.Save(ctx, l.Name, text, at)
		if !errors.Is(err, ErrConflict) {
			return revision, until, err
		}
	}
}

// await waits until the entry changes or the holder's time is up.
func (l *Lock) await(ctx context.Context, revision uint64, until time.Time) error {
	lease, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := l.Store.Wait(lease, l.Name, revision)
	if err != nil && ctx.Err() == nil && lease.Err() != nil {
		return nil
	}
	return err
}
