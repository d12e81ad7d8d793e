package poll_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// replica works off the queue of "conn" until the test ends or it is stopped.
func replica(t *testing.T, js jetstream.JetStream, reader poll.Reader, sources map[string]poll.Source, report func(string, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		queue := &poll.Queue{
			JS: js, Poller: poll.New(js, reader, "r", quiet()), Connection: "conn", Log: quiet(),
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
