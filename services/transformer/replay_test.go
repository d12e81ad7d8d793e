package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// desk is a person's, with the flow of these tests.
func desk(t *testing.T, js jetstream.JetStream, text string) *dead.Desk {
	t.Helper()
	docs, err := flow.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return dead.NewDesk(js, flow.Set{}.With(docs...), "li")
}

// letters waits until so many letters are open and returns them.
func letters(t *testing.T, js jetstream.JetStream, want int) []dead.Buried {
	t.Helper()
	var open []dead.Buried
	natstest.Eventually(t, func() error {
		open = nil
		for b, err := range dead.List(t.Context(), js, dead.Filter{}) {
			if err != nil {
				return err
			}
			open = append(open, b)
		}
		if len(open) != want {
			return fmt.Errorf("%d letters are open, want %d", len(open), want)
		}
		return nil
	})
	return open
}

// TestReplayedLetterIsMappedAgain lets a record die by a quality rule, mends it, and replays it: first as it
// was, which dies again, then as it is now. The sweep would come too late for it.
func TestReplayedLetterIsMappedAgain(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 13, feedName, purchase(13, "Confirmed"))
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	stop := start(t, newTransform(t, js, 1))
	first := letters(t, js, 1)[0]
	if err := desk(t, js, documents).Replay(t.Context(), first.Sequence, dead.How{}); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error {
		if open := letters(t, js, 1)[0]; open.ReplayOf != first.Sequence {
			return fmt.Errorf("letter %d is a replay of %d", open.Sequence, open.ReplayOf)
		}
		return nil
	})
	second := letters(t, js, 1)[0]
	if second.RawSequence != first.RawSequence || second.Stream != topology.Raw || second.Subject != first.Subject || second.Key != "13" {
		t.Errorf("%+v died again as %+v", first, second)
	}
	stop()

	mended := newTransform(t, js, 2)
	mended.mapping = lenient(t, mended)
	start(t, mended)
	drained(t, js)
	stands(t, js, 1, 0, 3) // the record that never died; two letters and a note
	began := time.Now()
	if err := desk(t, js, documents).Replay(t.Context(), second.Sequence, dead.How{}); err != nil {
		t.Fatal(err)
	}
	stands(t, js, 2, 0, 4)
	if took := time.Since(began); took > sweepEvery/2 {
		t.Errorf("the replay was found after %v, by the sweep and not at once", took)
	}
	msg, err := open(t, js, topology.Target).GetLastMsgForSubject(t.Context(), topology.TargetSubject("mysql", "bi", "to-bi", "13"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := record.Parse(msg.Header)
	if err != nil || e.RawSequence != first.RawSequence || e.FlowRevision != 2 || msg.Header.Get(topology.HeaderReplay) != fmt.Sprint(second.Sequence) {
		t.Errorf("%+v, %v, %v", e, msg.Header, err)
	}
	letters(t, js, 0)
}

// lenient is the mapping without its quality rules.
func lenient(t *testing.T, tr transform) *mapping.Mapping {
	t.Helper()
	docs, err := flow.Parse("test.yaml", []byte(strings.Replace(documents, "record.io_id != 13, else: dead", "record.io_id != 99, else: dead", 1)))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := flow.Snapshot{Set: flow.Set{}.With(docs...)}
	m, err := newMapper(snapshot, snapshot.Flows["to-bi"], tr.revision, tr.maxPayload)
	if err != nil {
		t.Fatal(err)
	}
	return m.mapping
}

func open(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// TestRemappedTwiceIsTwoMessages maps the record of a target message again with the revision that made it,
// within the time in which the server remembers ids.
func TestRemappedTwiceIsTwoMessages(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	start(t, newTransform(t, js, 1))
	stands(t, js, 1, 0, 0)
	cons, err := js.CreateConsumer(t.Context(), topology.Target, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(2) {
		msg, err := cons.Next()
		if err != nil {
			t.Fatal(err)
		}
		letter := dead.Letter{Stage: dead.Sink, Flow: "to-bi", RawSequence: 1, Reason: errors.New("refused"), Message: msg}
		if err := dead.Bury(t.Context(), js, letter); err != nil {
			t.Fatal(err)
		}
		if err := desk(t, js, documents).Replay(t.Context(), letters(t, js, 1)[0].Sequence, dead.How{Remap: true}); err != nil {
			t.Fatal(err)
		}
		stands(t, js, 2+n, 0, 2*(n+1))
	}
}

// TestManyReplaysAndReplicas replays many letters while two replicas release them.
func TestManyReplaysAndReplicas(t *testing.T) {
	js := natstest.Run(t)
	const many = 300
	for id := range many {
		publish(t, js, 1_000+id, feedName, purchase(13, "Confirmed"))
	}
	stop := start(t, newTransform(t, js, 1))
	all := letters(t, js, many)
	stop()
	for range 2 {
		mended := newTransform(t, js, 2)
		mended.mapping = lenient(t, mended)
		start(t, mended)
	}
	d := desk(t, js, documents)
	for _, b := range all {
		if err := d.Replay(t.Context(), b.Sequence, dead.How{}); err != nil {
			t.Fatal(err)
		}
	}
	stands(t, js, many, 0, 2*many)
	has(t, js, many, ledger.Outcomes{DeadTransform: many})
}

// TestDeadIsFull lets a record die while DEAD takes nothing: it must come again, and die when there is room.
func TestDeadIsFull(t *testing.T) {
	js := natstest.Run(t)
	full := open(t, js, topology.Dead).CachedInfo().Config
	full.MaxMsgs = 1
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int{13, 1_313} { // the first one fills it
		publish(t, js, id, feedName, purchase(13, "Confirmed"))
	}
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	start(t, newTransform(t, js, 1))
	cons, err := await(t, js)
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error {
		info, err := cons.Info(t.Context())
		if err != nil {
			return err
		}
		if info.NumRedelivered == 0 {
			return errors.New("nothing has come again yet")
		}
		return nil
	})
	stands(t, js, 1, 0, 1)
	if info, err := cons.Info(t.Context()); err != nil || info.NumAckPending != 1 {
		t.Errorf("%d in hand, %v: want the one that can't be buried", info.NumAckPending, err)
	}
	full.MaxMsgs = -1
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	stands(t, js, 1, 0, 2)
	drained(t, js)
	if got := letters(t, js, 2); got[0].Key != "13" || got[1].Key != "1313" {
		t.Errorf("letters of %s and %s", got[0].Key, got[1].Key)
	}
}

// await waits for the flow's consumer.
func await(t *testing.T, js jetstream.JetStream) (cons jetstream.Consumer, err error) {
	t.Helper()
	natstest.Eventually(t, func() error {
		cons, err = js.Consumer(t.Context(), topology.Raw, topology.TransformerConsumer("to-bi"))
		return err
	})
	return cons, err
}
