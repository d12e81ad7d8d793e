// Package consume takes messages from a durable pull consumer in batches and keeps them alive
// while they are worked on.
package consume

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// idleWait is how long one request for messages stays at the server.
const idleWait = 20 * time.Second

// Batch waits for a first message and, for linger at most, for up to size-1 more. It returns
// nothing when there is nothing or ctx is done, and an error only when the consumer is gone.
func Batch(ctx context.Context, cons jetstream.Consumer, size int, linger time.Duration, log *slog.Logger) ([]jetstream.Msg, error) {
	return request{wait: idleWait, linger: linger, log: log}.batch(ctx, cons, size)
}

// request says how to ask for messages.
type request struct {
	wait, linger time.Duration
	opts         []jetstream.FetchOpt
	log          *slog.Logger
}

func (r request) batch(ctx context.Context, cons jetstream.Consumer, size int) ([]jetstream.Msg, error) {
	waiting, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	first, err := cons.Next(append(r.opts, jetstream.FetchContext(waiting))...)
	switch {
	case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDoesNotExist):
		return nil, err
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrPinIDMismatch), waiting.Err() != nil:
		return nil, nil
	case err != nil && isGone(waiting, cons):
		return nil, errors.Join(jetstream.ErrConsumerNotFound, err)
	case err != nil:
		r.log.WarnContext(ctx, "no messages to be had", "err", err)
		Pause(ctx, time.Second)
		return nil, nil
	}
	batch := []jetstream.Msg{first}
	if size == 1 {
		return batch, nil
	}
	rest, err := cons.Fetch(size-1, append(r.opts, jetstream.FetchMaxWait(r.linger))...)
	if err != nil {
		return batch, nil
	}
	for msg := range rest.Messages() {
		batch = append(batch, msg)
	}
	return batch, nil
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
