package sink_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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

// takeover is how long the server waits for a replica in these tests.
const takeover = time.Second

func run(ctx context.Context, t *testing.T, js jetstream.JetStream, s sink.Sink) {
	err := sink.Run(ctx, js, s, sink.Options{Kind: "test", Connection: "conn", Instance: "r", Takeover: takeover, Linger: time.Millisecond})
	if ctx.Err() == nil {
		t.Errorf("Run = %v before it was stopped", err)
	}
}
