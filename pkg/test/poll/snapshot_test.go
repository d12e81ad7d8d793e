package poll_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// snapshot returns a source that is read whole.
func snapshot(t *testing.T) poll.Source {
	t.Helper()
	f, err := feed.Parse([]byte("feed: test.things\nsystem: test\npath: /things\nrows: rows\nkey: [io_id]\nsnapshot: true\nzone: Asia/Shanghai\npaging: {index: page, size: size, origin: 1, max: 50}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return poll.Source{Name: "src", Connection: "conn", Feed: f, PageSize: 50}
}

// fill gives the vendor the documents from one id to before another.
func (v *vendor) fill(from, to int) {
	for id := from; id < to; id++ {
		v.put(id, time.Now())
	}
}

// remove deletes documents.
func (v *vendor) remove(ids ...int) {
	for _, id := range ids {
		delete(v.docs, id)
	}
}

// matches fails the test where RAW does not hold what the vendor has, or more than that.
func matches(t *testing.T, js jetstream.JetStream, v *vendor) stored {
	t.Helper()
	s := readRaw(t, js)
	if names := missing(v, s); len(names) > 0 || len(s.newest) != len(v.docs) {
		t.Errorf("RAW has %d documents of %d, %d are missing or old: %v", len(s.newest), len(v.docs), len(names), names)
	}
	return s
}

// balances waits until the ledger has all windows, and fails the test where their sums don't add up.
func balances(t *testing.T, js jetstream.JetStream, want ledger.Intake) {
	t.Helper()
	natstest.Eventually(t, func() error {
		books := ledger.Open(js)
		if err := books.Refresh(t.Context()); err != nil {
			return err
		}
		got := books.Intake("src")
		got.Cursor = want.Cursor
		if got != want || got.Total+got.Removed != got.Published+got.Unchanged {
			return fmt.Errorf("the windows add up to %+v, want %+v", got, want)
		}
		return nil
	})
}

func TestSnapshotPublishesWhatChangedAndWhatIsGone(t *testing.T) {
	for _, noTotals := range []bool{false, true} {
		t.Run(fmt.Sprintf("no totals %v", noTotals), func(t *testing.T) {
			js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
			v.noTotals = noTotals
			v.fill(0, 120)
			// Each reading is by a poller that was just started.
			read := func(published, unchanged, removed int64) {
				t.Helper()
				pollAll(t, poll.New(js, v, "a", quiet()), src)
				w := matches(t, js, v).last()
				if w.GetPublished() != published || w.GetUnchanged() != unchanged || w.GetRemoved() != removed || !w.GetClosed() {
					t.Errorf("window %v, want %d published, %d unchanged, %d removed", w, published, unchanged, removed)
				}
			}
			read(120, 0, 0)
			read(0, 120, 0)
			gone := v.docs[7]
			v.remove(7)
			v.put(8, time.Now())
			v.put(500, time.Now())
			read(3, 118, 1)
			read(0, 120, 0) // a tombstone is published once
			v.docs[7] = gone
			read(1, 120, 0) // what returns is published again, though RAW has had it in this state
			v.remove(7, 8)
			read(2, 119, 2)
			balances(t, js, ledger.Intake{Total: 120 + 120 + 120 + 120 + 121 + 119, Published: 126, Unchanged: 597, Removed: 3})
		})
	}
}

func TestSnapshotThatChangesWhileItIsRead(t *testing.T) {
	const documents = 400
	// While pages are turned the first documents go one by one, others come and some are edited.
	churn := func(v *vendor) {
		gone := 0
		v.onCall = func(v *vendor, call int) {
			if call%3 == 0 && gone < 12 {
				v.remove(gone)
				v.put(documents+gone, time.Now())
				v.put(documents/2+gone, time.Now())
				gone++
			}
		}
	}
	fill := func() *vendor {
		v := newVendor(50)
		v.noTotals = true
		v.fill(0, documents)
		churn(v)
		return v
	}
	t.Run("one reading loses documents", func(t *testing.T) {
		v, src, met := fill(), snapshot(t), map[string]bool{}
		for n, more := 1, true; more; n++ {
			page, err := v.Read(t.Context(), poll.Query{Feed: src.Feed, Page: n, Size: 50})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				id, err := src.Feed.Identify(row)
				if err != nil {
					t.Fatal(err)
				}
				met[id.Key] = true
			}
			more = page.HasNext
		}
		lost := 0
		for id := range v.docs {
			if !met[fmt.Sprint(id)] {
				lost++
			}
		}
		if lost == 0 {
			t.Error("one reading lost nothing: the scenario is no test")
		}
	})
	t.Run("ours tells none gone that is there", func(t *testing.T) {
		js, v, src := natstest.Run(t), fill(), snapshot(t)
		edit := v.onCall
		v.onCall = func(*vendor, int) {}
		p := poll.New(js, v, "a", quiet())
		pollAll(t, p, src)
		v.onCall = edit
		natstest.Eventually(t, func() error {
			_, err := p.Poll(t.Context(), src)
			if _, open := errors.AsType[*poll.NotProvedError](err); err != nil && !open {
				t.Fatal(err)
			}
			return err
		})
		v.onCall = func(*vendor, int) {}
		pollAll(t, p, src)
		if s := matches(t, js, v); s.removed != 12 {
			t.Errorf("%d tombstones, want those of the 12 documents that went", s.removed)
		}
	})
}

// TestCountsThatAgreeByChance lets one row go and another come between two pages: the vendor counts
// the same before and after, as many documents were read, and yet one was passed over.
func TestCountsThatAgreeByChance(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(1, 201)
	p := poll.New(js, v, "a", quiet())
	pollAll(t, p, src)
	first := v.calls
	v.onCall = func(v *vendor, call int) {
		if call == first+3 { // the last page was read
			v.remove(200)
			v.put(0, time.Now())
		}
	}
	pollAll(t, p, src)
	v.onCall = func(*vendor, int) {}
	if s := readRaw(t, js); s.removed > 0 && len(missing(v, s)) > 0 {
		t.Errorf("documents %v were published as gone and are there", missing(v, s))
	}
	pollAll(t, p, src)
	if s := matches(t, js, v); s.removed != 1 {
		t.Errorf("%d tombstones, want 1", s.removed)
	}
}

func TestSnapshotThatNeverRestsStaysOpen(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.noTotals = true
	v.fill(0, 60)
	v.onCall = func(v *vendor, call int) { v.put(1000+call, time.Now()) }
	_, err := poll.New(js, v, "a", quiet()).Poll(t.Context(), src)
	if e, ok := errors.AsType[*poll.NotProvedError](err); !ok || !strings.Contains(e.Error(), "snapshot of source src is not proved after 4 readings") {
		t.Errorf("Poll = %v, want a *NotProvedError", err)
	}
	if s := readRaw(t, js); s.records != 0 || len(s.windows) != 0 {
		t.Errorf("%d records and %d windows of a reading that is not proved", s.records, len(s.windows))
	}
}

func TestVendorThatDoesNotTurnThePage(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.noTotals, v.endless = true, true
	v.fill(0, 60)
	stuck := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		q.Page = 1
		return v.Read(ctx, q)
	})
	if _, err := poll.New(js, stuck, "a", quiet()).Poll(t.Context(), src); err == nil || !strings.Contains(err.Error(), "page 2 holds what page 1 does") {
		t.Errorf("Poll = %v, want the page that is not turned", err)
	}
	// A vendor that says for ever that there is more, and serves an empty page, is at its end.
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	matches(t, js, v)
}

func TestVendorThatStopsCounting(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(0, 120)
	v.onCall = func(v *vendor, call int) { v.noTotals = call > 2 }
	if _, err := poll.New(js, v, "a", quiet()).Poll(t.Context(), src); err == nil || !strings.Contains(err.Error(), "and then did not") {
		t.Errorf("Poll = %v, want that the vendor stopped counting", err)
	}
}

func TestNothingIsGoneBesideARowThatCannotBeRead(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(0, 20)
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	v.remove(3)
	broken := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		page, err := v.Read(ctx, q)
		page.Rows = append(page.Rows, json.RawMessage(`{"io_id":null,"note":"no key"}`))
		page.Total++
		return page, err
	})
	for range 2 {
		pollAll(t, poll.New(js, broken, "a", quiet()), src)
	}
	w, _, err := poll.LastWindow(t.Context(), js, "src")
	if err != nil || w.GetRemoved() != 0 || w.GetPublished() != 0 || w.GetUnchanged() != 20 {
		t.Errorf("window %v, %v, want the row that can't be read once and no tombstone", w, err)
	}
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	if w, _, err = poll.LastWindow(t.Context(), js, "src"); err != nil || w.GetRemoved() != 1 || w.GetPublished() != 1 {
		t.Errorf("window %v, %v, want the tombstone alone, and none of the row that could not be read", w, err)
	}
}

// TestAVendorThatAnswersNothing has lost its data, or we our rights: nothing is gone for that.
func TestAVendorThatAnswersNothing(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(0, 30)
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	was := v.docs
	v.docs = map[int]doc{}
	_, err := poll.New(js, v, "a", quiet()).Poll(t.Context(), src)
	if err == nil || !strings.Contains(err.Error(), "RAW has 30 documents") {
		t.Errorf("Poll = %v, want it to name what RAW has", err)
	}
	v.docs = was
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	matches(t, js, v)
	balances(t, js, ledger.Intake{Total: 60, Published: 30, Unchanged: 30})
}

func TestSnapshotIsRefreshedBeforeRawForgetsIt(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(0, 30)
	p := poll.New(js, v, "a", quiet())
	pollAll(t, p, src)
	v.remove(0)
	after := func(days int, published, unchanged int64) {
		t.Helper()
		p := poll.New(js, v, "a", quiet())
		p.Now = func() time.Time { return time.Now().Add(time.Duration(days) * 24 * time.Hour) }
		pollAll(t, p, src)
		if w := matches(t, js, v).last(); w.GetPublished() != published || w.GetUnchanged() != unchanged {
			t.Errorf("after %d days %v, want %d published and %d unchanged", days, w, published, unchanged)
		}
	}
	after(19, 1, 29)
	after(19, 0, 29) // of a snapshot all is known, however long ago it was published
	after(21, 29, 0) // the tombstone is not refreshed
	balances(t, js, ledger.Intake{Total: 30 + 29 + 29 + 29, Published: 30 + 1 + 29, Unchanged: 29 + 29, Removed: 1})
}

func TestSnapshotLargerThanABatch(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(500), snapshot(t)
	src.PageSize = 500
	v.fill(0, 2500)
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	for id := range 2200 {
		v.remove(id)
	}
	v.put(2300, time.Now())
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	s := matches(t, js, v)
	if s.removed != 2200 || len(s.windows) != 6 {
		t.Errorf("%d tombstones in %d batches, want 2200 in 6", s.removed, len(s.windows))
	}
	balances(t, js, ledger.Intake{Total: 2500 + 300, Published: 2500 + 1 + 2200, Unchanged: 299, Removed: 2200})
}

func TestVersionsOfASnapshotGrowThoughTheClockGoesBack(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(0, 10)
	fast := poll.New(js, v, "fast", quiet())
	fast.Now = func() time.Time { return time.Now().Add(time.Hour) }
	pollAll(t, fast, src)
	v.put(4, time.Now())
	v.remove(5)
	p := poll.New(js, v, "right", quiet())
	if _, err := p.Backfill(t.Context(), src, poll.Past{ID: "b1"}); err != nil {
		t.Fatal(err)
	}
	if s := matches(t, js, v); s.removed != 1 || s.last().GetBackfill() != "b1" {
		t.Errorf("%d tombstones, last window %v", s.removed, s.last())
	}
	// The cursor is an hour ahead, where the backfill left it: a tick finds nothing to do.
	calls := v.calls
	if done, err := p.Poll(t.Context(), src); err != nil || !done || v.calls != calls {
		t.Errorf("Poll = %v, %v with %d calls, want none", done, err, v.calls-calls)
	}
}

func TestSnapshotIsFenced(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), snapshot(t)
	v.fill(0, 60)
	v.onCall = func(v *vendor, call int) {
		if call != 1 {
			return
		}
		v.onCall = func(*vendor, int) {}
		v.mu.Unlock()
		defer v.mu.Lock()
		if _, err := poll.New(js, v, "fast", quiet()).Poll(t.Context(), src); err != nil {
			t.Error(err)
		}
		v.mu.Lock()
		v.remove(59)
		v.mu.Unlock()
	}
	slow := poll.New(js, v, "slow", quiet())
	if _, err := slow.Poll(t.Context(), src); !errors.Is(err, poll.ErrFenced) {
		t.Errorf("the slow poller: %v, want ErrFenced", err)
	}
	pollAll(t, slow, src)
	if s := matches(t, js, v); s.records != 61 || s.removed != 1 {
		t.Errorf("%d records and %d tombstones, want 61 and 1", s.records, s.removed)
	}
}

func TestWindowsOfAVendorThatDoesNotCount(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	v.noTotals = true
	start := time.Now().Add(-12 * time.Hour).Truncate(time.Second)
	for id := range 2600 {
		v.put(id, start.Add(time.Duration(id)*10*time.Second))
	}
	edits := 0
	v.onCall = func(v *vendor, call int) {
		if call%7 == 0 && edits < 40 {
			edits++
			v.put(edits*60, time.Now())
		}
	}
	src := source(f, start)
	src.Settle = 0
	p := poll.New(js, v, "a", quiet())
	natstest.Eventually(t, func() error {
		_, err := p.Poll(t.Context(), src)
		if _, open := errors.AsType[*poll.NotProvedError](err); err != nil && !open {
			t.Fatal(err)
		}
		if err != nil {
			return err
		}
		if names := missing(v, readRaw(t, js)); len(names) > 0 {
			return fmt.Errorf("%d documents missing or old, among them %s", len(names), names[0])
		}
		return nil
	})
	for _, w := range readRaw(t, js).windows {
		if w.GetDistinct() > 999 {
			t.Errorf("window %v was not cut in time", w)
		}
	}
}
