package main

import (
	"bytes"
	"database/sql"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/sink"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

// A batch of the benchmark.
const (
	benchDocuments = 1000
	benchLines     = 3
)

// BenchmarkWrite measures rows a second, one batch a transaction and every commit flushed, and the CPU
// time of 100,000 rows here and at the server, beside a plain multi-row REPLACE without guard or sweep.
// "existing" writes the same documents again in a newer version.
func BenchmarkWrite(b *testing.B) {
	for _, documents := range []string{"fresh", "existing"} {
		for _, mode := range []string{modeReplace, modeUpsert} {
			suffix := "/" + documents + "/" + mode
			b.Run("floor"+suffix, func(b *testing.B) { benchmark(b, documents, mode, floor) })
			b.Run("sink"+suffix, func(b *testing.B) { benchmark(b, documents, mode, guarded) })
		}
	}
}

// writerOf makes what writes the batches of one connection.
type writerOf func(b *testing.B, db testDB, mode string) func([]sink.Message)

// testDB is a database of a benchmark.
type testDB struct {
	*sql.DB
	settings map[string]string
}

// guarded writes with the sink.
func guarded(b *testing.B, db testDB, _ string) func([]sink.Message) {
	w := openSink(b, db.settings)
	return func(batch []sink.Message) { mustWrite(b, w, batch...) }
}

// floor writes the same rows with one statement after the other, in a transaction.
func floor(b *testing.B, db testDB, mode string) func([]sink.Message) {
	w := openSink(b, db.settings)
	return func(batch []sink.Message) {
		w.targets.forget()
		var documents []*document
		for i := range batch {
			d, err := w.read(&batch[i])
			if err != nil {
				b.Fatal(err)
			}
			documents = append(documents, d)
		}
		tx, err := w.db.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		for query := range documents[0].target.inserts(documents) {
			if _, err := tx.ExecContext(b.Context(), query); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmark writes b.N batches over two connections.
func benchmark(b *testing.B, documents, mode string, open writerOf) {
	const connections = 2
	base := testDatabase(b, purchaseIn)
	db := testDB{base.DB, settingsOf(base)}
	server := serverProcess(b, base.DB)
	batches := make([][]sink.Message, b.N)
	for i := range batches {
		first := i + connections
		if documents == "existing" {
			first = i % connections
		}
		batches[i] = benchBatch(b, int64(first)*benchDocuments, int64(i+2), mode)
	}
	var writes []func([]sink.Message)
	for n := range connections {
		write := open(b, db, mode)
		write(benchBatch(b, int64(n)*benchDocuments, 1, mode))
		writes = append(writes, write)
	}
	runtime.GC()
	b.ResetTimer()
	start, ours, theirs := time.Now(), cpuTime(b), server()
	var wait sync.WaitGroup
	for n, write := range writes {
		wait.Go(func() {
			for i := n; i < len(batches); i += connections {
				write(batches[i])
			}
		})
	}
	wait.Wait()
	rows := float64(b.N * benchDocuments * benchLines)
	b.ReportMetric(rows/time.Since(start).Seconds(), "rows/s")
	b.ReportMetric((cpuTime(b)-ours).Seconds()*100_000/rows, "s-cpu/100k")
	b.ReportMetric((server()-theirs).Seconds()*100_000/rows, "s-server/100k")
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// serverProcess returns what tells the CPU time that the server has used; nothing where it runs on another
// machine.
func serverProcess(b *testing.B, db *sql.DB) func() time.Duration {
	var file string
	if err := db.QueryRowContext(b.Context(), "SELECT IF(LEFT(@@pid_file, 1) = '/', @@pid_file, CONCAT(@@datadir, @@pid_file))").Scan(&file); err != nil {
		b.Fatal(err)
	}
	pid, err := os.ReadFile(file)
	if err != nil {
		return func() time.Duration { return 0 }
	}
	stat := "/proc/" + strings.TrimSpace(string(pid)) + "/stat"
	return func() time.Duration {
		text, _ := os.ReadFile(stat)
		_, text, _ = bytes.Cut(text, []byte(") ")) // the name before it may hold anything
		fields := strings.Fields(string(text))
		if len(fields) < 13 {
			return 0
		}
		var ticks int
		for _, field := range fields[11:13] { // user and system, in hundredths of a second
			n, _ := strconv.Atoi(field)
			ticks += n
		}
		return time.Duration(ticks) * 10 * time.Millisecond
	}
}

// benchBatch returns a batch of receipts from number first+1 on, with every column filled.
func benchBatch(b *testing.B, first, version int64, mode string) []sink.Message {
	options := url.Values{"mode": {mode}}
	batch := make([]sink.Message, 0, benchDocuments)
	for d := range int64(benchDocuments) {
		rows := lines(first+d+1, benchLines, "备注 "+strconv.FormatInt(version, 10))
		for _, r := range rows {
			fill(r)
		}
		m := receipt(b, first+d+1, version, rows...)
		m.Options = options
		batch = append(batch, m)
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
