package sink_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestALongOutageCostsNoDeliveries keeps the target away for twenty times as long as the server waits
// for a sign of life, with two replicas of which one is cut off from NATS in the middle, as if killed, and replaced.
// No message is delivered more than twice, the second time only where it was in the dead replica's
// hand, and neither replica nor server gathers anything while it waits.
func TestALongOutageCostsNoDeliveries(t *testing.T) {
	const (
		messages = 400
		batch    = 50
		ackWait  = 2 * time.Second
		outage   = 20 * ackWait
	)
	server := natstest.Server(t)
	js := natstest.Connect(t, server)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	publish(t, js, messages)
	var up atomic.Bool
	var mu sync.Mutex
	attempts := map[string]int{}
	asked := map[string]bool{}
	replica := func(name string) sink.Sink {
		return sink.Func(func(_ context.Context, part []sink.Message) error {
			mu.Lock()
			defer mu.Unlock()
			asked[name] = true
			for _, m := range part {
				attempts[m.Key] = max(attempts[m.Key], m.Attempt)
			}
			if !up.Load() {
				return fault.Down("connection", errors.New("no connection"))
			}
			return nil
		})
	}
	opts := sink.Options{Kind: "test", Connection: "conn", Batch: batch, AckWait: ackWait, ProbeAfter: 100 * time.Millisecond}
	dying := natstest.Connect(t, server)
	dead, kill := context.WithCancel(t.Context())
	var replicas sync.WaitGroup
	replicas.Go(func() { _ = sink.Run(dead, dying, replica("dying"), opts) })
	start(t, natstest.Connect(t, server), replica("living"), opts)
	natstest.Eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != 2 {
			return fmt.Errorf("only %v has messages in hand", asked)
		}
		return nil
	})
	began, heap := time.Now(), heapInUse()
	during(outage / 2)
	dying.Conn().Close()
	kill()
	replicas.Wait()
	start(t, natstest.Connect(t, server), replica("new"), opts) // as a new one is started in its place
	during(outage/2 - time.Since(began.Add(outage/2)))
	if after := heapInUse(); after > 2*heap {
		t.Errorf("%d KiB in use at the end of the outage, %d at its begin", after>>10, heap>>10)
	}
	up.Store(true)
	if got := outcomes(t, js, messages); got.Delivered != messages {
		t.Errorf("outcomes = %+v, want %d delivered", got, messages)
	}
	again := 0
	for key, n := range attempts {
		if n > 2 {
			t.Errorf("message %s was delivered %d times", key, n)
		}
		if n > 1 {
			again++
		}
	}
	if again > batch {
		t.Errorf("%d messages were delivered again, %d were in the dead replica's hand", again, batch)
	}
	t.Logf("%v without a target: %d of %d messages delivered twice, heap %d -> %d KiB", outage, again, messages, heap>>10, heapInUse()>>10)
}

// during lets real time pass: the server's clock can't be turned.
func during(d time.Duration) { <-time.After(d) }

// heapInUse is what the process holds after a collection, in bytes.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
