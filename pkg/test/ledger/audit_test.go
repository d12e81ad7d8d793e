package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

const (
	committed  = ledgerv1.Outcome_OUTCOME_COMMITTED
	superseded = ledgerv1.Outcome_OUTCOME_SUPERSEDED
	filtered   = ledgerv1.Outcome_OUTCOME_FILTERED
	retried    = ledgerv1.Outcome_OUTCOME_RETRIED
)

func TestARecordIsFollowedFromPlaceToPlace(t *testing.T) {
	w := newWorld(t)
	if got := w.audit(ledger.Query{}); got.Cursor != nil || !got.Balanced {
		t.Errorf("a source that was never polled: %+v", got)
	}
	w.window(3, nil)
	in := ledger.Account{SourceTotal: 3, Published: 3, Balanced: true}
	at := func(edit func(*ledger.Account)) {
		t.Helper()
		want := in
		edit(&want)
		holds(t, w.audit(ledger.Query{}).Account, want)
	}
	at(func(a *ledger.Account) { a.InFlight, a.Unmapped = 3, 3 }) // nobody maps yet
	transformer, sink := w.transformer(), w.sink()
	w.take(transformer, 1, w.mapped)
	at(func(a *ledger.Account) { a.InFlight, a.Unmapped, a.Unwritten = 3, 2, 1 })
	w.take(sink, 1, w.bookOf(retried))
	w.book(1, retried) // an attempt is no outcome
	w.book(1, committed)
	at(func(a *ledger.Account) { a.InFlight, a.Unmapped, a.Delivered = 2, 2, 1 })
	w.take(transformer, 1, func(jetstream.Msg) { w.book(2, filtered) })
	at(func(a *ledger.Account) { a.InFlight, a.Unmapped, a.Delivered, a.Filtered = 1, 1, 1, 1 })
	var parked uint64
	w.take(transformer, 1, func(jetstream.Msg) { parked = w.park(3) })
	at(func(a *ledger.Account) { a.Parked, a.Delivered, a.Filtered = 1, 1, 1 })
	w.unpark(parked, 3)
	at(func(a *ledger.Account) { a.InFlight, a.Unwritten, a.Delivered, a.Filtered = 1, 1, 1, 1 })
	w.take(sink, 1, w.bookOf(superseded))
	at(func(a *ledger.Account) { a.Superseded, a.Delivered, a.Filtered = 1, 1, 1 })
}

// unpark maps a parked record and takes it out of PARKED, in the order of the transformer.
func (w *world) unpark(parked, raw uint64) {
	w.t.Helper()
	w.must(w.publishTarget(w.rawMessage(raw), 0))
	w.leave(parked)
}

// leave takes a message out of PARKED.
func (w *world) leave(parked uint64) {
	w.t.Helper()
	stream, err := w.js.Stream(w.ctx, topology.Parked)
	w.must(err)
	w.must(stream.DeleteMsg(w.ctx, parked))
}

// rawMessage reads a record of RAW.
func (w *world) rawMessage(sequence uint64) jetstream.Msg {
	w.t.Helper()
	stream, err := w.js.Stream(w.ctx, topology.Raw)
	w.must(err)
	cons, err := stream.OrderedConsumer(w.ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: sequence})
	w.must(err)
	msg, err := cons.Next()
	w.must(err)
	return msg
}

func TestAReplayedLetterHasOnePlaceAtATime(t *testing.T) {
	w := newWorld(t)
	w.window(2, nil)
	transformer, sink := w.transformer(), w.sink()
	in := ledger.Account{SourceTotal: 2, Published: 2, Balanced: true}
	at := func(edit func(*ledger.Account)) {
		t.Helper()
		want := in
		edit(&want)
		holds(t, w.audit(ledger.Query{}).Account, want)
		books := ledger.Open(w.js)
		w.must(books.Refresh(w.ctx))
		if out := books.Outcomes("flow-a"); out.DeadTransform+out.DeadSink+books.Parked("flow-a") != want.Dead+want.Parked+want.Unwritten {
			t.Errorf("books have %+v and %d parked, want %+v", out, books.Parked("flow-a"), want)
		}
	}
	w.take(transformer, 2, func(msg jetstream.Msg) { w.bury(dead.Transform, sequenceOf(t, msg), msg) })
	at(func(a *ledger.Account) { a.Dead = 2 })
	note := nats.NewMsg(topology.DeadNoteSubject("flow-a"))
	note.Header.Set(topology.HeaderDeadSettles, "1")
	_, err := w.js.PublishMsg(w.ctx, note)
	w.must(err)
	at(func(a *ledger.Account) { a.Dead = 2 }) // a note is no letter
	parked := w.park(1)
	at(func(a *ledger.Account) { a.Dead, a.Parked = 1, 1 })
	stream, err := w.js.Stream(w.ctx, topology.Parked)
	w.must(err)
	w.must(w.publishTarget(w.rawMessage(1), 1))
	w.must(stream.DeleteMsg(w.ctx, parked))
	at(func(a *ledger.Account) { a.Dead, a.InFlight, a.Unwritten = 1, 1, 1 })
	w.take(sink, 1, func(msg jetstream.Msg) {
		w.bury(dead.Sink, 1, msg)
		at(func(a *ledger.Account) { a.Dead = 2 }) // again a letter, though TARGET has it ahead of the sink
	})
	at(func(a *ledger.Account) { a.Dead = 2 })
	w.book(1, committed)
	at(func(a *ledger.Account) { a.Dead, a.Delivered = 1, 1 })
}

func sequenceOf(t testing.TB, msg jetstream.Msg) uint64 {
	t.Helper()
	meta, err := msg.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return meta.Sequence.Stream
}

func TestWhatIsNowhereIsMissing(t *testing.T) {
	w := newWorld(t)
	w.window(2, nil)
	first := w.window(4, nil)
	transformer, sink := w.transformer(), w.sink()
	w.take(transformer, 2, w.mapped)
	w.take(sink, 2, w.bookOf(committed))
	w.take(transformer, 1, w.mapped)
	w.take(transformer, 1, nothing) // settled, and nothing came of it
	w.take(sink, 1, nothing)        // the same at the sink
	w.take(transformer, 1, nothing)
	raw, err := w.js.Stream(w.ctx, topology.Raw)
	w.must(err)
	w.must(raw.DeleteMsg(w.ctx, first+2)) // and RAW has it no more
	got := w.audit(ledger.Query{})
	holds(t, got.Account, ledger.Account{SourceTotal: 6, Published: 6, Delivered: 2, InFlight: 1, Unmapped: 1, Missing: 3})
	if len(got.Windows) != 1 {
		t.Fatalf("%d windows are told of, want the one that does not balance", len(got.Windows))
	}
	line := got.Windows[0]
	holds(t, line.Account, ledger.Account{SourceTotal: 4, Published: 4, InFlight: 1, Unmapped: 1, Missing: 3})
	want := []ledger.MissingRecord{
		{Key: "3", RawSequence: first, LastSeen: topology.Target, TargetSequence: 3},
		{Key: "4", RawSequence: first + 1, LastSeen: topology.Raw},
		{RawSequence: first + 2, LastSeen: topology.Ledger},
	}
	if !slices.Equal(line.Records, want) {
		t.Errorf("missing\n%+v, want\n%+v", line.Records, want)
	}
	if !line.From.Equal(began.Add(time.Hour)) || line.FirstSequence != first || line.LastSequence != first+3 {
		t.Errorf("the window is %+v", line)
	}
}

func TestAFlowThatLedElsewhereIsInFlightThere(t *testing.T) {
	w := newWorld(t)
	w.window(2, nil)
	transformer, sink := w.transformer(), w.sink()
	w.take(transformer, 1, func(msg jetstream.Msg) { // by an earlier revision
		old := nats.NewMsg(topology.TargetSubject("test", "old", "flow-a", "1"))
		old.Header.Set(topology.HeaderRawSequence, "1")
		_, err := w.js.PublishMsg(w.ctx, old)
		w.must(err)
	})
	w.take(transformer, 1, w.mapped)
	w.take(sink, 1, w.bookOf(committed))
	holds(t, w.audit(ledger.Query{}).Account, ledger.Account{SourceTotal: 2, Published: 2, Delivered: 1, InFlight: 1, Unwritten: 1, Balanced: true})
}

func TestStepsAreOneWindowWithWhatClosesIt(t *testing.T) {
	w := newWorld(t)
	step := func(m *ledgerv1.Window) {
		m.Closed = proto.Bool(false)
		m.TotalAfter = proto.Int64(9)
		m.Distinct = proto.Int64(9)
	}
	w.window(3, step) // of a reading that was broken off
	w.window(2, func(m *ledgerv1.Window) { step(m); m.TotalAfter, m.Distinct = proto.Int64(6), proto.Int64(6) })
	w.window(1, func(m *ledgerv1.Window) {
		m.TotalAfter, m.Distinct, m.Stepped, m.Unchanged = proto.Int64(6), proto.Int64(6), proto.Int64(2), proto.Int64(3)
	})
	w.window(0, nil) // nothing in it
	w.window(2, func(m *ledgerv1.Window) {
		m.Removed, m.TotalAfter, m.Distinct = proto.Int64(1), proto.Int64(1), proto.Int64(1)
	})
	got := w.audit(ledger.Query{Windows: true})
	if len(got.Windows) != 3 || got.Audited != 3 {
		t.Fatalf("%d windows, want 3: %+v", len(got.Windows), got.Windows)
	}
	for i, want := range []ledger.Account{
		{SourceTotal: 3, Published: 3, InFlight: 3, Unmapped: 3, Balanced: true},
		{SourceTotal: 6, Published: 3, Unchanged: 3, InFlight: 3, Unmapped: 3, Balanced: true},
		{SourceTotal: 1, Removed: 1, Published: 2, InFlight: 2, Unmapped: 2, Balanced: true},
	} {
		holds(t, got.Windows[i].Account, want)
		if got.Windows[i].Closed != (i > 0) {
			t.Errorf("window %d is closed: %v", i, got.Windows[i].Closed)
		}
	}
}

func TestTotalsMustAddUp(t *testing.T) {
	w := newWorld(t)
	w.window(3, func(m *ledgerv1.Window) { m.TotalAfter = proto.Int64(5) })
	got := w.audit(ledger.Query{})
	if got.Balanced || got.Difference() != 2 || len(got.Windows) != 1 {
		t.Errorf("the vendor counts 5 and 3 came: %+v", got)
	}
}

func TestTheRangeIsOfSourceTime(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.window(1, nil)
	}
	got := w.audit(ledger.Query{From: began.Add(time.Hour), To: began.Add(3 * time.Hour), Windows: true})
	if len(got.Windows) != 2 || got.Published != 2 || !got.Windows[0].From.Equal(began.Add(time.Hour)) {
		t.Errorf("windows %+v, want those of the second and third hour", got.Windows)
	}
	if _, err := ledger.Audit(t.Context(), w.js, ledger.Query{Flows: []string{"flow-b"}}); err == nil {
		t.Error("a flow that is not stored was audited")
	}
}

// keep makes a stream keep messages for that long only.
func (w *world) keep(name string, age time.Duration) {
	w.t.Helper()
	stream, err := w.js.Stream(w.ctx, name)
	w.must(err)
	config := stream.CachedInfo().Config
	config.MaxAge, config.Duplicates = age, min(config.Duplicates, age)
	_, err = w.js.UpdateStream(w.ctx, config)
	w.must(err)
}

func TestWhatIsTooOldIsExplained(t *testing.T) {
	w := newWorld(t)
	w.window(2, nil)
	w.take(w.transformer(), 2, w.mapped)
	w.take(w.sink(), 2, nothing)
	w.keep(topology.Raw, time.Second)
	if got := w.audit(ledger.Query{}); got.BeforeFlow != 2 || !got.Balanced || got.Made == nil {
		t.Errorf("records that RAW does not keep until the flow is made: %+v", got)
	}
	w.keep(topology.Raw, 30*24*time.Hour)
	w.keep(topology.Receipts, time.Second)
	natstest.Eventually(t, func() error {
		got := w.audit(ledger.Query{})
		if len(got.NotAudited) != 1 || got.NotAudited[0].Windows != 1 || got.NotAudited[0].Published != 2 || got.Audited != 0 || !got.Balanced {
			return fmt.Errorf("a window that is older than %s keeps: %+v", topology.Receipts, got)
		}
		return nil
	})
}

func TestRawMadeAnewIsExplained(t *testing.T) {
	w := newWorld(t)
	w.window(5, nil)
	natstest.Eventually(t, func() error {
		if got := w.audit(ledger.Query{}); got.Published != 5 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	raw, err := w.js.Stream(w.ctx, topology.Raw)
	w.must(err)
	config := raw.CachedInfo().Config
	w.must(w.js.DeleteStream(w.ctx, topology.Raw))
	_, err = w.js.CreateStream(w.ctx, config)
	w.must(err)
	w.window(2, nil)
	natstest.Eventually(t, func() error {
		got := w.audit(ledger.Query{})
		if len(got.NotAudited) != 1 || got.NotAudited[0].Published != 5 || got.Published != 2 || !got.Balanced {
			return fmt.Errorf("windows of a stream that was made anew: %+v", got)
		}
		return nil
	})
}
