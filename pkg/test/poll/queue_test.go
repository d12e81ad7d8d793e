package poll_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// replica works off the queue of "conn" until the test ends or it is stopped.
func replica(t *testing.T, js jetstream.JetStream, reader poll.Reader, sources map[string]poll.Source, report func(string, error)) (stop func()) {
	t.Helper()
	return work(t, js, poll.New(js, reader, "r", quiet()), sources, report)
}

// work is replica with a poller.
func work(t *testing.T, js jetstream.JetStream, poller *poll.Poller, sources map[string]poll.Source, report func(string, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		queue := &poll.Queue{
			JS: js, Poller: poller, Connection: "conn", Log: quiet(),
			Sources: func() map[string]poll.Source { return sources }, Report: report,
		}
		if err := queue.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it to end with ctx", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

func ignore(string, error) {}

// hasRecords waits until RAW holds that many records.
func hasRecords(t *testing.T, js jetstream.JetStream, want int) {
	t.Helper()
	natstest.Eventually(t, func() error {
		if got := readRaw(t, js).records; got != want {
			return fmt.Errorf("%d records in RAW, want %d", got, want)
		}
		return nil
	})
}

func TestTheServersTicksMakeItPoll(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v.put(1, start)
	src := source(f, start)
	src.Every, src.Settle = time.Second, 0
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Schedule(t.Context(), js, src); err != nil {
		t.Fatal(err)
	}
	hasRecords(t, js, 1)
	v.mu.Lock()
	v.put(2, time.Now())
	v.mu.Unlock()
	hasRecords(t, js, 2)

	// The same schedule again is no new one, another is; a source that is gone has none.
	polls, _ := js.Stream(t.Context(), topology.Polls)
	last := func() uint64 {
		msg, err := polls.GetLastMsgForSubject(t.Context(), topology.ScheduleSubject("conn", "src"))
		if err != nil {
			t.Fatal(err)
		}
		return msg.Sequence
	}
	first := last()
	if err := poll.Schedule(t.Context(), js, src); err != nil || last() != first {
		t.Errorf("the same schedule was stored again: %v", err)
	}
	src.Every, src.Cron, src.Zone = 0, "0 30 2 * * *", "Asia/Shanghai"
	if err := poll.Schedule(t.Context(), js, src); err != nil || last() == first {
		t.Errorf("the new schedule was not stored: %v", err)
	}
	if err := poll.Unschedule(t.Context(), js, "conn", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := polls.GetLastMsgForSubject(t.Context(), topology.ScheduleSubject("conn", "src")); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the schedule of a source that is gone: %v, want none", err)
	}
}

func TestOneReplicaAtATimeSpendsTheBudget(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	var inside, most atomic.Int32
	reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		n := inside.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		defer inside.Add(-1)
		<-time.After(5 * time.Millisecond)
		return v.Read(ctx, q)
	})
	sources := map[string]poll.Source{}
	for i := range 6 {
		src := source(f, start)
		src.Name, src.Settle = fmt.Sprintf("src-%d", i), 0
		sources[src.Name] = src
	}
	for range 3 {
		replica(t, js, reader, sources, ignore)
	}
	for name := range sources {
		if err := poll.Tick(t.Context(), js, "conn", name); err != nil {
			t.Fatal(err)
		}
	}
	natstest.Eventually(t, func() error {
		for name := range sources {
			if _, _, err := poll.LastWindow(t.Context(), js, name); err != nil {
				return err
			}
		}
		return nil
	})
	if most.Load() != 1 {
		t.Errorf("%d calls at once on one connection, want 1", most.Load())
	}
}

func TestAnotherReplicaTakesOver(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v.put(1, start)
	src := source(f, start)
	entered := make(chan struct{}, 1)
	stuck := poll.ReaderFunc(func(ctx context.Context, _ poll.Query) (poll.Page, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return poll.Page{}, ctx.Err()
	})
	sources := map[string]poll.Source{"src": src}
	stop := replica(t, js, stuck, sources, ignore)
	if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
		t.Fatal(err)
	}
	<-entered
	replica(t, js, v, sources, ignore)
	stop()
	hasRecords(t, js, 1)
}

func TestAFailedPollIsSaidAndTheNextTickTries(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v.put(1, start)
	src := source(f, start)
	var broken atomic.Bool
	broken.Store(true)
	reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		if broken.Load() {
			return poll.Page{}, errors.New("验证失败！无API权限，请申请API权限")
		}
		return v.Read(ctx, q)
	})
	var said sync.Map
	replica(t, js, reader, map[string]poll.Source{"src": src}, func(_ string, err error) { said.Store(fmt.Sprint(err), true) })
	if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
		t.Fatal(err)
	}
	events, _ := js.Stream(t.Context(), topology.Events)
	natstest.Eventually(t, func() error {
		msg, err := events.GetLastMsgForSubject(t.Context(), topology.EventSubject("warning", "poll-failed"))
		if err == nil && !strings.Contains(string(msg.Data), "无API权限") {
			return fmt.Errorf("event %s", msg.Data)
		}
		return err
	})
	broken.Store(false)
	if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
		t.Fatal(err)
	}
	hasRecords(t, js, 1)
	natstest.Eventually(t, func() error {
		if _, ok := said.Load("<nil>"); !ok {
			return errors.New("the source was never said to be well again")
		}
		return nil
	})
}

func TestAFailedTickIsTriedAgainBeforeTheNext(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v.put(1, start)
	src := source(f, start)
	src.Every = time.Hour
	var failures atomic.Int32
	reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		if failures.Add(1) == 1 {
			return poll.Page{}, fault.Busy("rate", time.Second, errors.New("调用频次超过限制"))
		}
		return v.Read(ctx, q)
	})
	replica(t, js, reader, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
		t.Fatal(err)
	}
	hasRecords(t, js, 1)
}

// eventually waits until the consumer of "conn" is as wanted.
func eventually(t *testing.T, js jetstream.JetStream, what string, is func(*jetstream.ConsumerInfo) bool) {
	t.Helper()
	natstest.Eventually(t, func() error {
		cons, err := js.Consumer(t.Context(), topology.Polls, topology.PollerConsumer("conn"))
		if err != nil {
			return err
		}
		if !is(cons.CachedInfo()) {
			return fmt.Errorf("never %s: %+v", what, cons.CachedInfo())
		}
		return nil
	})
}

// retryOf returns how long after it was asked for another try of "src" is to be, 0 when there is none.
func retryOf(t *testing.T, js jetstream.JetStream) time.Duration {
	t.Helper()
	polls, err := js.Stream(t.Context(), topology.Polls)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := polls.GetLastMsgForSubject(t.Context(), topology.ScheduleSubject("conn", "src")+"_retry")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(msg.Header.Get(jetstream.ScheduleHeader), "@at "))
	if err != nil {
		t.Fatal(err)
	}
	return at.Sub(msg.Time).Round(5 * time.Second)
}

func TestTriesOfAFailedTickGetRarer(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	src.Every = 30 * time.Second
	var broken atomic.Bool
	broken.Store(true)
	reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		if broken.Load() {
			return poll.Page{}, errors.New("the gateway does not answer")
		}
		return v.Read(ctx, q)
	})
	told := make(chan error, 10)
	sources := map[string]poll.Source{"src": src}
	replica(t, js, reader, sources, func(_ string, err error) { told <- err })
	fails := func(want time.Duration) {
		t.Helper()
		if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
			t.Fatal(err)
		}
		<-told
		eventually(t, js, "done with the job", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 0 })
		if got := retryOf(t, js); got != want {
			t.Errorf("another try after %v, want %v", got, want)
		}
	}
	fails(10 * time.Second)
	fails(20 * time.Second)
	fails(20 * time.Second) // the next one would be after the next tick
	// The try of a source that is still there is kept, and taken back when the source is well.
	if err := poll.Unschedule(t.Context(), js, "conn", sources); err != nil || retryOf(t, js) == 0 {
		t.Errorf("the other try is gone: %v", err)
	}
	broken.Store(false)
	fails(0)
	broken.Store(true)
	fails(10 * time.Second)
	if err := poll.Unschedule(t.Context(), js, "conn", nil); err != nil || retryOf(t, js) != 0 {
		t.Errorf("the other try of a source that is gone is still there: %v", err)
	}
}

// gate is a connection to a server in this process whose answers can be held back. It opens when
// the client gives up a subscription.
type gate struct {
	net.Conn
	server *server.Server
	mu     sync.Mutex
	shut   chan struct{}
}

// InProcessConn is what nats.InProcessServer asks for.
func (g *gate) InProcessConn() (net.Conn, error) {
	var err error
	g.Conn, err = g.server.InProcessConn()
	return g, err
}

// close holds back what the server sends from now on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
	return n, err
}

func (g *gate) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("UNSUB ")) {
		defer g.open()
	}
	return g.Conn.Write(p)
}

// gated returns two connections to a server with all streams; the way of far is through the gate.
func gated(t *testing.T) (js, far jetstream.JetStream, way *gate) {
	t.Helper()
	srv := natstest.Server(t)
	js = natstest.Connect(t, srv)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	way = &gate{server: srv}
	nc, err := nats.Connect("", nats.InProcessServer(way))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	t.Cleanup(way.open)
	far, err = jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js, far, way
}

func TestAJobOnItsWayToAPollerThatStopsIsGivenBack(t *testing.T) {
	js, far, way := gated(t)
	unread := poll.ReaderFunc(func(context.Context, poll.Query) (poll.Page, error) {
		return poll.Page{}, errors.New("the poller was to stop")
	})
	stop := replica(t, far, unread, nil, ignore)
	given, err := js.Conn().SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.>")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, js, "asked for a job", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting == 1 })
	way.close()
	if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
		t.Fatal(err)
	}
	eventually(t, js, "sent the job", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 1 })
	stop()
	if _, err := given.NextMsg(5 * time.Second); err != nil {
		t.Errorf("the job was not given back: %v", err)
	}
}

func TestBackfillGoesThroughTheQueue(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for id := range 10 {
		v.put(id, start.Add(time.Duration(id)*time.Second))
	}
	// The source begins behind the documents: only a backfill brings them.
	src := source(f, start.Add(30*time.Minute))
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Tick(t.Context(), js, "conn", "src"); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error { _, _, err := poll.LastWindow(t.Context(), js, "src"); return err })
	if got := readRaw(t, js).records; got != 0 {
		t.Fatalf("%d records before the backfill", got)
	}
	for range 2 {
		if err := poll.Backfill(t.Context(), js, "conn", "src", poll.Past{ID: "b1", From: start, To: start.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	hasRecords(t, js, 10)
}

// Sources that are applied together have each its own time; the server takes the schedule, and it is the
// same each time.
func TestIntervalsAreSpread(t *testing.T) {
	js := natstest.Run(t)
	polls, err := js.Stream(t.Context(), topology.Polls)
	if err != nil {
		t.Fatal(err)
	}
	for every, form := range map[time.Duration]string{
		time.Minute: `^\d+ 0/1 \* \* \* \*$`, 5 * time.Minute: `^\d+ [0-4]/5 \* \* \* \*$`, time.Hour: `^\d+ \d+ \* \* \* \*$`,
		7 * time.Minute: `^@every 7m0s$`, 90 * time.Second: `^@every 1m30s$`, 2 * time.Second: `^@every 2s$`, 24 * time.Hour: `^@every 24h0m0s$`,
	} {
		times := map[string]bool{}
		for n := range 20 {
			src := source(purchaseIn(t), time.Now())
			src.Name, src.Every = fmt.Sprintf("src-%s-%d", every, n), every
			if err := poll.Schedule(t.Context(), js, src); err != nil {
				t.Fatal(err)
			}
			msg, err := polls.GetLastMsgForSubject(t.Context(), topology.ScheduleSubject("conn", src.Name))
			if err != nil {
				t.Fatal(err)
			}
			text := msg.Header.Get(jetstream.ScheduleHeader)
			if !regexp.MustCompile(form).MatchString(text) {
				t.Errorf("every %v is %q", every, text)
			}
			times[text] = true
		}
		if spread := strings.HasPrefix(form, `^\d`); spread && len(times) < 10 || !spread && len(times) != 1 {
			t.Errorf("20 sources polled every %v have %d times", every, len(times))
		}
	}
}
