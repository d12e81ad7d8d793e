package backup_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/backup"
)

// benchMessages is how many records of about a kilobyte lie in RAW.
const benchMessages = 100_000

// BenchmarkBackupAndRestore tells the seconds that a million records of a kilobyte take, and the bytes of each in
// the backup. It takes the disk as it comes: the server flushes now and then.
func BenchmarkBackupAndRestore(b *testing.B) {
	js := natstest.Connect(b, natstest.Start(b, &server.Options{JetStream: true, StoreDir: b.TempDir(), DontListen: true}))
	if _, err := topology.Provision(b.Context(), js, 1); err != nil {
		b.Fatal(err)
	}
	fill(b, js)
	var size int64
	var dir string
	folder, n := b.TempDir(), 0
	b.Run("backup", func(b *testing.B) {
		for b.Loop() {
			n++
			dir = filepath.Join(folder, fmt.Sprint(n))
			m, err := backup.Write(b.Context(), js, dir, "v", quiet)
			if err != nil {
				b.Fatal(err)
			}
			size = m.Size()
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*1e6/benchMessages, "s/million")
		b.ReportMetric(float64(size)/benchMessages, "B/message")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			fresh := natstest.Connect(b, natstest.Start(b, &server.Options{JetStream: true, StoreDir: b.TempDir(), DontListen: true}))
			if _, err := backup.Restore(b.Context(), fresh, dir, backup.Options{Progress: quiet}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*1e6/benchMessages, "s/million")
	})
}

// fill publishes records like those of purchase receipts.
func fill(b *testing.B, js jetstream.JetStream) {
	b.Helper()
	var last jetstream.PubAckFuture
	for i := range benchMessages {
		key := fmt.Sprint(2_204_000 + i)
		items := ""
		for n := range 3 {
			items += fmt.Sprintf(`{"ioi_id":%d,"sku_id":"SKU-%05d-%02d","name":"纯棉短袖T恤 黑色 L","qty":%d,"cost_price":"%d.50","cost_amount":"%d.00","unit":"件"},`, 7_700_000+3*i+n, i*31%9999, n, i%97, i%300, i%9000)
		}
		body := fmt.Appendf(nil, `{"io_id":%s,"ts":%d,"warehouse":"华东一仓","po_id":%d,"supplier_name":"供应商%d","modified":"2026-11-%02d 10:%02d:11","status":"Confirmed","remark":"","items":[%s{}]}`, key, 9_000_000+i, i/3, i%211, i%28+1, i%60, items)
		e := record.Envelope{ID: record.NewID("jst-purchasein", key, int64(i), body), Source: "jst-purchasein", Type: "jushuitan.purchasein", Key: key, Version: int64(i)}
		msg := &nats.Msg{Subject: topology.RawSubject("jushuitan", "jst-purchasein", key), Header: e.Header(), Data: body}
		var err error
		if last, err = js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	select {
	case <-last.Ok():
	case err := <-last.Err():
		b.Fatal(err)
	}
}
