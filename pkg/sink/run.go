package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
)

// Options says what Run consumes and how. The zero values of numbers and times are replaced by
// the defaults named here.
type Options struct {
	// Kind and Connection name the target; they select the subjects and the durable consumer.
	Kind       string
	Connection string
	// Instance names this replica in receipts.
	Instance string
	// Batch is how many messages Write gets at most (1000).
	Batch int
	// Linger is how long a batch waits for more messages after its first (20 ms).
	Linger time.Duration
	// MaxAckPending is how many messages all replicas together may have in hand (4 × Batch).
	MaxAckPending int
	// AckWait is how long the server waits for a sign of life before it gives a message to
	// another replica (15 s); it is given every third of that.
	AckWait time.Duration
	// Takeover is how long the server waits for a sign of life of the one replica of a Paced sink
	// that it serves before it turns to another (12 s).
	Takeover time.Duration
	// Grace is how long a batch in hand may take after ctx is done (15 s).
	Grace time.Duration
	// ProbeAfter is how long an open breaker waits before it lets one message through (5 s).
	ProbeAfter time.Duration
	// Report hears of the state: nil when the target works, else why it doesn't. May be nil.
	Report func(err error)
	// Log may be nil.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Batch == 0 {
		o.Batch = 1000
	}
	if o.Linger == 0 {
		o.Linger = 20 * time.Millisecond
	}
	if o.MaxAckPending == 0 {
		o.MaxAckPending = 4 * o.Batch
	}
	if o.AckWait == 0 {
		o.AckWait = 15 * time.Second
	}
	if o.Takeover == 0 {
		o.Takeover = 12 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 15 * time.Second
	}
	if o.ProbeAfter == 0 {
		o.ProbeAfter = 5 * time.Second
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Run feeds s with the target messages of a connection until ctx is done; it then finishes what
// is in hand, for Grace at most. It creates the durable consumer when there is none. It returns
// when the consumer is gone, else only with ctx's error.
func Run(ctx context.Context, js jetstream.JetStream, s Sink, opts Options) error {
	paced, isPaced := s.(Paced)
	if isPaced {
		// Messages that wait to be tried again are not in hand, but the server counts them.
		opts.Batch, opts.MaxAckPending = paced.InFlight(), paced.InFlight()+maxWaiting
	}
	opts = opts.withDefaults()
	cons, err := consume.Durable(ctx, js, topology.Target, opts.consumer(isPaced))
	if err != nil {
		return fmt.Errorf("consumer of connection %s: %w", opts.Connection, err)
	}
	r := &runner{
		js: js, sink: s, opts: opts, log: opts.Log.With("connection", opts.Connection),
		book: receipt.NewBook(js, "sink-"+opts.Kind, opts.Instance), breaker: newBreaker(js, opts),
	}
	work, release := consume.WithGrace(ctx, opts.Grace)
	defer release()
	fetch := func() ([]jetstream.Msg, error) { return consume.Batch(ctx, cons, opts.Batch, opts.Linger, opts.Log) }
	if isPaced {
		alone := consume.Alone{Takeover: opts.Takeover, Linger: opts.Linger, Log: opts.Log}
		fetch = func() ([]jetstream.Msg, error) { return alone.Batch(ctx, cons, opts.Batch) }
		defer alone.HandOver(ctx, js, cons)
		stop := alone.Keep(work, cons)
		defer stop()
	}
	place := ""
	for ctx.Err() == nil {
		batch, err := fetch()
		if err != nil {
			return fmt.Errorf("consumer of connection %s: %w", opts.Connection, err)
		}
		if len(batch) > 0 {
			place = begin(s, place, batch[0])
			r.handle(ctx, work, batch)
		}
	}
	return ctx.Err()
}

// maxWaiting is how many messages of a Paced sink may wait to be tried again.
const maxWaiting = 1000

// consumer is the durable consumer of the connection; alone makes the server serve one replica at a
// time.
func (o Options) consumer(alone bool) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		Durable:       topology.SinkConsumer(o.Kind, o.Connection),
		FilterSubject: topology.TargetFilter(o.Kind, o.Connection),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       o.AckWait,
		MaxAckPending: o.MaxAckPending,
		MaxDeliver:    -1,
	}
	if alone {
		config.PriorityPolicy, config.PriorityGroups = jetstream.PriorityPolicyPinned, []string{consume.AloneGroup}
		config.PinnedTTL = o.Takeover
	}
	return config
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

// pinHeader is where the server names the place of the client that it serves.
const pinHeader = "Nats-Pin-Id"

// runner is one loop over one connection's messages.
type runner struct {
	js      jetstream.JetStream
	sink    Sink
	opts    Options
	log     *slog.Logger
	book    receipt.Book
	breaker *breaker
}

// delivery is a message and what became of it.
type delivery struct {
	Message
	msg jetstream.Msg
	err error
}

// handle writes and settles one batch. ctx ends when the service is to stop, work when what is
// in hand must be let go.
func (r *runner) handle(ctx, work context.Context, msgs []jetstream.Msg) {
	stop := consume.Beat(work, r.opts.AckWait/3, msgs...)
	defer stop()
	deliveries := make([]*delivery, len(msgs))
	var good []*delivery
	for i, msg := range msgs {
		deliveries[i] = decode(msg)
		if deliveries[i].err == nil {
			good = append(good, deliveries[i])
		}
	}
	if len(good) > 0 {
		r.write(ctx, work, good)
		seam.Reach(seam.SinkWritten)
	}
	r.settle(work, deliveries)
}

// decode reads a message's envelope; what has none is a dead letter.
func decode(msg jetstream.Msg) *delivery {
	d := &delivery{msg: msg}
	meta, err := msg.Metadata()
	if err == nil {
		d.Sequence, d.Attempt = meta.Sequence.Stream, int(meta.NumDelivered)
		d.Envelope, err = record.Parse(msg.Headers())
	}
	if err == nil {
		d.Message.Options, err = url.ParseQuery(d.Envelope.Options)
	}
	if d.Flow == "" {
		d.Flow = flowOf(msg.Subject())
	}
	d.Body, d.err = msg.Data(), fault.Permanent("envelope", err)
	return d
}

// flowOf returns the flow in target.<kind>.<connection>.<flow>.<p>.
func flowOf(subject string) string {
	if tokens := strings.Split(subject, "."); len(tokens) == 5 {
		return tokens[3]
	}
	return "unknown"
}

// write hands deliveries to the sink and notes each one's outcome.
func (r *runner) write(ctx, work context.Context, part []*delivery) {
	for len(part) > 0 {
		part = part[r.writeSome(ctx, work, part):]
	}
}

// writeSome hands as many deliveries to the sink as the breaker lets through, and returns how many
// it noted an outcome of. A batch that fails for its data is halved until the bad messages are alone.
func (r *runner) writeSome(ctx, work context.Context, part []*delivery) int {
	batch := make([]Message, len(part))
	for i, d := range part {
		batch[i] = d.Message
	}
	spanned, span := trace.Start(work, oteltrace.SpanKindConsumer, "process", topology.Target)
	began := time.Now()
	n, err := r.breaker.write(ctx, spanned, r.sink, batch)
	part = part[:n]
	trace.Processed(spanned, topology.Target, r.opts.Connection, n, time.Since(began), err)
	trace.End(span, err)
	_, single := errors.AsType[*BatchError](err)
	if !single && len(part) > 1 && part[0].splits(err) {
		r.write(ctx, work, part[:len(part)/2])
		r.write(ctx, work, part[len(part)/2:])
		return n
	}
	for i, d := range part {
		d.Message, d.err = batch[i], errorOf(err, i)
	}
	return n
}

// An error that nobody classified is retried like a busy target. After isolateAfter deliveries the
// message is written alone, so that it holds up no other; after giveUpAfter it is a dead letter.
const (
	isolateAfter = 3
	giveUpAfter  = 20
)

// splits reports whether one message alone may be what the batch of d failed for.
func (d *delivery) splits(err error) bool {
	return fault.IsPermanent(err) || unclassified(err) && d.Attempt >= isolateAfter
}

// hopeless reports whether d is not to come again.
func (d *delivery) hopeless() bool {
	return fault.IsPermanent(d.err) || unclassified(d.err) && d.Attempt >= giveUpAfter
}

// untouched reports whether nothing was tried with d: the service stops, or the target is down.
func (d *delivery) untouched() bool {
	return errors.Is(d.err, context.Canceled) || fault.KindOf(d.err) == fault.DownKind
}

func unclassified(err error) bool {
	return fault.KindOf(err) == fault.Unknown && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// settle is the only place where messages are settled: receipts first, then the ack; the letter
// first, then the end; everything else comes again.
func (r *runner) settle(ctx context.Context, deliveries []*delivery) {
	unbooked := r.publish(ctx, deliveries)
	for _, d := range deliveries {
		var err error
		switch {
		case d.err == nil && unbooked == nil:
			err = d.msg.Ack()
		case d.err == nil:
			err = d.msg.NakWithDelay(retryDelay(d.Attempt, unbooked))
		case d.hopeless():
			err = r.bury(ctx, d)
		case d.untouched():
			err = d.msg.Nak()
		default:
			r.log.WarnContext(ctx, "message comes again", "flow", d.Flow, "key", d.Key, "attempt", d.Attempt, "err", d.err)
			err = d.msg.NakWithDelay(retryDelay(d.Attempt, d.err))
		}
		if err != nil {
			r.log.WarnContext(ctx, "message not settled, it comes again", "flow", d.Flow, "key", d.Key, "err", err)
		}
		seam.Reach(seam.SinkSettling)
	}
}

// bury moves a message to DEAD; when that can't be had the message comes again.
func (r *runner) bury(ctx context.Context, d *delivery) error {
	r.log.ErrorContext(ctx, "dead letter", "flow", d.Flow, "key", d.Key, "class", fault.ClassOf(d.err), "err", d.err)
	letter := dead.Letter{Stage: dead.Sink, Flow: d.Flow, RawSequence: d.RawSequence, Reason: d.err, Message: d.msg}
	if err := consume.Insist(ctx, func() error { return dead.Bury(ctx, r.js, letter) }); err != nil {
		return errors.Join(err, d.msg.NakWithDelay(retryDelay(d.Attempt, err)))
	}
	seam.Reach(seam.SinkBuried)
	return d.msg.TermWithReason(fault.ClassOf(d.err))
}
