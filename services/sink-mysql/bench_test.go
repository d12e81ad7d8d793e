package main

import (
	"database/sql"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/proto/contract"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

// A batch of the benchmark.
const (
	benchDocuments = 300
	benchLines     = 3
)

// BenchmarkWrite measures rows a second, one batch a transaction and every commit flushed, beside
// what the server does for a plain multi-row REPLACE without guard or sweep. "existing" writes the
// same documents again in a newer version.
func BenchmarkWrite(b *testing.B) {
	for _, documents := range []string{"fresh", "existing"} {
		for _, connections := range []int{1, 2} {
			suffix := "/" + documents + "/connections=" + strconv.Itoa(connections)
			b.Run("floor"+suffix, func(b *testing.B) { benchmark(b, connections, documents, floor) })
			b.Run("sink"+suffix, func(b *testing.B) { benchmark(b, connections, documents, guarded) })
		}
	}
}

// writerOf makes what writes the batches of one connection.
type writerOf func(b *testing.B, db testDB) func([]sink.Message)

// testDB is a database of a benchmark.
type testDB struct {
	*sql.DB
	settings map[string]string
}

// guarded writes with the sink.
func guarded(b *testing.B, db testDB) func([]sink.Message) {
	w := openSink(b, db.settings)
	return func(batch []sink.Message) { mustWrite(b, w, batch...) }
}

// floor writes the same rows with REPLACE alone, in a transaction, decoded in the same way.
func floor(b *testing.B, db testDB) func([]sink.Message) {
	w := openSink(b, db.settings)
	mt, err := contract.Message(purchaseIn)
	if err != nil {
		b.Fatal(err)
	}
	tab, err := table.Of(mt.Descriptor())
	if err != nil {
		b.Fatal(err)
	}
	t := newTarget(&tab, modeReplace)
	return func(batch []sink.Message) {
		var documents []*document
		for i := range batch {
			d, err := rowsOf(t, &batch[i], w.location)
			if err != nil {
				b.Fatal(err)
			}
			documents = append(documents, &document{Document: d})
		}
		tx, err := w.db.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		for rows := range inserts(documents, maxRows) {
			if _, err := tx.ExecContext(b.Context(), t.head+list(t.mark, len(rows), ","), flat(rows)...); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmark writes b.N batches over the given number of connections.
func benchmark(b *testing.B, connections int, documents string, open writerOf) {
	base := testDatabase(b, purchaseIn)
	db := testDB{base.DB, settingsOf(base)}
	batches := make([][]sink.Message, b.N)
	for i := range batches {
		first := i
		if documents == "existing" {
			first = i % connections
		}
		batches[i] = benchBatch(b, int64(first)*benchDocuments, int64(i+2))
	}
	var writes []func([]sink.Message)
	for n := range connections {
		write := open(b, db)
		write(benchBatch(b, int64(n)*benchDocuments, 1))
		writes = append(writes, write)
	}
	b.ResetTimer()
	start := time.Now()
	var wait sync.WaitGroup
	for n, write := range writes {
		wait.Go(func() {
			for i := n; i < len(batches); i += connections {
				write(batches[i])
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N*benchDocuments*benchLines)/time.Since(start).Seconds(), "rows/s")
}

// benchBatch returns a batch of receipts from number first+1 on, with every column filled.
func benchBatch(b *testing.B, first, version int64) []sink.Message {
	batch := make([]sink.Message, 0, benchDocuments)
	for d := range int64(benchDocuments) {
		rows := lines(first+d+1, benchLines, "备注 "+strconv.FormatInt(version, 10))
		for _, r := range rows {
			fill(r)
		}
		batch = append(batch, receipt(b, first+d+1, version, rows...))
	}
	return batch
}

// fill gives a row values as they are met at the vendor.
func fill(r *mysqlv1.PurchaseInRow) {
	r.Ts, r.Warehouse, r.PoId, r.SupplierId = proto.Int64(9_876_543_210), new("华东一号仓"), proto.Int64(554433), proto.Int64(10_011)
	r.SupplierName, r.SoId, r.OutIoId = new("杭州某某服饰有限公司"), new("SO202501010001"), new("WB-20250101-77")
	r.IoDate, r.Archived = timestamppb.New(at), timestamppb.New(at)
	r.WhId, r.WmsCoId, r.TaxRate, r.Labels, r.MergeSoId = new("1"), proto.Int64(0), new("13.00"), new("加急"), new("")
	r.Type, r.CreatorName, r.FStatus, r.LId = new("采购进仓"), new("张三"), new("已审核"), new("SF1234567890")
	r.ItemsSkuId, r.ItemsIId, r.ItemsUnit, r.ItemsName = new("SKU-0001-RED-XL"), new("SKU-0001"), new("件"), new("女士圆领T恤 红色 XL")
	r.ItemsCostPrice, r.ItemsCostAmount = new("35.5000"), new("53.2500")
}
