package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/parked"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// ruled is the flow of newTransform with other quality rules, at a revision.
func ruled(t *testing.T, js jetstream.JetStream, revision uint64, rules ...string) transform {
	t.Helper()
	before, _, _ := strings.Cut(documents, "quality:\n")
	_, after, _ := strings.Cut(documents, "target: {kind: mysql")
	text := before + "quality:\n  - " + strings.Join(rules, "\n  - ") + "\ntarget: {kind: mysql" + after
	if len(rules) == 0 {
		text = before + "target: {kind: mysql" + after
	}
	docs, err := flow.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := flow.Snapshot{Set: flow.Set{}.With(docs...)}
	m, err := newMapper(snapshot, snapshot.Flows["to-bi"], revision, js.Conn().MaxPayload())
	if err != nil {
		t.Fatal(err)
	}
	tr := newTransform(t, js, revision)
	tr.mapper, tr.parkedAlarm = m, time.Hour
	return tr
}

// numbered is a receipt whose out_io_id is given.
func numbered(id int, number string) string {
	return strings.Replace(purchase(id, "Confirmed"), `"ts":1`, `"ts":1,"so_id":"`+number+`"`, 1)
}

// eventsOf returns the events of a kind.
func eventsOf(t *testing.T, js jetstream.JetStream, kind string) []event.Event {
	t.Helper()
	var all []event.Event
	err := consume.Read(t.Context(), js, topology.Events, consume.Reading{}, func(msg jetstream.Msg, _ *jetstream.MsgMetadata) error {
		var e event.Event
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return err
		}
		if e.Kind == kind {
			all = append(all, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAHeldRecordGoesOnWithAnotherRevision(t *testing.T) {
	js := natstest.Run(t)
	stop := start(t, ruled(t, js, 1, `{name: few enough, range: {each: record.items, field: item.qty, max: 2}, else: park}`))
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	publish(t, js, 2, feedName, strings.Replace(purchase(2, "Confirmed"), "2.50", "1.50", 1))
	stands(t, js, 1, 1, 0)
	drained(t, js)
	stop()

	all, err := parked.List(t.Context(), js, parked.Filter{Flow: "to-bi", Rule: "few enough"})
	if err != nil || len(all) != 1 || all[0].Key != "1" || all[0].RawSequence != 1 || all[0].Why != "item.qty of record.items[0] is 2.50, more than 2" {
		t.Fatalf("parked are %+v, %v", all, err)
	}
	if want := topology.QualitySubject("to-bi", "few enough"); all[0].Subject != want || !strings.HasPrefix(want, "parked.to-bi.quality.") {
		t.Errorf("it is at %s, want %s", all[0].Subject, want)
	}
	books := ledger.Open(js)
	if err := books.Refresh(t.Context()); err != nil || books.Parked("to-bi") != 1 {
		t.Errorf("the books count %d parked, %v", books.Parked("to-bi"), err)
	}

	stop = start(t, ruled(t, js, 1, `{name: few enough, range: {each: record.items, field: item.qty, max: 2}, else: park}`))
	stands(t, js, 1, 1, 0) // the same revision takes it no more than before
	stop()
	start(t, ruled(t, js, 2, `{name: few enough, range: {each: record.items, field: item.qty, max: 3}, else: park}`))
	stands(t, js, 2, 0, 0)
}

func TestAHeldRecordIsReleasedByHand(t *testing.T) {
	js := natstest.Run(t)
	tr := ruled(t, js, 1, `{name: nobody, rule: record.io_id < 0, else: park}`, `{name: not 3, rule: record.io_id != 3, else: park}`)
	start(t, tr)
	for id := range 3 {
		publish(t, js, id+1, feedName, purchase(id+1, "Confirmed"))
	}
	stands(t, js, 0, 3, 0)
	released, err := parked.Release(t.Context(), js, parked.Filter{Flow: "to-bi", Rule: "nobody", Keys: []string{"1", "3"}})
	if err != nil || released != 2 {
		t.Fatalf("%d released, %v", released, err)
	}
	stands(t, js, 1, 2, 0) // 3 is held by the other rule now
	all, err := parked.List(t.Context(), js, parked.Filter{Flow: "to-bi", Rule: "not 3"})
	if err != nil || len(all) != 1 || all[0].Key != "3" {
		t.Errorf("parked are %+v, %v", all, err)
	}
	if _, err := parked.Release(t.Context(), js, parked.Filter{Flow: "to-bi", Rule: "not 3"}); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error { // and by the first one again: one rule is waived at a time
		all, err := parked.List(t.Context(), js, parked.Filter{Flow: "to-bi", Rule: "nobody", Keys: []string{"3"}})
		if err != nil || len(all) != 1 {
			return fmt.Errorf("parked are %+v, %w", all, err)
		}
		return nil
	})
}

func TestTheAlarmNamesTheRule(t *testing.T) {
	js := natstest.Run(t)
	tr := ruled(t, js, 1, `{name: 数量, rule: record.io_id < 0, else: park}`)
	tr.parkedAlarm = time.Nanosecond
	stop := start(t, tr)
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	stands(t, js, 0, 1, 0)
	stop()
	stop = start(t, tr) // its first round sees to the alarm
	natstest.Eventually(t, func() error {
		all := eventsOf(t, js, kindParked)
		if len(all) != 1 || all[0].Part != "rule 数量" || !strings.Contains(all[0].Text, `held by the quality rule "数量"`) {
			return fmt.Errorf("events %+v", all)
		}
		return nil
	})
	stop()
	start(t, ruled(t, js, 2))
	stands(t, js, 1, 0, 0)
	natstest.Eventually(t, func() error {
		if all := eventsOf(t, js, kindResolved); len(all) != 1 || all[0].Part != "rule 数量" {
			return fmt.Errorf("events %+v", all)
		}
		return nil
	})
}

func TestFreshIsMeasuredWhenTheRecordWasRead(t *testing.T) {
	js := natstest.Run(t)
	fresh := strings.Replace(purchase(1, "Confirmed"), "2026-01-02 03:04:05", time.Now().UTC().Add(7*time.Hour).Format(time.DateTime), 1) // an hour ago in Shanghai
	start(t, ruled(t, js, 1, `{fresh: {field: record.modified, within: 2h}, else: dead}`))
	publish(t, js, 1, feedName, fresh)
	publish(t, js, 2, feedName, strings.Replace(purchase(2, "Confirmed"), "2026-01-02", "2020-01-02", 1))
	stands(t, js, 1, 0, 1)
}

// TestUnique has documents with the same number on all ways: another document, another version, the same
// record twice, another flow.
func TestUnique(t *testing.T) {
	js := natstest.Run(t)
	tr := ruled(t, js, 1, `{name: one receipt a number, unique: {field: record.so_id, within: 24h}, else: dead}`)
	stop := start(t, tr)
	publish(t, js, 1, feedName, numbered(1, "A"))
	publish(t, js, 2, feedName, numbered(2, "A")) // broken
	publish(t, js, 3, feedName, numbered(3, "B"))
	publish(t, js, 4, feedName, numbered(4, "")) // no value is nobody's
	publish(t, js, 5, feedName, numbered(5, ""))
	stands(t, js, 4, 0, 1)
	publish(t, js, 1, feedName, strings.Replace(numbered(1, "A"), `"ts":1`, `"ts":2`, 1)) // a newer version
	stands(t, js, 5, 0, 1)
	stop()
	has(t, js, 5, ledger.Outcomes{DeadTransform: 1})

	// What comes again because a replica died finds its own entry: a new consumer delivers all.
	if err := js.DeleteConsumer(t.Context(), topology.Raw, topology.TransformerConsumer("to-bi")); err != nil {
		t.Fatal(err)
	}
	tr.revision = 2 // so that TARGET does not drop what it has
	start(t, tr)
	stands(t, js, 10, 0, 1)

	kv, err := js.Stream(t.Context(), uniqueStream)
	if err != nil {
		t.Fatal(err)
	}
	if n := kv.CachedInfo().State.Msgs; n != 2 {
		t.Errorf("%d entries, want 2: of A and of B", n)
	}
	msg, err := kv.GetLastMsgForSubject(t.Context(), "$KV.unique."+topology.UniqueKey("to-bi", "record.so_id", "A"))
	if err != nil || msg.Header.Get("Nats-TTL") != "24h0m0s" || !strings.Contains(string(msg.Data), `"key":"1"`) {
		t.Errorf("the entry is %+v, %v", msg, err)
	}
}

func TestAUniqueValueIsFreeAgainAfterItsTime(t *testing.T) {
	js := natstest.Run(t)
	start(t, ruled(t, js, 1, `{unique: {field: record.so_id, within: 1s}, else: drop}`))
	publish(t, js, 1, feedName, numbered(1, "A"))
	stands(t, js, 1, 0, 0)
	stream, err := js.Stream(t.Context(), uniqueStream)
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error {
		if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs > 0 {
			return fmt.Errorf("the entry is still there: %w", err)
		}
		return nil
	})
	publish(t, js, 2, feedName, numbered(2, "A"))
	stands(t, js, 2, 0, 0)
}

// TestUniqueFates breaks a rule in each way.
func TestUniqueFates(t *testing.T) {
	for fate, want := range map[string][3]uint64{"drop": {1, 0, 0}, "park": {1, 1, 0}, "warn": {2, 0, 0}, "dead": {1, 0, 1}} {
		t.Run(fate, func(t *testing.T) {
			js := natstest.Run(t)
			start(t, ruled(t, js, 1, `{name: one, unique: {field: record.so_id, within: 1d}, else: `+fate+`}`))
			publish(t, js, 1, feedName, numbered(1, "A"))
			publish(t, js, 2, feedName, numbered(2, "A"))
			stands(t, js, want[0], want[1], want[2])
			drained(t, js)
			if warned := eventsOf(t, js, kindWarned); fate == "warn" {
				natstest.Eventually(t, func() error {
					if warned = eventsOf(t, js, kindWarned); len(warned) != 1 {
						return fmt.Errorf("events %+v", warned)
					}
					return nil
				})
			} else if len(warned) > 0 {
				t.Errorf("events %+v", warned)
			}
		})
	}
}

// TestReplicasHaveOneHolder lets many replicas claim the same values at once, each for a document of its
// own.
func TestReplicasHaveOneHolder(t *testing.T) {
	js := natstest.Run(t)
	const replicas, values = 4, 20
	var mu sync.Mutex
	kept := map[string]int{}
	var g sync.WaitGroup
	for r := range replicas {
		tr := ruled(t, js, 1, `{unique: {field: record.so_id, within: 1h}, else: dead}`)
		g.Go(func() {
			var outcomes []outcome
			for v := range values {
				rec := recalled{stored: &jetstream.RawStreamMsg{Data: []byte(numbered(1, fmt.Sprint("N", v)))}, sequence: uint64(r + 1), stream: topology.Raw}
				rec.stored.Header = record.Envelope{ID: "x", Source: "receipts", Type: feedName, Key: fmt.Sprint("doc", r), Version: 1, Time: time.Now()}.Header()
				outcomes = append(outcomes, tr.apply(t.Context(), rec, nil, stay{}))
			}
			if err := tr.claim(t.Context(), outcomes); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for v, o := range outcomes {
				if o.err == nil {
					kept[fmt.Sprint("N", v)]++
				}
			}
		})
	}
	g.Wait()
	for v := range values {
		if n := kept[fmt.Sprint("N", v)]; n != 1 {
			t.Errorf("value N%d has %d holders, want 1", v, n)
		}
	}
}

// TestTheSecondWriterLoses has two replicas that both found a value free.
func TestTheSecondWriterLoses(t *testing.T) {
	js := natstest.Run(t)
	tr := ruled(t, js, 1)
	subject := "$KV.unique." + topology.UniqueKey("to-bi", "record.so_id", "A")
	for i, key := range []string{"1", "2"} {
		c := claims{held: map[string]holder{subject: {Key: key, Sequence: 1}}, wanted: map[string]time.Duration{subject: time.Hour}}
		if lost, err := tr.write(t.Context(), c); err != nil || lost != (i == 1) {
			t.Errorf("writer %s: lost %v, %v", key, lost, err)
		}
	}
	if held, err := tr.holders(t.Context(), []string{subject}); err != nil || held[subject].Key != "1" {
		t.Errorf("the holders are %v, %v", held, err)
	}
}

// TestWarningsAreCounted has many records that break a rule, and two replicas that count them.
func TestWarningsAreCounted(t *testing.T) {
	js := natstest.Run(t)
	tr := ruled(t, js, 1, `{name: few, rule: record.io_id < 0, else: warn}`)
	tr.log = slog.New(slog.DiscardHandler)
	now := time.Now()
	first, second := newTally(tr), newTally(tr)
	for _, y := range []*tally{first, second} {
		y.now = func() time.Time { return now }
	}
	some := func(y *tally, n int) {
		t.Helper()
		for i := range n {
			rec := recalled{stored: &jetstream.RawStreamMsg{Data: []byte(purchase(i+1, "Confirmed"))}, stream: topology.Raw}
			rec.stored.Header = record.Envelope{ID: "x", Source: "receipts", Type: feedName, Key: fmt.Sprint(i), Version: 1, Time: now}.Header()
			y.note([]outcome{tr.apply(t.Context(), rec, nil, stay{})})
		}
		if err := y.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	some(first, 3)
	some(second, 4)
	some(first, 5)
	if all := eventsOf(t, js, kindWarned); len(all) != 1 || !strings.HasPrefix(all[0].Text, `3 records of flow to-bi break the quality rule "few"`) || all[0].Part != "few" {
		t.Fatalf("events %+v", all)
	}
	now = now.Add(tellEvery)
	some(second, 1)
	if all := eventsOf(t, js, kindWarned); len(all) != 2 || !strings.HasPrefix(all[1].Text, "10 records") {
		t.Errorf("events %+v", all)
	}
}

// TestADroppedRecordSaysByWhichRule reads the receipt.
func TestADroppedRecordSaysByWhichRule(t *testing.T) {
	js := natstest.Run(t)
	start(t, ruled(t, js, 1, `{name: none, rule: "false", else: drop}`))
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	has(t, js, 0, ledger.Outcomes{Filtered: 1})
	stream, err := js.Stream(t.Context(), topology.Receipts)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if err != nil || !strings.Contains(string(msg.Data), "none") || !strings.Contains(string(msg.Data), classQuality) {
		t.Errorf("receipt %+v, %v", msg, err)
	}
}
