package poll_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// polled is a source with ten documents that was polled.
type polled struct {
	js  jetstream.JetStream
	v   *vendor
	src poll.Source
	p   *poll.Poller
}

func newPolled(t *testing.T) polled {
	t.Helper()
	js, v := natstest.Run(t), newVendor(50)
	start := time.Now().Add(-5 * time.Hour).Truncate(time.Second)
	for i := range 10 {
		v.put(i, start.Add(time.Duration(1+10*i)*time.Minute))
	}
	src := source(purchaseIn(t), start)
	src.Settle, src.Overlap = 0, time.Second
	p := poll.New(js, v, "p1", quiet())
	pollAll(t, p, src)
	return polled{js, v, src, p}
}

// events returns what operators heard, by kind.
func events(t *testing.T, js jetstream.JetStream) map[string][]event.Event {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Events)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string][]event.Event{}
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		var e event.Event
		if err == nil {
			err = json.Unmarshal(msg.Data, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		told[e.Kind] = append(told[e.Kind], e)
	}
	return told
}

// hears waits for an event of a kind.
func hears(t *testing.T, js jetstream.JetStream, kind string) event.Event {
	t.Helper()
	var told []event.Event
	natstest.Eventually(t, func() error {
		if told = events(t, js)[kind]; len(told) == 0 {
			return fmt.Errorf("no event %s", kind)
		}
		return nil
	})
	return told[0]
}

func TestWhatCameTooLateIsFoundAndRead(t *testing.T) {
	w := newPolled(t)
	js, v, src, p := w.js, w.v, w.src, w.p
	v.put(99, src.Start.Add(35*time.Minute)) // seen long after its window was closed
	pollAll(t, p, src)
	if got := readRaw(t, js).records; got != 10 {
		t.Fatalf("%d records, want the late one to be missed", got)
	}
	before := v.calls
	spans, rest, err := p.Recount(t.Context(), src, poll.Past{})
	if err != nil || len(spans) != 5 || rest.From.Before(rest.To) || v.calls != before+5 {
		t.Fatalf("Recount = %+v, %+v, %v after %d calls, want a span and a call for each hour", spans, rest, err, v.calls-before)
	}
	if s := spans[0]; s.Counted != 7 || s.Least != 6 || s.Most != 6 || s.More() != 1 || s.Fewer() != 0 {
		t.Errorf("span %+v", s)
	}
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Recount(t.Context(), js, "conn", "src", poll.Past{ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	hasRecords(t, js, 11)
	e := hears(t, js, "recount-more")
	if e.Severity != event.Critical || e.Subject != "src" || !strings.Contains(e.Text, "1 more than were read") {
		t.Errorf("event %+v", e)
	}
	if last := readRaw(t, js).last(); !strings.HasPrefix(last.GetBackfill(), "recount-r1-") || last.GetPublished() != 1 {
		t.Errorf("the last window is %v, want that of the backfill", last)
	}
	if spans, _, err := p.Recount(t.Context(), src, poll.Past{}); err != nil || spans[0].More() != 0 {
		t.Errorf("after the backfill: %+v, %v", spans, err)
	}
}

// TestALateEditIsFound has a document that RAW knows in an older version: over the whole stretch the
// totals are equal.
func TestALateEditIsFound(t *testing.T) {
	w := newPolled(t)
	js, v, src := w.js, w.v, w.src
	v.put(3, src.Start.Add(75*time.Minute)) // seen long after its window was closed
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Recount(t.Context(), js, "conn", "src", poll.Past{ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	hasRecords(t, js, 11)
	if e := hears(t, js, "recount-more"); !strings.Contains(e.Text, "counts 5 documents now, 1 more than were read") {
		t.Errorf("event %+v", e)
	}
}

func TestWhatWasDeletedIsTold(t *testing.T) {
	w := newPolled(t)
	js, v, src := w.js, w.v, w.src
	v.mu.Lock()
	delete(v.docs, 3)
	v.mu.Unlock()
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Recount(t.Context(), js, "conn", "src", poll.Past{ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	e := hears(t, js, "recount-fewer")
	if e.Severity != event.Warning || !strings.Contains(e.Text, "counts 5 documents, 1 fewer") {
		t.Errorf("event %+v", e)
	}
	if told := events(t, js); len(told["recount-more"]) != 0 || !strings.Contains(told["recount-done"][0].Text, "4 of them agree") {
		t.Errorf("events %+v", told)
	}
}

func TestAnEditWhileTheVendorCountsIsNoDifference(t *testing.T) {
	w := newPolled(t)
	js, v, src := w.js, w.v, w.src
	v.mu.Lock()
	v.onCall = func(v *vendor, _ int) {
		v.onCall = func(*vendor, int) {}
		v.put(3, time.Now()) // it leaves the span, and RAW does not know yet
	}
	v.mu.Unlock()
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Recount(t.Context(), js, "conn", "src", poll.Past{ID: "r1"}); err != nil {
		t.Fatal(err)
	}
	if e := hears(t, js, "recount-done"); !strings.Contains(e.Text, "9 documents in 5 spans, 4 of them agree") {
		t.Fatalf("event %+v: the edit came too late", e)
	}
	hasRecords(t, js, 11) // read before the comparison
	eventually(t, js, "done with the comparison", func(i *jetstream.ConsumerInfo) bool {
		return i.NumPending == 0 && i.NumAckPending == 0 && i.Delivered.Consumer >= 2
	})
	if told := events(t, js); len(told) != 1 {
		t.Errorf("events %+v, want that it was done alone", told)
	}
}

func TestARecountMakesRoom(t *testing.T) {
	w := newPolled(t)
	v, src, p := w.v, w.src, w.p
	src.Slice = time.Hour
	clock := time.Now()
	p.Now = func() time.Time { return clock }
	v.onCall = func(*vendor, int) { clock = clock.Add(poll.JobTime / 2) }
	spans, rest, err := p.Recount(t.Context(), src, poll.Past{ID: "r1", From: src.Start.Add(-48 * time.Hour)})
	if err != nil || len(spans) != 2 || !spans[0].From.Equal(src.Start) || !rest.From.Equal(src.Start.Add(2*time.Hour)) || rest.ID != "r1" {
		t.Errorf("Recount = %+v, %+v, %v, want two spans from the first window on, and the rest", spans, rest, err)
	}
	for _, s := range spans {
		if s.More()+s.Fewer() != 0 {
			t.Errorf("span %+v differs", s)
		}
	}
}

func TestWhatIsNotInRawAnyMoreIsNotRecounted(t *testing.T) {
	w := newPolled(t)
	js, src := w.js, w.src
	if from, err := poll.RecountableFrom(t.Context(), js, "src"); err != nil || !from.Equal(src.Start) {
		t.Errorf("RecountableFrom = %v, %v, want the first window", from, err)
	}
	if _, err := poll.RecountableFrom(t.Context(), js, "other"); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("RecountableFrom of a source that was never polled: %v", err)
	}
	raw, err := js.Stream(t.Context(), topology.Raw)
	if err != nil {
		t.Fatal(err)
	}
	config := raw.CachedInfo().Config
	keeps := func(age time.Duration) time.Time {
		t.Helper()
		config.MaxAge = age
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		from, err := poll.RecountableFrom(t.Context(), js, "src")
		if err != nil {
			t.Fatal(err)
		}
		return from
	}
	if from := keeps(48 * time.Hour); !from.Equal(src.Start) {
		t.Errorf("from %v, want the first window: it is young, all of it is in RAW", from)
	}
	if from := keeps(time.Hour); !from.After(src.Start.Add(4 * time.Hour)) {
		t.Errorf("from %v, want what RAW has still", from)
	}
}

func TestTheServerAsksForARecountEachNight(t *testing.T) {
	w := newPolled(t)
	js, v, src := w.js, w.v, w.src
	src.Every, src.RecountCron, src.RecountZone = time.Hour, "* * * * * *", "Asia/Shanghai"
	replica(t, js, v, map[string]poll.Source{"src": src}, ignore)
	if err := poll.Schedule(t.Context(), js, src); err != nil {
		t.Fatal(err)
	}
	if e := hears(t, js, "recount-done"); !strings.Contains(e.Text, "10 documents in 5 spans, 5 of them agree") {
		t.Errorf("event %+v", e)
	}
	polls, err := js.Stream(t.Context(), topology.Polls)
	if err != nil {
		t.Fatal(err)
	}
	scheduled := func() bool {
		_, err := polls.GetLastMsgForSubject(t.Context(), topology.ScheduleSubject("conn", "src")+"_recount")
		return err == nil
	}
	if err := poll.Unschedule(t.Context(), js, "conn", map[string]poll.Source{"src": src}); err != nil || !scheduled() {
		t.Errorf("the schedule of a source that is there has ended: %v", err)
	}
	src.RecountCron = ""
	if err := poll.Schedule(t.Context(), js, src); err != nil || scheduled() {
		t.Errorf("the schedule has not ended: %v", err)
	}
}

func TestWhenARecountIs(t *testing.T) {
	f := purchaseIn(t)
	snapshot := f
	snapshot.Snapshot = true
	at := func(s flow.Source, f feed.Feed) string { return poll.FromDocument(s, f).RecountCron }
	a, b := at(flow.Source{Name: "a"}, f), at(flow.Source{Name: "b"}, f)
	if a == b || !strings.HasSuffix(a, " * * *") || a != at(flow.Source{Name: "a"}, f) {
		t.Errorf("sources a and b are counted again at %q and %q, want the same each night and not together", a, b)
	}
	if got := at(flow.Source{Name: "a", Recount: "23:05"}, f); got != "0 5 23 * * *" {
		t.Errorf("at 23:05: %q", got)
	}
	for _, s := range []flow.Source{{Recount: flow.RecountOff}, {ByVersion: true}} {
		if got := at(s, f); got != "" {
			t.Errorf("source %+v is counted again at %q", s, got)
		}
	}
	if got := at(flow.Source{}, snapshot); got != "" {
		t.Errorf("a snapshot is counted again at %q", got)
	}
}
