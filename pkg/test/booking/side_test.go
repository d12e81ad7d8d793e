package booking_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
)

// counter sees who is served at once, by their markers.
type counter struct {
	mu    sync.Mutex
	under map[string]int
	most  int // of all markers together
	twice []string
}

func (c *counter) enter(marker string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under[marker]++
	if c.under[marker] > 1 {
		c.twice = append(c.twice, marker)
	}
	all := 0
	for _, n := range c.under {
		all += n
	}
	c.most = max(c.most, all)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.under[marker]--
	}
}

// watched is a replica whose counter sees its calls. hold may be nil.
type watched struct {
	*replica
	*counter
	hold func()
}

func (w watched) Create(ctx context.Context, doc booking.Document) (booking.Held, error) {
	leave := w.enter(doc.Clue.Marker)
	defer leave()
	if w.hold != nil {
		w.hold()
	}
	return w.replica.Create(ctx, doc)
}

// TestBooksSideBySide books four records at once, each of which waits for the other three.
func TestBooksSideBySide(t *testing.T) {
	w := newWorld(t, bucket(t))
	desk := sharedDesk(w)
	c := &counter{under: map[string]int{}}
	var all, done sync.WaitGroup
	all.Add(4)
	for i := range 4 {
		done.Go(func() {
			m := bill(fmt.Sprintf("RK%d", i), 1, "")
			system := watched{w.replica(nil), c, func() { all.Done(); all.Wait() }}
			if err := desk.Book(t.Context(), &m, system, policy.Policy{Change: true}); err != nil {
				t.Errorf("book %s: %v", m.Key, err)
			}
		})
	}
	done.Wait()
	if len(w.papers) != 4 || c.most != 4 {
		t.Errorf("%d documents, %d calls at once, want four each", len(w.papers), c.most)
	}
}

// TestWhatCouldBeMistakenIsBookedInTurn makes a bill wait at the target, and books meanwhile another version
// of its record and another record's bill with its remark: neither is tried before the first one is
// booked, though bills with other remarks go on.
func TestWhatCouldBeMistakenIsBookedInTurn(t *testing.T) {
	w := newWorld(t, bucket(t))
	desk := sharedDesk(w)
	c := &counter{under: map[string]int{}}
	entered, leave := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	book := func(m sink.Message, hold func()) {
		if err := desk.Book(t.Context(), &m, watched{w.replica(nil), c, hold}, policy.Policy{Change: true}); err != nil {
			t.Errorf("book %s version %d: %v", m.Key, m.Version, err)
		}
	}
	done.Go(func() { book(twin("RK1", 1, "remark"), func() { close(entered); <-leave }) })
	<-entered
	done.Go(func() { book(twin("RK1", 2, "remark"), nil) })
	done.Go(func() { book(twin("RK2", 1, "remark"), nil) })
	for i := range 20 {
		book(twin(fmt.Sprintf("RK%d", 10+i), 1, fmt.Sprintf("other %d", i)), nil)
	}
	close(leave)
	done.Wait()
	if len(c.twice) > 0 || c.most != 2 {
		t.Errorf("made at once: %v, %d of all at once; want 2 with different remarks", c.twice, c.most)
	}
	if len(w.papers) != 22 {
		t.Errorf("%d documents for 22 records", len(w.papers))
	}
}

// TestManyAreBookedOnce books at once several versions of records of which some have one remark, and loses
// answers: in the end each record has a document of its own that holds what is newest.
func TestManyAreBookedOnce(t *testing.T) {
	w := newWorld(t, bucket(t))
	desk := sharedDesk(w)
	c := &counter{under: map[string]int{}}
	const records, versions = 12, 3
	newest := map[string]sink.Message{}
	var done sync.WaitGroup
	for record := range records {
		key := fmt.Sprintf("RK%02d", record)
		for version := int64(1); version <= versions; version++ {
			m := twin(key, version, fmt.Sprintf("remark %d", record%4))
			newest[key] = m
			done.Go(func() { bookInTime(t, w, desk, c, m) })
		}
	}
	done.Wait()
	if len(c.twice) > 0 {
		t.Errorf("made at once: %v", c.twice)
	}
	if len(w.papers) != records {
		t.Errorf("%d documents for %d records", len(w.papers), records)
	}
	for key, m := range newest {
		link := w.link(t, m)
		p := w.paper(link.GetExternalId())
		if p == nil || link.GetVersion() != versions || string(p.content) != string(link.GetContent()) {
			t.Errorf("record %s: link %v leads to %+v", key, link, p)
		}
	}
}

func sharedDesk(w *world) *booking.Desk {
	return booking.New(w.links, booking.Options{Connection: "kd-main", Instance: "i", Longest: longest, Settle: settle, Now: w.clock})
}

// bookInTime books a message as the runtime does. Each fourth answer is lost.
func bookInTime(t *testing.T, w *world, desk *booking.Desk, c *counter, m sink.Message) {
	for range 100 {
		blows := map[int]blow{}
		if rand.N(4) == 0 {
			blows[1] = cutAfter
		}
		try := m
		err := desk.Book(t.Context(), &try, watched{w.replica(blows), c, nil}, policy.Policy{Change: true})
		if err == nil {
			return
		}
		if fault.IsPermanent(err) || errors.Is(err, context.Canceled) {
			t.Errorf("book %s: %v", m.Key, err)
			return
		}
		w.pass(fault.Delay(err, time.Second))
	}
	t.Errorf("message %s version %d is not settled after a hundred tries", m.Key, m.Version)
}

// twin is a message for a bill whose remark another record may have, too.
func twin(key string, version int64, remark string) sink.Message {
	return message(key, version, &kingdeev1.InventoryGainBill{
		BillDate: proto.String("2025-10-10"), Remark: proto.String(remark),
		MaterialEntity: []*kingdeev1.BillLine{{Comment: proto.String(fmt.Sprintf("%s/%d", key, version)), Qty: proto.String("1")}},
	})
}
