package poll_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

func purchaseIn(t *testing.T) feed.Feed {
	t.Helper()
	f, err := feed.Get("jushuitan.purchasein")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// stored is what RAW holds: the newest state of each document that is not gone, and how many records
// and tombstones there are.
type stored struct {
	newest   map[string]doc
	versions map[string]int64
	records  int
	removed  int
	windows  []*ledgerv1.Window
}

// readRaw reads all of RAW, checks that each window owns the records right before it, and that no
// id is there twice.
func readRaw(t *testing.T, js jetstream.JetStream) stored {
	t.Helper()
	s := stored{newest: map[string]doc{}, versions: map[string]int64{}}
	raw, err := js.Stream(t.Context(), topology.Raw)
	if err != nil {
		t.Fatal(err)
	}
	cons, err := raw.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := cons.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	ids := map[string]bool{}
	sinceWindow := int64(0)
	for range raw.CachedInfo().State.Msgs {
		msg, err := messages.Next(jetstream.NextMaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(msg.Subject(), "window.") {
			w := new(ledgerv1.Window)
			if err := proto.Unmarshal(msg.Data(), w); err != nil {
				t.Fatal(err)
			}
			if w.GetPublished() != sinceWindow {
				t.Errorf("window %v says %d published, %d lie before it", w, w.GetPublished(), sinceWindow)
			}
			s.windows, sinceWindow = append(s.windows, w), 0
			continue
		}
		e, err := record.Parse(msg.Headers())
		if err != nil {
			t.Fatal(err)
		}
		if ids[e.ID] {
			t.Errorf("id %s is in RAW twice", e.ID)
		}
		ids[e.ID] = true
		sinceWindow++
		s.take(t, e, msg.Data())
	}
	return s
}

// take adds one record. The versions of a document must grow.
func (s *stored) take(t *testing.T, e record.Envelope, body []byte) {
	t.Helper()
	s.records++
	if was, ok := s.versions[e.Key]; ok && e.Version <= was {
		t.Errorf("document %s has version %d after version %d", e.Key, e.Version, was)
	}
	s.versions[e.Key] = e.Version
	if e.Removed() {
		if len(body) > 0 {
			t.Errorf("the tombstone of document %s holds %s", e.Key, body)
		}
		s.removed++
		delete(s.newest, e.Key)
		return
	}
	var d doc
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	s.newest[e.Key] = d
}

// last returns the newest window.
func (s stored) last() *ledgerv1.Window { return s.windows[len(s.windows)-1] }

// pollAll polls until the source says that it is done.
func pollAll(t *testing.T, p *poll.Poller, src poll.Source) {
	t.Helper()
	for range 100 {
		done, err := p.Poll(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
	}
	t.Fatal("never done")
}

// missing names the vendor's documents that RAW lacks or has in an old state.
func missing(v *vendor, s stored) []string {
	var names []string
	for id, d := range v.docs {
		if s.newest[fmt.Sprint(id)] != d {
			names = append(names, fmt.Sprint(id))
		}
	}
	return names
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestEditsWhilePagesAreRead(t *testing.T) {
	f := purchaseIn(t)
	start := time.Now().Add(-12 * time.Hour).Truncate(time.Second)
	fill := func() *vendor {
		v := newVendor(50)
		for id := range 1500 {
			v.put(id, start.Add(time.Duration(id)*20*time.Second))
		}
		dice := rand.New(rand.NewPCG(1, 2))
		edits := 300
		v.onCall = func(v *vendor, call int) {
			for range 10 {
				if call > 1 && edits > 0 {
					edits--
					v.put(dice.IntN(1500), time.Now())
				}
			}
		}
		return v
	}
	t.Run("a reader that pages forward loses rows", func(t *testing.T) {
		v, got := fill(), map[string]doc{}
		end := time.Now().Add(-time.Second)
		for n, more := 1, true; more; n++ {
			page, err := v.Read(t.Context(), poll.Query{Feed: f, From: start, To: end, Page: n, Size: 50})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page.Rows {
				var d doc
				if err := json.Unmarshal(row, &d); err != nil {
					t.Fatal(err)
				}
				got[fmt.Sprint(d.IOID)] = d
			}
			more = page.HasNext
		}
		lost := 0
		for id := range v.docs {
			if _, ok := got[fmt.Sprint(id)]; !ok {
				lost++
			}
		}
		t.Logf("forward reading: %d of 1500 documents missing", lost)
		if lost == 0 {
			t.Error("forward reading lost nothing: the scenario is no test")
		}
	})
	t.Run("ours loses none", func(t *testing.T) {
		js, v := natstest.Run(t), fill()
		src := source(f, start)
		src.Settle = 0
		p := poll.New(js, v, "test", quiet())
		pollAll(t, p, src)
		v.onCall = func(*vendor, int) {}
		natstest.Eventually(t, func() error {
			pollAll(t, p, src)
			if names := missing(v, readRaw(t, js)); len(names) > 0 {
				return fmt.Errorf("%d documents missing or old, among them %s", len(names), names[0])
			}
			return nil
		})
		s := readRaw(t, js)
		t.Logf("%d records and %d windows in RAW for 1500 documents with 300 edits, %d calls", s.records, len(s.windows), v.calls)
	})
}

func TestOverlapIsNotPublishedAgain(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-30 * time.Second).Truncate(time.Second)
	for id := range 120 {
		v.put(id, start.Add(time.Duration(id%20)*time.Second))
	}
	src := source(f, start.Add(-time.Second))
	pollAll(t, poll.New(js, v, "a", quiet()), src)
	first := readRaw(t, js)
	if first.records != 120 {
		t.Fatalf("%d records, want 120", first.records)
	}
	// Another replica, which knows nothing yet, reads the same overlap.
	src.Settle = 0
	natstest.Eventually(t, func() error {
		pollAll(t, poll.New(js, v, "b", quiet()), src)
		if len(readRaw(t, js).windows) == len(first.windows) {
			return errors.New("no further window yet")
		}
		return nil
	})
	second := readRaw(t, js)
	if second.records != 120 {
		t.Errorf("the overlap was published again: %d records, want 120", second.records)
	}
	if last := second.windows[len(second.windows)-1]; last.GetUnchanged() != 120 || last.GetPublished() != 0 {
		t.Errorf("last window %v, want 120 unchanged", last)
	}
}

func TestManyInOneSecond(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	second := time.Now().Add(-time.Hour).Truncate(time.Second)
	for id := range 2500 {
		v.put(id, second)
	}
	for id := 2500; id < 2600; id++ {
		v.put(id, second.Add(time.Duration(id-2500)*10*time.Second))
	}
	pollAll(t, poll.New(js, v, "a", quiet()), source(f, second.Add(-10*time.Minute)))
	s := readRaw(t, js)
	if names := missing(v, s); len(names) > 0 || s.records != 2600 {
		t.Errorf("%d records, %d missing", s.records, len(names))
	}
	steps, total, published := 0, int64(0), int64(0)
	for _, w := range s.windows {
		published += w.GetPublished()
		if !w.GetClosed() {
			steps++
			total += w.GetPublished()
			continue
		}
		total += w.GetTotalAfter() - w.GetStepped()
		total -= w.GetUnchanged()
	}
	if steps < 2 || total != published {
		t.Errorf("%d steps; windows count %d documents, %d were published", steps, total, published)
	}
}

func TestFencing(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for id := range 30 {
		v.put(id, start.Add(time.Duration(id)*time.Second))
	}
	src := source(f, start)
	// While the first poller reads, a second one closes the window.
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
	}
	if _, err := poll.New(js, v, "slow", quiet()).Poll(t.Context(), src); !errors.Is(err, poll.ErrFenced) {
		t.Errorf("the slow poller: %v, want ErrFenced", err)
	}
	if s := readRaw(t, js); s.records != 30 || s.windows[0].GetPoller() != "fast" {
		t.Errorf("%d records by %s, want 30 by fast", s.records, s.windows[0].GetPoller())
	}
}

func TestVendorOddities(t *testing.T) {
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	tests := []struct {
		name    string
		vendor  func(v *vendor)
		records int
		proved  bool
	}{
		{"page size clamped", func(v *vendor) { v.limit = 7 }, 100, true},
		{"has_next never ends", func(v *vendor) { v.endless = true }, 100, true},
		{"total too small", func(v *vendor) { v.lie = -3 }, 100, true},
		{"total too large", func(v *vendor) { v.lie = 3 }, 0, false},
		{"nothing there", func(v *vendor) { clear(v.docs) }, 0, true},
		{"late commit while reading", func(v *vendor) {
			v.onCall = func(v *vendor, call int) {
				if call == 2 {
					v.put(1000, start.Add(time.Second))
				}
			}
		}, 101, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
			for id := range 100 {
				v.put(id, start.Add(time.Duration(id)*time.Second))
			}
			tt.vendor(v)
			_, err := poll.New(js, v, "a", quiet()).Poll(t.Context(), source(f, start))
			notProved, open := errors.AsType[*poll.NotProvedError](err)
			if tt.proved != (err == nil) || tt.proved == open {
				t.Fatalf("Poll = %v, want proved %v", err, tt.proved)
			}
			if open && notProved.TotalAfter != 103 {
				t.Errorf("the error says %v", notProved)
			}
			if s := readRaw(t, js); s.records != tt.records {
				t.Errorf("%d records, want %d", s.records, tt.records)
			}
		})
	}
}

func TestUnreadableRowIsNotLost(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	v.put(1, start.Add(time.Second))
	reader := poll.ReaderFunc(func(ctx context.Context, q poll.Query) (poll.Page, error) {
		page, err := v.Read(ctx, q)
		page.Rows = append(page.Rows, json.RawMessage(`{"ts":1,"note":"no key"}`))
		page.Total++
		return page, err
	})
	src := source(f, start)
	src.Overlap, src.Settle = 2*time.Hour, 0
	pollAll(t, poll.New(js, reader, "a", quiet()), src)
	raw, _ := js.Stream(t.Context(), topology.Raw)
	// It is met again in the overlap, by this poller and by one that reads what RAW has.
	again := poll.New(js, reader, "b", quiet())
	windows := func() uint64 {
		info, err := raw.Info(t.Context(), jetstream.WithSubjectFilter("window.src"))
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Subjects["window.src"]
	}
	for first := windows(); windows() < first+2; <-time.After(50 * time.Millisecond) {
		pollAll(t, again, src)
	}
	if info, err := raw.Info(t.Context(), jetstream.WithSubjectFilter("raw.>")); err != nil || info.State.Msgs-windows() != 2 {
		t.Errorf("%d records, %v: what can't be read was published again", info.State.Msgs-windows(), err)
	}
	cons, err := raw.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"raw.>"}})
	if err != nil {
		t.Fatal(err)
	}
	unreadable := 0
	for range 2 {
		msg, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := record.Parse(msg.Headers()); err != nil {
			t.Fatal(err)
		} else if e.Unreadable() {
			unreadable++
		}
	}
	if unreadable != 1 {
		t.Errorf("%d unreadable records, want 1", unreadable)
	}
}

func TestBackfillLeavesTheCursor(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for id := range 60 {
		v.put(id, start.Add(time.Duration(id)*time.Second))
	}
	src := source(f, start)
	p := poll.New(js, v, "a", quiet())
	pollAll(t, p, src)
	before, _, err := poll.LastWindow(t.Context(), js, "src")
	if err != nil {
		t.Fatal(err)
	}
	reached, err := p.Backfill(t.Context(), src, poll.Past{ID: "b1", From: start, To: start.Add(30 * time.Second)})
	if err != nil || !reached.Equal(start.Add(30*time.Second)) {
		t.Fatalf("Backfill = %v, %v", reached, err)
	}
	after, _, err := poll.LastWindow(t.Context(), js, "src")
	if err != nil {
		t.Fatal(err)
	}
	if after.GetBackfill() != "b1" || !after.GetCursor().AsTime().Equal(before.GetCursor().AsTime()) {
		t.Errorf("last window %v, want backfill b1 with the cursor %v", after, before.GetCursor().AsTime())
	}
	if after.GetUnchanged() != 31 || readRaw(t, js).records != 60 {
		t.Errorf("window %v, %d records: what RAW has was published again", after, readRaw(t, js).records)
	}
}

func TestAnIDThatTheServerKnowsIsNotLostAndNotTwice(t *testing.T) {
	js, v, f := natstest.Run(t), newVendor(50), purchaseIn(t)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for id := range 40 {
		v.put(id, start.Add(time.Duration(id)*time.Second))
	}
	// The server remembers the id of document 7 from somewhere that the poller doesn't read.
	body, err := json.Marshal(v.docs[7])
	if err != nil {
		t.Fatal(err)
	}
	known := jetstream.WithMsgID(record.NewID("src", "7", int64(v.docs[7].TS), body))
	if _, err := js.Publish(t.Context(), "raw.other.src.00", body, known); err != nil {
		t.Fatal(err)
	}
	pollAll(t, poll.New(js, v, "a", quiet()), source(f, start))
	windows := 0
	published, unchanged := int64(0), int64(0)
	raw, _ := js.Stream(t.Context(), topology.Raw)
	cons, err := raw.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{FilterSubjects: []string{"window.src"}})
	if err != nil {
		t.Fatal(err)
	}
	for range cons.CachedInfo().NumPending {
		msg, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		w := new(ledgerv1.Window)
		if err := proto.Unmarshal(msg.Data(), w); err != nil {
			t.Fatal(err)
		}
		windows, published, unchanged = windows+1, published+w.GetPublished(), unchanged+w.GetUnchanged()
	}
	if published != 39 || unchanged != 1 {
		t.Errorf("%d published and %d unchanged in %d windows, want 39 and 1", published, unchanged, windows)
	}
}
