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

// jobs works off the queue of one connection. Its consumer gives out one job at a time over all
// replicas: whoever has it is the only one to spend the account's call budget.
type jobs struct {
	js         jetstream.JetStream
	poller     *Poller
	connection string
	sources    func() map[string]Source
	log        *slog.Logger
	report     func(source string, err error)
}

// run blocks until ctx is done or the consumer is gone.
func (j jobs) run(ctx context.Context) error {
	cons, err := j.js.CreateOrUpdateConsumer(ctx, topology.Polls, jetstream.ConsumerConfig{
		Durable:       topology.PollerConsumer(j.connection),
		FilterSubject: topology.PollFilter(j.connection),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       jobWait,
		MaxAckPending: 1,
		MaxDeliver:    -1,
	})
	if err != nil {
		return fmt.Errorf("consumer of connection %s: %w", j.connection, err)
	}
	for ctx.Err() == nil {
		batch, err := consume.Batch(ctx, cons, 1, 0, j.log)
		if err != nil {
			return fmt.Errorf("consumer of connection %s: %w", j.connection, err)
		}
		for _, msg := range batch {
			j.handle(ctx, msg)
		}
	}
	return ctx.Err()
}

// handle does one job and settles it. A failed tick is not tried again: the next one will do. A
// backfill goes to the end of the queue after each of its jobs.
func (j jobs) handle(ctx context.Context, msg jetstream.Msg) {
	stop := consume.Beat(ctx, jobWait/4, msg)
	err := j.do(ctx, msg)
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
		j.log.WarnContext(ctx, "job not settled, it comes again", "subject", msg.Subject(), "err", err)
	}
}

func (j jobs) do(ctx context.Context, msg jetstream.Msg) (err error) {
	job, err := parseJob(msg)
	if err != nil {
		j.log.ErrorContext(ctx, "job dropped", "err", err)
		return nil
	}
	src, ok := j.sources()[job.source]
	if !ok {
		j.log.InfoContext(ctx, "job of a source that is gone dropped", "source", job.source)
		return nil
	}
	ctx, span := trace.Start(ctx, oteltrace.SpanKindConsumer, "process", topology.Polls)
	defer func() { trace.End(span, err) }()
	if job.backfill != "" {
		err = j.backfill(ctx, src, job)
	} else {
		err = j.poll(ctx, src)
	}
	if errors.Is(err, ErrFenced) {
		j.log.WarnContext(ctx, "another poller was faster", "source", src.Name)
		err = nil
	}
	j.report(src.Name, err)
	if err != nil && ctx.Err() == nil {
		j.fail(ctx, src, err)
	}
	return err
}

// poll does a tick; where it takes too long the rest is queued behind the other sources.
func (j jobs) poll(ctx context.Context, src Source) error {
	done, err := j.poller.Poll(ctx, src)
	if err != nil || done {
		return err
	}
	return Tick(ctx, j.js, src.Connection, src.Name)
}

func (j jobs) backfill(ctx context.Context, src Source, job job) error {
	reached, err := j.poller.Backfill(ctx, src, job.backfill, job.from, job.to)
	if err != nil || !reached.Before(job.to) || reached.Equal(job.from) {
		return err
	}
	return Backfill(ctx, j.js, src.Connection, src.Name, job.backfill, reached, job.to)
}

func (j jobs) fail(ctx context.Context, src Source, err error) {
	j.log.ErrorContext(ctx, "poll", "source", src.Name, "err", err)
	kind := "poll-failed"
	if _, ok := errors.AsType[*NotProvedError](err); ok {
		kind = "window-not-proved"
	}
	e := event.Event{Severity: event.Warning, Kind: kind, Subject: src.Name, Text: err.Error()}
	if err := event.Publish(ctx, j.js, e); err != nil {
		j.log.WarnContext(ctx, "event not published", "err", err)
	}
}

func backfillDelay(msg jetstream.Msg) time.Duration {
	meta, err := msg.Metadata()
	if err != nil {
		return backfillMost
	}
	return min(backfillFirst<<min(meta.NumDelivered-1, 8), backfillMost)
}
