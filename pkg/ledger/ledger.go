// Package ledger adds up what the windows say came in and what the receipts and dead letters say
// became of it, so that every record is accounted for.
package ledger

import (
	"context"
	"fmt"
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
	shelf    *shelf
	intakes  map[string]Intake
	outcomes map[string]*outcomes
}

// Open returns Books with nothing read yet.
func Open(js jetstream.JetStream) *Books {
	b := &Books{intakes: map[string]Intake{}, outcomes: map[string]*outcomes{}, shelf: &shelf{js: js}}
	b.tails = []*tail{
		{js: js, stream: topology.Ledger, take: b.window},
		{js: js, stream: topology.Receipts, take: b.receipts},
		{js: js, stream: topology.Dead, headersOnly: true, take: b.dead},
	}
	return b
}

// Refresh reads what came since the last time. What is parked is read first: a record leaves PARKED when
// what became of it is stored, so that one is never in neither place.
func (b *Books) Refresh(ctx context.Context) error {
	if err := b.shelf.read(ctx); err != nil {
		return err
	}
	for _, t := range b.tails {
		if err := t.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Intake returns what came in from a source.
func (b *Books) Intake(source string) Intake { return b.intakes[source] }

// Outcomes returns what became of a flow's records. A record whose letter is replayed and parked is not
// among the dead.
func (b *Books) Outcomes(flow string) Outcomes {
	o := b.outcomes[flow]
	if o == nil {
		return Outcomes{}
	}
	all := Outcomes{
		Delivered: o.counts[delivered], Superseded: o.counts[superseded], Filtered: o.counts[filtered],
		DeadTransform: o.counts[deadTransform], DeadSink: o.counts[deadSink],
	}
	for sequence := range b.shelf.parked[flow].all() {
		switch o.get(sequence) {
		case deadTransform:
			all.DeadTransform--
		case deadSink:
			all.DeadSink--
		default:
		}
	}
	return all
}

// Parked returns how many records of a flow wait for master data and for nothing else: one that has an
// outcome already, and is about to leave PARKED, is not counted.
func (b *Books) Parked(flow string) int64 {
	var n int64
	for sequence := range b.shelf.parked[flow].all() {
		if o := b.outcomes[flow]; o == nil || o.get(sequence) <= deadSink {
			n++
		}
	}
	return n
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
	in.Total += totalOf(w)
	in.Cursor = w.GetCursor().AsTime()
	b.intakes[w.GetSource()] = in
	return nil
}

// totalOf is the share of one window message in what the vendor counted. A step stands for the documents
// that it brought, the window that closes for the rest.
func totalOf(w *ledgerv1.Window) int64 {
	if w.GetClosed() {
		return max(w.GetTotalAfter(), w.GetDistinct()) - w.GetStepped()
	}
	return w.GetPublished() - w.GetRemoved()
}

func (b *Books) receipts(msg jetstream.Msg) error {
	all := new(ledgerv1.Receipts)
	if err := proto.Unmarshal(msg.Data(), all); err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	return b.of(all.GetFlow()).book(all)
}

func (b *Books) dead(msg jetstream.Msg) error {
	l, err := readLetter(msg)
	if err != nil || l.sequence == 0 {
		return err
	}
	b.of(l.flow).set(l.sequence, l.became)
	return nil
}

func (b *Books) of(flow string) *outcomes {
	if b.outcomes[flow] == nil {
		b.outcomes[flow] = newOutcomes()
	}
	return b.outcomes[flow]
}
