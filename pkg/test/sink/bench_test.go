package sink_test

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// BenchmarkRun measures what the loop itself costs: a thousand messages from TARGET to a sink that does
// nothing, with receipts and acknowledgements. The CPU time is that of the loop and the server together.
func BenchmarkRun(b *testing.B) {
	const size = 1000
	js := natstest.Run(b)
	for batch := range b.N {
		publishBatch(b, js, batch*size, size)
	}
	left, all := b.N*size, make(chan struct{})
	nothing := sink.Func(func(_ context.Context, batch []sink.Message) error {
		if left -= len(batch); left == 0 {
			close(all)
		}
		return nil
	})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	b.ResetTimer()
	before := cpuTime(b)
	go func() {
		defer close(done)
		_ = sink.Run(ctx, js, nothing, sink.Options{Kind: "test", Connection: "conn"})
	}()
	<-all
	cancel()
	<-done
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N*size), "µs-cpu/message")
}

// publishBatch puts messages with the envelopes of a shipped flow into TARGET.
func publishBatch(b *testing.B, js jetstream.JetStream, first, n int) {
	batch := make([]*nats.Msg, n)
	for i := range batch {
		key := strconv.Itoa(2_200_000 + first + i)
		e := record.Envelope{
			ID: fmt.Sprintf("jst-purchasein/%s/9876543210/0123456789abcdef/flow-a/17", key), Source: "jst-purchasein", Type: "jushuitan.purchasein",
			Key: key, Version: 9_876_543_210, Time: time.Now(), Schema: "erpstream.mysql.v1.PurchaseIn",
			Flow: "flow-a", FlowRevision: 17, RawSequence: uint64(first + i + 1), Options: "mode=replace",
		}
		batch[i] = nats.NewMsg(topology.TargetSubject("test", "conn", e.Flow, e.Key))
		batch[i].Header, batch[i].Data = e.Header(), make([]byte, 900)
	}
	if _, err := jetstreamext.PublishMsgBatch(b.Context(), js, batch); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
