package sink

import (
	"context"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
)

// maxWaiting is how many messages of a Paced sink may wait to be tried again.
const maxWaiting = 1000

// pinHeader is where the server names the place of the client that it serves.
const pinHeader = "Nats-Pin-Id"

// pace feeds a Paced sink until ctx is done: each message is written and settled by itself, so that one
// which waits for its answer holds up none of the others. The server serves this replica alone as long as
// it is at work.
func (r *runner) pace(ctx, work context.Context, cons jetstream.Consumer) error {
	alone := consume.Alone{Takeover: r.opts.Takeover, Linger: r.opts.Linger, Log: r.opts.Log}
	defer alone.HandOver(ctx, r.js, cons)
	stop := alone.Keep(work, cons)
	defer stop()
	var inHand sync.WaitGroup
	defer inHand.Wait()
	room := make(chan struct{}, r.opts.Batch) // a place is taken for each message that is asked for or in hand
	place := ""
	for {
		n := free(ctx, room)
		if n == 0 {
			return ctx.Err()
		}
		batch, err := alone.Batch(ctx, cons, n)
		if err != nil {
			return fmt.Errorf("consumer of connection %s: %w", r.opts.Connection, err)
		}
		if len(batch) > 0 {
			place = begin(r.sink, place, batch[0])
		}
		for _, msg := range batch {
			h := r.take(work, []jetstream.Msg{msg})
			inHand.Go(func() {
				defer func() { <-room }()
				r.handle(ctx, work, h)
				r.settle(work, h)
			})
		}
		for range n - len(batch) {
			<-room
		}
	}
}

// free waits for a place in the room and takes all that are free then. It returns how many, none when ctx
// is done.
func free(ctx context.Context, room chan struct{}) (n int) {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case <-ctx.Done():
		return 0
	case room <- struct{}{}:
	}
	for n = 1; ; n++ {
		select {
		case room <- struct{}{}:
		default:
			return n
		}
	}
}

// begin lets the sink rest where the server has turned to this replica since the last batch, and
// returns the place that it gave it.
func begin(s Sink, place string, first jetstream.Msg) string {
	now := first.Headers().Get(pinHeader)
	if r, ok := s.(Rester); ok && now != place {
		r.Rest()
	}
	return now
}
