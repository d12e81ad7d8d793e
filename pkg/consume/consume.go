// Package consume takes messages from a durable pull consumer in batches and keeps them alive
// while they are worked on.
package consume

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// idleWait is how long one request for messages stays at the server.
const idleWait = 20 * time.Second

// Batch waits for a first message and takes with it what else there is, up to size. It does not wait for
// more to come; linger is how long it waits at most for what another client may have taken. It returns
// nothing when there is nothing or ctx is done, and an error only when the consumer is gone.
func Batch(ctx context.Context, cons jetstream.Consumer, size int, linger time.Duration, log *slog.Logger) ([]jetstream.Msg, error) {
	return request{wait: idleWait, linger: linger, log: log}.batch(ctx, cons, size)
}

// Next waits for a message. It returns nil when there is none or ctx is done, and an error only when the
// consumer is gone.
func Next(ctx context.Context, cons jetstream.Consumer, log *slog.Logger) (jetstream.Msg, error) {
	return request{wait: idleWait, log: log}.next(ctx, cons)
}

// More returns a message with what else its consumer has, size messages in all at most, as Batch does.
func More(cons jetstream.Consumer, first jetstream.Msg, size int, linger time.Duration) []jetstream.Msg {
	return request{linger: linger}.more(cons, first, size)
}

// request says how to ask for messages.
type request struct {
	wait, linger time.Duration
	opts         []jetstream.FetchOpt
	log          *slog.Logger
}

func (r request) batch(ctx context.Context, cons jetstream.Consumer, size int) ([]jetstream.Msg, error) {
	first, err := r.next(ctx, cons)
	if first == nil {
		return nil, err
	}
	return r.more(cons, first, size), nil
}

func (r request) next(ctx context.Context, cons jetstream.Consumer) (jetstream.Msg, error) {
	waiting, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	first, err := cons.Next(append(r.opts, jetstream.FetchContext(waiting))...)
	switch {
	case err == nil:
		return first, nil
	case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDoesNotExist):
		return nil, err
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrPinIDMismatch), waiting.Err() != nil:
		return nil, nil
	case isGone(waiting, cons):
		return nil, errors.Join(jetstream.ErrConsumerNotFound, err)
	default:
		r.log.WarnContext(ctx, "no messages to be had", "err", err)
		Pause(ctx, time.Second)
		return nil, nil
	}
}

func (r request) more(cons jetstream.Consumer, first jetstream.Msg, size int) []jetstream.Msg {
	batch := []jetstream.Msg{first}
	more := min(size-1, left(first))
	if more <= 0 {
		return batch
	}
	rest, err := cons.Fetch(more, append(r.opts, jetstream.FetchMaxWait(r.linger))...)
	if err != nil {
		return batch
	}
	batch = slices.Grow(batch, more)
	for msg := range rest.Messages() {
		batch = append(batch, msg)
	}
	return batch
}

// left returns how many messages the consumer has after one. What it delivers again is not counted by the
// server and mostly comes in numbers, so that there may be any.
func left(msg jetstream.Msg) int {
	meta, err := msg.Metadata()
	if err != nil || meta.NumDelivered > 1 {
		return math.MaxInt
	}
	return int(min(meta.NumPending, math.MaxInt))
}

// isGone reports whether the consumer is no longer at the server. Without an answer it is not known
// to be.
func isGone(ctx context.Context, cons jetstream.Consumer) bool {
	_, err := cons.Info(ctx)
	return errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
}

// Beat tells the server at that interval that messages are in hand, until the returned function
// is called or ctx is done.
func Beat(ctx context.Context, every time.Duration, msgs ...jetstream.Msg) (stop func()) {
	return beat(ctx, every, func() {
		for _, msg := range msgs {
			_ = msg.InProgress()
		}
	})
}

// beat does something at an interval until the returned function is called or ctx is done.
func beat(ctx context.Context, every time.Duration, do func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				do()
			}
		}
	}()
	return func() { cancel(); <-done }
}

// WithGrace returns a context that ends that long after ctx does, for the work in hand. Call
// release when that is done.
func WithGrace(ctx context.Context, grace time.Duration) (work context.Context, release context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return work, func() { stop(); cancel() }
}

// Insist tries for some seconds what NATS itself has to do, for a lost leader is back by then.
func Insist(ctx context.Context, do func() error) error {
	var err error
	for wait := 100 * time.Millisecond; wait < 5*time.Second; wait *= 2 {
		if err = do(); err == nil || ctx.Err() != nil {
			return err
		}
		Pause(ctx, wait)
	}
	return err
}

// Pause waits for that long or until ctx is done.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
