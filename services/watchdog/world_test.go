package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

const documents = `connection: jst-main
system: jushuitan
endpoint: http://127.0.0.1:1
---
connection: bi-main
system: mysql
endpoint: mysql://127.0.0.1:1/x
---
source: jst-purchasein
connection: jst-main
feed: jushuitan.purchasein
every: 5s
start: 2025-01-01
---
flow: flow-a
from: jst-purchasein
target: {kind: mysql, connection: bi-main, message: erpstream.mysql.v1.PurchaseIn}
map: {io_id: record.io_id}
`

// The names that follow from the documents.
var (
	transformer = topology.TransformerConsumer("flow-a")
	sinkName    = topology.SinkConsumer("mysql", "bi-main")
	scheduleOf  = topology.ScheduleSubject("jst-main", "jst-purchasein")
)

// world is a NATS server with one flow; the services beside the watchdog are played by the test.
type world struct {
	*testing.T
	js  jetstream.JetStream
	set flow.Set
	raw uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, js: natstest.Run(t)}
	docs, err := flow.Parse("test.yaml", []byte(documents))
	w.must(err)
	_, err = flow.Apply(t.Context(), w.js, docs, func(flow.Set) error { return nil })
	w.must(err)
	w.set = flow.Set{}.With(docs...)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// window publishes a window of n records.
func (w *world) window(n int) {
	w.Helper()
	var batch []*nats.Msg
	for range n {
		w.raw++
		e := record.Envelope{ID: fmt.Sprint("r", w.raw), Source: "jst-purchasein", Type: "jushuitan.purchasein", Key: strconv.FormatUint(w.raw, 10), Version: 1, Time: time.Now()}
		msg := nats.NewMsg(topology.RawSubject("jushuitan", "jst-purchasein", e.Key))
		msg.Header, msg.Data = e.Header(), []byte(`{}`)
		batch = append(batch, msg)
	}
	now, source, count, closed := timestamppb.Now(), "jst-purchasein", int64(n), true
	body, err := proto.Marshal(&ledgerv1.Window{
		Source: &source, From: now, To: now, Cursor: now, Closed: &closed,
		TotalBefore: &count, TotalAfter: &count, Distinct: &count, Published: &count,
	})
	w.must(err)
	window := nats.NewMsg(topology.WindowSubject(source))
	window.Data = body
	_, err = jetstreamext.PublishMsgBatch(w.Context(), w.js, append(batch, window))
	w.must(err)
	w.raw++
}

// durable makes a consumer as the services do.
func (w *world) durable(stream, name, filter string) jetstream.Consumer {
	w.Helper()
	cons, err := consume.Durable(w.Context(), w.js, stream, jetstream.ConsumerConfig{
		Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1,
	})
	w.must(err)
	return cons
}

// transform maps everything that waits, and write stores it, as the services do.
func (w *world) transform() {
	w.Helper()
	w.each(w.durable(topology.Raw, transformer, topology.RawFilter("jushuitan", "jst-purchasein")), w.target)
}

func (w *world) write() {
	w.Helper()
	book := receipt.NewBook(w.js, "sink-mysql", "i1")
	w.each(w.durable(topology.Target, sinkName, topology.TargetFilter("mysql", "bi-main")), func(msg jetstream.Msg) {
		e, err := record.Parse(msg.Headers())
		w.must(err)
		w.must(book.Publish(w.Context(), map[string][]*ledgerv1.Receipt{"flow-a": {{
			RawSequence: &e.RawSequence, Key: &e.Key, Version: &e.Version, Outcome: ledgerv1.Outcome_OUTCOME_COMMITTED.Enum(),
		}}}))
	})
}

// target publishes the target message of a record.
func (w *world) target(raw jetstream.Msg) {
	w.Helper()
	e, err := record.Parse(raw.Headers())
	w.must(err)
	meta, err := raw.Metadata()
	w.must(err)
	e.ID, e.Schema, e.Flow, e.FlowRevision, e.RawSequence = e.ID+"/flow-a", "erpstream.mysql.v1.PurchaseIn", "flow-a", 1, meta.Sequence.Stream
	msg := nats.NewMsg(topology.TargetSubject("mysql", "bi-main", "flow-a", e.Key))
	msg.Header = e.Header()
	_, err = w.js.PublishMsg(w.Context(), msg)
	w.must(err)
}

// each does something with all messages that wait for a consumer and acknowledges them.
func (w *world) each(cons jetstream.Consumer, do func(jetstream.Msg)) {
	w.Helper()
	batch, err := cons.FetchNoWait(1000)
	w.must(err)
	for msg := range batch.Messages() {
		do(msg)
		w.must(msg.DoubleAck(w.Context()))
	}
}

// count is how many messages a stream holds.
func (w *world) count(name string) uint64 {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), name)
	w.must(err)
	return stream.CachedInfo().State.Msgs
}

// watch returns a watch whose clock the test sets forward.
func (w *world) watch() (*watch, *clock) {
	w.Helper()
	kv, err := w.js.KeyValue(w.Context(), topology.BucketPositions)
	w.must(err)
	cfg := config{look: time.Second, stall: never, ticks: never, stuck: never, audit: time.Hour}
	watch, c := newWatch(cfg, w.js, kv, slog.New(slog.DiscardHandler), func() flow.Set { return w.set }), &clock{}
	watch.now = c.now
	return watch, c
}

// never is the time of alarms that a test is not about.
const never = 1000 * time.Hour

// clock is the machine's, set forward.
type clock struct{ ahead time.Duration }

func (c *clock) now() time.Time             { return time.Now().Add(c.ahead) }
func (c *clock) forward(d time.Duration)    { c.ahead += d }
func (w *world) look(watch *watch)          { w.Helper(); w.must(watch.look(w.Context())) }
func (w *world) wantEvents(kinds ...string) { w.Helper(); w.compare(w.events(), kinds) }

// value is an entry of the bucket of positions, nil where there is none.
func (w *world) value(key string) map[string]any {
	w.Helper()
	kv, err := w.js.KeyValue(w.Context(), topology.BucketPositions)
	w.must(err)
	entry, err := kv.Get(w.Context(), key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	w.must(err)
	var value map[string]any
	w.must(json.Unmarshal(entry.Value(), &value))
	return value
}

// events are the kinds of all events so far, in order.
func (w *world) events() []event.Event {
	w.Helper()
	stream, err := w.js.Stream(w.Context(), topology.Events)
	w.must(err)
	var all []event.Event
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(w.Context(), sequence)
		w.must(err)
		var e event.Event
		w.must(json.Unmarshal(msg.Data, &e))
		all = append(all, e)
	}
	return all
}

func (w *world) compare(events []event.Event, kinds []string) {
	w.Helper()
	var got []string
	for _, e := range events {
		got = append(got, e.Kind)
	}
	if fmt.Sprint(got) != fmt.Sprint(kinds) {
		w.Errorf("events %v, want %v: %+v", got, kinds, events)
	}
}

// background runs a loop until the test ends.
func (w *world) background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := run(ctx); !errors.Is(err, context.Canceled) {
			w.Errorf("the loop ended with %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	w.Cleanup(stop)
	return stop
}
