// Package ledger adds up what the windows say came in and what the receipts and dead letters say
// became of it, so that every record is accounted for.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// Intake is what the windows of one source add up to, in records: Total + Removed is Published +
// Unchanged.
type Intake struct {
	// Total is how many documents the vendor counted in the windows, an overlap counted each time.
	Total int64
	// Published went into RAW, Unchanged were there already.
	Published int64
	Unchanged int64
	// Removed are the tombstones among the published ones: the vendor has those documents no more.
	Removed int64
	// Cursor is the source time before which all is proved.
	Cursor time.Time
}

// Outcomes is what became of one flow's records, each counted once however often it was
// delivered.
type Outcomes struct {
	Delivered  int64
	Superseded int64
	Filtered   int64
	// DeadTransform and DeadSink died on their way to TARGET, and behind it.
	DeadTransform int64
	DeadSink      int64
}

// Total is how many records have an outcome.
func (o Outcomes) Total() int64 {
	return o.Delivered + o.Superseded + o.Filtered + o.DeadTransform + o.DeadSink
}

// Books follows the streams that the accounts are in. Refresh and the accounts must not be
// called at the same time.
type Books struct {
	tails    []*tail
	intakes  map[string]Intake
	outcomes map[string]*outcomes
}

// Open returns Books with nothing read yet.
func Open(js jetstream.JetStream) *Books {
	b := &Books{intakes: map[string]Intake{}, outcomes: map[string]*outcomes{}}
	b.tails = []*tail{
		{js: js, stream: topology.Ledger, take: b.window},
		{js: js, stream: topology.Receipts, take: b.receipts},
		{js: js, stream: topology.Dead, headersOnly: true, take: b.dead},
	}
	return b
}

// Refresh reads what came since the last time.
func (b *Books) Refresh(ctx context.Context) error {
	for _, t := range b.tails {
		if err := t.read(ctx); err != nil {
			return fmt.Errorf("read stream %s: %w", t.stream, err)
		}
	}
	return nil
}

// Intake returns what came in from a source.
func (b *Books) Intake(source string) Intake { return b.intakes[source] }

// Outcomes returns what became of a flow's records.
func (b *Books) Outcomes(flow string) Outcomes {
	o := b.outcomes[flow]
	if o == nil {
		return Outcomes{}
	}
	return Outcomes{
		Delivered: o.counts[delivered], Superseded: o.counts[superseded], Filtered: o.counts[filtered],
		DeadTransform: o.counts[deadTransform], DeadSink: o.counts[deadSink],
	}
}

func (b *Books) window(msg jetstream.Msg) error {
	w := new(ledgerv1.Window)
	if err := proto.Unmarshal(msg.Data(), w); err != nil {
		return fmt.Errorf("window: %w", err)
	}
	in := b.intakes[w.GetSource()]
	in.Published += w.GetPublished()
	in.Unchanged += w.GetUnchanged()
	in.Removed += w.GetRemoved()
	if w.GetClosed() {
		in.Total += max(w.GetTotalAfter(), w.GetDistinct()) - w.GetStepped()
	} else {
		in.Total += w.GetPublished() - w.GetRemoved()
	}
	in.Cursor = w.GetCursor().AsTime()
	b.intakes[w.GetSource()] = in
	return nil
}

func (b *Books) receipts(msg jetstream.Msg) error {
	all := new(ledgerv1.Receipts)
	if err := proto.Unmarshal(msg.Data(), all); err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	for _, r := range all.GetReceipts() {
		switch r.GetOutcome() {
		case ledgerv1.Outcome_OUTCOME_COMMITTED, ledgerv1.Outcome_OUTCOME_UNCHANGED:
			b.of(all.GetFlow()).set(r.GetRawSequence(), delivered)
		case ledgerv1.Outcome_OUTCOME_SUPERSEDED:
			b.of(all.GetFlow()).set(r.GetRawSequence(), superseded)
		case ledgerv1.Outcome_OUTCOME_FILTERED:
			b.of(all.GetFlow()).set(r.GetRawSequence(), filtered)
		case ledgerv1.Outcome_OUTCOME_RETRIED:
		default:
			return fmt.Errorf("receipt of key %s has the unknown outcome %v", r.GetKey(), r.GetOutcome())
		}
	}
	return nil
}

func (b *Books) dead(msg jetstream.Msg) error {
	sequence, err := strconv.ParseUint(msg.Headers().Get(topology.HeaderDeadRaw), 10, 64)
	if err != nil {
		return fmt.Errorf("dead letter: header %s: %w", topology.HeaderDeadRaw, err)
	}
	if sequence == 0 {
		return nil // a message that no record was behind
	}
	became := deadSink
	if msg.Headers().Get(topology.HeaderDeadStage) == "transform" {
		became = deadTransform
	}
	b.of(msg.Headers().Get(topology.HeaderDeadFlow)).set(sequence, became)
	return nil
}

func (b *Books) of(flow string) *outcomes {
	if b.outcomes[flow] == nil {
		b.outcomes[flow] = &outcomes{pages: map[uint64]*[pageSize]outcome{}}
	}
	return b.outcomes[flow]
}

// tail reads a stream from where it stopped the last time.
type tail struct {
	js          jetstream.JetStream
	stream      string
	headersOnly bool
	take        func(jetstream.Msg) error
	next        uint64
}

// read takes everything that is in the stream now.
func (t *tail) read(ctx context.Context) error {
	stream, err := t.js.Stream(ctx, t.stream)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	if stream.CachedInfo().State.Msgs == 0 || last < t.next {
		return nil
	}
	cons, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(t.next, 1), HeadersOnly: t.headersOnly,
	})
	if err != nil {
		return err
	}
	messages, err := cons.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	var errs []error
	for t.next <= last {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if err := t.take(msg); err != nil {
			errs = append(errs, fmt.Errorf("sequence %d: %w", meta.Sequence.Stream, err))
		}
		t.next = meta.Sequence.Stream + 1
	}
	return errors.Join(errs...)
}
