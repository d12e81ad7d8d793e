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
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
)

// jobWait is how long the server waits for a sign of life before it gives a job to another
// replica.
const jobWait = 10 * time.Second

// The wait before a failed backfill job is queued again grows from backfillFirst to backfillMost, and
// that before a source is looked at again whose tick failed from retryFirst to retryMost.
const (
	backfillFirst = 5 * time.Second
	backfillMost  = time.Minute
	retryFirst    = 10 * time.Second
	retryMost     = 5 * time.Minute
)

// One request for a job stays at the server for pullExpiry, which shows by the heart-beat that it
// still has it; giveBack is how long a poller that stops waits for a job that was on its way.
const (
	pullExpiry    = 20 * time.Second
	pullHeartbeat = 5 * time.Second
	giveBack      = 3 * time.Second
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

	// failing holds the sources that can't be read.
	failing map[string]failure
	// latest is the number that the server gave the latest job of this replica: where the next one follows
	// it, no other replica had one in between.
	latest uint64
}

// failure is what a source failed with the last time, and how many of its ticks failed in a row.
type failure struct {
	kind  string
	ticks int
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
	q.failing, q.latest = map[string]failure{}, 0
	jobs, err := cons.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("consumer of connection %s: %w", q.Connection, err)
	}
	return q.work(ctx, cons, jobs)
}

// work does one job after the other. When ctx ends the subscription is drained, not cut: a job that
// the server has sent already still comes and is given back, instead of lying with nobody until the
// server misses a sign of life.
func (q *Queue) work(ctx context.Context, cons jetstream.Consumer, jobs jetstream.MessagesContext) error {
	defer jobs.Stop()
	unwatch := context.AfterFunc(ctx, jobs.Drain)
	defer unwatch()
	stopping, release := consume.WithGrace(ctx, giveBack)
	defer release()
	for {
		msg, err := jobs.Next(jetstream.NextContext(stopping))
		switch {
		case err == nil:
			q.handle(ctx, msg)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, jetstream.ErrMsgIteratorClosed), errors.Is(err, jetstream.ErrConsumerDeleted), isGone(ctx, cons):
			return fmt.Errorf("consumer of connection %s: %w", q.Connection, err)
		default:
			q.Log.WarnContext(ctx, "no jobs to be had", "connection", q.Connection, "err", err)
		}
	}
}

// isGone reports whether the consumer is no longer at the server. Without an answer it is not known
// to be.
func isGone(ctx context.Context, cons jetstream.Consumer) bool {
	_, err := cons.Info(ctx)
	return errors.Is(err, jetstream.ErrConsumerNotFound)
}

// handle does one job and settles it; one that comes when ctx has ended is given back at once. A job that
// failed is done with: a source whose tick it was is looked at again soon, and a backfill is queued again,
// without a job that blocks those behind it until then. A backfill goes to the end of the queue after each
// of its jobs.
func (q *Queue) handle(ctx context.Context, msg jetstream.Msg) {
	var err error
	if ctx.Err() == nil {
		stop := consume.Beat(ctx, jobWait/4, msg)
		err = q.do(ctx, msg)
		stop()
		seam.Reach(seam.PollDone)
	}
	switch {
	case ctx.Err() != nil:
		err = msg.Nak()
	case err != nil:
		err = msg.NakWithDelay(backfillMost)
	default:
		err = msg.DoubleAck(ctx)
	}
	if err != nil {
		q.Log.WarnContext(ctx, "job not settled, it comes again", "subject", msg.Subject(), "err", err)
	}
}

// do does one job. The error is that of a job which could not be put off either.
func (q *Queue) do(ctx context.Context, msg jetstream.Msg) error {
	q.rest(msg)
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
	if job.recount != nil || job.past.ID != "" {
		stop := q.letThrough(msg, src)
		defer stop()
	}
	switch {
	case job.recount != nil:
		err = q.recount(ctx, src, *job.recount)
	case job.past.ID != "":
		if err = q.backfill(ctx, src, job); err != nil && ctx.Err() == nil {
			return backfillAfter(ctx, q.JS, src, job)
		}
	default:
		err = q.tick(ctx, src)
	}
	return nil
}

// rest keeps a distance from the calls of another replica, if one had the job before this.
func (q *Queue) rest(msg jetstream.Msg) {
	before := q.latest
	if meta, err := msg.Metadata(); err == nil {
		q.latest = meta.Sequence.Consumer
	}
	if r, ok := q.Poller.reader.(Rester); ok && (before == 0 || q.latest != before+1) {
		r.Rest()
	}
}

// tick does a tick, and tells how it ended.
func (q *Queue) tick(ctx context.Context, src Source) error {
	err := q.poll(ctx, src)
	if errors.Is(err, ErrFenced) {
		q.Log.WarnContext(ctx, "another poller was faster", "source", src.Name)
		err = nil
	}
	if ctx.Err() == nil {
		q.tell(ctx, src, err)
		q.again(ctx, src, err)
	}
	return err
}

// poll does a tick; where it takes too long the rest is queued behind the other sources.
func (q *Queue) poll(ctx context.Context, src Source) error {
	done, err := q.Poller.Poll(ctx, src)
	if err != nil || done {
		return err
	}
	err = Tick(ctx, q.JS, src.Connection, src.Name)
	seam.Reach(seam.PollQueued)
	return err
}

// backfill does a backfill job; where it takes too long the rest is queued behind the other sources.
func (q *Queue) backfill(ctx context.Context, src Source, job job) error {
	reached, err := q.Poller.Backfill(ctx, src, job.past)
	if ctx.Err() == nil {
		q.tell(ctx, src, err)
	}
	if err != nil || !reached.Before(job.past.To) || reached.Equal(job.past.From) {
		return err
	}
	err = Backfill(ctx, q.JS, src.Connection, src.Name, Past{job.past.ID, reached, job.past.To})
	seam.Reach(seam.PollQueued)
	return err
}

// tell reports how a job ended; operators hear of a failure once, until it is another one.
func (q *Queue) tell(ctx context.Context, src Source, err error) {
	q.Report(src.Name, err)
	if err == nil {
		return
	}
	kind := "poll-failed"
	if _, ok := errors.AsType[*NotProvedError](err); ok {
		kind = "window-not-proved"
	}
	failing := q.failing[src.Name]
	was := failing.kind
	failing.kind = fault.ClassOf(err) + kind
	q.failing[src.Name] = failing
	if was == failing.kind {
		return
	}
	q.Log.ErrorContext(ctx, "poll", "source", src.Name, "err", err)
	e := event.Event{Severity: event.Warning, Kind: kind, Subject: src.Name, Text: err.Error()}
	if err := event.Publish(ctx, q.JS, e); err != nil {
		q.Log.WarnContext(ctx, "event not published", "err", err)
	}
}

// again sees to it that a source whose tick failed is looked at again, each time after a longer wait,
// when its next tick is further away than that. A source that is well again is not.
func (q *Queue) again(ctx context.Context, src Source, failed error) {
	failing := q.failing[src.Name]
	var err error
	switch {
	case failed == nil && failing.ticks > 0:
		err = dropRetry(ctx, q.JS, src)
		fallthrough
	case failed == nil:
		delete(q.failing, src.Name)
	default:
		wait := fault.Delay(failed, min(retryFirst<<min(failing.ticks, 8), retryMost))
		failing.ticks++
		q.failing[src.Name] = failing
		if src.Every == 0 || src.Every > wait {
			err = retryAfter(ctx, q.JS, src, wait)
		}
	}
	if err != nil {
		q.Log.WarnContext(ctx, "no earlier try than the next tick", "source", src.Name, "err", err)
	}
}
