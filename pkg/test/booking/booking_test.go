package booking_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
)

var follow = policy.Policy{Change: true, Remove: true}

// book books without any fault.
func (w *world) book(t testing.TB, m sink.Message, policy policy.Policy) sink.Message {
	t.Helper()
	if _, err := w.replica(nil).once(t.Context(), &m, policy); err != nil {
		t.Fatalf("book %s version %d: %v", m.Key, m.Version, err)
	}
	return m
}

// refusal books and wants a permanent error of a class with a text in it.
func (w *world) refusal(t testing.TB, m sink.Message, policy policy.Policy, class, text string) {
	t.Helper()
	_, err := w.until(t, w.replica(nil), m, policy)
	if !fault.IsPermanent(err) || fault.ClassOf(err) != class || !strings.Contains(err.Error(), text) {
		t.Fatalf("book %s = %v (%s, class %s), want a permanent error of class %s with %q", m.Key, err, fault.KindOf(err), fault.ClassOf(err), class, text)
	}
}

func TestDocumentIsBookedOnce(t *testing.T) {
	w := newWorld(t, bucket(t))
	first := w.book(t, bill("1", 1, "one"), follow)
	w.check(t, "first", first)
	if first.Outcome != 0 && first.Outcome != sink.Committed {
		t.Errorf("outcome of the first = %v, want committed", first.Outcome)
	}
	again := w.book(t, bill("1", 1, "one"), follow)
	w.check(t, "again", again)
	later := w.book(t, bill("1", 2, "one"), follow)
	w.check(t, "same content, later version", later)
	if again.Outcome != sink.Unchanged || later.Outcome != sink.Unchanged || w.calls != 1 {
		t.Errorf("outcomes = %v, %v with %d calls, want unchanged with one", again.Outcome, later.Outcome, w.calls)
	}
	changed := w.book(t, bill("1", 3, "three"), follow)
	w.check(t, "changed", changed)
	older := w.book(t, bill("1", 2, "one"), follow)
	if older.Outcome != sink.Superseded || older.ExternalID != "1" || w.calls != 2 {
		t.Errorf("older: outcome %v, id %q with %d calls, want superseded", older.Outcome, older.ExternalID, w.calls)
	}
}

func TestFlowThatIsRenamedBooksNothingTwice(t *testing.T) {
	w := newWorld(t, bucket(t))
	m := bill("1", 1, "one")
	m.Flow, m.FlowRevision = "old-name", 7
	w.book(t, m, follow)
	m.Flow, m.FlowRevision = "new-name", 1
	if m = w.book(t, m, follow); m.Outcome != sink.Unchanged || w.calls != 1 {
		t.Errorf("outcome = %v with %d calls, want unchanged", m.Outcome, w.calls)
	}
}

func TestRecordThatIsRemoved(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.book(t, bill("1", 1, "one"), follow)
	kept := w.book(t, removed(bill("1", 1, ""), 2), policy.Policy{Change: true})
	if kept.Outcome != sink.Unchanged || len(w.papers) != 1 || w.calls != 1 {
		t.Errorf("keep: outcome %v, %d documents, %d calls", kept.Outcome, len(w.papers), w.calls)
	}
	if back := w.book(t, bill("1", 1, "old"), follow); back.Outcome != sink.Superseded {
		t.Errorf("a message older than the removal = %v, want superseded", back.Outcome)
	}
	gone := w.book(t, removed(bill("1", 1, ""), 3), follow)
	if len(w.papers) != 0 || gone.ExternalID != "1" {
		t.Errorf("delete: %d documents, id %q", len(w.papers), gone.ExternalID)
	}
	w.check(t, "back", w.book(t, bill("1", 4, "back"), follow))
}

func TestRecordThatIsRemovedBeforeItWasBooked(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.book(t, removed(bill("1", 1, ""), 2), follow)
	if m := w.book(t, bill("1", 1, "old"), follow); m.Outcome != sink.Superseded || w.calls != 0 {
		t.Errorf("outcome = %v with %d calls, want superseded without any", m.Outcome, w.calls)
	}
}

func TestPolicies(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.book(t, bill("1", 1, "one"), policy.Policy{})
	w.refusal(t, bill("1", 2, "two"), policy.Policy{}, "change", "N1")
	w.check(t, "after the refusal", w.book(t, bill("1", 1, "one"), policy.Policy{}))

	fixed := struct{ booking.System }{w.replica(nil)} // neither Changer nor Remover
	for name, m := range map[string]sink.Message{"change": bill("1", 2, "two"), "removal": removed(bill("1", 1, ""), 2)} {
		err := w.replica(nil).desk("replica").Book(t.Context(), &m, fixed, follow)
		if !fault.IsPermanent(err) || fault.ClassOf(err) != "change" {
			t.Errorf("%s at a system without = %v", name, err)
		}
	}
}

func TestDraftIsFinishedByTheNextTry(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.audits = false
	w.refusal(t, bill("1", 1, "one"), policy.Policy{}, "audit", "审核失败")
	link := w.link(t, bill("1", 1, ""))
	if link.GetState() != bookingv1.State_STATE_DRAFT || link.GetExternalId() != "1" || link.GetNumber() != "N1" {
		t.Fatalf("link = %v, want a draft with id and number", link)
	}
	w.refusal(t, bill("1", 1, "one"), policy.Policy{}, "audit", "审核失败")
	w.audits = true
	w.check(t, "replay", w.book(t, bill("1", 1, "one"), policy.Policy{}))
}

func TestRefusedDocumentLeavesNothing(t *testing.T) {
	w := newWorld(t, bucket(t))
	// Steps 1 and 2 are the link's; the third is the call.
	if _, err := w.until(t, w.replica(map[int]blow{3: refused}), bill("1", 1, "one"), follow); !fault.IsPermanent(err) {
		t.Fatalf("refused = %v, want permanent", err)
	}
	if link := w.link(t, bill("1", 1, "")); link.GetState() != 0 {
		t.Errorf("link after the refusal = %v, want none", link)
	}
	w.check(t, "corrected", w.book(t, bill("1", 1, "corrected"), follow))
	if _, err := w.until(t, w.replica(map[int]blow{3: refused}), bill("1", 2, "two"), follow); !fault.IsPermanent(err) {
		t.Fatalf("refused change = %v, want permanent", err)
	}
	w.check(t, "as before the refused change", w.book(t, bill("1", 1, "corrected"), follow))
}

func TestSearchTakesOverWhatIsThere(t *testing.T) {
	w := newWorld(t, bucket(t))
	m := bill("1", 1, "one")
	w.add(booking.Clue{Marker: "盘盈单1", Date: "2025-10-10"}, []byte("what someone typed"))
	w.check(t, "found", w.book(t, m, policy.Policy{Search: true, Change: true}))
	w.refusal(t, func() sink.Message {
		w.add(booking.Clue{Marker: "盘盈单2", Date: "2025-10-10"}, []byte("what someone typed"))
		return bill("2", 1, "two")
	}(), policy.Policy{Search: true}, "exists", "another content")
}

func TestNumberThatIsThere(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.unique = true
	w.add(booking.Clue{Number: "RK1", Date: "2025-10-10"}, []byte("what someone typed"))
	w.refusal(t, numbered("1", 1, "one"), follow, "exists", "编码已存在")
	if link := w.link(t, numbered("1", 1, "")); link.GetState() != 0 {
		t.Errorf("link = %v, want none", link)
	}
	w.check(t, "taken over", w.book(t, numbered("1", 1, "one"), policy.Policy{Search: true, Change: true}))

	other := numbered("1", 1, "of another source")
	other.Source = "wdt-other"
	w.refusal(t, other, follow, "exists", "wdt-stockgain.1") // the owner's link
	// By a name, say, which doesn't lead to it.
	w.papers[0].clue.Date = "2020-01-01"
	w.refusal(t, other, follow, "exists", "编码已存在")
}

func TestDocumentThatWasDeletedAtTheTarget(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.book(t, bill("1", 1, "one"), follow)
	w.papers = nil
	w.refusal(t, bill("1", 2, "two"), follow, "gone", "数据不存在")
	if link := w.link(t, bill("1", 1, "")); link.GetState() != bookingv1.State_STATE_BOOKED || link.GetVersion() != 1 {
		t.Errorf("link = %v, want it as it was", link)
	}
}

func TestMarkerOfTwoRecords(t *testing.T) {
	links := bucket(t)
	w := newWorld(t, links)
	same := func(key string) sink.Message { // one remark for all
		m := bill("", 1, key)
		m.Key = key
		return m
	}
	w.book(t, same("a"), follow)
	// The answer to the second is lost: what is found first belongs to the first record.
	m, err := w.until(t, w.replica(map[int]blow{3: cutAfter}), same("b"), follow)
	if err != nil || m.ExternalID != "2" || len(w.papers) != 2 {
		t.Fatalf("second = %q, %v with %d documents, want its own", m.ExternalID, err, len(w.papers))
	}
	// Nothing of the third was stored: none of those found is its own.
	m, err = w.until(t, w.replica(map[int]blow{3: cutBefore}), same("c"), follow)
	if err != nil || m.ExternalID != "3" || len(w.papers) != 3 {
		t.Fatalf("third = %q, %v with %d documents, want its own", m.ExternalID, err, len(w.papers))
	}
	appended := policy.Policy{Append: true}
	w.book(t, same("d.1/x"), appended)
	if got, want := w.papers[3].clue.Marker, "盘盈单 [wdt-stockgain/d.1/x]"; got != want {
		t.Errorf("marker = %q, want %q", got, want)
	}
}

// TestLateVersionFindsTheEarlierCall loses the answer for version 1 whose marker is not that of
// version 2.
func TestLateVersionFindsTheEarlierCall(t *testing.T) {
	w := newWorld(t, bucket(t))
	first := bill("1", 1, "one")
	if _, err := w.replica(map[int]blow{3: cutAfter}).once(t.Context(), &first, follow); fault.KindOf(err) != fault.BusyKind {
		t.Fatalf("lost answer = %v, want busy", err)
	}
	second := bill("of another day", 2, "two")
	second.Key = "1"
	m, err := w.until(t, w.replica(nil), second, follow)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, "second version", m)
	old := w.book(t, bill("1", 1, "one"), follow)
	if old.Outcome != sink.Superseded {
		t.Errorf("outcome of the first = %v, want superseded", old.Outcome)
	}
}

// TestLateVersionIsBookedThoughItsDifferenceIsNotSeen has a target that compares by some fields only.
func TestLateVersionIsBookedThoughItsDifferenceIsNotSeen(t *testing.T) {
	w := newWorld(t, bucket(t))
	first := bill("1", 1, "one")
	if _, err := w.replica(map[int]blow{3: cutAfter}).once(t.Context(), &first, follow); fault.KindOf(err) != fault.BusyKind {
		t.Fatalf("lost answer = %v, want busy", err)
	}
	w.pass(longest + settle)
	r, second := w.replica(nil), bill("1", 2, "two")
	if err := r.desk("replica").Book(t.Context(), &second, coarse{r}, follow); err != nil {
		t.Fatal(err)
	}
	w.check(t, "second version", second)
}

// coarse takes whatever it finds for the same.
type coarse struct{ *replica }

func (c coarse) Find(ctx context.Context, doc booking.Document, clue booking.Clue) ([]booking.Held, error) {
	found, err := c.replica.Find(ctx, doc, clue)
	for i := range found {
		found[i].Differs = false
	}
	return found, err
}

func TestLostAnswerOfTheLinkIsNoLostBooking(t *testing.T) {
	w := newWorld(t, bucket(t))
	r := w.replica(map[int]blow{6: cutAfter})
	m := bill("1", 1, "one")
	if _, err := r.once(t.Context(), &m, follow); err != nil {
		t.Errorf("error = %v, want none: the link was written", err)
	}
	if r.names[5] != "update link" {
		t.Fatalf("steps = %v, want the link written at the sixth", r.names)
	}
	w.check(t, "at once", m)
}

func TestSearchPrefersTheSameContent(t *testing.T) {
	w := newWorld(t, bucket(t))
	r := w.replica(nil)
	clue := booking.Clue{Marker: "盘盈单2", Date: "2025-10-10"}
	other := bill("2", 1, "two")
	w.book(t, other, follow)
	content := w.papers[0].content
	w.papers, w.calls = nil, 0
	w.add(clue, []byte("what someone typed"))
	same := w.add(clue, content)
	other.Source = "another"
	if _, err := r.once(t.Context(), &other, policy.Policy{Search: true, Change: true}); err != nil {
		t.Fatal(err)
	}
	if other.ExternalID != same.id || w.calls != 0 {
		t.Errorf("id = %q with %d calls, want %s without any", other.ExternalID, w.calls, same.id)
	}
}

func TestSearchThatFailsAfterARefusalLeavesNoWait(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.unique = true
	m := numbered("1", 1, "one")
	w.add(booking.Clue{Number: "RK1", Date: "2025-10-10"}, nil)
	r := w.replica(map[int]blow{4: cutBefore})
	if _, err := r.once(t.Context(), &m, follow); !errors.Is(err, errCut) || r.names[3] != "find" {
		t.Fatalf("error = %v after %v, want that of the search", err, r.names)
	}
	w.papers = nil
	w.check(t, "at once", w.book(t, m, follow))
}

func TestNothingIsSentWhileACallMayBeUnderWay(t *testing.T) {
	w := newWorld(t, bucket(t))
	m := bill("1", 1, "one")
	_, err := w.replica(map[int]blow{3: cutBefore}).once(t.Context(), &m, follow)
	if got := fault.Delay(err, 0); fault.KindOf(err) != fault.BusyKind || got != longest+settle || !errors.Is(err, errCut) || !fault.IsUnanswered(err) {
		t.Fatalf("lost answer = %v with wait %s, want busy for %s", err, got, longest+settle)
	}
	w.pass(longest)
	r := w.replica(nil)
	_, err = r.once(t.Context(), &m, follow)
	if got := fault.Delay(err, 0); fault.KindOf(err) != fault.BusyKind || got != settle || !fault.IsUntried(err) {
		t.Fatalf("a minute later = %v with wait %s, want busy for %s", err, got, settle)
	}
	if names := strings.Join(r.names, ", "); names != "get" {
		t.Errorf("steps = %s, want the link read and no more", names)
	}
}

func TestProcessThatWasStoppedMakesNoCall(t *testing.T) {
	w := newWorld(t, bucket(t))
	stopped := w.replica(nil)
	m := bill("1", 1, "one")
	var taken sink.Message
	// The process stops when its intent is written, and another one takes over.
	desk := booking.New(stoppedLinks{links{w.links, stopped}, func() {
		w.pass(longest + settle)
		taken = w.book(t, m, follow)
	}}, booking.Options{Connection: "kd-main", Longest: longest, Settle: settle, Now: w.clock})
	try := m
	err := desk.Book(t.Context(), &try, stopped, follow)
	if fault.KindOf(err) != fault.BusyKind {
		t.Fatalf("error = %v, want busy", err)
	}
	w.check(t, "the other's", taken)
}

func TestProcessThatWasStoppedTakesItsIntentBack(t *testing.T) {
	w := newWorld(t, bucket(t))
	stopped := w.replica(nil)
	desk := booking.New(stoppedLinks{links{w.links, stopped}, func() { w.pass(longest) }}, booking.Options{
		Connection: "kd-main", Longest: longest, Settle: settle, Now: w.clock,
	})
	m := bill("1", 1, "one")
	if err := desk.Book(t.Context(), &m, stopped, follow); fault.KindOf(err) != fault.BusyKind || w.calls != 0 {
		t.Fatalf("error = %v with %d calls, want busy without any", err, w.calls)
	}
	w.check(t, "at once", w.book(t, bill("1", 1, "one"), follow))
}

// stoppedLinks stops its process after the first intent.
type stoppedLinks struct {
	links
	meanwhile func()
}

func (l stoppedLinks) Create(ctx context.Context, key string, value []byte, _ ...kvCreateOpt) (uint64, error) {
	rev, err := l.links.Create(ctx, key, value)
	l.meanwhile()
	return rev, err
}

func TestSecondDocumentIsReported(t *testing.T) {
	w := newWorld(t, bucket(t))
	stopped := w.replica(map[int]blow{3: meanwhile}) // inside the call, where no check can help
	stopped.other = func() {
		w.pass(longest + settle)
		w.book(t, bill("1", 1, "one"), follow)
	}
	m := bill("1", 1, "one")
	_, err := stopped.once(t.Context(), &m, follow)
	if !fault.IsPermanent(err) || fault.ClassOf(err) != "duplicate" || !strings.Contains(err.Error(), "N2") {
		t.Errorf("error = %v, want a permanent one that names the second document", err)
	}
}

func TestEndedContextIsNobodysFault(t *testing.T) {
	w := newWorld(t, bucket(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := bill("1", 1, "one")
	if _, err := w.replica(nil).once(ctx, &m, follow); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Unknown {
		t.Errorf("error = %v (%s), want the context's", err, fault.KindOf(err))
	}
	// It ends during the call: the intent stays.
	ctx, cancel = context.WithCancel(t.Context())
	r := w.replica(map[int]blow{3: meanwhile})
	r.other = cancel
	cut := struct{ booking.System }{cutting{r}}
	err := r.desk("replica").Book(ctx, &m, cut, policy.Policy{})
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Unknown {
		t.Errorf("error = %v (%s), want the context's", err, fault.KindOf(err))
	}
	m, err = w.until(t, w.replica(nil), m, follow)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, "after it", m)
}

// TestSystemKnowsWhoseDocumentsAre asks while a document is booked whose the others are.
func TestSystemKnowsWhoseDocumentsAre(t *testing.T) {
	w := newWorld(t, bucket(t))
	w.book(t, bill("1", 1, "one"), follow)
	a := asking{w.replica(nil), map[string]bool{}}
	m := bill("2", 1, "two")
	if err := a.desk("replica").Book(t.Context(), &m, a, follow); err != nil {
		t.Fatal(err)
	}
	if a.free["1"] || !a.free["2"] {
		t.Errorf("free = %v, want the second only", a.free)
	}
}

// asking asks for two documents before it creates one.
type asking struct {
	*replica
	free map[string]bool
}

func (a asking) Create(ctx context.Context, doc booking.Document) (booking.Held, error) {
	for _, id := range []string{"1", "2"} {
		free, err := doc.Free(ctx, id)
		if err != nil {
			return booking.Held{}, err
		}
		a.free[id] = free
	}
	return a.replica.Create(ctx, doc)
}

// cutting loses every answer.
type cutting struct{ *replica }

func (c cutting) Create(ctx context.Context, doc booking.Document) (booking.Held, error) {
	_, _ = c.replica.Create(ctx, doc)
	return booking.Held{}, fault.Down("connection", errCut)
}

func TestMessagesThatCantBeBooked(t *testing.T) {
	w := newWorld(t, bucket(t))
	unmarked := bill("1", 1, "one")
	unmarked.Body = message("1", 1, numberless).Body
	tests := map[string]struct {
		m     sink.Message
		class string
	}{
		"unknown schema": {func() sink.Message { m := bill("1", 1, "x"); m.Schema = "erpstream.kingdee.v1.Unheard"; return m }(), "schema"},
		"garbage":        {func() sink.Message { m := bill("1", 1, "x"); m.Body = []byte{0xff}; return m }(), "schema"},
		"no document":    {message("1", 1, table), "schema"},
		"no marker":      {unmarked, "data"},
		"no number":      {message("1", 1, badNumber), "data"},
	}
	for name, tt := range tests {
		_, err := w.replica(nil).once(t.Context(), &tt.m, follow)
		if !fault.IsPermanent(err) || fault.ClassOf(err) != tt.class {
			t.Errorf("%s = %v (class %s), want permanent of class %s", name, err, fault.ClassOf(err), tt.class)
		}
	}
	if w.calls != 0 {
		t.Errorf("%d calls were made", w.calls)
	}
}

func TestLinkKeysAreKeysOfABucket(t *testing.T) {
	links := bucket(t)
	seen := map[string]string{}
	for _, key := range []string{"RK1", "RK.1", "RK 1", "RK/1", "RK=1", "RK=2E1", "店铺-10", ".", "", "*", ">", strings.Repeat("长", 200), strings.Repeat("x", 300)} {
		at := booking.LinkKey("kd-main", "erpstream.kingdee.v1.Customer", "jst-shops", key)
		if _, err := links.Create(t.Context(), at, []byte(key)); err != nil {
			t.Errorf("key %q is kept at %q: %v", key, at, err)
		}
		if other, ok := seen[at]; ok {
			t.Errorf("keys %q and %q are both kept at %q", key, other, at)
		}
		seen[at] = key
	}
}

// scenario is a course of messages that ends with one document in the books.
type scenario struct {
	name   string
	before []sink.Message
	last   sink.Message
	policy policy.Policy
	unique bool
}

func scenarios() []scenario {
	return []scenario{
		{"create", nil, bill("1", 1, "one"), follow, false},
		{"create with a number", nil, numbered("1", 1, "one"), follow, true},
		{"create after a search", nil, numbered("1", 1, "one"), policy.Policy{Search: true, Change: true}, true},
		{"change", []sink.Message{bill("1", 1, "one")}, bill("1", 2, "two"), follow, false},
		{"unchanged", []sink.Message{bill("1", 1, "one")}, bill("1", 2, "one"), follow, false},
		{"back after removal", []sink.Message{bill("1", 1, "one"), removed(bill("1", 1, ""), 2)}, bill("1", 3, "three"), follow, false},
	}
}

// TestEveryBlowAtEveryStep lets each step fail in each way, and then a second one in each way.
func TestEveryBlowAtEveryStep(t *testing.T) {
	links := bucket(t)
	for i, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			runs := i * 10_000
			for first := 1; s.blows(t, links, &runs, first); first++ {
			}
			t.Logf("%d runs", runs-i*10_000)
		})
	}
}

// blows lets the first blow fall at one step; it reports whether there is such a step.
func (s scenario) blows(t *testing.T, links kv, runs *int, first int) (hit bool) {
	t.Helper()
	for _, a := range []blow{cutBefore, cutAfter, dieBefore, dieAfter, lateAfter} {
		for i, b := range []blow{none, dieAfter, dieBefore, cutAfter} {
			*runs++
			hit = s.run(t, links, *runs, map[int]blow{first: a, first + 1 + i: b}) || hit
		}
	}
	return hit
}

// run plays a scenario whose last message meets blows; it reports whether the first of them fell.
func (s scenario) run(t *testing.T, links kv, n int, at map[int]blow) (hit bool) {
	t.Helper()
	w := newWorld(t, links)
	w.unique = s.unique
	source := fmt.Sprintf("run-%d", n)
	w.last = n * 1000 // ids of one run are not those of another
	for _, m := range s.before {
		m.Source = source
		w.book(t, m, s.policy)
	}
	m := s.last
	m.Source = source
	r := w.replica(at)
	m, err := w.until(t, r, m, s.policy)
	what := fmt.Sprintf("%s with %v (%v)", s.name, at, r.names)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return true
	}
	w.pass(time.Hour) // nothing comes late
	w.check(t, what, m)
	for step := range at {
		hit = hit || step <= r.steps
	}
	return hit
}

// TestRemovalWithEveryBlow removes, with each step failing in each way.
func TestRemovalWithEveryBlow(t *testing.T) {
	links := bucket(t)
	n := 0
	for step := 1; step <= 8; step++ {
		for _, b := range []blow{cutBefore, cutAfter, dieBefore, dieAfter} {
			n++
			w := newWorld(t, links)
			w.last = n * 1000
			m := bill("1", 1, "one")
			m.Source = fmt.Sprintf("run-%d", n)
			w.book(t, m, follow)
			if _, err := w.until(t, w.replica(map[int]blow{step: b}), removed(m, 2), follow); err != nil || len(w.papers) != 0 {
				t.Errorf("removal with %v at %d: %v, %d documents are left", b, step, err, len(w.papers))
			}
			m = bill("1", 3, "back")
			m.Source = fmt.Sprintf("run-%d", n)
			w.check(t, "back", w.book(t, m, follow))
		}
	}
}

// TestCrashOfARemoval lets the process end when the target has deleted the document.
func TestCrashOfARemoval(t *testing.T) {
	links := bucket(t)
	tests := map[string]struct {
		next   sink.Message
		policy policy.Policy
		papers int
	}{
		"the same again":        {removed(bill("1", 1, ""), 2), follow, 0},
		"the same, now to keep": {removed(bill("1", 1, ""), 2), policy.Policy{}, 0},
		"the record is back":    {bill("1", 3, "one"), follow, 1},
	}
	n := 0
	for name, tt := range tests {
		n++
		w := newWorld(t, links)
		w.last = n * 1000
		at := func(m sink.Message) sink.Message { m.Source = fmt.Sprintf("crash-%d", n); return m }
		w.book(t, at(bill("1", 1, "one")), follow)
		m := at(removed(bill("1", 1, ""), 2))
		if crashed, err := w.replica(map[int]blow{3: dieAfter}).once(t.Context(), &m, follow); !crashed {
			t.Fatalf("%s: no crash, %v", name, err)
		}
		m, err := w.until(t, w.replica(nil), at(tt.next), tt.policy)
		if err != nil || len(w.papers) != tt.papers {
			t.Errorf("%s: %v with %d documents, want %d", name, err, len(w.papers), tt.papers)
			continue
		}
		link := w.link(t, m)
		if link.GetVersion() != tt.next.Version || (link.GetExternalId() != "") != (tt.papers == 1) {
			t.Errorf("%s: link = %v", name, link)
		}
	}
}

// TestTwoReplicas lets a second replica have the same message, or a newer one, at every step of
// the first.
func TestTwoReplicas(t *testing.T) {
	links := bucket(t)
	n := 0
	for _, s := range scenarios() {
		for step := 1; step <= 9; step++ {
			for _, newer := range []bool{false, true} {
				n++
				s.race(t, links, n, step, newer)
			}
		}
	}
}

func (s scenario) race(t *testing.T, links kv, n, step int, newer bool) {
	t.Helper()
	w := newWorld(t, links)
	w.unique = s.unique
	w.last = n * 1000
	source := fmt.Sprintf("race-%d", n)
	for _, m := range s.before {
		m.Source = source
		w.book(t, m, s.policy)
	}
	mine := s.last
	mine.Source = source
	other := mine
	if newer {
		other.Version, other.RawSequence = mine.Version+5, mine.RawSequence+5
	}
	a := w.replica(map[int]blow{step: meanwhile})
	var otherErr error
	ran := false
	a.other = func() {
		ran = true
		try := other
		_, otherErr = w.replica(nil).once(t.Context(), &try, s.policy)
	}
	what := fmt.Sprintf("%s, another replica at step %d (newer: %t)", s.name, step, newer)
	if _, err := w.until(t, a, mine, s.policy); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if ran && otherErr != nil && fault.KindOf(otherErr) != fault.BusyKind {
		t.Errorf("%s: the other's error = %v, want none or busy", what, otherErr)
	}
	other, err := w.until(t, w.replica(nil), other, s.policy)
	if err != nil {
		t.Errorf("%s: the other at last: %v", what, err)
		return
	}
	w.pass(time.Hour)
	w.check(t, what, other)
}
