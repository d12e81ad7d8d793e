package ledger_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// full publishes full windows of new records with a receipt for each record, and none in TARGET.
func full(b *testing.B, windows int) *world {
	b.Helper()
	js := natstest.Connect(b, natstest.Start(b, &server.Options{JetStream: true, StoreDir: b.TempDir(), DontListen: true}))
	if _, err := topology.Provision(b.Context(), js, 1); err != nil {
		b.Fatal(err)
	}
	w := newWorldOn(b, js)
	book := receipt.NewBook(js, "sink-test", "i1")
	for range windows {
		first := w.window(topology.BatchLimit-1, nil)
		var receipts []*ledgerv1.Receipt
		for s := first; s < w.last; s++ {
			receipts = append(receipts, &ledgerv1.Receipt{
				RawSequence: proto.Uint64(s), Key: proto.String("RK2026" + string(rune('0'+s%10))), Version: proto.Int64(1767196800000),
				Outcome: committed.Enum(), Attempts: proto.Int32(1), FlowRevision: proto.Uint64(1), ExternalId: proto.String("1234567890123456789"),
			})
		}
		w.must(book.Publish(w.ctx, map[string][]*ledgerv1.Receipt{"flow-a": receipts}))
	}
	w.transformer()
	w.sink()
	return w
}

// BenchmarkAudit audits a million records (with -short a tenth) that all have an outcome.
func BenchmarkAudit(b *testing.B) {
	windows := 1002
	if testing.Short() {
		windows = 101
	}
	w := full(b, windows)
	b.ReportAllocs()
	for b.Loop() {
		if got := w.audit(ledger.Query{}); got.Delivered != int64(windows)*(topology.BatchLimit-1) || !got.Balanced {
			b.Fatalf("%+v", got)
		}
	}
	b.ReportMetric(float64(windows)*(topology.BatchLimit-1)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
