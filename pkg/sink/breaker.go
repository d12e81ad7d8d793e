package sink

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/sony/gobreaker/v2"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/fault"
)

// tripAfter is how many writes in a row must find the target down before the breaker opens,
// silentAfter how many must get no answer; downPause is how long it waits between those that find
// it down.
const (
	tripAfter   = 3
	silentAfter = 5
	downPause   = 200 * time.Millisecond
)

// silentMost is how many times ProbeAfter the wait for the next probe of a target that does not
// answer grows to: each of them leaves one more call whose outcome is open.
const silentMost = 12

// breaker stands between the loop and the target. While it is open nothing is fetched: the batch
// in hand is kept alive and waits, so an outage costs no message a delivery. Its method write may be
// called at once.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	opts    Options
	js      jetstream.JetStream

	mu sync.Mutex // never held while the circuit is asked, which asks for patience
	// there is set after a write that found the target there; open is what operators were told.
	there bool
	open  bool
	last  error
	// silent is how long an open breaker waits after a probe that got no answer, next when it lets
	// one through again.
	silent time.Duration
	next   time.Time
}

// What a write says to the circuit.
var (
	errFailed  = errors.New("the target is not there")
	errNeutral = errors.New("nothing is known of the target")
)

func newBreaker(js jetstream.JetStream, opts Options) *breaker {
	b := &breaker{opts: opts, js: js}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        opts.Connection,
		MaxRequests: 1,
		Timeout:     opts.ProbeAfter,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= b.patience() },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNeutral) },
	})
	return b
}

// patience is how many failures in a row open the circuit.
func (b *breaker) patience() uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if fault.KindOf(b.last) == fault.DownKind {
		return tripAfter
	}
	return silentAfter
}

// verdict says what the outcome of a write of n messages means for the circuit. Bad data and
// business refusals say that the target is there; a call that was cancelled, or never made, nothing.
func verdict(err error, n int) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errNeutral
	case fault.KindOf(err) == fault.DownKind, all(err, n, fault.IsUnanswered):
		return errFailed
	case all(err, n, func(err error) bool { return fault.IsUnanswered(err) || fault.IsUntried(err) }):
		return errNeutral
	default:
		return nil
	}
}

// all reports whether each of n messages failed with an error of that sort.
func all(err error, n int, sort func(error) bool) bool {
	for i := range n {
		if !sort(errorOf(err, i)) {
			return false
		}
	}
	return true
}

// write writes the batch once the target is there, and returns what it said of the first n
// messages: all of them, or the one that was the probe of an open breaker. It returns early, with
// nothing written, when ctx is done before that.
func (b *breaker) write(ctx, work context.Context, s Sink, batch []Message) (n int, err error) {
	for {
		part := batch
		probe, early := b.state()
		if probe {
			part = batch[:1]
		}
		blocked := gobreaker.ErrOpenState
		if !early {
			_, blocked = b.circuit.Execute(func() (struct{}, error) {
				err = s.Write(work, part)
				b.wrote(err)
				return struct{}{}, verdict(err, len(part))
			})
		}
		switch {
		case errors.Is(blocked, gobreaker.ErrOpenState), errors.Is(blocked, gobreaker.ErrTooManyRequests):
			consume.Pause(ctx, b.opts.ProbeAfter/10)
		case blocked == nil:
			b.answered(work)
			return len(part), err
		case errors.Is(blocked, errNeutral):
			return len(part), err
		default:
			b.failed(work, err, probe)
			if fault.KindOf(err) != fault.DownKind {
				return len(part), err
			}
			consume.Pause(ctx, downPause)
		}
		if ctx.Err() != nil {
			return len(batch), fault.Down("stopping", errors.Join(ctx.Err(), b.cause()))
		}
	}
}

// state reports whether what is written now is a probe of an open breaker, and whether it is too early
// for one.
func (b *breaker) state() (probe, early bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open, time.Now().Before(b.next)
}

// wrote notes what the latest write said.
func (b *breaker) wrote(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = err
}

func (b *breaker) cause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// reached reports whether the last write found the target there.
func (b *breaker) reached() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.there
}

// answered notes that the target is there. A call from before the breaker opened does not close it.
func (b *breaker) answered(ctx context.Context) {
	if b.circuit.State() != gobreaker.StateClosed {
		return
	}
	b.mu.Lock()
	closes := b.open
	b.there = true
	b.open, b.silent, b.next = false, 0, time.Time{}
	b.mu.Unlock()
	if closes {
		b.announce(ctx, event.Info, "breaker-closed", nil)
	}
	b.opts.Report(nil)
}

// failed notes that the target is not there; probe says that an open breaker asked it. What got no answer
// comes again by itself, so the state shows it once the breaker is open.
func (b *breaker) failed(ctx context.Context, err error, probe bool) {
	down := fault.KindOf(err) == fault.DownKind
	tripped := b.circuit.State() == gobreaker.StateOpen
	b.mu.Lock()
	b.there = false
	opens := tripped && !b.open
	b.open = b.open || tripped
	open := b.open
	if open && !down && (opens || probe) {
		b.silent = min(max(2*b.silent, b.opts.ProbeAfter), silentMost*b.opts.ProbeAfter)
		b.next = time.Now().Add(b.silent)
	}
	b.mu.Unlock()
	if opens {
		b.announce(ctx, event.Critical, "breaker-open", err)
	}
	if open || down {
		b.opts.Report(err)
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
