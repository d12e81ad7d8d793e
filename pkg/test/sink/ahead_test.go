package sink_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// inHand waits until that many messages are in hand and that many have not been delivered.
func inHand(t *testing.T, js jetstream.JetStream, hand int, waiting uint64) {
	t.Helper()
	natstest.Eventually(t, func() error {
		if ack, num := pending(t, js); ack != hand || num != waiting {
			return fmt.Errorf("%d in hand and %d waiting, want %d and %d", ack, num, hand, waiting)
		}
		return nil
	})
}

// full makes batches of ten, however slow the machine.
var full = sink.Options{Batch: 10, Linger: time.Minute}

// TestTheNextBatchIsFetchedMeanwhile holds the second write: meanwhile the first batch is booked and
// acknowledged and the third fetched, and nothing more. Stopped then, what is in hand is finished.
func TestTheNextBatchIsFetchedMeanwhile(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 50)
	var atOnce atomic.Int32
	writes, began, finish := 0, make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error)
	opts := full
	opts.Kind, opts.Connection = "test", "conn"
	hold := sink.Func(func(_ context.Context, batch []sink.Message) error {
		if atOnce.Add(1) > 1 {
			t.Error("Write was called twice at once")
		}
		defer atOnce.Add(-1)
		if writes++; writes == 3 {
			close(began)
			<-finish
		}
		if len(batch) != 10 {
			t.Errorf("write %d has %d messages", writes, len(batch))
		}
		return nil
	})
	go func() { stopped <- sink.Run(ctx, js, hold, opts) }()
	<-began
	outcomes(t, js, 20)
	inHand(t, js, 20, 10)
	stop()
	close(finish)
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	if got := outcomes(t, js, 40); got.Delivered != 40 {
		t.Errorf("outcomes = %+v", got)
	}
	inHand(t, js, 0, 10)
}

// TestATargetThatGoesAwayLeavesTwoBatchesInHand takes the target away after the first write: what was
// fetched is kept, nothing else is, and no message is delivered twice.
func TestATargetThatGoesAwayLeavesTwoBatchesInHand(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 50)
	var up atomic.Bool
	writes := 0
	opts := full
	opts.ProbeAfter, opts.AckWait = 50*time.Millisecond, time.Second
	start(t, js, sink.Func(func(_ context.Context, batch []sink.Message) error {
		for i := range batch {
			if batch[i].Attempt > 1 {
				t.Errorf("message %s was delivered %d times", batch[i].Key, batch[i].Attempt)
			}
		}
		if writes++; writes > 2 && !up.Load() {
			return fault.Down("connection", errors.New("no connection"))
		}
		return nil
	}), opts)
	natstest.Eventually(t, func() error {
		if events(t, js, "critical", "breaker-open") == 0 {
			return errors.New("the breaker is closed")
		}
		return nil
	})
	for range 3 {
		during(opts.AckWait)
		inHand(t, js, 20, 10)
	}
	up.Store(true)
	if got := outcomes(t, js, 50); got.Delivered != 50 {
		t.Errorf("outcomes = %+v", got)
	}
}

// pair is a sink whose first two writes wait for one another.
type pair struct {
	writes *atomic.Int32
	meet   chan struct{}
}

func (pair) Writers() int { return 2 }

func (p pair) Write(ctx context.Context, _ []sink.Message) error {
	if p.writes.Add(1) > 2 {
		return nil
	}
	select {
	case p.meet <- struct{}{}:
	case <-p.meet:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// TestAParallelSinkWritesSideBySide has a batch that is written only when another one is.
func TestAParallelSinkWritesSideBySide(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 40)
	start(t, js, pair{new(atomic.Int32), make(chan struct{})}, full)
	outcomes(t, js, 40)
	inHand(t, js, 0, 0)
}

// free is a sink of two writers.
type free struct{ sink.Func }

func (free) Writers() int { return 2 }

// TestWritersDoNotShareWhatOneCanTake has one and a half batches. Were they shared out, both writers would wait
// for the rest of a full one.
func TestWritersDoNotShareWhatOneCanTake(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 15)
	sizes := make(chan int, 15)
	start(t, js, free{func(_ context.Context, batch []sink.Message) error {
		sizes <- len(batch)
		return nil
	}}, full)
	outcomes(t, js, 15)
	if one, other := <-sizes, <-sizes; max(one, other) != 10 || min(one, other) != 5 {
		t.Errorf("batches of %d and %d messages, want 10 and 5", one, other)
	}
}
