// Package history_test tells histories of real streams.
package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/history"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/topology"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// TestTheWholeStory follows a bill that was parked, and that the sink stored at its second attempt.
func TestTheWholeStory(t *testing.T) {
	w := newWorld(t)
	w.poll(bill{1, 16, "2026-01-01 08:10:00"}, bill{2, 17, "2026-01-01 08:20:30"}, bill{3, 18, "2026-01-01 08:30:00"})
	since := time.Now().Add(-time.Second)
	e := envelope("2", 17)
	e.References = record.WriteReferences([]record.Reference{{Collection: "kingdee.material", Field: "number", Value: "物料 1", ID: "31"}, {Collection: "kingdee.customer", Field: "mobile", ID: "8"}})
	w.target(e, 2, parkedHeaders(since, 2))
	w.transformed()

	var calls atomic.Int32
	w.sink(func(_ context.Context, batch []sink.Message) error {
		if calls.Add(1) == 1 {
			return fault.Busy("limit", time.Millisecond, errors.New("请求过于频繁"))
		}
		batch[0].ExternalID = "900"
		return nil
	})
	links, err := w.js.KeyValue(t.Context(), topology.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	link, err := proto.Marshal(&bookingv1.Link{State: bookingv1.State_STATE_BOOKED.Enum(), ExternalId: proto.String("900"), Number: proto.String("QTRK1"), Version: proto.Int64(17), RawSequence: proto.Uint64(2)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := links.Put(t.Context(), booking.LinkKey("kd", "erpstream.kingdee.v1.OtherInBill", "receipts", "2"), link); err != nil {
		t.Fatal(err)
	}

	h := w.stands("2", history.Committed)
	// The time of parking is the replica's, and before that of the reading here.
	wantKinds(t, h, history.Park, history.Read, history.Release, history.Map, history.Retry, history.Settle)
	events := h.Events()
	r := events[1].Reading
	if r.Window == nil || r.Window.Sequence != 4 || r.Window.Published != 3 || r.Window.Pages != 1 || r.Window.Attempts != 1 || r.Window.Poller != "poller-1" || r.Window.Backfill != "b1" || !r.Window.Closed {
		t.Errorf("window %+v", r.Window)
	}
	if want := "2026-01-01T08:20:30+08:00"; r.Modified.Format(time.RFC3339) != want || r.Feed != "jushuitan.purchasein" || r.Record != nil {
		t.Errorf("reading %+v, want %s", r, want)
	}
	if wait := events[0].Wait; wait.Collection != "kingdee.material" || wait.Field != "number" || wait.Value != "A1" || !wait.Since.Equal(since) {
		t.Errorf("wait %+v", wait)
	}
	m := events[3].Mapping
	if m.TargetSequence != 1 || m.FlowRevision != 3 || m.Kind != "kingdee" || m.Connection != "kd" || len(m.References) != 2 || m.References[0].Value != "物料 1" || !sameJSON(m.Message, `{"bill_no":"2","bill_date":"2026-01-02"}`) {
		t.Errorf("mapping %+v, message %s", m, m.Message)
	}
	if o := events[4].Outcome; o.Class != "limit" || o.Error != "请求过于频繁" || o.Attempts != 1 || o.Service != "sink-kingdee" || o.Instance != "i1" {
		t.Errorf("failed attempt %+v", o)
	}
	if o := events[5].Outcome; o.Outcome != "committed" || o.ExternalID != "900" || o.Attempts != 2 || o.FlowRevision != 3 {
		t.Errorf("outcome %+v", o)
	}
	if h.Link == nil || h.Link.State != "booked" || h.Link.Number != "QTRK1" || h.Link.Version != 17 || h.Link.Written.IsZero() || !h.Link.Intended.IsZero() {
		t.Errorf("link %+v", h.Link)
	}
	if v := h.Versions[0]; v.RawSequence != 2 || v.Version != 17 {
		t.Errorf("version %d at %d", v.Version, v.RawSequence)
	}
}

// sameJSON compares JSON without its blanks, of which protojson has more or less.
func sameJSON(got json.RawMessage, want string) bool {
	var a, b map[string]any
	return json.Unmarshal(got, &a) == nil && json.Unmarshal([]byte(want), &b) == nil && fmt.Sprint(a) == fmt.Sprint(b)
}

// TestStandings brings a record to each place where it can be.
func TestStandings(t *testing.T) {
	tests := []struct {
		want  history.Standing
		bring func(w world, sequence uint64)
	}{
		{history.Waiting, func(world, uint64) {}},
		{history.Parked, func(w world, s uint64) { w.transformed(); w.park("k", 1, s) }},
		{history.InFlight, func(w world, s uint64) { w.target(envelope("k", 1), s, nil); w.transformed() }},
		{history.Filtered, func(w world, s uint64) { w.book("k", 1, s, ledgerv1.Outcome_OUTCOME_FILTERED); w.transformed() }},
		{history.Superseded, func(w world, s uint64) {
			w.target(envelope("k", 1), s, nil)
			w.book("k", 1, s, ledgerv1.Outcome_OUTCOME_SUPERSEDED)
		}},
		{history.Missing, func(w world, s uint64) { w.transformed() }},
		{history.Missing, func(w world, s uint64) {
			w.target(envelope("k", 1), s, nil)
			w.transformed()
			w.pass(topology.Target, topology.SinkConsumer("kingdee", "kd"))
		}},
		{history.InFlight, func(w world, s uint64) { // mapped again, by another revision
			w.target(envelope("k", 1), s, nil)
			w.book("k", 1, s, ledgerv1.Outcome_OUTCOME_COMMITTED)
			w.target(envelope("k", 1), s, map[string]string{topology.HeaderMsgID: "again"})
		}},
		{history.InFlight, func(w world, s uint64) { // a failed attempt is no outcome
			w.target(envelope("k", 1), s, nil)
			w.book("k", 1, s, ledgerv1.Outcome_OUTCOME_RETRIED)
		}},
	}
	for _, tt := range tests {
		t.Run(string(tt.want), func(t *testing.T) {
			w := newWorld(t)
			w.raw("other", 1)
			tt.bring(w, w.raw("k", 1))
			if h := w.tell("k"); len(h.Versions) != 1 || h.Versions[0].Standing != tt.want {
				t.Errorf("%+v, want one version that is %s", h.Versions, tt.want)
			}
		})
	}
}

// TestDeadAndBack follows a bill that the sink refused, to its replay.
func TestDeadAndBack(t *testing.T) {
	w := newWorld(t)
	w.target(envelope("k", 1), w.raw("k", 1), nil)
	w.transformed()
	var refuses atomic.Bool
	refuses.Store(true)
	w.sink(func(context.Context, []sink.Message) error {
		if refuses.Load() {
			return fault.Permanent("data", errors.New("物料已禁用"))
		}
		return nil
	})
	h := w.stands("k", history.Dead)
	wantKinds(t, h, history.Read, history.Map, history.Die)
	l := h.Events()[2].Letter
	if l.Class != "data" || l.Reason != "物料已禁用" || l.Stage != dead.Sink || l.Stream != topology.Target || l.Attempts != 1 {
		t.Errorf("letter %+v", l)
	}
	refuses.Store(false)
	desk := dead.NewDesk(w.js, w.stored.Set, "li")
	if err := desk.Replay(t.Context(), l.Sequence, dead.How{}); err != nil {
		t.Fatal(err)
	}
	h = w.stands("k", history.Committed)
	events := h.Events()
	noted := slices.IndexFunc(events, func(e history.Event) bool { return e.Kind == history.Annotate })
	if noted < 4 { // the sink may be done before the replay is noted
		t.Fatalf("event %d of %d is the note", noted, len(events))
	}
	wantKinds(t, h, slices.Insert([]history.Kind{history.Read, history.Map, history.Die, history.Map, history.Settle}, noted, history.Annotate)...)
	if n := events[noted].Note; n.Action != dead.Replayed || n.By != "li" || n.Letter != l.Sequence {
		t.Errorf("note %+v", n)
	}
	if m := events[3].Mapping; m.Replays != l.Sequence {
		t.Errorf("the replayed message %+v does not name the letter", m)
	}
}

// TestDroppedLetter follows a bill that died at its second attempt, and was booked by hand then.
func TestDroppedLetter(t *testing.T) {
	w := newWorld(t)
	w.target(envelope("k", 1), w.raw("k", 1), nil)
	var calls atomic.Int32
	w.sink(func(context.Context, []sink.Message) error {
		if calls.Add(1) == 1 {
			return fault.Busy("limit", time.Millisecond, errors.New("later"))
		}
		return fault.Permanent("data", errors.New("no"))
	})
	h := w.stands("k", history.Dead)
	wantKinds(t, h, history.Read, history.Map, history.Retry, history.Die)
	desk := dead.NewDesk(w.js, w.stored.Set, "li")
	if err := desk.Drop(t.Context(), h.Events()[3].Letter.Sequence, "booked by hand"); err != nil {
		t.Fatal(err)
	}
	h = w.stands("k", history.Dropped)
	if n := h.Events()[4].Note; n.Action != dead.Dropped || n.Why != "booked by hand" {
		t.Errorf("note %+v", n)
	}
}

// TestDeadBehindOneInHand does not take a dead message for one that its sink has in hand, though the
// sink's position is still before it.
func TestDeadBehindOneInHand(t *testing.T) {
	w := newWorld(t)
	w.target(envelope("other", 1), w.raw("other", 1), nil)
	w.target(envelope("k", 1), w.raw("k", 1), nil)
	cons, err := w.js.CreateConsumer(t.Context(), topology.Target, jetstream.ConsumerConfig{Durable: topology.SinkConsumer("kingdee", "kd"), AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := cons.Fetch(2)
	if err != nil {
		t.Fatal(err)
	}
	<-batch.Messages()
	second := <-batch.Messages()
	letter := dead.Letter{Stage: dead.Sink, Flow: "to-kd", RawSequence: 2, Reason: fault.Permanent("data", errors.New("no")), Message: second}
	if err := dead.Bury(t.Context(), w.js, letter); err != nil {
		t.Fatal(err)
	}
	if err := second.Term(); err != nil {
		t.Fatal(err)
	}
	if h := w.tell("k"); h.Versions[0].Standing != history.Dead {
		t.Errorf("%s, want dead", h.Versions[0].Standing)
	}
	if h := w.tell("other"); h.Versions[0].Standing != history.InFlight {
		t.Errorf("the one in hand is %s", h.Versions[0].Standing)
	}
}

// TestVersionsOfOneKey keeps other keys of the same partition out, and the versions apart.
func TestVersionsOfOneKey(t *testing.T) {
	w := newWorld(t)
	neighbour := ""
	for i := 0; neighbour == ""; i++ {
		if s := strconv.Itoa(i); topology.Partition(s) == topology.Partition("采购 1") {
			neighbour = s
		}
	}
	for version := range int64(3) {
		for _, key := range []string{"采购 1", neighbour} {
			s := w.raw(key, 10+version)
			w.target(envelope(key, 10+version), s, nil)
			w.book(key, 10+version, s, ledgerv1.Outcome_OUTCOME_COMMITTED)
			w.park(neighbour, 10+version, s)
		}
	}
	h := w.tell("采购 1")
	if len(h.Versions) != 3 || len(h.Events()) != 9 {
		t.Fatalf("%d versions with %d events, want 3 with 9", len(h.Versions), len(h.Events()))
	}
	for i, v := range h.Versions {
		if v.Version != int64(10+i) || v.RawSequence != uint64(2*i+1) || v.Standing != history.Committed {
			t.Errorf("version %+v", v)
		}
	}
	if w := h.Versions[0].Events[0].Reading.Window; w != nil {
		t.Errorf("window %+v, and there is none", w)
	}
}

// TestOnlyTheOwnWindowIsNamed does not take the next window for that of a record that no window owns.
func TestOnlyTheOwnWindowIsNamed(t *testing.T) {
	w := newWorld(t)
	w.raw("k", 1)
	w.poll(bill{2, 17, "2026-01-01 08:20:30"})
	if r := w.tell("k").Events()[0].Reading; r.Window != nil {
		t.Errorf("window %+v", r.Window)
	}
	if r := w.tell("2").Events()[0].Reading; r.Window == nil || r.Window.Sequence != 3 {
		t.Errorf("window %+v", r.Window)
	}
}

func TestPersonalDataIsMasked(t *testing.T) {
	w := newWorld(t)
	e := envelope("k", 1)
	e.Type = "wangdiantong.flagship-refund"
	raw := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", "k"))
	raw.Header, raw.Data = e.Header(), []byte(`{"refund_no":"R1","amount":12.50,"buyer_nick":"王小明"}`)
	e.RawSequence = w.publish(raw, nil)
	e.ID, e.Schema, e.Flow = e.ID+"/c", "erpstream.kingdee.v1.Customer", "customers"
	msg := nats.NewMsg(topology.TargetSubject("kingdee", "kd", "customers", "k"))
	body, err := proto.Marshal(&kingdeev1.Customer{Number: proto.String("C1"), Addr: proto.String("人民路 1 号")})
	if err != nil {
		t.Fatal(err)
	}
	msg.Header, msg.Data = e.Header(), body
	w.publish(msg, nil)
	parked := nats.NewMsg(topology.ParkedSubject("customers", "kingdee.customer", "x"))
	parked.Header = e.Header()
	w.publish(parked, map[string]string{topology.HeaderParkedPersonal: "true", topology.HeaderParkedValue: record.Encode("王小明"),
		topology.HeaderParkedCollection: "kingdee.customer", topology.HeaderParkedField: "name", topology.HeaderParkedSince: time.Now().Format(time.RFC3339), topology.HeaderParkedRaw: fmt.Sprint(e.RawSequence)})

	for _, show := range []bool{false, true} {
		h, err := history.Of(t.Context(), w.js, w.stored, history.Query{Flow: "customers", Key: "k", Records: true, Personal: show})
		if err != nil || len(h.Events()) != 3 {
			t.Fatalf("%+v, %v", h, err)
		}
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		seen := strings.Contains(string(text), "王小明") && strings.Contains(string(text), "人民路")
		hidden := !strings.Contains(string(text), "王") && !strings.Contains(string(text), "人民路")
		if seen != show || hidden == show || !strings.Contains(string(text), `"refund_no":"R1"`) || !strings.Contains(string(text), "12.50") || !strings.Contains(string(text), "C1") {
			t.Errorf("shown %t: %s", show, text)
		}
	}
}

// TestWhatCanNotBeReadIsNamed keeps going past messages that are not erpstream's.
func TestWhatCanNotBeReadIsNamed(t *testing.T) {
	w := newWorld(t)
	s := w.raw("k", 1)
	strange := nats.NewMsg(topology.TargetSubject("kingdee", "kd", "to-kd", "k"))
	strange.Header.Set(topology.HeaderSubject, "k")
	w.publish(strange, nil)
	torn := nats.NewMsg(topology.ReceiptSubject("to-kd", "k"))
	torn.Data = []byte("\xff\xff")
	w.publish(torn, nil)
	broken := envelope("k", 1)
	broken.References = "a\tb"
	w.target(broken, s, nil)
	h := w.tell("k")
	if text := strings.Join(h.Unreadable, "\n"); len(h.Unreadable) != 3 || !strings.Contains(text, "sequence 1 of stream TARGET") || !strings.Contains(text, "sequence 1 of stream RECEIPTS") || !strings.Contains(text, "references") {
		t.Errorf("unreadable: %s", text)
	}
	wantKinds(t, h, history.Read, history.Map)
}

// TestNothingIsLeftBehind leaves no consumers, of which a stream takes a thousand.
func TestNothingIsLeftBehind(t *testing.T) {
	w := newWorld(t)
	w.target(envelope("k", 1), w.raw("k", 1), nil)
	for range 5 {
		w.tell("k")
	}
	for _, name := range []string{topology.Raw, topology.Target, topology.Parked, topology.Receipts} {
		stream, err := w.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Consumers; n != 0 {
			t.Errorf("%s has %d consumers", name, n)
		}
	}
}

func TestNothingIsKnown(t *testing.T) {
	w := newWorld(t)
	w.raw("other", 1)
	h := w.tell("k")
	if h.Found() || len(h.Searched) != 5 || h.Searched[0].Stream != topology.Raw || h.Searched[0].Subject != topology.RawSubject("jushuitan", "receipts", "k") {
		t.Errorf("%+v", h)
	}
	for name, want := range map[string]string{"to-kdd": "to-kd", "": "no flow"} {
		if _, err := history.Of(t.Context(), w.js, w.stored, history.Query{Flow: name, Key: "k"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("flow %q: %v, want %s", name, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := history.Of(ctx, w.js, w.stored, history.Query{Flow: "to-kd", Key: "k"}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}
