package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

func TestUnusual(t *testing.T) {
	same := func(n int64, days int) []int64 { return slices.Repeat([]int64{n}, days) }
	week := []int64{0, 0, 0, 0, 95, 98, 100, 100, 101, 104, 106, 110, 112, 120} // two weekends without any
	for _, tt := range []struct {
		n       int64
		samples []int64
		want    string
	}{
		{100, same(100, 7), ""}, {120, same(100, 7), ""}, {80, same(100, 7), ""}, {149, same(100, 7), ""},
		{200, same(100, 7), "far more than"}, {30, same(100, 7), "far fewer than"}, {0, same(100, 7), "none, unlike what is"},
		{0, same(12, 7), "none, unlike what is"}, {0, same(3, 7), ""}, {15, same(0, 7), ""}, {25, same(0, 7), "far more than"},
		{0, week, ""}, {100, week, ""}, {400, week, "far more than"},
	} {
		if got := unusual(tt.n, tt.samples); got != tt.want {
			t.Errorf("%d of %v is %q, want %q", tt.n, tt.samples, got, tt.want)
		}
	}
}

// ledgered publishes a window of a source, from and to in source time, that brought n records.
func (w *world) ledgered(from, to time.Time, n int64, backfill string) {
	w.Helper()
	source, closed := "jst-purchasein", true
	body, err := proto.Marshal(&ledgerv1.Window{
		Source: &source, From: timestamppb.New(from), To: timestamppb.New(to), Cursor: timestamppb.New(to), Closed: &closed,
		Published: &n, TotalAfter: &n, Distinct: &n, Backfill: &backfill,
	})
	w.must(err)
	_, err = w.js.PublishMsg(w.Context(), &nats.Msg{Subject: topology.WindowSubject(source), Data: body})
	w.must(err)
}

// ledger waits until all windows are in LEDGER, and lets the watch look at them.
func (w *world) ledger(watch *watch) {
	w.Helper()
	natstest.Eventually(w.T, func() error {
		raw, err := w.js.Stream(w.Context(), topology.Raw)
		if err != nil {
			return err
		}
		info, err := raw.Info(w.Context())
		if err != nil {
			return err
		}
		if n := w.count(topology.Ledger); n != info.State.Msgs {
			return fmt.Errorf("LEDGER has %d of %d windows", n, info.State.Msgs)
		}
		return nil
	})
	w.must(watch.lookAtHours(w.Context(), w.set))
}

// day publishes the windows of the hours from 8 to 11 of a day, 20 minutes each.
func (w *world) day(noon time.Time, n int64) {
	w.Helper()
	for at := noon.Add(-4 * time.Hour); at.Before(noon); at = at.Add(20 * time.Minute) {
		w.ledgered(at, at.Add(20*time.Minute), n, "")
	}
}

func TestAnUnusualHourIsAnEvent(t *testing.T) {
	w := newWorld(t)
	watch, _ := w.watch()
	watch.usualDays = 7
	noon := time.Now().Truncate(24*time.Hour).AddDate(0, 0, -20)
	hour := func(n int64) {
		t.Helper()
		for range 3 {
			w.ledgered(noon, noon.Add(20*time.Minute), n, "")
			noon = noon.Add(20 * time.Minute)
		}
		w.ledger(watch)
	}
	w.day(noon, 5)
	noon = noon.AddDate(0, 0, 1)
	w.day(noon, 1)
	w.ledger(watch)
	w.wantEvents() // nothing is known yet
	for range 8 {
		noon = noon.AddDate(0, 0, 1)
		w.day(noon, 40)
	}
	w.ledger(watch)
	w.wantEvents()

	noon = noon.AddDate(0, 0, 1).Add(-4 * time.Hour)
	w.ledgered(noon.Add(-24*time.Hour), noon.Add(-23*time.Hour), 5000, "b1") // a backfill is no hour of its own
	hour(0)
	w.wantEvents("window-unusual")
	text := w.events()[0].Text
	for _, want := range []string{"source jst-purchasein brought 0 records from ", "none, unlike what is usual at this hour: 120", "on the last 10 days", "+08:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("the event says %q, want %q in it", text, want)
		}
	}
	hour(0)
	w.ledger(watch)
	w.wantEvents("window-unusual") // once
	second, _ := w.watch()
	second.usualDays = 7
	w.ledger(second)
	w.wantEvents("window-unusual") // also of a replica that takes over
	hour(45)
	w.wantEvents("window-unusual", "window-unusual-resolved")
	hour(400)
	w.wantEvents("window-unusual", "window-unusual-resolved", "window-unusual")
	if text := w.events()[2].Text; !strings.Contains(text, "brought 1200 records") || !strings.Contains(text, "far more than usual") {
		t.Errorf("the event says %q", text)
	}
}

// TestAWideWindowSaysNothing has an outage: what came in it was read in one window afterwards.
func TestAWideWindowSaysNothing(t *testing.T) {
	w := newWorld(t)
	watch, _ := w.watch()
	watch.usualDays = 7
	noon := time.Now().Truncate(24*time.Hour).AddDate(0, 0, -15)
	for range 10 {
		w.day(noon, 40)
		noon = noon.AddDate(0, 0, 1)
	}
	w.ledgered(noon.Add(-8*time.Hour), noon.Add(-time.Hour), 3000, "")
	w.ledger(watch)
	w.wantEvents()
}

func TestAQuietSourceIsAnEvent(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	s := w.set.Sources["jst-purchasein"]
	s.Quiet = 24 * time.Hour
	w.set.Sources[s.Name] = s
	now := time.Now()
	w.ledgered(now.Add(-20*time.Minute), now.Add(-10*time.Minute), 3, "")
	w.ledgered(now.Add(-10*time.Minute), now, 0, "")
	w.ledger(watch)
	w.wantEvents()
	clock.forward(24 * time.Hour)
	w.ledgered(now, clock.now(), 0, "")
	w.ledger(watch)
	w.ledger(watch)
	w.wantEvents("source-stale")
	if text := w.events()[0].Text; !strings.Contains(text, "nothing new since "+now.Add(-10*time.Minute).In(time.FixedZone("", 8*3600)).Format(time.RFC3339)) || !strings.Contains(text, "quiet: 24h0m0s") {
		t.Errorf("the event says %q", text)
	}
	w.ledgered(now, clock.now(), 1, "backfill")
	w.ledger(watch)
	w.wantEvents("source-stale")
	w.ledgered(now, clock.now(), 1, "")
	w.ledger(watch)
	w.wantEvents("source-stale", "source-stale-resolved")
}

// settled publishes receipts and letters of the flow.
func (w *world) settled(alive, dead int) {
	w.Helper()
	var receipts []*ledgerv1.Receipt
	for i := range alive {
		key, sequence := fmt.Sprint(i), uint64(i+1)
		receipts = append(receipts,
			&ledgerv1.Receipt{RawSequence: &sequence, Key: &key, Outcome: ledgerv1.Outcome_OUTCOME_RETRIED.Enum()},
			&ledgerv1.Receipt{RawSequence: &sequence, Key: &key, Outcome: ledgerv1.Outcome_OUTCOME_COMMITTED.Enum()})
	}
	if alive > 0 {
		w.must(receipt.NewBook(w.js, "sink-mysql", "i1").Publish(w.Context(), map[string][]*ledgerv1.Receipt{"flow-a": receipts}))
	}
	for i := range dead {
		msg := nats.NewMsg(topology.DeadSubject("transform", "flow-a"))
		msg.Header.Set(topology.HeaderDeadFlow, "flow-a")
		msg.Header.Set(topology.HeaderDeadClass, []string{"quality", "mapping", "quality"}[i%3])
		_, err := w.js.PublishMsg(w.Context(), msg)
		w.must(err)
	}
}

func TestADeadShareIsAnEvent(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	watch.deadShare = 5
	look := func() { w.Helper(); w.must(watch.lookAtDeaths(w.Context(), w.set)) }
	w.settled(0, 19)
	look()
	w.wantEvents() // too few to be a share
	w.settled(331, 0)
	look()
	w.wantEvents("dead-share")
	w.settled(30, 0)
	look() // 19 of 380 are 5 %, which is not little enough to be well again
	w.wantEvents("dead-share")
	if text := w.events()[0].Text; !strings.HasPrefix(text, "19 of the 350 records of flow flow-a that ended in the last hour died (5 %, more than 5 %), 13 of them of class quality") {
		t.Errorf("the event says %q", text)
	}
	second, _ := w.watch()
	second.deadShare = 5
	w.must(second.lookAtDeaths(w.Context(), w.set))
	w.wantEvents("dead-share")
	clock.forward(2 * time.Hour)
	look()
	w.wantEvents("dead-share", "dead-share-resolved")
}
