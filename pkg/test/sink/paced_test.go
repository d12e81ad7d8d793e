package sink_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// account is what the replicas of a paced sink write to: it notes who wrote and whether two did at
// once.
type account struct {
	inHand, most atomic.Int32
	mu           sync.Mutex
	writers      []int
	wrote        chan int
	hold         func()
}

// paced is one replica's sink.
type paced struct {
	*account
	replica int
}

func (p paced) InFlight() int { return 1 }

func (p paced) Write(_ context.Context, batch []sink.Message) error {
	p.most.Store(max(p.most.Load(), p.inHand.Add(1)))
	defer p.inHand.Add(-1)
	p.mu.Lock()
	p.writers = append(p.writers, p.replica)
	p.mu.Unlock()
	p.wrote <- len(batch)
	if p.hold != nil {
		p.hold()
	}
	return nil
}

// TestPacedServesOneReplica starts three replicas of a sink that may not be called side by side: one
// of them gets all messages, one at a time, until it stops; then another does.
func TestPacedServesOneReplica(t *testing.T) {
	js := natstest.Run(t)
	const messages = 40
	publish(t, js, messages)
	a := &account{wrote: make(chan int, messages)}
	stops := map[int]context.CancelFunc{}
	var replicas sync.WaitGroup
	for replica := 1; replica <= 3; replica++ {
		ctx, stop := context.WithCancel(t.Context())
		stops[replica] = stop
		replicas.Go(func() { run(ctx, t, js, paced{a, replica}) })
	}
	for range messages / 2 {
		if n := <-a.wrote; n != 1 {
			t.Fatalf("a write had %d messages, want 1", n)
		}
	}
	a.mu.Lock()
	first := a.writers[0]
	a.mu.Unlock()
	stops[first]()
	for range messages / 2 {
		<-a.wrote
	}
	for _, stop := range stops {
		stop()
	}
	replicas.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.most.Load() != 1 {
		t.Errorf("%d messages were in hand at once, want 1", a.most.Load())
	}
	changes := 0
	for i := 1; i < len(a.writers); i++ {
		if a.writers[i] != a.writers[i-1] {
			changes++
		}
	}
	if changes != 1 || len(a.writers) != messages {
		t.Errorf("writers %v: want %d writes and one change of hands", a.writers, messages)
	}
}

// TestPacedKeepsItsPlaceInALongWrite makes a write last several times as long as the server waits
// for its client: no other replica may be served meanwhile.
func TestPacedKeepsItsPlaceInALongWrite(t *testing.T) {
	js := natstest.Run(t)
	const messages = 4
	publish(t, js, messages)
	a := &account{wrote: make(chan int, messages), hold: sync.OnceFunc(func() { <-time.After(4 * takeover) })}
	ctx, stop := context.WithCancel(t.Context())
	var replicas sync.WaitGroup
	for replica := 1; replica <= 2; replica++ {
		replicas.Go(func() { run(ctx, t, js, paced{a, replica}) })
	}
	for range messages {
		<-a.wrote
	}
	stop()
	replicas.Wait()
	if a.most.Load() != 1 || slices.Min(a.writers) != slices.Max(a.writers) {
		t.Errorf("writers %v with %d at once: the long write lost its place", a.writers, a.most.Load())
	}
}

// wide is a paced sink that takes several messages at a time. A write waits until as many have come.
type wide struct {
	inFlight  int
	all, open chan struct{}

	mu                 sync.Mutex
	came, inHand, most int
}

func (w *wide) InFlight() int { return w.inFlight }

func (w *wide) Write(ctx context.Context, _ []sink.Message) error {
	w.mu.Lock()
	w.came++
	w.inHand++
	w.most = max(w.most, w.inHand)
	all := w.all
	if w.came%w.inFlight == 0 {
		close(all)
		w.all = make(chan struct{})
	}
	w.mu.Unlock()
	select {
	case <-all:
	case <-w.open:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inHand--
	return nil
}

// TestPacedWritesSideBySide lets a sink take four messages at a time, each by itself: a write that
// waits for the others to come is not waited for.
func TestPacedWritesSideBySide(t *testing.T) {
	js := natstest.Run(t)
	const messages = 41 // the last of which is alone
	publish(t, js, messages)
	w := &wide{inFlight: 4, all: make(chan struct{}), open: make(chan struct{})}
	start(t, js, w, sink.Options{Takeover: takeover, Linger: time.Millisecond})
	outcomes(t, js, messages-1)
	close(w.open)
	if got := outcomes(t, js, messages); got.Delivered != messages {
		t.Errorf("outcomes = %+v, want %d delivered", got, messages)
	}
	if w.most != w.inFlight {
		t.Errorf("%d messages were in hand at once, want %d", w.most, w.inFlight)
	}
}

// several is a paced sink that is a function.
type several struct {
	sink.Func
	inFlight int
}

func (s several) InFlight() int { return s.inFlight }

// TestPacedOutageCostsNoDelivery keeps the target of four messages at a time away until the breaker has
// opened: it opens and closes once, and each message is delivered once.
func TestPacedOutageCostsNoDelivery(t *testing.T) {
	js := natstest.Run(t)
	const messages = 20
	publish(t, js, messages)
	var up atomic.Bool
	var again atomic.Int32
	target := func(_ context.Context, batch []sink.Message) error {
		if batch[0].Attempt > 1 {
			again.Add(1)
		}
		if !up.Load() {
			return fault.Down("connection", errors.New("no connection"))
		}
		return nil
	}
	start(t, js, several{target, 4}, sink.Options{Takeover: takeover, Linger: time.Millisecond, ProbeAfter: 50 * time.Millisecond})
	natstest.Eventually(t, func() error {
		if events(t, js, event.Critical, "breaker-open") == 0 {
			return errors.New("the breaker is not open")
		}
		return nil
	})
	up.Store(true)
	outcomes(t, js, messages)
	if again.Load() > 0 {
		t.Errorf("%d writes of messages that came again, want none", again.Load())
	}
	opened, closed := events(t, js, event.Critical, "breaker-open"), events(t, js, event.Info, "breaker-closed")
	if opened != 1 || closed != 1 {
		t.Errorf("the breaker opened %d times and closed %d times, want once each", opened, closed)
	}
}

// takeover is how long the server waits for a replica in these tests.
const takeover = time.Second

func run(ctx context.Context, t *testing.T, js jetstream.JetStream, s sink.Sink) {
	err := sink.Run(ctx, js, s, sink.Options{Kind: "test", Connection: "conn", Instance: "r", Takeover: takeover, Linger: time.Millisecond})
	if ctx.Err() == nil {
		t.Errorf("Run = %v before it was stopped", err)
	}
}
