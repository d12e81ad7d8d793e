package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
)

// jobWait is how long the server waits for a sign of life before it gives a job to another
// replica.
const jobWait = 10 * time.Second

// The wait before a failed backfill job is tried again grows from backfillFirst to backfillMost.
const (
	backfillFirst = 5 * time.Second
	backfillMost  = time.Minute
)

// Queue works off the jobs of one connection. Its consumer gives out one job at a time over all
// replicas: whoever has it is the only one to spend the account's call budget.
type Queue struct {
	JS         jetstream.JetStream
	Poller     *Poller
	Connection string
	// Sources returns the connection's sources as they are now, by name.
	Sources func() map[string]Source
	Log     *slog.Logger
	// Report hears of each source after its job: nil, or why it could not be read.
	Report func(source string, err error)

	// failing holds what each source that can't be read failed with the last time.
	failing map[string]string
}

// Run blocks until ctx is done or the consumer is gone.
func (q *Queue) Run(ctx context.Context) error {
	cons, err := q.JS.CreateOrUpdateConsumer(ctx, topology.Polls, jetstream.ConsumerConfig{
		Durable:       topology.PollerConsumer(q.Connection),
		FilterSubject: topology.PollFilter(q.Connection),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       jobWait,
		MaxAckPending: 1,
		MaxDeliver:    -1,
	})
	if err != nil {
		return fmt.Errorf("consumer of connection %s: %w", q.Connection, err)
	}
	q.failing = map[string]string{}
	for ctx.Err() == nil {
		batch, err := consume.Batch(ctx, cons, 1, 0, q.Log)
		if err != nil {
			return fmt.Errorf("consumer of connection %s: %w", q.Connection, err)
		}
		for _, msg := range batch {
			q.handle(ctx, msg)
		}
	}
	return ctx.Err()
}

// handle does one job and settles it. A failed tick is not tried again: the next one will do. A
// backfill goes to the end of the queue after each of its jobs.
func (q *Queue) handle(ctx context.Context, msg jetstream.Msg) {
	stop := consume.Beat(ctx, jobWait/4, msg)
	err := q.do(ctx, msg)
	stop()
	switch {
	case ctx.Err() != nil:
		err = msg.Nak()
	case err == nil || msg.Headers().Get(topology.HeaderBackfill) == "":
		err = msg.DoubleAck(ctx)
	default:
		err = msg.NakWithDelay(backfillDelay(msg))
	}
	if err != nil && ctx.Err() == nil {
		q.Log.WarnContext(ctx, "job not settled, it comes again", "subject", msg.Subject(), "err", err)
	}
}

func (q *Queue) do(ctx context.Context, msg jetstream.Msg) (err error) {
	job, err := parseJob(msg)
	if err != nil {
		q.Log.ErrorContext(ctx, "job dropped", "err", err)
		return nil
	}
	src, ok := q.Sources()[job.source]
	if !ok {
		q.Log.InfoContext(ctx, "job of a source that is gone dropped", "source", job.source)
		return nil
	}
	ctx, span := trace.Start(ctx, oteltrace.SpanKindConsumer, "process", topology.Polls)
	defer func() { trace.End(span, err) }()
	if job.past.ID != "" {
		err = q.backfill(ctx, src, job)
	} else {
		err = q.poll(ctx, src)
	}
	if errors.Is(err, ErrFenced) && job.past.ID == "" {
		q.Log.WarnContext(ctx, "another poller was faster", "source", src.Name)
		err = nil
	}
	if ctx.Err() == nil {
		q.tell(ctx, src, err)
	}
	return err
}

// poll does a tick; where it takes too long the rest is queued behind the other sources.
func (q *Queue) poll(ctx context.Context, src Source) error {
	done, err := q.Poller.Poll(ctx, src)
	if err != nil || done {
		return err
	}
	return Tick(ctx, q.JS, src.Connection, src.Name)
}

func (q *Queue) backfill(ctx context.Context, src Source, job job) error {
	reached, err := q.Poller.Backfill(ctx, src, job.past)
	if err != nil || !reached.Before(job.past.To) || reached.Equal(job.past.From) {
		return err
	}
	return Backfill(ctx, q.JS, src.Connection, src.Name, Past{job.past.ID, reached, job.past.To})
}

// tell reports how a job ended; operators hear of a failure once, until it is another one.
func (q *Queue) tell(ctx context.Context, src Source, err error) {
	q.Report(src.Name, err)
	if err == nil {
		delete(q.failing, src.Name)
		return
	}
	kind := "poll-failed"
	if _, ok := errors.AsType[*NotProvedError](err); ok {
		kind = "window-not-proved"
	}
	if q.failing[src.Name] == fault.ClassOf(err)+kind {
		return
	}
	q.failing[src.Name] = fault.ClassOf(err) + kind
	q.Log.ErrorContext(ctx, "poll", "source", src.Name, "err", err)
	e := event.Event{Severity: event.Warning, Kind: kind, Subject: src.Name, Text: err.Error()}
	if err := event.Publish(ctx, q.JS, e); err != nil {
		q.Log.WarnContext(ctx, "event not published", "err", err)
	}
}

func backfillDelay(msg jetstream.Msg) time.Duration {
	meta, err := msg.Metadata()
	if err != nil {
		return backfillMost
	}
	return min(backfillFirst<<min(meta.NumDelivered-1, 8), backfillMost)
}
