package sink

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	oteltrace "go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
)

// runner is one loop over one connection's messages.
type runner struct {
	js      jetstream.JetStream
	sink    Sink
	opts    Options
	log     *slog.Logger
	book    receipt.Book
	breaker *breaker
	options map[string]url.Values // by their text
}

// loops works with so many loops side by side, until ctx is done or the consumer is gone.
func (r *runner) loops(ctx context.Context, n int, cons jetstream.Consumer) error {
	g, ctx := errgroup.WithContext(ctx)
	work, release := consume.WithGrace(ctx, r.opts.Grace)
	defer release()
	// Loops take turns: of two that fetch at once neither gets what it was told that there is, and each waits
	// for the rest until its linger is over.
	var turn sync.Mutex
	fetch := func() ([]jetstream.Msg, error) {
		turn.Lock()
		defer turn.Unlock()
		return consume.Batch(ctx, cons, r.opts.Batch, r.opts.Linger, r.opts.Log)
	}
	for range n {
		one := *r
		one.options = map[string]url.Values{}
		g.Go(func() error { return one.loop(ctx, work, fetch) })
	}
	return g.Wait()
}

// loop takes one batch after the other, writes it and has it settled. While one is written the one before
// is settled, and where there are more the one behind is fetched.
// ctx ends when the service is to stop, work when what is in hand must be let go. The error says that the
// consumer is gone.
func (r *runner) loop(ctx, work context.Context, fetch func() ([]jetstream.Msg, error)) error {
	written := make(chan *hand)
	var settling sync.WaitGroup
	settling.Go(func() {
		for h := range written {
			r.settle(work, h)
		}
	})
	defer settling.Wait()
	defer close(written)
	a := ahead{take: func() (*hand, error) {
		msgs, err := fetch()
		if err != nil || len(msgs) == 0 {
			return nil, err
		}
		return r.take(work, msgs), nil
	}}
	for ctx.Err() == nil || a.next != nil {
		h, err := a.get()
		if err != nil {
			return err
		}
		if h == nil {
			continue
		}
		if ctx.Err() == nil && r.hasMore(h) {
			a.begin()
		}
		r.handle(ctx, work, h)
		written <- h
	}
	return nil
}

// hasMore reports whether a batch is to be fetched before this one is written: there are more messages, and
// the target took the last ones. While it is not there nothing is fetched.
func (r *runner) hasMore(h *hand) bool {
	return r.breaker.reached() && len(h.msgs) == r.opts.Batch
}

// ahead takes batches, one of them before it is asked for.
type ahead struct {
	take func() (*hand, error)
	next chan taken // nil where none is being taken
}

type taken struct {
	hand *hand
	err  error
}

// begin takes the next batch.
func (a *ahead) begin() {
	next := make(chan taken, 1)
	a.next = next
	go func() {
		h, err := a.take()
		next <- taken{h, err}
	}()
}

// get returns the next batch, nil where there is none for now.
func (a *ahead) get() (*hand, error) {
	if a.next == nil {
		return a.take()
	}
	t := <-a.next
	a.next = nil
	return t.hand, t.err
}

// handle writes what can be read of a batch. It and settle may be called at once.
func (r *runner) handle(ctx, work context.Context, h *hand) {
	if h.good == 0 {
		return
	}
	r.write(ctx, work, h.to(h.good))
	seam.Reach(seam.SinkWritten)
}

// write hands messages to the sink and notes each one's outcome.
func (r *runner) write(ctx, work context.Context, p part) {
	for len(p.batch) > 0 {
		p = p.from(r.writeSome(ctx, work, p))
	}
}

// writeSome hands as many messages to the sink as the breaker lets through, and returns how many
// it noted an outcome of. A batch that fails for its data is halved until the bad messages are alone.
func (r *runner) writeSome(ctx, work context.Context, p part) int {
	p.reset()
	spanned, span := trace.Start(work, oteltrace.SpanKindConsumer, "process", topology.Target)
	began := time.Now()
	n, err := r.breaker.write(ctx, spanned, r.sink, p.batch)
	trace.Processed(spanned, topology.Target, r.opts.Connection, n, time.Since(began), err)
	trace.End(span, err)
	p = p.to(n)
	_, single := errors.AsType[*BatchError](err)
	if !single && n > 1 && splits(err, p.batch[0].Attempt) {
		r.write(ctx, work, p.to(n/2))
		r.write(ctx, work, p.from(n/2))
		return n
	}
	for i := range p.errs {
		p.errs[i] = errorOf(err, i)
	}
	return n
}

// An error that nobody classified is retried like a busy target. After isolateAfter deliveries the
// message is written alone, so that it holds up no other; after giveUpAfter it is a dead letter.
const (
	isolateAfter = 3
	giveUpAfter  = 20
)

// splits reports whether one message alone may be what a batch failed for; attempt is that of its first.
func splits(err error, attempt int) bool {
	return fault.IsPermanent(err) || unclassified(err) && attempt >= isolateAfter
}

// hopeless reports whether a message is not to come again.
func hopeless(err error, attempt int) bool {
	return fault.IsPermanent(err) || unclassified(err) && attempt >= giveUpAfter
}

// untouched reports whether nothing was tried with a message: the service stops, or the target is down.
func untouched(err error) bool {
	return errors.Is(err, context.Canceled) || fault.KindOf(err) == fault.DownKind
}

func unclassified(err error) bool {
	return fault.KindOf(err) == fault.Unknown && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
