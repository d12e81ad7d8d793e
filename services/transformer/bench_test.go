package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

func TestMain(m *testing.M) { os.Exit(natstest.Main(m)) }

const benchFlow = "jst-purchasein-to-mysql"

// receiptBody is a purchase receipt of 1.2 KB with three lines, as the vendor says it.
func receiptBody(id int) []byte {
	lines := make([]string, 3)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"ioi_id":%d,"sku_id":"SKU-A-%02d","i_id":"STYLE-A","unit":"件","name":"测试T恤 黑色","qty":%d,"io_id":%d,"cost_price":35.50,"cost_amount":3550.00,"remark":null}`,
			id*10+i, i, 100+i, id)
	}
	return fmt.Appendf(nil, `{"io_id":%d,"ts":1730946233,"warehouse":"杭州一号仓","po_id":604264,"supplier_id":501,"supplier_name":"供应商甲","modified":"2025-01-01 11:05:00",`+
		`"so_id":"EXT-PO-1","out_io_id":"WMS-77","status":"Archive","io_date":"2025-01-01 11:00:00","wh_id":"1","wms_co_id":10012345,"remark":"加急","tax_rate":13.0,`+
		`"labels":"样品,加急","archived":"2025-02-01 00:00:00","merge_so_id":"EXT-PO-1,EXT-PO-2","type":"采购进仓","creator_name":"李四","f_status":"WaitConfirm",`+
		`"l_id":"SF0000000000001","lock_wh_id":0,"lock_wh_name":null,"items":[%s],"batchs":null,"sns":null}`, id, strings.Join(lines, ","))
}

// benchMapper compiles the shipped flow of purchase receipts.
func benchMapper(b *testing.B, maxPayload int64) mapper {
	b.Helper()
	var docs []flow.Document
	files, err := filepath.Glob("../../deploy/config/*/*.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		parsed, err := flow.Parse(file, text)
		if err != nil {
			b.Fatal(err)
		}
		docs = append(docs, parsed...)
	}
	snapshot := flow.Snapshot{Set: flow.Set{}.With(docs...)}
	m, err := newMapper(snapshot, snapshot.Flows[benchFlow], 1, maxPayload)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// fill puts records of a source into RAW.
func fill(b *testing.B, js jetstream.JetStream, source string, from, n int) {
	b.Helper()
	var msgs []*nats.Msg
	for id := from; id < from+n; id++ {
		key, body := strconv.Itoa(id), receiptBody(id)
		msg := nats.NewMsg(topology.RawSubject("jushuitan", source, key))
		msg.Header = record.Envelope{
			ID: record.NewID(source, key, 1, body), Source: source, Type: feedName, Key: key, Version: 1, Time: time.Now(),
		}.Header()
		msg.Data = body
		if msgs = append(msgs, msg); len(msgs) == topology.BatchLimit || id == from+n-1 {
			if _, err := batch.Publish(b.Context(), js, msgs); err != nil {
				b.Fatal(err)
			}
			msgs = nil
		}
	}
}

// worked is the time that this process has worked so far.
func worked(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// consumersAre waits until the consumers of flows are as wanted, one after the other.
func consumersAre(b *testing.B, js jetstream.JetStream, flows []string, wanted func(*jetstream.ConsumerInfo) bool) {
	b.Helper()
	for _, flow := range flows {
		natstest.Eventually(b, func() error {
			cons, err := js.Consumer(b.Context(), topology.Raw, topology.TransformerConsumer(flow))
			if err == nil && !wanted(cons.CachedInfo()) {
				err = fmt.Errorf("consumer of %s: %+v", flow, cons.CachedInfo())
			}
			return err
		})
	}
}

// BenchmarkLoop maps the records of RAW into TARGET, for some flows with a source each, through a server of
// its own process. It reports what a record costs each of the two, in microseconds of CPU.
func BenchmarkLoop(b *testing.B) {
	for _, flows := range []int{1, 5, 500} {
		b.Run(fmt.Sprintf("flows=%d", flows), func(b *testing.B) { benchLoop(b, flows) })
	}
}

func benchLoop(b *testing.B, flows int) {
	server := natstest.StartChild(b)
	js := server.Connect(b)
	if _, err := topology.Provision(b.Context(), js, 1); err != nil {
		b.Fatal(err)
	}
	m := benchMapper(b, js.Conn().MaxPayload())
	first := newLoop(js, m)
	first.shared = newShared(js, first.log, 500)
	var loops []transform
	var names []string
	for i := range flows {
		loop := first
		loop.name, loop.source = fmt.Sprintf("flow-%d", i), fmt.Sprintf("source-%d", i)
		loops, names = append(loops, loop), append(names, loop.name)
	}
	const records = 20_000
	next := 1
	b.ReportAllocs()
	var ours, theirs time.Duration
	for b.Loop() {
		b.StopTimer()
		for _, loop := range loops {
			fill(b, js, loop.source, next, records/flows)
			next += records / flows
		}
		ctx, cancel := context.WithCancel(b.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = first.board.run(ctx) })
		_ = first.room.Acquire(ctx, batchesInHand*500) // all loops are to be there when it begins
		for _, loop := range loops {
			done.Go(func() { _ = loop.run(ctx) })
		}
		consumersAre(b, js, names, func(info *jetstream.ConsumerInfo) bool { return info.NumAckPending > 0 })
		beganServer, began := server.CPU(b), worked(b)
		b.StartTimer()
		first.room.Release(batchesInHand * 500)
		consumersAre(b, js, names, func(info *jetstream.ConsumerInfo) bool { return info.NumPending == 0 && info.NumAckPending == 0 })
		b.StopTimer()
		ours, theirs = ours+worked(b)-began, theirs+server.CPU(b)-beganServer
		cancel()
		done.Wait()
		b.StartTimer()
	}
	each := float64(b.N) * records
	b.ReportMetric(float64(ours.Nanoseconds())/1000/each, "µs/record")
	b.ReportMetric(float64(theirs.Nanoseconds())/1000/each, "server-µs/record")
	b.ReportMetric(each/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkMapping is the part of the loop that is the mapping's.
func BenchmarkMapping(b *testing.B) {
	m := benchMapper(b, 8<<20)
	body := receiptBody(1)
	judge := verdict.Judge{Mapping: m.mapping, Feed: m.feed}
	e := record.Envelope{ID: "id", Source: "jst-purchasein", Type: feedName, Key: "1", Version: 1, Time: time.Now()}
	b.ReportAllocs()
	began := worked(b)
	n := 0
	for b.Loop() {
		if v := judge.Of(e, body, nil); v.Err != nil {
			b.Fatal(v.Err)
		}
		n++
	}
	b.ReportMetric(float64((worked(b)-began).Nanoseconds())/1000/float64(n), "µs/record")
}
