package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	oteltrace "go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

const (
	// ackWait is how long the server waits for a sign of life before it gives a record to another replica.
	ackWait = 10 * time.Second
	// grace is how long a batch in hand may take when the service is to stop.
	grace = 10 * time.Second
	// linger is how long a batch waits for records that another replica may have taken.
	linger = 20 * time.Millisecond
	// batchBytes is about how much the records of a batch may weigh.
	batchBytes = 4 << 20
)

// batchesInHand is how many batches all flows of a replica may have in hand together. More would only need
// more memory: while one is on its way to the server's disk the processor works on the others.
const batchesInHand = 3

// shared is what all flows of a replica have in common.
type shared struct {
	// batch is how many records are mapped together at most.
	batch int
	// room is for records in hand.
	room *semaphore.Weighted
	// board says when a flow is to stand still, and what of its past is to be mapped again.
	board *board
}

func newShared(js jetstream.JetStream, log *slog.Logger, batch int) shared {
	return shared{
		batch: batch, room: semaphore.NewWeighted(int64(batchesInHand * batch)),
		board: newBoard(js, log),
	}
}

// transform is the loop of one flow.
type transform struct {
	mapper
	shared
	js       jetstream.JetStream
	instance string
	log      *slog.Logger
	// store is the master data of the target's connection, nil where the flow looks up none.
	store *reference.Store
	// parkedAlarm is how long records may wait for master data before an event says so.
	parkedAlarm time.Duration
	// tally counts the records that quality rules warn of; it is there while the flow is worked on.
	tally *tally
	// paused and resumed are told when the flow is to stand still and when it goes on.
	paused, resumed func()
}

// lookup is the master data as the mapping takes it.
func (t transform) lookup() mapping.Lookup {
	if t.store == nil {
		return nil
	}
	return t.store
}

// run works on the flow until ctx is done, but while an operator holds it: then it stops as it does in the
// end, what it has in hand is settled, and its consumer keeps its place.
func (t transform) run(ctx context.Context) error {
	for {
		working, stop, err := t.board.free(ctx, t.name, func(hold.Hold) { t.paused() })
		if err != nil {
			return err
		}
		t.resumed()
		err = t.work(working)
		held := working.Err() != nil
		stop()
		if ctx.Err() != nil || !held {
			return err
		}
	}
}

// work maps the flow's records, those that are parked, and those of the past that are asked for, until ctx
// is done. It begins when the master data is known, for before that everything would have to wait for it.
func (t transform) work(ctx context.Context) error {
	if t.store != nil {
		if err := t.store.Wait(ctx); err != nil {
			return err
		}
	}
	t.tally = newTally(t)
	r := newReleaser(t)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.run(ctx) })
	g.Go(func() error { return t.consume(ctx, r.ask) })
	g.Go(func() error { return t.tally.run(ctx) })
	g.Go(func() error { return replayer{transform: t, onParked: r.ask}.run(ctx) })
	return g.Wait()
}

// consume maps the records that come until ctx is done. onParked is called when some were parked.
func (t transform) consume(ctx context.Context, onParked func()) error {
	cons, err := consume.Durable(ctx, t.js, topology.Raw, jetstream.ConsumerConfig{
		Durable:       topology.TransformerConsumer(t.name),
		FilterSubject: topology.RawFilter(t.feed.System, t.source),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxAckPending: 2 * batchesInHand * t.batch, // two replicas can be at it
		MaxDeliver:    -1,
	})
	if err != nil {
		return fmt.Errorf("consumer of flow %s: %w", t.name, err)
	}
	work, release := consume.WithGrace(ctx, grace)
	defer release()
	var inHand sync.WaitGroup
	defer inHand.Wait()
	for size := t.batch; ctx.Err() == nil; {
		first, err := consume.Next(ctx, cons, t.log)
		if err != nil {
			return fmt.Errorf("consumer of flow %s: %w", t.name, err)
		}
		if first == nil || !t.makeRoom(work, first, size) {
			continue
		}
		batch := consume.More(cons, first, size, linger)
		t.room.Release(int64(size - len(batch)))
		inHand.Go(func() {
			defer t.room.Release(int64(len(batch)))
			if t.handle(work, batch) {
				onParked()
			}
		})
		// One that is full has more behind it: while it is stored the next can be mapped, as if by another
		// replica, for sinks take records in any order. Else what comes meanwhile is better taken together.
		if len(batch) < size {
			inHand.Wait()
		}
		size = t.fitting(batch)
	}
	return ctx.Err()
}

// makeRoom waits until there is room for a batch, and keeps its first record alive. It reports whether there
// is: not when ctx is done.
func (t transform) makeRoom(ctx context.Context, first jetstream.Msg, size int) bool {
	if t.room.TryAcquire(int64(size)) {
		return true
	}
	stop := consume.Beat(ctx, ackWait/3, first)
	defer stop()
	return t.room.Acquire(ctx, int64(size)) == nil
}

// fitting is how many records like those of a batch are to be taken together.
func (t transform) fitting(batch []jetstream.Msg) int {
	bytes := 1
	for _, raw := range batch {
		bytes += len(raw.Data())
	}
	return max(1, min(t.batch, batchBytes*len(batch)/bytes))
}

// handle maps a batch, publishes what came of it, and settles it. It reports whether some of it was
// parked.
func (t transform) handle(ctx context.Context, batch []jetstream.Msg) (parked bool) {
	stop := consume.Beat(ctx, ackWait/3, batch...)
	defer stop()
	began := time.Now()
	ctx, span := trace.Start(ctx, oteltrace.SpanKindConsumer, "process", topology.Raw)
	outcomes := make([]outcome, len(batch))
	for i, raw := range batch {
		outcomes[i] = t.apply(ctx, raw, t.lookup(), stay{})
	}
	err := consume.Insist(ctx, func() error { return t.publish(ctx, outcomes) })
	trace.Processed(ctx, topology.Raw, t.name, len(batch), time.Since(began), err)
	trace.End(span, err)
	for i, o := range outcomes {
		if err := t.settle(ctx, batch[i], o, err); err != nil {
			t.log.WarnContext(ctx, "record not settled, it comes again", "key", o.envelope.Key, "err", err)
		}
		parked = parked || o.parked != nil
		seam.Reach(seam.TransformSettling)
	}
	return parked
}

// publish settles who has the values that one document alone may have, and stores the target messages, the
// records that have to wait, and the receipts of those that are left out. It returns when the server has all
// of them.
func (t transform) publish(ctx context.Context, outcomes []outcome) error {
	if err := t.claim(ctx, outcomes); err != nil {
		return err
	}
	var targets, parked []*nats.Msg
	var left []*ledgerv1.Receipt
	for _, o := range outcomes {
		switch {
		case o.err != nil:
		case o.parked != nil:
			parked = append(parked, o.parked)
		case o.filtered:
			left = append(left, t.leftOut(o))
		default:
			targets = append(targets, o.target)
		}
	}
	if err := t.send(ctx, targets); err != nil {
		return err
	}
	if err := t.park(ctx, parked); err != nil {
		return err
	}
	t.tally.note(outcomes)
	if len(left) == 0 {
		return nil
	}
	err := receipt.NewBook(t.js, "transformer", t.instance).Publish(ctx, map[string][]*ledgerv1.Receipt{t.name: left})
	seam.Reach(seam.TransformBooked)
	return err
}

// leftOut is the receipt of a record that the flow's condition or a quality rule leaves out.
func (t transform) leftOut(o outcome) *ledgerv1.Receipt {
	attempts := int32(o.attempt) //nolint:gosec // attempts are few
	r := &ledgerv1.Receipt{
		RawSequence: &o.sequence, Key: &o.envelope.Key, Version: &o.envelope.Version,
		Outcome: ledgerv1.Outcome_OUTCOME_FILTERED.Enum(), Attempts: &attempts, FlowRevision: &t.revision,
	}
	if o.dropped != "" {
		class := classQuality
		r.Error, r.ErrorClass = &o.dropped, &class
	}
	return r
}

// send stores target messages. Those that the server has already, for a replica died between publishing and
// acknowledging, it leaves out.
func (t transform) send(ctx context.Context, msgs []*nats.Msg) error {
	for part := range slices.Chunk(msgs, topology.BatchLimit) {
		if err := batch.Store(ctx, t.js, part); err != nil {
			return fmt.Errorf("publish %d target messages: %w", len(part), err)
		}
		trace.Sent(ctx, topology.Target, t.name, len(part))
		seam.Reach(seam.TransformPublished)
	}
	return nil
}

// settle is the only place where records are settled. failed is what kept the batch from being
// published.
func (t transform) settle(ctx context.Context, raw jetstream.Msg, o outcome, failed error) error {
	switch {
	case o.err != nil:
		if err := t.bury(ctx, o); err != nil {
			return errors.Join(err, raw.NakWithDelay(time.Second))
		}
		seam.Reach(seam.TransformBuried)
		return raw.TermWithReason(fault.ClassOf(o.err))
	case failed != nil:
		t.log.WarnContext(ctx, "record comes again", "key", o.envelope.Key, "attempt", o.attempt, "err", failed)
		return raw.NakWithDelay(fault.Delay(failed, time.Second))
	default:
		return raw.Ack()
	}
}

// bury stores a record in DEAD. When that can't be had it must come again.
func (t transform) bury(ctx context.Context, o outcome) error {
	t.log.ErrorContext(ctx, "dead letter", "key", o.envelope.Key, "class", fault.ClassOf(o.err), "err", o.err)
	letter := dead.Letter{Stage: dead.Transform, Flow: t.name, RawSequence: o.sequence, Reason: o.err, Message: o.record}
	return consume.Insist(ctx, func() error { return dead.Bury(ctx, t.js, letter) })
}
