package poll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// tick puts a tick of a source of "conn" into the queue.
func tick(t *testing.T, js jetstream.JetStream, source string) {
	t.Helper()
	if err := poll.Tick(t.Context(), js, "conn", source); err != nil {
		t.Error(err)
	}
}

// leaping is a clock that is ahead by some leaps of a minute.
type leaping struct{ leaps atomic.Int64 }

func (l *leaping) now() time.Time { return time.Now().Add(time.Duration(l.leaps.Load()) * time.Minute) }

// isDone waits until at least that many jobs of "conn" were given out, and the queue is empty.
func isDone(t *testing.T, js jetstream.JetStream, jobs uint64) {
	t.Helper()
	eventually(t, js, "done with its jobs", func(i *jetstream.ConsumerInfo) bool {
		return i.Delivered.Consumer >= jobs && i.NumAckPending == 0 && i.NumPending == 0
	})
}

// A tick that comes while a backfill or a recount is at work is done before their next call, be it of the
// same source or of another, and whether the other can be read or not. It is not done again afterwards.
func TestALivePollWaitsForNoMoreThanACall(t *testing.T) {
	for name, queue := range map[string]func(context.Context, jetstream.JetStream, poll.Past) error{
		"backfill": func(ctx context.Context, js jetstream.JetStream, past poll.Past) error {
			return poll.Backfill(ctx, js, "conn", "src", past)
		},
		"recount": func(ctx context.Context, js jetstream.JetStream, past poll.Past) error {
			return poll.Recount(ctx, js, "conn", "src", past)
		},
	} {
		t.Run(name, func(t *testing.T) {
			js, v := natstest.Run(t), newVendor(10)
			start := time.Now().Add(-50 * time.Hour).Truncate(time.Second)
			for id := range 300 {
				v.put(id, start.Add(time.Duration(id)*10*time.Minute))
			}
			var clock leaping
			var mu sync.Mutex
			var calls []string
			var past, broken atomic.Bool
			sources := map[string]poll.Source{}
			for _, name := range []string{"src", "other", "broken"} {
				src := source(purchaseIn(t), start)
				src.Name, src.Request, src.Settle = name, map[string]any{"who": name}, 0
				sources[name] = src
			}
			reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
				mu.Lock()
				defer mu.Unlock()
				who := q.Request["who"].(string)
				if past.Load() && q.To.Before(clock.now().Add(-5*time.Minute)) {
					who = "past"
				}
				if calls = append(calls, who); who == "broken" && broken.Load() {
					return poll.Page{}, errors.New("验证失败！无API权限，请申请API权限")
				}
				if who == "past" && len(calls) == 5 {
					clock.leaps.Add(1)
					for name := range sources {
						tick(t, js, name)
					}
				}
				return v.Read(ctx, q)
			})
			p := poll.New(js, reader, "r", quiet())
			p.Now = clock.now
			work(t, js, p, sources, ignore)
			for name := range sources {
				tick(t, js, name)
			}
			isDone(t, js, 3)
			mu.Lock()
			calls = nil
			mu.Unlock()
			past.Store(true)
			broken.Store(true)
			if err := queue(t.Context(), js, poll.Past{ID: "b1", From: start, To: start.Add(49 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
			isDone(t, js, 4)
			mu.Lock()
			defer mu.Unlock()
			if len(calls) < 20 {
				t.Fatalf("calls %q", calls)
			}
			live := slices.DeleteFunc(slices.Clone(calls), func(who string) bool { return who == "past" })
			slices.Sort(live)
			if live = slices.Compact(live); !slices.Equal(live, []string{"broken", "other", "src"}) {
				t.Errorf("live polls of %q in %q", live, calls)
			}
			if first := slices.Index(calls[5:], "past"); first < 3 || slices.ContainsFunc(calls[5+first:], func(who string) bool { return who != "past" }) {
				t.Errorf("calls %q, want all live polls right behind the fifth call, and once", calls)
			}
		})
	}
}

// What a live poll brings while a backfill reads the same documents is newer: it stays.
func TestABackfillBringsNothingOlderThanALivePoll(t *testing.T) {
	js, v := natstest.Run(t), newVendor(10)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for id := range 100 {
		v.put(id, start.Add(time.Duration(id)*time.Second))
	}
	src := source(purchaseIn(t), start.Add(time.Hour)) // only the backfill reads what is older
	src.Settle = 0
	var clock leaping
	p := poll.New(js, v, "r", quiet())
	p.Now = clock.now
	work(t, js, p, map[string]poll.Source{"src": src}, ignore)
	tick(t, js, "src")
	isDone(t, js, 1)
	v.mu.Lock()
	first := v.calls
	v.onCall = func(v *vendor, call int) {
		if n := call - first; n%4 == 3 && n < 60 {
			clock.leaps.Add(1)
			for id := range 7 {
				v.put((31*call+11*id)%100, clock.now())
			}
			tick(t, js, "src")
		}
	}
	v.mu.Unlock()
	if err := poll.Backfill(t.Context(), js, "conn", "src", poll.Past{ID: "b1", From: start, To: start.Add(time.Minute * 59)}); err != nil {
		t.Fatal(err)
	}
	isDone(t, js, 2)
	clock.leaps.Add(1)
	tick(t, js, "src")
	isDone(t, js, 3)
	s := readRaw(t, js) // which sees to it that versions grow
	if names := missing(v, s); len(names) > 0 {
		t.Errorf("%d of %d documents are missing or old: %.10q", len(names), len(v.docs), names)
	}
	if last := s.last(); last.GetBackfill() != "" || len(s.windows) < 5 {
		t.Errorf("%d windows, the last of backfill %q", len(s.windows), last.GetBackfill())
	}
}

// A backfill that fails waits beside the queue, not at its head.
func TestAFailedBackfillHoldsNobodyUp(t *testing.T) {
	js, v := natstest.Run(t), newVendor(50)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v.put(1, start)
	v.put(2, start.Add(40*time.Minute))
	src := source(purchaseIn(t), start.Add(30*time.Minute))
	var broken atomic.Bool
	broken.Store(true)
	reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		if q.From.Before(src.Start.Add(-src.Overlap)) && broken.Load() {
			return poll.Page{}, errors.New("the gateway does not answer")
		}
		return v.Read(ctx, q)
	})
	told := make(chan error, 10)
	replica(t, js, reader, map[string]poll.Source{"src": src}, func(_ string, err error) { told <- err })
	if err := poll.Backfill(t.Context(), js, "conn", "src", poll.Past{ID: "b1", From: start, To: start.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err == nil {
		t.Fatal("the backfill did not fail")
	}
	tick(t, js, "src")
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	polls, err := js.Stream(t.Context(), topology.Polls)
	if err != nil {
		t.Fatal(err)
	}
	again, err := polls.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject("schedule.conn.*"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(again.Header.Get(jetstream.ScheduleHeader), "@at "))
	if wait := at.Sub(again.Time); err != nil || wait < 4*time.Second || wait > 5*time.Second || again.Header.Get(topology.HeaderBackfillFailed) != "1" {
		t.Errorf("it is tried again after %v, %v: %v", wait, err, again.Header)
	}
	broken.Store(false)
	hasRecords(t, js, 2)
}

// resting counts how often it is told that another replica may have called.
type resting struct {
	*vendor
	rests atomic.Int32
}

func (r *resting) Rest() { r.rests.Add(1) }

// A replica keeps its distance from the calls of another one, not from its own.
func TestRestIsForTheCallsOfOthers(t *testing.T) {
	js := natstest.Run(t)
	sources := map[string]poll.Source{"src": source(purchaseIn(t), time.Now().Add(-time.Hour).Truncate(time.Second))}
	for n := range 2 {
		r := &resting{vendor: newVendor(50)}
		stop := replica(t, js, r, sources, ignore)
		for range 3 {
			tick(t, js, "src")
		}
		isDone(t, js, uint64(3*n+3))
		stop()
		if got := r.rests.Load(); got != 1 {
			t.Errorf("replica %d rested %d times in three jobs one after the other", n, got)
		}
	}
}

// While a window is on its way into the stream the next one is read already.
func TestTheNextWindowIsReadWhileOneIsClosed(t *testing.T) {
	js, far, way := gated(t)
	v := newVendor(50)
	start := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	for id := range 3 {
		v.put(id, start.Add(time.Duration(id)*time.Hour+time.Minute))
	}
	src := source(purchaseIn(t), start)
	src.Slice = time.Hour
	v.onCall = func(_ *vendor, call int) {
		switch call {
		case 1:
			way.close()
		case 2:
			way.open()
		}
	}
	p := poll.New(far, v, "test", quiet())
	done := make(chan error, 1)
	go func() {
		ok, err := p.Poll(t.Context(), src)
		if err == nil && !ok {
			err = errors.New("there is more")
		}
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(20 * time.Second):
		err = fmt.Errorf("the second window is not read before the first is closed")
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := readRaw(t, js); s.records != 3 || len(s.windows) < 3 {
		t.Errorf("%d records, %d windows", s.records, len(s.windows))
	}
}
