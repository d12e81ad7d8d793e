package sink

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/sony/gobreaker/v2"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/fault"
)

// tripAfter is how many writes in a row must find the target down before the breaker opens, and
// downPause how long it waits between them.
const (
	tripAfter = 3
	downPause = 200 * time.Millisecond
)

// breaker stands between the loop and the target. While it is open nothing is fetched: the batch
// in hand is kept alive and waits, so an outage costs no message a delivery.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	opts    Options
	js      jetstream.JetStream
	last    error
}

func newBreaker(js jetstream.JetStream, opts Options) *breaker {
	b := &breaker{opts: opts, js: js}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        opts.Connection,
		MaxRequests: 1,
		Timeout:     opts.ProbeAfter,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		// Bad data and business refusals say that the target is there.
		IsSuccessful: func(err error) bool { return fault.KindOf(err) != fault.DownKind },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return b
}

// write writes the batch once the target is there, and returns what it said. It returns early,
// with nothing written, when ctx is done before that. Of an open breaker one message is the probe.
func (b *breaker) write(ctx, work context.Context, s Sink, batch []Message) error {
	for open := false; ; {
		part := batch
		if open {
			part = batch[:1]
		}
		_, err := b.circuit.Execute(func() (struct{}, error) { return struct{}{}, s.Write(work, part) })
		switch {
		case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
			consume.Pause(ctx, b.opts.ProbeAfter/10)
		case fault.KindOf(err) == fault.DownKind:
			b.last = err
			if !open && b.circuit.State() == gobreaker.StateOpen {
				open = true
				b.announce(work, event.Critical, "breaker-open", err)
			}
			b.opts.Report(err)
			consume.Pause(ctx, downPause)
		case open:
			open = false
			b.announce(work, event.Info, "breaker-closed", nil)
			b.opts.Report(nil)
			if len(batch) == 1 {
				return err
			}
		default:
			b.opts.Report(nil)
			return err
		}
		if ctx.Err() != nil {
			return fault.Down("stopping", errors.Join(ctx.Err(), b.last))
		}
	}
}

// announce tells operators that the breaker opened or closed.
func (b *breaker) announce(ctx context.Context, severity, kind string, cause error) {
	text := "the target takes messages again"
	if cause != nil {
		text = "nothing is fetched until the target takes a message: " + cause.Error()
	}
	b.opts.Log.WarnContext(ctx, kind, "connection", b.opts.Connection, "text", text)
	e := event.Event{Severity: severity, Kind: kind, Subject: b.opts.Connection, Text: text}
	if err := event.Publish(ctx, b.js, e); err != nil {
		b.opts.Log.WarnContext(ctx, "event not published", "err", err)
	}
}
