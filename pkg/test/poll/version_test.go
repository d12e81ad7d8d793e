package poll_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// byVersion is a source that is read by row version.
func byVersion(t *testing.T) poll.Source {
	t.Helper()
	src := source(purchaseIn(t), time.Time{})
	src.ByVersion, src.Settle = true, 0
	return src
}

// old is a time of change that is older than any commit is late.
var old = time.Date(2025, 1, 1, 0, 0, 0, 0, shanghai)

func TestByVersionReadsAllThenWhatChanged(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 300 {
		v.put(id, old)
	}
	begun := time.Now()
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	w := matches(t, js, v).last()
	if w.GetVersionCursor() != 301 || w.GetCursor().AsTime().Before(begun.Truncate(time.Second)) || w.GetTotalAfter() != 300 {
		t.Errorf("window %v, want all 300 and the cursors behind them", w)
	}
	v.put(17, old)
	v.put(18, old)
	// A poller that was just started reads on where the other one stopped.
	natstest.Eventually(t, func() error {
		pollAll(t, poll.New(js, v, "b", quiet()), src)
		if w = readRaw(t, js).last(); w.GetVersionCursor() != 303 {
			return fmt.Errorf("window %v, want row version 303", w)
		}
		return nil
	})
	matches(t, js, v)
	if w.GetPublished() != 2 || w.GetUnchanged() != 0 {
		t.Errorf("window %v, want two published", w)
	}
	balances(t, js, ledger.Intake{Total: 302, Published: 302})
}

func TestByVersionAsksWithNothingBesideThePaging(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	src.Request = map[string]any{"statuss": []any{"Confirmed"}, "date_type": 0}
	v.put(1, old)
	asked := map[string]int{}
	spy := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		asked[fmt.Sprint(q.Request, *q.Since)]++
		return v.Read(ctx, q)
	})
	pollAll(t, poll.New(js, spy, "a", quiet()), src)
	if want := fmt.Sprint(map[string]int{"map[is_get_total:false] 1": 1, "map[is_get_total:true] 1": 1}); fmt.Sprint(asked) != want {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

func TestByVersionWhileDocumentsAreEdited(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 2600 {
		v.put(id, old.Add(time.Duration(id)*time.Second))
	}
	dice := rand.New(rand.NewPCG(1, 2))
	v.onCall = func(v *vendor, call int) {
		if call%2 == 0 && call < 120 {
			v.put(dice.IntN(2600), time.Now())
			v.put(2600+call, time.Now())
		}
	}
	// The job takes its time after some calls, and another poller goes on.
	jobs := 0
	for done := false; !done; jobs++ {
		ahead := time.Duration(0) // of the clock: each call takes a while
		p := poll.New(js, poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
			ahead += 4 * time.Second
			return v.Read(ctx, q)
		}), fmt.Sprint(jobs), quiet())
		p.Now = func() time.Time { return time.Now().Add(ahead) }
		var err error
		done, err = p.Poll(t.Context(), src)
		if _, open := errors.AsType[*poll.NotProvedError](err); err != nil && !open {
			t.Fatal(err)
		}
		if jobs > 100 {
			t.Fatal("never done")
		}
	}
	if jobs < 3 {
		t.Errorf("%d jobs: the scenario is no test of going on", jobs)
	}
	v.onCall = func(*vendor, int) {}
	natstest.Eventually(t, func() error {
		pollAll(t, poll.New(js, v, "last", quiet()), src)
		if names := missing(v, readRaw(t, js)); len(names) > 0 {
			return fmt.Errorf("%d documents missing or old, among them %s", len(names), names[0])
		}
		return nil
	})
	s := matches(t, js, v)
	in := ledger.Intake{}
	for _, w := range s.windows {
		in.Published += w.GetPublished()
		in.Unchanged += w.GetUnchanged()
		if w.GetTotalAfter() > w.GetDistinct() {
			t.Errorf("window %v is closed and not proved", w)
		}
	}
	in.Total = in.Published + in.Unchanged
	balances(t, js, in)
}

func TestByVersionALateCommitIsRead(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 100 {
		v.put(id, old)
	}
	// Document 100 has its row version, and becomes visible behind 101 to 110.
	for id := 100; id <= 110; id++ {
		v.put(id, time.Now())
	}
	v.hidden[100] = true
	p := poll.New(js, v, "a", quiet())
	pollAll(t, p, src)
	w := readRaw(t, js).last()
	if w.GetVersionCursor() > int64(v.docs[100].TS) {
		t.Fatalf("the cursor passed row version %d: %v", v.docs[100].TS, w)
	}
	delete(v.hidden, 100)
	natstest.Eventually(t, func() error {
		pollAll(t, poll.New(js, v, "b", quiet()), src)
		if names := missing(v, readRaw(t, js)); len(names) > 0 {
			return fmt.Errorf("documents %v are missing", names)
		}
		return nil
	})
	s := matches(t, js, v)
	if s.records != 111 || s.last().GetUnchanged() != 10 {
		t.Errorf("%d records, window %v, want what was read again counted as unchanged", s.records, s.last())
	}
	// Once no commit can be that late the cursor moves behind them.
	p = poll.New(js, v, "c", quiet())
	p.Now = func() time.Time { return time.Now().Add(10 * src.Overlap) }
	pollAll(t, p, src)
	if w := readRaw(t, js).last(); w.GetVersionCursor() != 112 || w.GetPublished() != 0 {
		t.Errorf("window %v, want row version 112 and nothing published again", w)
	}
}

func TestByVersionATimeThatLiesAheadHoldsNothing(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	v.put(1, time.Now().Add(240*time.Hour))
	v.put(2, old)
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	if w := matches(t, js, v).last(); w.GetVersionCursor() != 3 {
		t.Errorf("window %v, want row version 3", w)
	}
}

func TestByVersionGoesOnInTheNextJob(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	// All are so young that the cursor is held back at the first of them.
	for id := range 2000 {
		v.put(id, time.Now())
	}
	p, clock := poll.New(js, v, "a", quiet()), time.Now()
	p.Now = func() time.Time { clock = clock.Add(15 * time.Second); return clock }
	src.Overlap = 24 * time.Hour
	for range 10 {
		done, err := p.Poll(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			matches(t, js, v)
			return
		}
		if w := readRaw(t, js).last(); w.GetVersionCursor() != 1 || !w.GetCursor().AsTime().IsZero() {
			t.Fatalf("window %v, want both cursors held back", w)
		}
	}
	t.Error("each job read the same again")
}

func TestByTimeASourceBeginsWhereReadingByVersionDidNotEnd(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 2000 {
		v.put(id, old)
	}
	p, clock := poll.New(js, v, "a", quiet()), time.Now()
	p.Now = func() time.Time { clock = clock.Add(20 * time.Second); return clock }
	if done, err := p.Poll(t.Context(), src); done || err != nil {
		t.Fatalf("Poll = %v, %v, want more to read", done, err)
	}
	src.ByVersion, src.Start = false, time.Now().Add(-2*time.Hour).Truncate(time.Second)
	pollAll(t, poll.New(js, v, "b", quiet()), src)
	if w := readRaw(t, js).windows[1]; w.GetFrom().AsTime().Before(src.Start.Add(-src.Overlap)) {
		t.Errorf("window %v, want it to begin at %v", w, src.Start)
	}
}

// TestByVersionWhereDocumentsComeFasterThanTheyAreCounted adds a document each time the end was read
// and before it is counted: no two counts agree. Two readings that bring the same are the proof, for
// what lies before the end of the first.
func TestByVersionWhereDocumentsComeFasterThanTheyAreCounted(t *testing.T) {
	for _, tt := range []struct {
		name     string
		appears  bool // a document amid the others after the first reading
		attempts int32
		cursor   int64 // the greatest row version that the reading before it met
	}{{"nothing turns up", false, 2, 152}, {"something turns up", true, 3, 155}} {
		t.Run(tt.name, func(t *testing.T) {
			js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
			for id := range 150 {
				v.put(id, old)
			}
			v.hidden[70] = tt.appears
			ended, calm, begun := false, false, 0
			busy := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
				counting := q.Request["is_get_total"] == true
				if counting && ended && !calm {
					ended = false
					v.put(len(v.docs), old)
				}
				if !counting && *q.Since == 1 {
					begun++
					v.hidden[70] = tt.appears && begun == 1
				}
				page, err := v.Read(ctx, q)
				ended = ended || !counting && !page.HasNext
				return page, err
			})
			pollAll(t, poll.New(js, busy, "a", quiet()), src)
			if w := readRaw(t, js).last(); w.GetAttempts() != tt.attempts || w.GetVersionCursor() != tt.cursor || w.GetCursor().AsTime().IsZero() {
				t.Errorf("window %v, want it proved by reading number %d up to row version %d", w, tt.attempts, tt.cursor)
			}
			calm = true
			natstest.Eventually(t, func() error {
				pollAll(t, poll.New(js, busy, "b", quiet()), src)
				if names := missing(v, readRaw(t, js)); len(names) > 0 {
					return fmt.Errorf("documents %v are missing", names)
				}
				return nil
			})
		})
	}
}

// TestByVersionAFullPieceThatWasTheEnd lets one document come when a piece that is full was read to
// the end: what is behind it is the next piece's, and the same reading is the proof.
func TestByVersionAFullPieceThatWasTheEnd(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 850 {
		v.put(id, old)
	}
	src.PageSize, v.limit = 850, 850
	came := false
	busy := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		if q.Request["is_get_total"] == true && !came {
			came = true
			v.put(850, old)
		}
		return v.Read(ctx, q)
	})
	pollAll(t, poll.New(js, busy, "a", quiet()), src)
	if s := matches(t, js, v); s.windows[0].GetAttempts() != 1 {
		t.Errorf("first window %v, want it proved by the first reading", s.windows[0])
	}
}

func TestByVersionRefusesWhatCannotBeProved(t *testing.T) {
	noTS, err := feed.Get("jushuitan.otherin")
	if err != nil {
		t.Fatal(err)
	}
	noTS.RowVersion.Field = "nope"
	tests := []struct {
		name   string
		vendor func(v *vendor, src *poll.Source)
		want   string
	}{
		{"a document is never served", func(v *vendor, _ *poll.Source) { v.lost[20] = true },
			"source src from row version 1 on is not proved after 4 readings: the vendor counted 60 documents before and 60 after, 59 different ones"},
		{"no counts", func(v *vendor, _ *poll.Source) { v.noTotals = true }, "does not say how many documents there are: read the source by time"},
		{"in no order", func(v *vendor, _ *poll.Source) {
			v.order = func(a, b doc) int { return cmp.Compare(b.TS, a.TS) }
		}, "the vendor does not sort by row version"},
		{"no row version", func(_ *vendor, src *poll.Source) { src.Feed = noTS }, "nope is not a whole number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
			for id := range 60 {
				v.put(id, old)
			}
			tt.vendor(v, &src)
			if _, err := poll.New(js, v, "a", quiet()).Poll(t.Context(), src); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Poll = %v, want %q", err, tt.want)
			}
			if s := readRaw(t, js); s.records != 0 {
				t.Errorf("%d records", s.records)
			}
		})
	}
}

func TestByVersionManyOfOneRowVersion(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 200 {
		v.put(id, old)
		if id >= 20 {
			v.ts = 30 // all from document 20 on have row version 31
		}
	}
	v.order = func(a, b doc) int { return cmp.Or(cmp.Compare(a.TS, b.TS), cmp.Compare(a.IOID, b.IOID)) }
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	matches(t, js, v)
	// Pages that can't be turned bring no more of them.
	stuck := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		q.Page = 1
		return v.Read(ctx, q)
	})
	if _, err := poll.New(natstest.Run(t), stuck, "a", quiet()).Poll(t.Context(), src); err == nil || !strings.Contains(err.Error(), "reading does not get on") {
		t.Errorf("Poll = %v, want an end", err)
	}
}

func TestByVersionIsFenced(t *testing.T) {
	js, v, src := natstest.Run(t), newVendor(50), byVersion(t)
	for id := range 60 {
		v.put(id, old)
	}
	v.onCall = func(v *vendor, call int) {
		if call != 2 {
			return
		}
		v.onCall = func(*vendor, int) {}
		v.mu.Unlock()
		defer v.mu.Lock()
		if _, err := poll.New(js, v, "fast", quiet()).Poll(t.Context(), src); err != nil {
			t.Error(err)
		}
	}
	slow := poll.New(js, v, "slow", quiet())
	if _, err := slow.Poll(t.Context(), src); !errors.Is(err, poll.ErrFenced) {
		t.Errorf("the slow poller: %v, want ErrFenced", err)
	}
	v.put(3, old)
	natstest.Eventually(t, func() error {
		pollAll(t, slow, src)
		if names := missing(v, readRaw(t, js)); len(names) > 0 {
			return fmt.Errorf("documents %v are missing", names)
		}
		return nil
	})
	if s := matches(t, js, v); s.records != 61 {
		t.Errorf("%d records, want 61", s.records)
	}
}

func TestModesOfASourceCanBeSwitched(t *testing.T) {
	js, v, version := natstest.Run(t), newVendor(50), byVersion(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	window := version
	window.ByVersion, window.Start = false, start
	for id := range 40 {
		v.put(id, old) // before the source's start: only a row version finds them
	}
	for id := 40; id < 100; id++ {
		v.put(id, start.Add(time.Duration(id)*time.Second))
	}
	read := func(src poll.Source, records int) {
		t.Helper()
		natstest.Eventually(t, func() error {
			pollAll(t, poll.New(js, v, "a", quiet()), src)
			if got := readRaw(t, js).records; got != records {
				return fmt.Errorf("%d records, want %d", got, records)
			}
			return nil
		})
	}
	read(window, 60)
	// The first reading by row version begins at 1; of what RAW has since the overlap nothing is
	// published again.
	read(version, 100)
	matches(t, js, v)
	v.put(5, time.Now())
	read(window, 101)
	// Back again it goes on where it stopped, and finds what has no new time of change.
	v.put(6, old)
	before := readRaw(t, js).last()
	if before.GetVersionCursor() == 0 {
		t.Errorf("window %v of a reading by time lost the row version", before)
	}
	v.calls = 0
	read(version, 102)
	if matches(t, js, v); v.calls > 20 {
		t.Errorf("%d calls: all was read again", v.calls)
	}
}

func TestFromDocument(t *testing.T) {
	docs, err := flow.Parse("t.yaml", []byte("source: s\nconnection: c\nfeed: jushuitan.purchasein\ncursor: version\nevery: 5m\noverlap: 20m\npage_size: 30\n"))
	if err != nil {
		t.Fatal(err)
	}
	src := poll.FromDocument(*docs[0].Source, purchaseIn(t))
	if !src.ByVersion || !src.Start.IsZero() || src.Overlap != 20*time.Minute || src.PageSize != 30 || src.Every != 5*time.Minute || src.Feed.RowVersion.Count["is_get_total"] != true {
		t.Errorf("FromDocument = %+v", src)
	}
}
