package dead_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
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
target: {kind: mysql, connection: bi, message: erpstream.mysql.v1.PurchaseIn}
map: {io_id: record.io_id}
`

// stored is the configuration above, after some replacements of its text.
func stored(t *testing.T, replace ...string) flow.Set {
	t.Helper()
	docs, err := flow.Parse("test.yaml", []byte(strings.NewReplacer(replace...).Replace(documents)))
	if err != nil {
		t.Fatal(err)
	}
	return flow.Set{}.With(docs...)
}

const feedName = "jushuitan.purchasein"

// purchase is a record; note is what a person may change in it.
func purchase(id int, note string) string {
	return fmt.Sprintf(`{"io_id":%d,"ts":17,"status":"Confirmed","modified":"2026-01-02 03:04:05","remark":%q,"total":12.50}`, id, note)
}

// published puts a message into a stream and returns it as a consumer delivers it.
func published(t *testing.T, js jetstream.JetStream, stream string, msg *nats.Msg) jetstream.Msg {
	t.Helper()
	ack, err := js.PublishMsg(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	cons, err := js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: ack.Sequence, AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	delivered, err := cons.Next()
	if err != nil {
		t.Fatal(err)
	}
	return delivered
}

// raw puts a record into RAW.
func raw(t *testing.T, js jetstream.JetStream, id int, kind, body string) jetstream.Msg {
	t.Helper()
	key := fmt.Sprint(id)
	msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
	msg.Header = record.Envelope{
		ID: record.NewID("receipts", key, 17, []byte(body)), Source: "receipts", Type: kind, Key: key, Version: 17, Time: time.Now(),
	}.Header()
	msg.Data = []byte(body)
	return published(t, js, topology.Raw, msg)
}

// target puts a target message of the record raw into TARGET.
func target(t *testing.T, js jetstream.JetStream, id int, rawSequence uint64, m proto.Message) jetstream.Msg {
	t.Helper()
	key := fmt.Sprint(id)
	msg := nats.NewMsg(topology.TargetSubject("mysql", "bi", "to-bi", key))
	msg.Header = record.Envelope{
		ID: record.TargetID("receipts/"+key+"/17/00", "to-bi", 3, rawSequence), Source: "receipts", Type: feedName, Key: key, Version: 17, Time: time.Now(),
		Schema: string(m.ProtoReflect().Descriptor().FullName()), Flow: "to-bi", FlowRevision: 3, RawSequence: rawSequence,
	}.Header()
	var err error
	if msg.Data, err = proto.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return published(t, js, topology.Target, msg)
}

func receipt(id int64, warehouse string) *mysqlv1.PurchaseIn {
	row := &mysqlv1.PurchaseInRow{Id: proto.String(fmt.Sprint(id, "-1")), IoId: &id, Warehouse: &warehouse, Modified: timestamppb.New(time.Unix(1767294245, 0)),
		Status: proto.String("Confirmed"), ItemsIoiId: proto.Int64(1), ItemsQty: proto.String("2.50"),
	}
	return &mysqlv1.PurchaseIn{IoId: &id, Rows: []*mysqlv1.PurchaseInRow{row}}
}

func customer(number, address string) *kingdeev1.Customer {
	return &kingdeev1.Customer{Number: &number, Name: &number, Addr: &address}
}

var reason = fault.Permanent("data", errors.New("数据错误: column \"备注\" too long\n第 2 行"))

// bury buries a message and returns the letter's sequence.
func bury(t *testing.T, js jetstream.JetStream, stage string, rawSequence uint64, msg dead.Message) uint64 {
	t.Helper()
	if err := dead.Bury(t.Context(), js, dead.Letter{Stage: stage, Flow: "to-bi", RawSequence: rawSequence, Reason: reason, Message: msg}); err != nil {
		t.Fatal(err)
	}
	return last(t, js, topology.Dead)
}

// deadRecord is a letter of a record.
func deadRecord(t *testing.T, js jetstream.JetStream, id int, body string) uint64 {
	t.Helper()
	msg := raw(t, js, id, feedName, body)
	return bury(t, js, dead.Transform, sequenceOf(t, msg), msg)
}

// deadTarget is a letter of a target message whose record is in RAW.
func deadTarget(t *testing.T, js jetstream.JetStream, id int, m proto.Message) uint64 {
	t.Helper()
	sequence := sequenceOf(t, raw(t, js, id, feedName, purchase(id, "")))
	return bury(t, js, dead.Sink, sequence, target(t, js, id, sequence, m))
}

func sequenceOf(t *testing.T, msg jetstream.Msg) uint64 {
	t.Helper()
	meta, err := msg.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return meta.Sequence.Stream
}

func last(t *testing.T, js jetstream.JetStream, name string) uint64 {
	t.Helper()
	return open(t, js, name).CachedInfo().State.LastSeq
}

func open(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// lastOf returns the last message of a stream.
func lastOf(t *testing.T, js jetstream.JetStream, name string) *jetstream.RawStreamMsg {
	t.Helper()
	msg, err := open(t, js, name).GetMsg(t.Context(), last(t, js, name))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// listed returns the letters that a filter takes, as sequence and state.
func listed(t *testing.T, js jetstream.JetStream, f dead.Filter) string {
	t.Helper()
	var got []string
	for b, err := range dead.List(t.Context(), js, f) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s", b.Sequence, b.State()))
	}
	return strings.Join(got, ", ")
}

// refused checks that an error has some words in it.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// settledBefore checks that an error says what was done with a letter.
func settledBefore(t *testing.T, err error, action, by string) {
	t.Helper()
	settled, ok := errors.AsType[*dead.SettledError](err)
	if !ok || settled.Note.Action != action || settled.Note.By != by {
		t.Errorf("error %v, want one that says %s by %s", err, action, by)
	}
}

// jetstreamNotes is a purge of the notes.
func jetstreamNotes() jetstream.StreamPurgeOpt {
	return jetstream.WithPurgeSubject(topology.DeadNoteFilter(""))
}

// withoutID is headers without the id, so that the server does not take the message for the one that it has.
func withoutID(h nats.Header) nats.Header {
	h = maps.Clone(h)
	h.Del(topology.HeaderMsgID)
	return h
}
