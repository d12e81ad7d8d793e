package main

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// BenchmarkPoison measures what one bad document in a thousand costs the whole way from TARGET to the
// acknowledged row: documents a second with none, with none again to show how far two equal runs are
// apart, and with one whose text is too long for its column in each batch.
func BenchmarkPoison(b *testing.B) {
	for _, run := range []struct {
		name   string
		poison bool
	}{{"clean", false}, {"clean-again", false}, {"poison", true}} {
		b.Run(run.name, func(b *testing.B) { benchmarkPoison(b, run.poison) })
	}
}

func benchmarkPoison(b *testing.B, poison bool) {
	const size = 1000
	js := natstest.Run(b)
	for batch := range b.N {
		publishDocuments(b, js, int64(batch)*size, size, poison)
	}
	w := openSink(b, settingsOf(testDatabase(b, purchaseIn)))
	var writes atomic.Int64
	counting := sink.Func(func(ctx context.Context, batch []sink.Message) error {
		writes.Add(1)
		return w.Write(ctx, batch)
	})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	b.ResetTimer()
	began := time.Now()
	go func() {
		defer close(done)
		_ = sink.Run(ctx, js, counting, sink.Options{Kind: "mysql", Connection: "bi", Batch: size, Linger: time.Second})
	}()
	books := ledger.Open(js)
	natstest.Eventually(b, func() error {
		if err := books.Refresh(b.Context()); err != nil {
			return err
		}
		if out := books.Outcomes("jst-purchasein-to-bi"); out.Total() < int64(b.N)*size {
			return context.DeadlineExceeded
		}
		return nil
	})
	b.ReportMetric(float64(b.N*size)/time.Since(began).Seconds(), "documents/s")
	if out := books.Outcomes("jst-purchasein-to-bi"); out.DeadSink > int64(b.N) {
		b.Errorf("outcomes = %+v: at most one document of each batch is bad", out)
	}
	b.ReportMetric(float64(writes.Load())/float64(b.N), "writes/batch")
	cancel()
	<-done
}

// publishDocuments puts documents from number first+1 on into TARGET, with a bad one in their midst.
func publishDocuments(b *testing.B, js jetstream.JetStream, first, n int64, poison bool) {
	var batch []*nats.Msg
	for i := range n {
		remark := "备注"
		if poison && i == n/3 {
			remark = strings.Repeat("长", 5000)
		}
		m := receipt(b, first+i+1, 1, lines(first+i+1, benchLines, remark)...)
		m.ID, m.Time, m.RawSequence = "purchasein/"+m.Key, time.Now(), uint64(first+i+1)
		msg := nats.NewMsg(topology.TargetSubject("mysql", "bi", m.Flow, m.Key))
		msg.Header, msg.Data = m.Header(), m.Body
		batch = append(batch, msg)
	}
	if _, err := jetstreamext.PublishMsgBatch(b.Context(), js, batch); err != nil {
		b.Fatal(err)
	}
}
