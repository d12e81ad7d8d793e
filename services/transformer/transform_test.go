package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

const documents = `connection: jst
system: jushuitan
endpoint: https://openapi.jushuitan.com
---
connection: bi
system: mysql
endpoint: mysql://db:3306/bi
---
source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: to-bi
from: receipts
where: record.status != "Delete"
quality:
  - {rule: record.io_id != 13, else: dead}
  - {rule: record.io_id != 14, else: drop}
target: {kind: mysql, connection: bi, message: erpstream.mysql.v1.PurchaseIn, options: {mode: replace}}
map:
  io_id: record.io_id
  rows:
    each: record.items
    map:
      id: string(record.io_id) + "-" + string(item.ioi_id)
      io_id: record.io_id
      modified: datetime(record.modified)
      status: record.status
      items_ioi_id: item.ioi_id
      items_qty: item.qty
`

// newTransform returns the loop of the flow above at a revision.
func newTransform(t *testing.T, js jetstream.JetStream, revision uint64) transform {
	t.Helper()
	docs, err := flow.Parse("test.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := flow.Snapshot{Set: flow.Set{}.With(docs...)}
	m, err := newMapper(snapshot, snapshot.Flows["to-bi"], revision, js.Conn().MaxPayload())
	if err != nil {
		t.Fatal(err)
	}
	return newLoop(js, m)
}

var instances atomic.Int64

// newLoop returns the loop of a flow at a replica of its own.
func newLoop(js jetstream.JetStream, m mapper) transform {
	log := slog.New(slog.DiscardHandler)
	return transform{
		mapper: m, shared: newShared(js, log, 100), js: js, instance: fmt.Sprintf("i%d", instances.Add(1)), log: log,
		paused: func() {}, resumed: func() {},
	}
}

// start runs the loop until the test ends or it is stopped.
func start(t *testing.T, tr transform) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := tr.board.run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("board: %v", err)
		}
	})
	done.Go(func() {
		if err := tr.run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("run = %v, want it to end with ctx", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

// publish puts one record into RAW.
func publish(t *testing.T, js jetstream.JetStream, id int, kind, body string) {
	t.Helper()
	key := strconv.Itoa(id)
	msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
	msg.Header = record.Envelope{
		ID: record.NewID("receipts", key, 1, []byte(body)), Source: "receipts", Type: kind, Key: key, Version: 1, Time: time.Now(),
	}.Header()
	msg.Data = []byte(body)
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func purchase(id int, status string) string {
	return fmt.Sprintf(`{"io_id":%d,"ts":1,"status":%q,"modified":"2026-01-02 03:04:05","items":[{"ioi_id":7,"qty":2.50}]}`, id, status)
}

const feedName = "jushuitan.purchasein"

// has waits until the flow's outcomes and the messages in TARGET are as wanted.
func has(t *testing.T, js jetstream.JetStream, targets uint64, want ledger.Outcomes) {
	t.Helper()
	books := ledger.Open(js)
	natstest.Eventually(t, func() error {
		if err := books.Refresh(t.Context()); err != nil {
			return err
		}
		stream, err := js.Stream(t.Context(), topology.Target)
		if err != nil {
			return err
		}
		if got := stream.CachedInfo().State.Msgs; got != targets || books.Outcomes("to-bi") != want {
			return fmt.Errorf("%d target messages and outcomes %+v, want %d and %+v", got, books.Outcomes("to-bi"), targets, want)
		}
		return nil
	})
}

// drained waits until every record is settled.
func drained(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	natstest.Eventually(t, func() error {
		cons, err := js.Consumer(t.Context(), topology.Raw, topology.TransformerConsumer("to-bi"))
		if err != nil {
			return err
		}
		if info := cons.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			return fmt.Errorf("%d pending and %d in hand", info.NumPending, info.NumAckPending)
		}
		return nil
	})
}

func TestEveryRecordHasOneFate(t *testing.T) {
	js := natstest.Run(t)
	for id := range 10 {
		publish(t, js, id+1, feedName, purchase(id+1, "Confirmed"))
	}
	publish(t, js, 11, feedName, purchase(11, "Delete"))
	publish(t, js, 12, feedName, `{"io_id":12,"status":"Confirmed","items":[{"ioi_id":7,"qty":"many"}]}`)
	publish(t, js, 13, feedName, purchase(13, "Confirmed"))
	publish(t, js, 14, feedName, purchase(14, "Confirmed"))
	publish(t, js, 15, feedName+record.UnreadableSuffix, `{"ts":1}`)
	publish(t, js, 16, feedName, `not json`)
	publish(t, js, 17, feedName+record.RemovedSuffix, ``)
	start(t, newTransform(t, js, 3))
	has(t, js, 11, ledger.Outcomes{Filtered: 2, DeadTransform: 4})
	drained(t, js)

	stream, _ := js.Stream(t.Context(), topology.Target)
	msg, err := stream.GetLastMsgForSubject(t.Context(), topology.TargetSubject("mysql", "bi", "to-bi", "4"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := record.Parse(msg.Header)
	if err != nil {
		t.Fatal(err)
	}
	if e.Flow != "to-bi" || e.FlowRevision != 3 || e.RawSequence == 0 || e.Schema != "erpstream.mysql.v1.PurchaseIn" || e.Options != "mode=replace" {
		t.Errorf("envelope %+v", e)
	}
	doc := new(mysqlv1.PurchaseIn)
	if err := proto.Unmarshal(msg.Data, doc); err != nil {
		t.Fatal(err)
	}
	if row := doc.GetRows()[0]; row.GetItemsQty() != "2.50" || row.GetModified().AsTime().Format(time.RFC3339) != "2026-01-01T19:04:05Z" {
		t.Errorf("row %v", row)
	}
}

func TestARecordThatComesAgainIsMappedOnce(t *testing.T) {
	js := natstest.Run(t)
	for id := range 20 {
		publish(t, js, id, feedName, purchase(id, "Confirmed"))
	}
	// A replica that published and died before it acknowledged.
	tr := newTransform(t, js, 1)
	cons, err := js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := cons.Fetch(7)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []outcome
	for raw := range batch.Messages() {
		outcomes = append(outcomes, tr.apply(t.Context(), raw, nil, stay{}))
	}
	if err := tr.publish(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
	start(t, tr)
	drained(t, js)
	has(t, js, 17, ledger.Outcomes{Filtered: 1, DeadTransform: 2})
}

func TestAnotherRevisionMapsAgain(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	stop := start(t, newTransform(t, js, 1))
	has(t, js, 1, ledger.Outcomes{})
	stop()
	publish(t, js, 2, feedName, purchase(2, "Confirmed"))
	start(t, newTransform(t, js, 2))
	has(t, js, 2, ledger.Outcomes{})
	stream, _ := js.Stream(t.Context(), topology.Target)
	for id, want := range map[string]uint64{"1": 1, "2": 2} {
		msg, err := stream.GetLastMsgForSubject(t.Context(), topology.TargetSubject("mysql", "bi", "to-bi", id))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := record.Parse(msg.Header); err != nil || e.FlowRevision != want {
			t.Errorf("key %s was mapped by revision %d, %v, want %d", id, e.FlowRevision, err, want)
		}
	}
}

func TestAMessageThatTheServerCanNotTakeIsADeadLetter(t *testing.T) {
	js := natstest.Run(t)
	tr := newTransform(t, js, 1)
	tr.maxPayload = batchHeaders + 100
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	start(t, tr)
	has(t, js, 0, ledger.Outcomes{DeadTransform: 1})
	drained(t, js)
}

// heavy is a record of which only the weight matters.
type heavy struct {
	jetstream.Msg
	bytes int
}

func (h heavy) Data() []byte { return make([]byte, h.bytes) }

func TestABatchIsBoundedByWeight(t *testing.T) {
	tr := transform{shared: shared{batch: 500}}
	for _, tt := range []struct{ records, bytes, want int }{
		{500, 1200, 500}, {1, 0, 500}, {500, 10 << 10, 409}, {409, 10 << 10, 409}, {3, 1 << 20, 3}, {5, 8 << 20, 1},
	} {
		var batch []jetstream.Msg
		for range tt.records {
			batch = append(batch, heavy{bytes: tt.bytes})
		}
		if got := tr.fitting(batch); got != tt.want {
			t.Errorf("after %d records of %d bytes: %d, want %d", tt.records, tt.bytes, got, tt.want)
		}
	}
}
