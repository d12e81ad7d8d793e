package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/history"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// documents are a source of bills, and the flow that books them.
const documents = `connection: jst
system: jushuitan
endpoint: https://openapi.jushuitan.com
settings: {app_key: k}
---
source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: to-kd
from: receipts
target: {kind: kingdee, connection: kd, message: erpstream.kingdee.v1.OtherInBill}
map:
  bill_date: '"2026-01-02"'
  bill_no: string(record.io_id)
  material_entity:
    each: record.items
    map:
      material_id: lookup("kingdee.material", "number", item.sku).id
      stock_id: '"5"'
      unit_id: '"7"'
      qty: item.qty
---
flow: customers
from: receipts
target: {kind: kingdee, connection: kd, message: erpstream.kingdee.v1.Customer}
map:
  name: string(record.io_id)
`

// world is a server with the documents above.
type world struct {
	*testing.T
	js     jetstream.JetStream
	stored flow.Snapshot
}

func newWorld(t *testing.T) world {
	t.Helper()
	js := natstest.Run(t)
	docs, err := flow.Parse("test.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.Apply(t.Context(), js, docs, func(flow.Set) error { return nil }); err != nil {
		t.Fatal(err)
	}
	stored, err := flow.Load(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return world{T: t, js: js, stored: stored}
}

// tell returns the history of a key in flow to-kd.
func (w world) tell(key string) history.History {
	w.Helper()
	h, err := history.Of(w.Context(), w.js, w.stored, history.Query{Flow: "to-kd", Key: key})
	if err != nil {
		w.Fatal(err)
	}
	return h
}

// bill is a document of the source.
type bill struct {
	ID       int    `json:"io_id"`
	TS       int64  `json:"ts"`
	Modified string `json:"modified"`
}

// poll reads bills as a poller does, and closes their window.
func (w world) poll(bills ...bill) {
	w.Helper()
	src := w.stored.Sources["receipts"]
	described, err := feed.Get(src.Feed)
	if err != nil {
		w.Fatal(err)
	}
	var rows []json.RawMessage
	for _, b := range bills {
		row, err := json.Marshal(b)
		if err != nil {
			w.Fatal(err)
		}
		rows = append(rows, row)
	}
	reader := poll.ReaderFunc(func(_ context.Context, q poll.Query) (poll.Page, error) {
		return poll.Page{Rows: rows, Total: len(rows), Size: q.Size}, nil
	})
	p := poll.New(w.js, reader, "poller-1", slog.New(slog.DiscardHandler))
	p.Now = func() time.Time { return time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC) }
	past := poll.Past{ID: "b1", From: p.Now().Add(-time.Hour), To: p.Now().Add(-time.Minute)}
	if _, err := p.Backfill(w.Context(), poll.FromDocument(src, described), past); err != nil {
		w.Fatal(err)
	}
}

// publish stores a message with further headers and returns its sequence.
func (w world) publish(msg *nats.Msg, extra map[string]string) uint64 {
	w.Helper()
	for name, value := range extra {
		msg.Header.Set(name, value)
	}
	ack, err := w.js.PublishMsg(w.Context(), msg)
	if err != nil {
		w.Fatal(err)
	}
	return ack.Sequence
}

// envelope is that of a record of the source.
func envelope(key string, version int64) record.Envelope {
	return record.Envelope{
		ID: fmt.Sprintf("receipts/%s/%d/x", key, version), Source: "receipts", Type: "jushuitan.purchasein", Key: key, Version: version,
		Time: time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC),
	}
}

// raw stores a record without a window.
func (w world) raw(key string, version int64) uint64 {
	w.Helper()
	msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
	msg.Header, msg.Data = envelope(key, version).Header(), []byte(`{"io_id":1}`)
	return w.publish(msg, nil)
}

// target stores the target message of a record in the way of the transformer.
func (w world) target(e record.Envelope, sequence uint64, extra map[string]string) uint64 {
	w.Helper()
	body, err := proto.Marshal(&kingdeev1.OtherInBill{BillNo: &e.Key, BillDate: proto.String("2026-01-02")})
	if err != nil {
		w.Fatal(err)
	}
	e.ID, e.Schema, e.Flow, e.FlowRevision, e.RawSequence = record.TargetID(e.ID, "to-kd", 3, sequence), "erpstream.kingdee.v1.OtherInBill", "to-kd", 3, sequence
	msg := nats.NewMsg(topology.TargetSubject("kingdee", "kd", "to-kd", e.Key))
	msg.Header, msg.Data = e.Header(), body
	return w.publish(msg, extra)
}

// parkedHeaders say that a record waits for a material.
func parkedHeaders(since time.Time, sequence uint64) map[string]string {
	return map[string]string{
		topology.HeaderParkedCollection: "kingdee.material", topology.HeaderParkedField: "number", topology.HeaderParkedValue: "A1",
		topology.HeaderParkedSince: since.Format(time.RFC3339Nano), topology.HeaderParkedRaw: fmt.Sprint(sequence), topology.HeaderParkedRevision: "3",
	}
}

// park stores a record in PARKED.
func (w world) park(key string, version int64, sequence uint64) {
	w.Helper()
	msg := nats.NewMsg(topology.ParkedSubject("to-kd", "kingdee.material", "a1"))
	msg.Header = envelope(key, version).Header()
	w.publish(msg, parkedHeaders(time.Now(), sequence))
}

// book stores the receipt of a record.
func (w world) book(key string, version int64, sequence uint64, outcome ledgerv1.Outcome) {
	w.Helper()
	r := &ledgerv1.Receipt{RawSequence: &sequence, Key: &key, Version: &version, Outcome: &outcome}
	err := receipt.NewBook(w.js, "transformer", "t1").Publish(w.Context(), map[string][]*ledgerv1.Receipt{"to-kd": {r}})
	if err != nil {
		w.Fatal(err)
	}
}

// transformed moves the position of the flow's transformer behind all of RAW.
func (w world) transformed() {
	w.Helper()
	w.pass(topology.Raw, topology.TransformerConsumer("to-kd"))
}

// pass lets a consumer settle all that its stream has.
func (w world) pass(stream, name string) {
	w.Helper()
	cons, err := w.js.CreateOrUpdateConsumer(w.Context(), stream, jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		w.Fatal(err)
	}
	batch, err := cons.FetchNoWait(1000)
	if err != nil {
		w.Fatal(err)
	}
	for msg := range batch.Messages() {
		if err := msg.DoubleAck(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
}

// sink runs a sink until the test ends, or stop is called.
func (w world) sink(write sink.Func) (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	var done sync.WaitGroup
	done.Go(func() {
		err := sink.Run(ctx, w.js, write, sink.Options{Kind: "kingdee", Connection: "kd", Instance: "i1"})
		if !errors.Is(err, context.Canceled) {
			w.Errorf("Run = %v, want it to end with ctx", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	w.Cleanup(stop)
	return stop
}

// stands waits until the only version of a key stands there, and returns its history.
func (w world) stands(key string, want history.Standing) history.History {
	w.Helper()
	var h history.History
	natstest.Eventually(w, func() error {
		h = w.tell(key)
		if len(h.Versions) != 1 || h.Versions[0].Standing != want {
			return fmt.Errorf("versions %+v, want one that is %s", h.Versions, want)
		}
		return nil
	})
	return h
}

// kinds are the kinds of the events of the versions of a history.
func kinds(h history.History) []history.Kind {
	var all []history.Kind
	for _, e := range h.Events() {
		all = append(all, e.Kind)
	}
	return all
}

// wantKinds checks the order of events.
func wantKinds(t *testing.T, h history.History, want ...history.Kind) {
	t.Helper()
	if got := kinds(h); !slices.Equal(got, want) {
		t.Fatalf("events %v, want %v", got, want)
	}
}
