package sink

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/topology"
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
	// MaxAckPending is how many messages all replicas together may have in hand (8 × Batch for each writer).
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

func (o Options) withDefaults(writers int) Options {
	if o.Batch == 0 {
		o.Batch = 1000
	}
	if o.Linger == 0 {
		o.Linger = 20 * time.Millisecond
	}
	if o.MaxAckPending == 0 {
		o.MaxAckPending = 8 * o.Batch * writers // each of a replica has up to three batches in hand
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
	writers := 1
	if p, ok := s.(Parallel); ok {
		writers = p.Writers()
	}
	opts = opts.withDefaults(writers)
	cons, err := consume.Durable(ctx, js, topology.Target, opts.consumer(isPaced))
	if err != nil {
		return fmt.Errorf("consumer of connection %s: %w", opts.Connection, err)
	}
	r := &runner{
		js: js, sink: s, opts: opts, log: opts.Log.With("connection", opts.Connection),
		book: receipt.NewBook(js, "sink-"+opts.Kind, opts.Instance), breaker: newBreaker(js, opts), options: map[string]url.Values{},
	}
	if isPaced {
		work, release := consume.WithGrace(ctx, opts.Grace)
		defer release()
		return r.pace(ctx, work, cons)
	}
	if err := r.loops(ctx, writers, cons); err != nil {
		return fmt.Errorf("consumer of connection %s: %w", opts.Connection, err)
	}
	return ctx.Err()
}

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
