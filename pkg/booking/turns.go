package booking

import (
	"context"
	"sync"
)

// turns keeps bookings apart that get in each other's way: whoever has a name is alone with it.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed when the name is free again
}

// take waits until all names are free, and takes them until leave is called. The error is the cause of
// ctx's end, and then none is taken.
func (t *turns) take(ctx context.Context, names ...string) (leave func(), err error) {
	for {
		busy := t.try(names)
		if busy == nil {
			return func() { t.leave(names) }, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try takes all names, or returns what is closed when one of them that somebody has is free again.
func (t *turns) try(names []string) (busy <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		if busy := t.taken[name]; busy != nil {
			return busy
		}
	}
	mine := make(chan struct{})
	for _, name := range names {
		t.taken[name] = mine
	}
	return nil
}

func (t *turns) leave(names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.taken[names[0]])
	for _, name := range names {
		delete(t.taken, name)
	}
}
