package ledger_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// The documents of a flow whose services are played by the tests.
const documents = `connection: jst
system: jushuitan
endpoint: https://openapi.jushuitan.com
---
source: src
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
connection: bi
system: test
endpoint: https://bi.example.com
---
flow: flow-a
from: src
target: {kind: test, connection: bi, message: erpstream.mysql.v1.PurchaseIn}
map:
  io_id: record.io_id
`

// world is a NATS server, and what the tests did with it.
type world struct {
	t   testing.TB
	ctx context.Context
	js  jetstream.JetStream
	// at is the source time up to which windows were published, last the sequence of the last one.
	at   time.Time
	last uint64
	key  int
}

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, natstest.Run(t))
}

func newWorldOn(t testing.TB, js jetstream.JetStream) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), js: js, at: began}
	docs, err := flow.Parse("test.yaml", []byte(documents))
	w.must(err)
	_, err = flow.Apply(w.ctx, js, docs, func(flow.Set) error { return nil })
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// records makes n records of further keys.
func (w *world) records(n int) []*nats.Msg {
	var msgs []*nats.Msg
	for range n {
		w.key++
		key := strconv.Itoa(w.key)
		e := record.Envelope{ID: record.NewID("src", key, 1, []byte(key)), Source: "src", Type: "jushuitan.purchasein", Key: key, Version: 1, Time: w.at}
		msg := nats.NewMsg(topology.RawSubject("jushuitan", "src", key))
		msg.Header, msg.Data = e.Header(), []byte(key)
		msgs = append(msgs, msg)
	}
	return msgs
}

// window publishes n new records with the window of one hour behind them, changed as edit says, and
// returns the sequence of the first record.
func (w *world) window(n int, edit func(*ledgerv1.Window)) uint64 {
	w.t.Helper()
	m := &ledgerv1.Window{
		Source: proto.String("src"), From: timestamppb.New(w.at), To: timestamppb.New(w.at.Add(time.Hour)), Cursor: timestamppb.New(w.at.Add(time.Hour)),
		Closed: proto.Bool(true), TotalBefore: proto.Int64(int64(n)), TotalAfter: proto.Int64(int64(n)), Distinct: proto.Int64(int64(n)), Published: proto.Int64(int64(n)),
	}
	if edit != nil {
		edit(m)
	}
	if m.GetClosed() {
		w.at = w.at.Add(time.Hour)
	}
	body, err := proto.Marshal(m)
	w.must(err)
	msg := nats.NewMsg(topology.WindowSubject("src"))
	msg.Data = body
	msg.Header.Set(jetstream.MsgTTLHeader, "never")
	ack, err := jetstreamext.PublishMsgBatch(w.ctx, w.js, append(w.records(n), msg))
	w.must(err)
	w.last = ack.Sequence
	return ack.Sequence - uint64(n)
}

// transformer returns the consumer of the flow's transformer, made where there is none.
func (w *world) transformer() jetstream.Consumer {
	w.t.Helper()
	cons, err := w.js.CreateOrUpdateConsumer(w.ctx, topology.Raw, jetstream.ConsumerConfig{
		Durable: topology.TransformerConsumer("flow-a"), FilterSubject: topology.RawFilter("jushuitan", "src"), AckPolicy: jetstream.AckExplicitPolicy,
	})
	w.must(err)
	return cons
}

// sink returns the consumer of the connection's sink, made where there is none.
func (w *world) sink() jetstream.Consumer {
	w.t.Helper()
	cons, err := w.js.CreateOrUpdateConsumer(w.ctx, topology.Target, jetstream.ConsumerConfig{
		Durable: topology.SinkConsumer("test", "bi"), FilterSubject: topology.TargetFilter("test", "bi"), AckPolicy: jetstream.AckExplicitPolicy,
	})
	w.must(err)
	return cons
}

// take settles the next n messages of a consumer, each after do.
func (w *world) take(cons jetstream.Consumer, n int, do func(jetstream.Msg)) {
	w.t.Helper()
	for range n {
		msg, err := cons.Next(jetstream.FetchMaxWait(time.Minute))
		w.must(err)
		do(msg)
		w.must(msg.DoubleAck(w.ctx))
	}
}

// mapped publishes the target message of a record.
func (w *world) mapped(raw jetstream.Msg) {
	w.t.Helper()
	w.must(w.publishTarget(raw, 0))
}

// publishTarget publishes the target message of a record; it is that of a replay when letter is its
// letter.
func (w *world) publishTarget(raw jetstream.Msg, letter uint64) error {
	meta, err := raw.Metadata()
	if err != nil {
		return err
	}
	e, err := record.Parse(raw.Headers())
	if err != nil {
		return err
	}
	e.ID = record.TargetID(e.ID, "flow-a", 1+letter, meta.Sequence.Stream)
	e.Schema, e.Flow, e.FlowRevision, e.RawSequence = "erpstream.mysql.v1.PurchaseIn", "flow-a", 1, meta.Sequence.Stream
	msg := nats.NewMsg(topology.TargetSubject("test", "bi", "flow-a", e.Key))
	msg.Header = e.Header()
	if letter > 0 {
		msg.Header.Set(topology.HeaderReplay, strconv.FormatUint(letter, 10))
	}
	_, err = w.js.PublishMsg(w.ctx, msg)
	return err
}

// book publishes the outcome of a record.
func (w *world) book(sequence uint64, outcome ledgerv1.Outcome) {
	w.t.Helper()
	r := &ledgerv1.Receipt{RawSequence: &sequence, Key: proto.String("key"), Outcome: &outcome}
	w.must(receipt.NewBook(w.js, "test", "i1").Publish(w.ctx, map[string][]*ledgerv1.Receipt{"flow-a": {r}}))
}

// bookOf returns a function that publishes the same outcome for each target message that it is given.
func (w *world) bookOf(outcome ledgerv1.Outcome) func(jetstream.Msg) {
	return func(msg jetstream.Msg) { w.book(rawOf(w.t, msg), outcome) }
}

func rawOf(t testing.TB, msg jetstream.Msg) uint64 {
	t.Helper()
	e, err := record.Parse(msg.Headers())
	if err != nil {
		t.Fatal(err)
	}
	return e.RawSequence
}

// bury stores the letter of a record and returns its sequence in DEAD.
func (w *world) bury(stage string, raw uint64, msg jetstream.Msg) uint64 {
	w.t.Helper()
	letter := dead.Letter{Stage: stage, Flow: "flow-a", RawSequence: raw, Reason: errors.New("no such unit"), Message: msg}
	w.must(dead.Bury(w.ctx, w.js, letter))
	stream, err := w.js.Stream(w.ctx, topology.Dead)
	w.must(err)
	return stream.CachedInfo().State.LastSeq
}

// park puts a record in PARKED and returns its sequence there.
func (w *world) park(raw uint64) uint64 {
	w.t.Helper()
	msg := nats.NewMsg(topology.ParkedSubject("flow-a", "kingdee.material", "x"))
	msg.Header.Set(topology.HeaderParkedRaw, strconv.FormatUint(raw, 10))
	ack, err := w.js.PublishMsg(w.ctx, msg)
	w.must(err)
	return ack.Sequence
}

// audit audits the flow.
func (w *world) audit(q ledger.Query) ledger.FlowReport {
	w.t.Helper()
	report, err := ledger.Audit(w.ctx, w.js, q)
	w.must(err)
	if len(report.Flows) != 1 || report.Balanced != report.Flows[0].Balanced {
		w.t.Fatalf("report %+v, want one flow", report)
	}
	return report.Flows[0]
}

// holds fails the test unless the account is as wanted, with all that was published in its places.
func holds(t testing.TB, got, want ledger.Account) {
	t.Helper()
	if got != want {
		t.Errorf("account\n%+v, want\n%+v", got, want)
	}
	if sum := got.Delivered + got.Superseded + got.Filtered + got.Dead + got.Parked + got.InFlight + got.BeforeFlow + got.Missing; sum != got.Published {
		t.Errorf("%d records are in places, %d were published", sum, got.Published)
	}
	if got.InFlight != got.Unmapped+got.Unwritten {
		t.Errorf("in flight %d is not %d + %d", got.InFlight, got.Unmapped, got.Unwritten)
	}
}

func nothing(jetstream.Msg) {}
