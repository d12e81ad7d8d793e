package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// reap runs two reapers until the test ends.
func (w *world) reap() {
	for range 2 {
		w.background(reaper{js: w.js, log: slog.New(slog.DiscardHandler)}.run)
	}
}

// reaped waits until every advisory of so many was seen to.
func (w *world) reaped(n uint64) {
	w.Helper()
	natstest.Eventually(w, func() error {
		cons, err := w.js.Consumer(w.Context(), topology.Advisories, topology.WatchdogConsumer)
		if err != nil {
			return err
		}
		if info := cons.CachedInfo(); info.AckFloor.Stream < n || info.NumAckPending > 0 {
			return fmt.Errorf("advisories settled to %d of %d", info.AckFloor.Stream, n)
		}
		return nil
	})
}

// letters are those on DEAD: stage, flow, class, the sequence that died, its record's, and the consumer's
// name where the reason has it.
func (w *world) letters() []string {
	w.Helper()
	var all []string
	for l, err := range dead.List(w.Context(), w.js, dead.Filter{}) {
		w.must(err)
		all = append(all, strings.Join([]string{l.Stage, l.Flow, l.Class, strconv.FormatUint(l.StreamSequence, 10), strconv.FormatUint(l.RawSequence, 10)}, " "))
	}
	slices.Sort(all)
	return all
}

func (w *world) wantLetters(want ...string) {
	w.Helper()
	if got := w.letters(); !slices.Equal(got, want) {
		w.Errorf("letters %q, want %q", got, want)
	}
}

// TestWhatIsGivenUpIsBuried ends messages in every way that there is beside our own services.
func TestWhatIsGivenUpIsBuried(t *testing.T) {
	w := newWorld(t)
	w.window(4)
	// An operator sets MaxDeliver on the transformer's consumer; record 2 is never settled.
	raw, err := w.js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{
		Durable: transformer, FilterSubject: topology.RawFilter("jushuitan", "jst-purchasein"), AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 2,
	})
	w.must(err)
	advisories, err := w.js.Stream(t.Context(), topology.Advisories)
	w.must(err)
	natstest.Eventually(w, func() error { // the server says so at the delivery that would be one too many
		w.deliver(raw, func(msg jetstream.Msg, sequence uint64) error {
			if sequence == 2 {
				return msg.Nak()
			}
			w.target(msg)
			return msg.Ack()
		})
		info, err := advisories.Info(t.Context())
		if err == nil && info.State.Msgs == 0 {
			err = errors.New("record 2 is not given up yet")
		}
		return err
	})
	// Our sink buries target message 1 itself and ends it; somebody ends 2 by hand; 3 is written.
	ours := w.durable(topology.Target, sinkName, topology.TargetFilter("mysql", "bi-main"))
	w.deliver(ours, func(msg jetstream.Msg, sequence uint64) error {
		switch sequence {
		case 1:
			why := fault.Permanent("data", errors.New("column too long"))
			w.must(dead.Bury(w.Context(), w.js, dead.Letter{Stage: dead.Sink, Flow: "flow-a", RawSequence: 1, Reason: why, Message: msg}))
			return msg.TermWithReason("data")
		case 2:
			return msg.Term()
		default:
			return msg.Ack()
		}
	})
	// Another team's consumer gives up 1 and 3, one of RAW record 4.
	foreign := w.durable(topology.Target, "team-b", topology.TargetFilter("mysql", ""))
	w.deliver(foreign, func(msg jetstream.Msg, sequence uint64) error {
		if sequence == 2 {
			return msg.Ack()
		}
		return msg.TermWithReason("not for us")
	})
	w.deliver(w.durable(topology.Raw, "team-c", "raw.>"), func(msg jetstream.Msg, sequence uint64) error {
		if sequence == 4 {
			return msg.Term()
		}
		return msg.Ack()
	})
	w.reap()
	w.reaped(6)
	w.wantLetters(
		"sink flow-a data 1 1",
		"sink flow-a terminated 1 0",
		"sink flow-a terminated 2 3",
		"sink flow-a terminated 3 0",
		"transform flow-a max-deliver 2 2",
	)
	w.wantEvents("foreign-ended")
	books := ledger.Open(w.js)
	w.must(books.Refresh(t.Context()))
	if out := books.Outcomes("flow-a"); out.DeadTransform != 1 || out.DeadSink != 2 {
		t.Errorf("outcomes %+v: another team's letters must not count", out)
	}
}

// deliver does something with all that waits for a consumer, once.
func (w *world) deliver(cons jetstream.Consumer, do func(msg jetstream.Msg, sequence uint64) error) {
	w.Helper()
	batch, err := cons.FetchNoWait(100)
	w.must(err)
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		w.must(err)
		w.must(do(msg, meta.Sequence.Stream))
	}
	w.must(w.js.Conn().FlushTimeout(10 * time.Second))
}

// TestAMessageThatIsGoneIsAnEvent deletes a message before anyone could bury it.
func TestAMessageThatIsGoneIsAnEvent(t *testing.T) {
	w := newWorld(t)
	w.window(2)
	w.transform()
	w.deliver(w.durable(topology.Target, sinkName, topology.TargetFilter("mysql", "bi-main")), func(msg jetstream.Msg, _ uint64) error { return msg.Term() })
	stream, err := w.js.Stream(t.Context(), topology.Target)
	w.must(err)
	w.must(stream.DeleteMsg(t.Context(), 2))
	w.reap()
	w.reaped(2)
	w.wantLetters("sink flow-a terminated 1 1")
	w.wantEvents("message-lost")
}

// TestAnOldAdvisoryWritesNoSecondLetter has an advisory that is older than DEAD remembers ids, of a
// message that was buried, and of one that wasn't.
func TestAnOldAdvisoryWritesNoSecondLetter(t *testing.T) {
	w := newWorld(t)
	w.window(2)
	w.transform()
	var first jetstream.Msg
	w.deliver(w.durable(topology.Target, "reader", topology.TargetFilter("mysql", "")), func(msg jetstream.Msg, sequence uint64) error {
		if sequence == 1 {
			first = msg
		}
		return nil
	})
	why := fault.Permanent("data", errors.New("column too long"))
	w.must(dead.Bury(t.Context(), w.js, dead.Letter{Stage: dead.Sink, Flow: "flow-a", RawSequence: 1, Reason: why, Message: first}))
	// The server forgets the ids, as it does in time.
	stream, err := w.js.Stream(t.Context(), topology.Dead)
	w.must(err)
	forgetful := stream.CachedInfo().Config
	forgetful.Duplicates = 100 * time.Millisecond
	_, err = w.js.UpdateStream(t.Context(), forgetful)
	w.must(err)
	for sequence := 1; sequence <= 2; sequence++ {
		body := fmt.Sprintf(`{"type":"io.nats.jetstream.advisory.v1.terminated","timestamp":%q,"stream":"TARGET","consumer":%q,"stream_seq":%d,"deliveries":1}`,
			time.Now().Add(-time.Hour).Format(time.RFC3339Nano), sinkName, sequence)
		_, err := w.js.Publish(t.Context(), topology.AdvisoryTerminated+".TARGET."+sinkName, []byte(body))
		w.must(err)
	}
	natstest.Eventually(t, func() error {
		if time.Since(stream.CachedInfo().TimeStamp) < time.Second {
			return errors.New("the ids are remembered")
		}
		return nil
	})
	w.reap()
	w.reaped(2)
	w.wantLetters("sink flow-a data 1 1", "sink flow-a terminated 2 2")
}

// TestAnAdvisoryThatCantBeReadHoldsUpNoOther puts one before another.
func TestAnAdvisoryThatCantBeReadHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{"{", `{"stream":"RECEIPTS","consumer":"x","stream_seq":1}`} {
		_, err := w.js.Publish(context.Background(), topology.AdvisoryMaxDeliveries+".X.Y", []byte(body))
		w.must(err)
	}
	w.reap()
	w.reaped(2)
	w.wantLetters()
	w.wantEvents()
}
