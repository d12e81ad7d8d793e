package booking_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
)

const (
	longest = time.Minute
	settle  = 30 * time.Second
)

// paper is a document in the books of the target.
type paper struct {
	id      string
	clue    booking.Clue
	content []byte
	draft   bool
}

// world is a target that keeps books, the bucket of links, and a clock that replicas share.
type world struct {
	links jetstream.KeyValue

	mu     sync.Mutex
	now    time.Time
	papers []*paper
	late   []*paper // what the target stores only after a while
	last   int
	unique bool // a number can be there once only
	audits bool // whether an audit succeeds
	calls  int  // that store, change or delete
}

func newWorld(t testing.TB, links jetstream.KeyValue) *world {
	t.Helper()
	return &world{links: links, now: time.Date(2025, 10, 10, 9, 0, 0, 0, time.UTC), audits: true}
}

func bucket(t testing.TB) jetstream.KeyValue {
	t.Helper()
	links, err := natstest.Run(t).KeyValue(t.Context(), topology.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// pass lets time pass; what was late arrives at once.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	w.papers = append(w.papers, w.late...)
	w.late = nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// add puts a document into the books.
func (w *world) add(clue booking.Clue, content []byte) *paper {
	w.last++
	p := &paper{id: strconv.Itoa(w.last), clue: clue, content: content}
	w.papers = append(w.papers, p)
	return p
}

func (w *world) paper(id string) *paper {
	for _, p := range w.papers {
		if p.id == id {
			return p
		}
	}
	return nil
}

// blow is what happens to a replica at one of its steps.
type blow int

const (
	none      blow = iota
	cutBefore      // the step has no effect, and an error that leaves that open
	cutAfter       // the step has its effect, and an error that leaves that open
	dieBefore      // the process ends before the step
	dieAfter       // the process ends after the step
	lateAfter      // the target does it later, with an error that leaves that open
	refused        // the other side says no
	meanwhile      // another replica does something before the step
)

var errCut = errors.New("connection lost")

// crash ends a process: Book never returns.
type crash struct{}

// replica is a process with a desk of its own.
type replica struct {
	*world
	steps int
	at    map[int]blow
	other func()   // what happens at meanwhile
	names []string // of the steps that were made
}

func (w *world) replica(at map[int]blow) *replica { return &replica{world: w, at: at} }

func (r *replica) desk(name string) *booking.Desk {
	return booking.New(links{r.links, r}, booking.Options{
		Connection: "kd-main", Instance: name, Longest: longest, Settle: settle, Now: r.clock,
	})
}

// step does one step, as the plan has it. It reports whether the step is to be late.
func (r *replica) step(name string, do func(late bool) error) error {
	r.steps++
	r.names = append(r.names, name)
	switch r.at[r.steps] {
	case cutBefore:
		return errCut
	case cutAfter:
		_ = do(false)
		return errCut
	case dieBefore:
		panic(crash{})
	case dieAfter:
		_ = do(false)
		panic(crash{})
	case lateAfter:
		_ = do(true)
		return errCut
	case refused:
		return booking.Unbooked(fault.Permanent("refused", errors.New("字段不能为空")))
	case meanwhile:
		r.other()
	}
	return do(false)
}

// links are the links of a replica.
type links struct {
	jetstream.KeyValue
	r *replica
}

// Get is a step, but for the question whether links are in doubt, which comes before all of them.
func (l links) Get(ctx context.Context, key string) (e jetstream.KeyValueEntry, err error) {
	if strings.HasPrefix(key, "=") {
		return l.KeyValue.Get(ctx, key)
	}
	err = l.r.step("get", func(bool) (err error) { e, err = l.KeyValue.Get(ctx, key); return err })
	return e, err
}

func (l links) Create(ctx context.Context, key string, value []byte, _ ...jetstream.KVCreateOpt) (rev uint64, err error) {
	err = l.r.step("create link", func(bool) (err error) { rev, err = l.KeyValue.Create(ctx, key, value); return err })
	return rev, err
}

func (l links) Update(ctx context.Context, key string, value []byte, revision uint64) (rev uint64, err error) {
	err = l.r.step("update link", func(bool) (err error) { rev, err = l.KeyValue.Update(ctx, key, value, revision); return err })
	return rev, err
}

func (l links) Delete(ctx context.Context, key string, opts ...jetstream.KVDeleteOpt) error {
	return l.r.step("delete link", func(bool) error { return l.KeyValue.Delete(ctx, key, opts...) })
}

// Find looks into the books.
func (r *replica) Find(_ context.Context, doc booking.Document, clue booking.Clue) (found []booking.Held, err error) {
	err = r.step("find", func(bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, p := range r.papers {
			if leads(clue, p.clue) {
				found = append(found, booking.Held{ID: p.id, Number: "N" + p.id, Draft: p.draft, Differs: !bytes.Equal(p.content, doc.Content)})
			}
		}
		return nil
	})
	return found, err
}

// leads reports whether a clue leads to the document with the other: one that knows when it was made leads past its date.
func leads(clue, to booking.Clue) bool {
	if !clue.MadeFrom.IsZero() {
		clue.Date, clue.MadeFrom, clue.MadeTo = to.Date, time.Time{}, time.Time{}
	}
	return clue == to
}

// Create stores a document.
func (r *replica) Create(_ context.Context, doc booking.Document) (held booking.Held, err error) {
	err = r.step("create", func(late bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.unique && slices.ContainsFunc(r.papers, func(p *paper) bool { return p.clue.Number == doc.Clue.Number }) {
			return booking.Exists(fault.Permanent("refused", errors.New("编码已存在")))
		}
		r.calls++
		p := r.add(doc.Clue, doc.Content)
		if late {
			r.papers, r.late = r.papers[:len(r.papers)-1], append(r.late, p)
		}
		held = booking.Held{ID: p.id, Number: "N" + p.id}
		return r.audit(p, &held)
	})
	if errors.Is(err, errCut) {
		return booking.Held{}, err
	}
	return held, err
}

func (r *replica) audit(p *paper, held *booking.Held) error {
	p.draft = !r.audits
	if p.draft {
		held.Draft = true
		return fault.Permanent("audit", errors.New("审核失败"))
	}
	return nil
}

// Change changes a document in the books.
func (r *replica) Change(_ context.Context, held booking.Held, doc booking.Document) (after booking.Held, err error) {
	err = r.step("change", func(bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		p := r.paper(held.ID)
		if p == nil {
			return booking.Gone(fault.Permanent("refused", errors.New("数据不存在")))
		}
		r.calls++
		p.clue, p.content = doc.Clue, doc.Content
		after = booking.Held{ID: p.id, Number: "N" + p.id}
		return r.audit(p, &after)
	})
	if errors.Is(err, errCut) {
		return booking.Held{}, err
	}
	return after, err
}

// Remove deletes a document from the books.
func (r *replica) Remove(_ context.Context, held booking.Held) error {
	return r.step("remove", func(bool) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls++
		r.papers = slices.DeleteFunc(r.papers, func(p *paper) bool { return p.id == held.ID })
		return nil
	})
}

// once books a message once; crashed says that the process ended meanwhile.
func (r *replica) once(ctx context.Context, m *sink.Message, policy policy.Policy) (crashed bool, err error) {
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(crash); !ok {
				panic(e)
			}
			crashed = true
		}
	}()
	return false, r.desk("replica").Book(ctx, m, r, policy)
}

// until books a message as the runtime does, again after each busy error, by a new process after a
// crash. It returns the message with its outcome.
func (w *world) until(t testing.TB, r *replica, m sink.Message, policy policy.Policy) (sink.Message, error) {
	t.Helper()
	for range 12 {
		try := m
		crashed, err := r.once(t.Context(), &try, policy)
		switch {
		case crashed:
			r = w.replica(nil)
		case err == nil || fault.IsPermanent(err):
			return try, err
		default:
			w.pass(fault.Delay(err, time.Second))
		}
	}
	t.Fatalf("message %s is not settled after a dozen tries", m.Key)
	return m, nil
}

// bill is a message for a bill that is found by its remark.
func bill(key string, version int64, comment string) sink.Message {
	return message(key, version, &kingdeev1.InventoryGainBill{
		BillDate: proto.String("2025-10-10"), Remark: proto.String("盘盈单" + key),
		MaterialEntity: []*kingdeev1.BillLine{{Comment: proto.String(comment), Qty: proto.String("1")}},
	})
}

// numbered is a message for a bill with a number.
func numbered(key string, version int64, comment string) sink.Message {
	return message(key, version, &kingdeev1.OtherInBill{
		BillDate: proto.String("2025-10-10"), BillNo: proto.String("RK" + key), Remark: proto.String(comment),
	})
}

func message(key string, version int64, doc proto.Message) sink.Message {
	body, err := proto.Marshal(doc)
	if err != nil {
		panic(err)
	}
	schema := string(doc.ProtoReflect().Descriptor().FullName())
	return sink.Message{Body: body, Envelope: record.Envelope{
		Source: "wdt-stockgain", Type: "wangdiantong.stockin", Key: key, Version: version, RawSequence: uint64(version), Schema: schema,
	}}
}

// removed is the tombstone of a message's record.
func removed(m sink.Message, version int64) sink.Message {
	m.Body, m.Version, m.RawSequence = nil, version, uint64(version)
	m.Type += record.RemovedSuffix
	return m
}

// link returns the link of a message's record.
func (w *world) link(t testing.TB, m sink.Message) *bookingv1.Link {
	t.Helper()
	link := &bookingv1.Link{}
	e, err := w.links.Get(t.Context(), booking.LinkKey("kd-main", m.Schema, m.Source, m.Key))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return link
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(e.Value(), link); err != nil {
		t.Fatal(err)
	}
	return link
}

// check wants the books to hold exactly one document, that of m, and the link to lead to it.
func (w *world) check(t testing.TB, what string, m sink.Message) {
	t.Helper()
	link := w.link(t, m)
	if err := w.wrong(link, m); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func (w *world) wrong(link *bookingv1.Link, m sink.Message) error {
	if len(w.papers)+len(w.late) != 1 {
		return fmt.Errorf("the target has %d documents and %d to come, want one", len(w.papers), len(w.late))
	}
	p := w.papers[0]
	switch {
	case !bytes.Equal(p.content, link.GetContent()):
		return errors.New("the document and its link differ in content")
	case link.GetState() != bookingv1.State_STATE_BOOKED || p.draft:
		return fmt.Errorf("link is %s, document a draft: %t; want it booked", link.GetState(), p.draft)
	case link.GetExternalId() != p.id || link.GetVersion() != m.Version || link.GetRawSequence() != m.RawSequence:
		return fmt.Errorf("link = %v, want id %s and version %d", link, p.id, m.Version)
	case m.ExternalID != p.id:
		return fmt.Errorf("external id of the message = %q, want %s", m.ExternalID, p.id)
	}
	return nil
}
