package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

// bills looks up materials and stores of kd.
const bills = `source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: to-kd
from: receipts
where: record.status != "Delete"
target: {kind: kingdee, connection: kd, message: erpstream.kingdee.v1.OtherInBill}
map:
  bill_date: '"2026-01-02"'
  bill_no: string(record.io_id)
  material_entity:
    each: record.items
    map:
      material_id: lookup("kingdee.material", "number", item.sku).id
      stock_id: lookup("kingdee.store", "number", record.wh).id
      unit_id: lookup("kingdee.material", "number", item.sku).base_unit_id
      qty: item.qty
`

// newBills returns the loop of the flow above at a revision, with its master data.
func newBills(t *testing.T, js jetstream.JetStream, text string, revision uint64) transform {
	t.Helper()
	docs, err := flow.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	snapshot := flow.Snapshot{Set: flow.Set{}.With(docs...)}
	m, err := newMapper(snapshot, snapshot.Flows["to-kd"], revision, js.Conn().MaxPayload())
	if err != nil {
		t.Fatal(err)
	}
	tr := newLoop(js, m)
	tr.parkedAlarm = time.Hour
	if m.looksUp() {
		tr.store = follow(t, js)
	}
	return tr
}

// follow runs a store until the test ends.
func follow(t *testing.T, js jetstream.JetStream) *reference.Store {
	t.Helper()
	store := reference.NewStore(js, "kd", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := store.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("store: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return store
}

// enter puts master data into the bucket, as the state that follows what is there.
func enter(t *testing.T, js jetstream.JetStream, collection, id string, fields map[string]string) {
	t.Helper()
	body, err := proto.Marshal(&referencev1.Entry{Collection: &collection, Id: &id, Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	store(t, js, collection, id, body)
}

// store puts a body into the bucket; none removes the entry.
func store(t *testing.T, js jetstream.JetStream, collection, id string, body []byte) {
	t.Helper()
	msg := reference.State{Version: 1, Body: body}.Message(reference.Key("kd", collection, id))
	msg.Header.Del(jetstream.ExpectedLastSubjSeqHeader)
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func material(t *testing.T, js jetstream.JetStream, id, number string) {
	t.Helper()
	enter(t, js, "kingdee.material", id, map[string]string{"number": number, "base_unit_id": "7"})
}

func warehouse(t *testing.T, js jetstream.JetStream, id, number string) {
	t.Helper()
	enter(t, js, "kingdee.store", id, map[string]string{"number": number})
}

// bill is a receipt of one line.
func bill(id int, sku, wh string) string {
	return fmt.Sprintf(`{"io_id":%d,"status":"Confirmed","wh":%q,"items":[{"sku":%q,"qty":2.50}]}`, id, wh, sku)
}

// stands waits until so many messages are in TARGET, PARKED and DEAD.
func stands(t *testing.T, js jetstream.JetStream, targets, parked, dead uint64) {
	t.Helper()
	natstest.Eventually(t, func() error {
		got := [3]uint64{messages(t, js, topology.Target), messages(t, js, topology.Parked), messages(t, js, topology.Dead)}
		if want := [3]uint64{targets, parked, dead}; got != want {
			return fmt.Errorf("TARGET, PARKED and DEAD have %v messages, want %v", got, want)
		}
		return nil
	})
}

func messages(t *testing.T, js jetstream.JetStream, name string) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// booked returns the target message of a record.
func booked(t *testing.T, js jetstream.JetStream, id int) (record.Envelope, *kingdeev1.OtherInBill) {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Target)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), topology.TargetSubject("kingdee", "kd", "to-kd", strconv.Itoa(id)))
	if err != nil {
		t.Fatalf("record %d: %v", id, err)
	}
	e, err := record.Parse(msg.Header)
	if err != nil {
		t.Fatal(err)
	}
	doc := new(kingdeev1.OtherInBill)
	if err := proto.Unmarshal(msg.Data, doc); err != nil {
		t.Fatal(err)
	}
	return e, doc
}

// settled waits until the transformer has all of RAW behind it.
func settled(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	natstest.Eventually(t, func() error {
		cons, err := js.Consumer(t.Context(), topology.Raw, topology.TransformerConsumer("to-kd"))
		if err != nil {
			return err
		}
		if info := cons.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			return fmt.Errorf("%d pending and %d in hand", info.NumPending, info.NumAckPending)
		}
		return nil
	})
}

func TestMasterDataFirst(t *testing.T) {
	js := natstest.Run(t)
	for i := range 2_000 { // what is read before the first record is mapped
		material(t, js, strconv.Itoa(1_000+i), fmt.Sprintf("A%d", i))
	}
	warehouse(t, js, "5", "WH")
	publish(t, js, 1, feedName, bill(1, "A1999", "WH"))
	start(t, newBills(t, js, bills, 3))
	stands(t, js, 1, 0, 0)
	e, doc := booked(t, js, 1)
	line := doc.GetMaterialEntity()[0]
	if e.FlowRevision != 3 || line.GetMaterialId() != "2999" || line.GetStockId() != "5" || line.GetUnitId() != "7" || line.GetQty() != "2.50" {
		t.Errorf("%+v, %v", e, doc)
	}
	if want := "kingdee.material\tnumber\tA1999\t2999\nkingdee.store\tnumber\tWH\t5"; e.References != want {
		t.Errorf("references %q, want %q", e.References, want)
	}
	if h := targetHeader(t, js, 1); h.Get(topology.HeaderParkedSince) != "" {
		t.Errorf("a record that never waited says that it did: %v", h)
	}
}

// targetHeader returns the headers of a record's target message.
func targetHeader(t *testing.T, js jetstream.JetStream, id int) nats.Header {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Target)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), topology.TargetSubject("kingdee", "kd", "to-kd", strconv.Itoa(id)))
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header
}

func TestRecordFirst(t *testing.T) {
	js := natstest.Run(t)
	start(t, newBills(t, js, bills, 3))
	warehouse(t, js, "5", "WH")
	publish(t, js, 7, feedName, bill(7, " 采购/A1 ", "WH"))
	stands(t, js, 0, 1, 0)

	stream, _ := js.Stream(t.Context(), topology.Parked)
	parked, err := stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject(topology.ParkedFilter("to-kd")))
	if err != nil {
		t.Fatal(err)
	}
	header, err := readParked(parked.Header)
	if err != nil || header.missing != (mapping.Missing{Collection: "kingdee.material", Field: "number", Value: "采购/A1"}) || header.revision != 3 || header.raw != 1 || header.since.IsZero() {
		t.Errorf("parked with %+v, %v", header, err)
	}
	if !strings.HasPrefix(parked.Subject, "parked.to-kd.kingdee_material.") || string(parked.Data) != bill(7, " 采购/A1 ", "WH") {
		t.Errorf("parked as %s with %s", parked.Subject, parked.Data)
	}

	material(t, js, "31", "采购/A1")
	stands(t, js, 1, 0, 0)
	e, doc := booked(t, js, 7)
	if e.RawSequence != 1 || e.Key != "7" || e.Flow != "to-kd" || e.FlowRevision != 3 || doc.GetMaterialEntity()[0].GetMaterialId() != "31" {
		t.Errorf("%+v, %v", e, doc)
	}
	h := targetHeader(t, js, 7)
	for _, name := range []string{topology.HeaderParkedCollection, topology.HeaderParkedField, topology.HeaderParkedValue, topology.HeaderParkedSince} {
		if h.Get(name) == "" || h.Get(name) != parked.Header.Get(name) {
			t.Errorf("the released message says %s %q, the parked one %q", name, h.Get(name), parked.Header.Get(name))
		}
	}
}

// TestWhatWasWaitedForStaysPrivate keeps a personal value out of the message that goes on.
func TestWhatWasWaitedForStaysPrivate(t *testing.T) {
	js := natstest.Run(t)
	text := strings.NewReplacer("jushuitan.purchasein", "wangdiantong.flagship-refund", "item.sku).id", "item.buyer_nick).id").Replace(bills)
	tr := newBills(t, js, text, 1)
	body := []byte(`{"status":1,"io_id":1,"wh":"WH","items":[{"buyer_nick":"王小明","sku":"A1","qty":2}]}`)
	e := record.Envelope{ID: "receipts/1/1/x", Source: "receipts", Type: "wangdiantong.flagship-refund", Key: "1", Version: 1, Time: time.Now()}
	stored := &jetstream.RawStreamMsg{Sequence: 1, Header: e.Header(), Data: body}
	waits := tr.apply(t.Context(), recalled{stream: topology.Raw, sequence: 1, stored: stored}, everyone(nil), stay{})
	if waits.parked == nil || waits.parked.Header.Get(topology.HeaderParkedPersonal) == "" {
		t.Fatalf("%v, want a record that waits for something personal", waits.err)
	}
	found := everyone{reference.NewEntry("7", map[string]string{"base_unit_id": "1"})}
	goes := tr.apply(t.Context(), recalled{stream: topology.Raw, sequence: 1, stored: stored}, found, stay{since: time.Now(), header: waits.parked.Header})
	if goes.target == nil {
		t.Fatal(goes.err)
	}
	if goes.target.Header.Get(topology.HeaderParkedSince) == "" || strings.Contains(fmt.Sprint(goes.target.Header), record.Encode("王小明")) {
		t.Errorf("%v", goes.target.Header)
	}
}

// everyone is master data in which each look-up finds the same.
type everyone []reference.Entry

// Find returns what there is.
func (e everyone) Find(_, _, _ string) []reference.Entry { return e }

func TestParkedUnderOneAfterTheOther(t *testing.T) {
	js := natstest.Run(t)
	start(t, newBills(t, js, bills, 1))
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	stands(t, js, 0, 1, 0)
	stream, _ := js.Stream(t.Context(), topology.Parked)
	first, err := stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject("parked.to-kd.kingdee_material.*"))
	if err != nil {
		t.Fatal(err)
	}
	material(t, js, "31", "A1")
	var second *jetstream.RawStreamMsg
	natstest.Eventually(t, func() (err error) {
		second, err = stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject("parked.to-kd.kingdee_store.*"))
		return err
	})
	stands(t, js, 0, 1, 0)
	if first.Header.Get(topology.HeaderParkedSince) != second.Header.Get(topology.HeaderParkedSince) {
		t.Errorf("waits since %s, want since %s", second.Header.Get(topology.HeaderParkedSince), first.Header.Get(topology.HeaderParkedSince))
	}
	warehouse(t, js, "5", "WH")
	stands(t, js, 1, 0, 0)
}

// TestBackWhereItWas parks a record under the same entry twice within the time in which the server
// remembers ids: it must not take the second for the first.
func TestBackWhereItWas(t *testing.T) {
	js := natstest.Run(t)
	tr := newBills(t, js, bills, 1)
	start(t, tr)
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	stands(t, js, 0, 1, 0)
	material(t, js, "31", "A1")
	stream, _ := js.Stream(t.Context(), topology.Parked)
	natstest.Eventually(t, func() error {
		_, err := stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject("parked.to-kd.kingdee_store.*"))
		return err
	})
	store(t, js, "kingdee.material", "31", nil)
	natstest.Eventually(t, func() error {
		if len(tr.store.Find("kingdee.material", "number", "A1")) > 0 {
			return errors.New("the removal is not known yet")
		}
		return nil
	})
	warehouse(t, js, "5", "WH")
	natstest.Eventually(t, func() error {
		_, err := stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject("parked.to-kd.kingdee_material.*"))
		return err
	})
	stands(t, js, 0, 1, 0)
	material(t, js, "32", "A1")
	stands(t, js, 1, 0, 0)
	if _, doc := booked(t, js, 1); doc.GetMaterialEntity()[0].GetMaterialId() != "32" {
		t.Errorf("%v, want the material that came back", doc)
	}
}

// TestParkedTwiceIsParkedOnce redelivers a record whose acknowledgement was lost, and one that was
// released before.
func TestParkedTwiceIsParkedOnce(t *testing.T) {
	js := natstest.Run(t)
	tr := newBills(t, js, bills, 1)
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	raw := fetch(t, js)
	again := func(parked uint64) {
		t.Helper()
		if err := tr.publish(t.Context(), []outcome{tr.apply(t.Context(), raw, tr.lookup(), stay{})}); err != nil {
			t.Fatal(err)
		}
		stands(t, js, 0, parked, 0)
	}
	again(1)
	again(1)
	stream, _ := js.Stream(t.Context(), topology.Parked)
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	again(1)
}

// fetch takes the next record of RAW.
func fetch(t *testing.T, js jetstream.JetStream) jetstream.Msg {
	t.Helper()
	cons, err := js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := cons.Next()
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestRemovedMasterDataIsWaitedFor(t *testing.T) {
	js := natstest.Run(t)
	warehouse(t, js, "5", "WH")
	material(t, js, "31", "A1")
	tr := newBills(t, js, bills, 1)
	start(t, tr)
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	stands(t, js, 1, 0, 0)
	store(t, js, "kingdee.material", "31", nil)
	natstest.Eventually(t, func() error {
		if n := tr.store.Len("kingdee.material"); n > 0 {
			return fmt.Errorf("%d materials", n)
		}
		return nil
	})
	publish(t, js, 2, feedName, bill(2, "A1", "WH"))
	stands(t, js, 1, 1, 0)
}

func TestAmbiguousMasterDataKills(t *testing.T) {
	js := natstest.Run(t)
	warehouse(t, js, "5", "WH")
	material(t, js, "31", "A1")
	material(t, js, "32", "A1 ")
	start(t, newBills(t, js, bills, 1))
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	stands(t, js, 0, 0, 1)
	letter := lastLetter(t, js)
	if reason := letter.Header.Get(topology.HeaderDeadReason); letter.Header.Get(topology.HeaderDeadClass) != "reference-ambiguous" || !strings.Contains(reason, "31,%2032") {
		t.Errorf("class %s: %s", letter.Header.Get(topology.HeaderDeadClass), reason)
	}
}

func lastLetter(t *testing.T, js jetstream.JetStream) *jetstream.RawStreamMsg {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Dead)
	if err != nil {
		t.Fatal(err)
	}
	letter, err := stream.GetLastMsgForSubject(t.Context(), topology.DeadSubject("transform", "to-kd"))
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

// TestReleasedIntoEachFate parks records that then become a target message, a receipt and two letters.
func TestReleasedIntoEachFate(t *testing.T) {
	js := natstest.Run(t)
	text := strings.Replace(bills, `record.status != "Delete"`, `lookup("kingdee.store", "number", record.wh).id != "5"`, 1)
	start(t, newBills(t, js, text, 1))
	material(t, js, "31", "A1")
	enter(t, js, "kingdee.material", "40", map[string]string{"number": "NO-UNIT"})
	publish(t, js, 1, feedName, bill(1, "A1", "WH5"))
	publish(t, js, 2, feedName, bill(2, "A1", "WH6"))
	publish(t, js, 3, feedName, bill(3, "NO-UNIT", "WH6"))
	publish(t, js, 4, feedName, bill(4, "A1", "WH7"))
	stands(t, js, 0, 4, 0)
	warehouse(t, js, "5", "WH5")
	warehouse(t, js, "6", "WH6")
	stands(t, js, 1, 1, 1)
	letter := lastLetter(t, js)
	if letter.Header.Get(topology.HeaderDeadClass) != "reference" || letter.Header.Get(topology.HeaderDeadStream) != topology.Raw ||
		letter.Header.Get(topology.HeaderDeadRaw) != "3" || letter.Header.Get(topology.HeaderDeadSubject) != topology.RawSubject("jushuitan", "receipts", "3") {
		t.Errorf("letter %v", letter.Header)
	}
	for name := range letter.Header {
		if strings.HasPrefix(name, topology.HeaderParkedPrefix) {
			t.Errorf("the letter has the header %s, and the record is parked no more", name)
		}
	}
	enter(t, js, "kingdee.store", "7", map[string]string{"number": "WH7"})
	stands(t, js, 2, 0, 1)
	if receipts := messages(t, js, topology.Receipts); receipts != 1 {
		t.Errorf("%d receipts, want that of the record that the flow leaves out", receipts)
	}
}

func TestLateArrivalReleasesAll(t *testing.T) {
	js := natstest.Run(t)
	const records, skus = 2_000, 40
	for id := range records {
		publish(t, js, id, feedName, bill(id, fmt.Sprintf("A%d", id%skus), "WH"))
	}
	start(t, newBills(t, js, bills, 1))
	stands(t, js, 0, records, 0)
	for i := range skus / 2 {
		material(t, js, strconv.Itoa(100+i), fmt.Sprintf("A%d", i))
	}
	warehouse(t, js, "5", "WH")
	stands(t, js, records/2, records/2, 0)
	for i := range skus / 2 {
		material(t, js, strconv.Itoa(100+skus/2+i), fmt.Sprintf("A%d", skus/2+i))
	}
	stands(t, js, records, 0, 0)
}

// TestArrivalsAndParkingAtOnce lets records and master data come side by side, with two transformers
// at it: each record ends in TARGET, once.
func TestArrivalsAndParkingAtOnce(t *testing.T) {
	js := natstest.Run(t)
	const records, skus = 600, 60
	start(t, newBills(t, js, bills, 1))
	start(t, newBills(t, js, bills, 1))
	var at sync.WaitGroup
	at.Go(func() {
		for id := range records {
			publish(t, js, id, feedName, bill(id, fmt.Sprintf("A%d", id%skus), fmt.Sprintf("WH%d", id%7)))
		}
	})
	at.Go(func() {
		for i := range 7 {
			warehouse(t, js, strconv.Itoa(10+i), fmt.Sprintf("WH%d", i))
		}
		for i := range skus {
			material(t, js, strconv.Itoa(100+i), fmt.Sprintf("A%d", i))
		}
	})
	at.Wait()
	settled(t, js)
	stands(t, js, records, 0, 0)
}

// TestDiedBetweenPublishingAndDeleting starts where a replica died: the record is in TARGET, and still
// in PARKED.
func TestDiedBetweenPublishingAndDeleting(t *testing.T) {
	js := natstest.Run(t)
	tr := newBills(t, js, bills, 1)
	for id := range 5 {
		publish(t, js, id, feedName, bill(id, "A1", "WH"))
	}
	stop := start(t, tr)
	stands(t, js, 0, 5, 0)
	settled(t, js)
	stop()
	warehouse(t, js, "5", "WH")
	material(t, js, "31", "A1")
	natstest.Eventually(t, func() error {
		if len(tr.store.Find("kingdee.material", "number", "A1")) == 0 {
			return errors.New("the material is not known yet")
		}
		return nil
	})
	r := newReleaser(tr)
	page, err := r.page(t.Context(), parkedSubject("to-kd", &mapping.Missing{Collection: "kingdee.material", Field: "number", Value: "A1"}), 1)
	if err != nil || len(page) != 5 {
		t.Fatalf("%d parked, %v", len(page), err)
	}
	var outcomes []outcome
	for _, stored := range page[:3] {
		outcomes = append(outcomes, r.unpark(t.Context(), stored))
	}
	if err := r.publish(t.Context(), outcomes); err != nil {
		t.Fatal(err)
	}
	stands(t, js, 3, 5, 0)
	start(t, tr)
	stands(t, js, 5, 0, 0)
}

// TestAnotherRevisionReleases parks with a revision that looks up what the next one does not.
func TestAnotherRevisionReleases(t *testing.T) {
	js := natstest.Run(t)
	stop := start(t, newBills(t, js, bills, 1))
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	stands(t, js, 0, 1, 0)
	stop()
	text := bills
	for _, lookup := range []string{`lookup("kingdee.material", "number", item.sku).id`, `lookup("kingdee.store", "number", record.wh).id`, `lookup("kingdee.material", "number", item.sku).base_unit_id`} {
		text = strings.Replace(text, lookup, `'"1"'`, 1)
	}
	tr := newBills(t, js, text, 2)
	if tr.store != nil {
		t.Fatal("the revision looks something up")
	}
	start(t, tr)
	stands(t, js, 1, 0, 0)
	if e, _ := booked(t, js, 1); e.FlowRevision != 2 {
		t.Errorf("mapped by revision %d, want 2", e.FlowRevision)
	}
}

// TestAnotherRevisionLeavesWhatStillWaits releases some of the records of one subject.
func TestAnotherRevisionLeavesWhatStillWaits(t *testing.T) {
	js := natstest.Run(t)
	stop := start(t, newBills(t, js, bills, 1))
	for id := range 6 {
		publish(t, js, id, feedName, bill(id, "A1", "WH"))
	}
	stands(t, js, 0, 6, 0)
	settled(t, js)
	stop()
	tr := newBills(t, js, strings.Replace(bills, `record.status != "Delete"`, "record.io_id % 2 == 1", 1), 2)
	tr.batch = 2 // the subject is read in several pages
	start(t, tr)
	natstest.Eventually(t, func() error {
		if n := messages(t, js, topology.Receipts); n != 3 {
			return fmt.Errorf("%d receipts", n)
		}
		return nil
	})
	stands(t, js, 0, 3, 0)
	warehouse(t, js, "5", "WH")
	material(t, js, "31", "A1")
	stands(t, js, 3, 0, 0)
	for _, id := range []int{1, 3, 5} {
		if e, _ := booked(t, js, id); e.FlowRevision != 2 || e.RawSequence != uint64(id)+1 {
			t.Errorf("record %d: %+v", id, e)
		}
	}
}

// TestEntryBetweenMissAndParking lets the entry come after it was missed and before the record is
// parked: nothing arrives any more that would release it, but parking asks for a look.
func TestEntryBetweenMissAndParking(t *testing.T) {
	js := natstest.Run(t)
	warehouse(t, js, "5", "WH")
	tr := newBills(t, js, bills, 1)
	if err := tr.store.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish(t, js, 1, feedName, bill(1, "A1", "WH"))
	missed := tr.apply(t.Context(), fetch(t, js), tr.lookup(), stay{})
	material(t, js, "31", "A1")
	natstest.Eventually(t, func() error {
		if len(tr.store.Find("kingdee.material", "number", "A1")) == 0 {
			return errors.New("the material is not known yet")
		}
		return nil
	})
	if err := tr.publish(t.Context(), []outcome{missed}); err != nil {
		t.Fatal(err)
	}
	stands(t, js, 0, 1, 0)
	if err := newReleaser(tr).round(t.Context(), t.Context(), false); err != nil {
		t.Fatal(err)
	}
	stands(t, js, 1, 0, 0)
}

// TestWhatNobodyParkedIsBuried puts something into PARKED that is no record.
func TestWhatNobodyParkedIsBuried(t *testing.T) {
	js := natstest.Run(t)
	if _, err := js.Publish(t.Context(), topology.ParkedSubject("to-kd", "kingdee.material", "x"), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	start(t, newBills(t, js, bills, 1))
	stands(t, js, 0, 0, 1)
	if letter := lastLetter(t, js); letter.Header.Get(topology.HeaderDeadClass) != "envelope" || letter.Header.Get(topology.HeaderDeadStream) != topology.Parked {
		t.Errorf("letter %v", letter.Header)
	}
}

func TestAlarmOfWhatWaitsTooLong(t *testing.T) {
	js := natstest.Run(t)
	tr := newBills(t, js, bills, 1)
	stop := start(t, tr)
	for id := range 3 {
		publish(t, js, id, feedName, bill(id, "13800138000", "WH"))
	}
	stands(t, js, 0, 3, 0)
	stop()

	parkedAt := time.Now()
	replicas := []*releaser{newReleaser(tr), newReleaser(tr)}
	look := func(after time.Duration) {
		t.Helper()
		for _, r := range replicas {
			r.alarm.now = func() time.Time { return parkedAt.Add(after) }
			if err := r.round(t.Context(), t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	look(59 * time.Minute)
	told(t, js)
	look(61 * time.Minute)
	told(t, js, kindParked)
	look(90 * time.Minute)
	told(t, js, kindParked)
	look(122 * time.Minute)
	told(t, js, kindParked, kindParked)
	replicas = append(replicas, newReleaser(tr)) // one that starts now knows what was said
	look(123 * time.Minute)
	events := told(t, js, kindParked, kindParked)
	text := events[1].Text
	if events[1].Subject != "to-kd" || events[1].Part != "kingdee.material" || events[1].Severity != event.Warning ||
		!strings.Contains(text, "3 records of flow to-kd wait for kingdee.material (by number), the oldest since ") || !strings.Contains(text, "+08:00") || !strings.Contains(text, "parked.to-kd.kingdee_material.*") {
		t.Errorf("%+v", events[1])
	}
	if strings.Contains(text, "13800138000") {
		t.Errorf("the event repeats what is looked for: %s", text)
	}

	warehouse(t, js, "5", "WH")
	material(t, js, "31", "13800138000")
	natstest.Eventually(t, func() error {
		if len(tr.store.Find("kingdee.material", "number", "13800138000"))+len(tr.store.Find("kingdee.store", "number", "WH")) < 2 {
			return errors.New("the master data is not known yet")
		}
		return nil
	})
	look(124 * time.Minute)
	stands(t, js, 3, 0, 0)
	look(125 * time.Minute)
	look(300 * time.Minute)
	if events := told(t, js, kindParked, kindParked, kindResolved); events[2].Part != "kingdee.material" || events[2].Severity != event.Info {
		t.Errorf("%+v", events[2])
	}
}

// told compares the kinds of all events.
func told(t *testing.T, js jetstream.JetStream, want ...string) []event.Event {
	t.Helper()
	var events []event.Event
	stream, err := js.Stream(t.Context(), topology.Events)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		var e event.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			t.Fatal(err)
		}
		events, kinds = append(events, e), append(kinds, e.Kind)
	}
	if fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Fatalf("events %v, want %v", kinds, want)
	}
	return events
}
