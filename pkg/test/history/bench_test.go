package history_test

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/history"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// BenchmarkOf tells the history of one record among a million, each with a target message and a receipt,
// through a socket. What is there is counted, so that a history that reads too little fails.
func BenchmarkOf(b *testing.B) {
	const records = 1_000_000
	s := natstest.Start(b, &server.Options{JetStream: true, StoreDir: b.TempDir(), Host: "127.0.0.1", Port: -1})
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := topology.Provision(b.Context(), js, 1); err != nil {
		b.Fatal(err)
	}
	docs, err := flow.Parse("test.yaml", []byte(documents))
	if err != nil {
		b.Fatal(err)
	}
	stored := flow.Snapshot{Set: flow.Set{}.With(docs...)}
	perPartition := map[string]int{}
	for n := 0; n < records; n += topology.BatchLimit {
		fill(b, js, n)
	}
	settled(b, js, topology.Raw, topology.TransformerConsumer("to-kd"))
	settled(b, js, topology.Target, topology.SinkConsumer("kingdee", "kd"))
	for n := range records {
		perPartition[topology.Partition(strconv.Itoa(n))]++
	}
	for _, key := range []string{"7", strconv.Itoa(records / 2), strconv.Itoa(records - 1)} {
		b.Run("key="+key, func(b *testing.B) {
			began := processors()
			for b.Loop() {
				h, err := history.Of(b.Context(), js, stored, history.Query{Flow: "to-kd", Key: key})
				if err != nil {
					b.Fatal(err)
				}
				want := perPartition[topology.Partition(key)]
				if len(h.Versions) != 1 || len(h.Events()) != 3 || h.Versions[0].Standing != history.Committed || h.Searched[0].Messages != want {
					b.Fatalf("%+v, want one version with three events of %d records", h, want)
				}
			}
			b.ReportMetric(float64((processors()-began).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// settled makes a consumer that has settled all that its stream holds.
func settled(b *testing.B, js jetstream.JetStream, stream, consumer string) {
	b.Helper()
	config := jetstream.ConsumerConfig{Durable: consumer, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy}
	if _, err := js.CreateConsumer(b.Context(), stream, config); err != nil {
		b.Fatal(err)
	}
}

// processors is the time that this process, server and client, had on processors.
func processors() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// fill stores a batch of records from number n on.
func fill(b *testing.B, js jetstream.JetStream, n int) {
	b.Helper()
	body := make([]byte, 600)
	var raw, target []*nats.Msg
	var receipts []*ledgerv1.Receipt
	for i := n; i < n+topology.BatchLimit; i++ {
		sequence, version, key := uint64(i+1), int64(1), strconv.Itoa(i)
		e := record.Envelope{ID: "receipts/" + key + "/1/0011223344556677", Source: "receipts", Type: "jushuitan.purchasein", Key: key, Version: version, Time: time.Now()}
		msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
		msg.Header, msg.Data = e.Header(), body
		raw = append(raw, msg)
		e.ID, e.Schema, e.Flow, e.FlowRevision, e.RawSequence = record.TargetID(e.ID, "to-kd", 3, sequence), "erpstream.kingdee.v1.OtherInBill", "to-kd", 3, sequence
		msg = nats.NewMsg(topology.TargetSubject("kingdee", "kd", "to-kd", key))
		msg.Header, msg.Data = e.Header(), body
		target = append(target, msg)
		receipts = append(receipts, &ledgerv1.Receipt{RawSequence: &sequence, Key: &key, Version: &version, Outcome: ledgerv1.Outcome_OUTCOME_COMMITTED.Enum()})
	}
	for _, batch := range [][]*nats.Msg{raw, target} {
		if _, err := jetstreamext.PublishMsgBatch(b.Context(), js, batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := receipt.NewBook(js, "sink-kingdee", "i1").Publish(b.Context(), map[string][]*ledgerv1.Receipt{"to-kd": receipts}); err != nil {
		b.Fatal(err)
	}
}
