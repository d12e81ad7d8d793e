package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/wire"
	kisv1 "github.com/erpstream/erpstream/proto/gen/erpstream/kis/v1"
)

// rig is a sink, the vendor that it books at, and a clock that goes on when a message has to wait.
type rig struct {
	*vendor
	sink *booking.Sink
	mu   sync.Mutex
	now  time.Time
}

func newRig(t testing.TB, settings map[string]string) *rig {
	t.Helper()
	v := newVendor(t)
	links, err := booking.Open(t.Context(), natstest.Run(t))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kis.New(kis.Config{Config: kingdee.Config{
		Endpoint: v.URL, ClientID: "200421", ClientSecret: func() (string, error) { return "0123456789abcdef0123456789abcdef", nil },
		OuterInstanceID: "300000000000000002", Budget: pace.Budget{PerMinute: 6_000_000}, Attempts: 1,
	}})
	if err != nil {
		t.Fatal(err)
	}
	form, err := readForm(settings)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{vendor: v, now: time.Date(2025, 10, 10, 9, 0, 0, 0, time.UTC)}
	desk := booking.New(links, booking.Options{Connection: "kis-main", Instance: "test", Now: r.clock})
	r.sink = booking.NewSink(desk, 1, receipts{client, form}.route, client.Rest)
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// book books a message as the runtime does: again after each busy error.
func (r *rig) book(t testing.TB, m sink.Message) (sink.Message, error) {
	t.Helper()
	for range 20 {
		batch := []sink.Message{m}
		err := r.sink.Write(t.Context(), batch)
		if err == nil || fault.IsPermanent(err) {
			return batch[0], err
		}
		r.pass(fault.Delay(err, time.Second))
	}
	t.Fatalf("message %s is not settled after 20 tries", m.Key)
	return m, nil
}

// must books and wants no error.
func (r *rig) must(t testing.TB, m sink.Message) sink.Message {
	t.Helper()
	m, err := r.book(t, m)
	if err != nil {
		t.Fatalf("book %s: %v", m.Key, err)
	}
	return m
}

// refused books and wants a permanent error of a class with texts in it.
func (r *rig) refused(t testing.TB, m sink.Message, class string, texts ...string) {
	t.Helper()
	_, err := r.book(t, m)
	if !fault.IsPermanent(err) || fault.ClassOf(err) != class {
		t.Fatalf("book %s = %v (class %s), want a permanent error of class %s", m.Key, err, fault.ClassOf(err), class)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error of %s = %v, want %q in it", m.Key, err, text)
		}
	}
}

func entry(item, qty string) *kisv1.OtherInboundEntry {
	return &kisv1.OtherInboundEntry{ItemId: proto.String(item), UnitId: proto.String("257"), Qty: proto.String(qty)}
}

func inbound(number string, entries ...*kisv1.OtherInboundEntry) *kisv1.OtherInbound {
	return &kisv1.OtherInbound{
		Head:  &kisv1.OtherInboundHead{BillNo: proto.String(number), Date: proto.String("2025-10-10T09:30:00"), StockId: proto.String("1320")},
		Entry: entries,
	}
}

// receipt is a message for a bill.
func receipt(number string, version int64, qty string) sink.Message {
	body, err := proto.Marshal(inbound(number, entry("23722", qty)))
	if err != nil {
		panic(err)
	}
	return sink.Message{Body: body, Attempt: 1, Envelope: record.Envelope{
		Source: "jst-otherin", Type: "jushuitan.otherin", Key: number, Version: version, RawSequence: uint64(version), Schema: "erpstream.kis.v1.OtherInbound",
	}}
}

func TestBodies(t *testing.T) {
	converted := entry("23722", "2.50")
	converted.Coefficient, converted.StockId, converted.Note = proto.String("12.5"), proto.String("1321"), proto.String("<1>")
	priced := entry("1", "-3")
	priced.Price, priced.Amount = proto.String("1.10"), proto.String("-3.30")
	tests := map[string]struct {
		settings map[string]string
		msg      *kisv1.OtherInbound
		want     string
	}{
		"defaults": {
			nil, inbound("JST1", entry("23722", "5")),
			`{"Object":{"Entry":[{"FAuxPrice":0,"FAuxQtyMust":5,"FDCSPID":0,"FDCStockID":1320,"FEntryID":1,"FItemID":23722,"FQty":5,"FQtyMust":5,"FUnitID":257,"Famount":0,"Fauxqty":5}],` +
				`"Head":{"FBillNo":"JST1","FDCStockID":1320,"FROB":1,"FTranType":10,"Fdate":"2025-10-10T09:30:00"}}}`,
		},
		"base units, exactly": {
			nil, inbound("JST1", converted, priced),
			`{"Object":{"Entry":[{"FAuxPrice":0,"FAuxQtyMust":2.50,"FDCSPID":0,"FDCStockID":1321,"FEntryID":1,"FItemID":23722,"FQty":31.25,"FQtyMust":31.25,"FUnitID":257,"Famount":0,"Fauxqty":2.50,"Fnote":"<1>"},` +
				`{"FAuxPrice":1.10,"FAuxQtyMust":-3,"FDCSPID":0,"FDCStockID":1320,"FEntryID":2,"FItemID":1,"FQty":-3,"FQtyMust":-3,"FUnitID":257,"Famount":-3.30,"Fauxqty":-3}],` +
				`"Head":{"FBillNo":"JST1","FDCStockID":1320,"FROB":1,"FTranType":10,"Fdate":"2025-10-10T09:30:00"}}}`,
		},
		"constants of the connection": {
			map[string]string{
				"head.FDeptID": "769", "head.FROB": "-1", "head.FBillNo": "never", "head.FHeadSelfA0143": `"0012"`, "head.FHeadSelfA0144": "007",
				"entry.FPlanMode": "14036", "entry.FItemID": "9", "client_id": "200421",
			},
			inbound("JST1", entry("23722", "5")),
			`{"Object":{"Entry":[{"FAuxPrice":0,"FAuxQtyMust":5,"FDCSPID":0,"FDCStockID":1320,"FEntryID":1,"FItemID":23722,"FPlanMode":14036,"FQty":5,"FQtyMust":5,"FUnitID":257,"Famount":0,"Fauxqty":5}],` +
				`"Head":{"FBillNo":"JST1","FDCStockID":1320,"FDeptID":769,"FHeadSelfA0143":"0012","FHeadSelfA0144":"007","FROB":-1,"FTranType":10,"Fdate":"2025-10-10T09:30:00"}}}`,
		},
		"flat": {
			map[string]string{"wrap": "flat"}, inbound("JST1", entry("23722", "5")),
			`{"Entry":[{"FAuxPrice":0,"FAuxQtyMust":5,"FDCSPID":0,"FDCStockID":1320,"FEntryID":1,"FItemID":23722,"FQty":5,"FQtyMust":5,"FUnitID":257,"Famount":0,"Fauxqty":5}],` +
				`"FBillNo":"JST1","FDCStockID":1320,"FROB":1,"FTranType":10,"Fdate":"2025-10-10T09:30:00"}`,
		},
	}
	for name, tt := range tests {
		form, err := readForm(tt.settings)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := form.body(tt.msg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := wire.Encode(body); err != nil || string(got) != tt.want {
			t.Errorf("%s: body = %s, %v\nwant %s", name, got, err, tt.want)
		}
	}
}

func TestBodiesThatCantBeMade(t *testing.T) {
	form, err := readForm(nil)
	if err != nil {
		t.Fatal(err)
	}
	noStock := inbound("JST1", entry("1", "1"))
	noStock.Head.StockId = nil
	body, err := form.body(noStock)
	if text, encodeErr := wire.Encode(body); err != nil || encodeErr != nil || strings.Contains(string(text), "FDCStockID") {
		t.Errorf("body without a warehouse = %s, %v", text, err)
	}
	zero := entry("1", "1")
	zero.Coefficient = proto.String("0")
	for want, e := range map[string]*kisv1.OtherInboundEntry{"line 1: coefficient": zero, "qty": entry("1", "three"), "FItemID": entry("abc", "1")} {
		if _, err := form.body(inbound("JST1", e)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("body = %v, want an error with %q", err, want)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	_, err := readForm(map[string]string{"wrap": "round", "search_pages": "0", "search_slack_days": "x"})
	for _, want := range []string{"wrap", "search_pages", "search_slack_days"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %s in it", err, want)
		}
	}
}

func TestBillIsBookedOnce(t *testing.T) {
	r := newRig(t, nil)
	m := r.must(t, receipt("JST1", 1, "5"))
	if m.ExternalID != "30001" || r.numbers()["JST1"] != 1 {
		t.Errorf("external id = %q, bills %v", m.ExternalID, r.numbers())
	}
	if m = r.must(t, receipt("JST1", 2, "5")); m.Outcome != sink.Unchanged || len(r.creates) != 1 {
		t.Errorf("outcome = %v with %d calls, want unchanged", m.Outcome, len(r.creates))
	}
	r.refused(t, receipt("JST1", 3, "6"), "change", "JST1", "on_change is refuse")
	removed := receipt("JST1", 1, "")
	removed.Body, removed.Version, removed.RawSequence = nil, 4, 4
	removed.Type += record.RemovedSuffix
	if removed = r.must(t, removed); removed.Outcome != sink.Unchanged || r.numbers()["JST1"] != 1 {
		t.Errorf("outcome of the removal = %v, want the bill kept", removed.Outcome)
	}
}

func TestRefusalsComeVerbatim(t *testing.T) {
	r := newRig(t, nil)
	r.set(func(v *vendor) { v.refuse = "202-第1行计量单位与物料不匹配" })
	r.refused(t, receipt("JST1", 1, "5"), "refused", "202-第1行计量单位与物料不匹配", "10201")
	r.set(func(v *vendor) { v.refuse = "" })
	r.must(t, receipt("JST1", 1, "5"))
}

func TestNumberThatIsThere(t *testing.T) {
	r := newRig(t, nil)
	r.set(func(v *vendor) {
		for number, qty := range map[string]int{"JST1": 5, "JST2": 7} {
			v.add(number, map[string]any{"Fdate": "2025-10-10T00:00:00"}, []any{map[string]any{"FItemID": 23722, "Fauxqty": qty}})
		}
	})
	if m := r.must(t, receipt("JST1", 1, "5.0")); m.Outcome != sink.Unchanged || m.ExternalID == "" {
		t.Errorf("the same bill: outcome %v, id %q, want it linked", m.Outcome, m.ExternalID)
	}
	r.refused(t, receipt("JST2", 1, "5"), "exists", "JST2", "已存在")
	if got := r.numbers(); got["JST1"] != 1 || got["JST2"] != 1 {
		t.Errorf("bills = %v, want one of each", got)
	}
}

// TestSearch loses the answer to a create and lets others make bills meanwhile.
func TestSearch(t *testing.T) {
	for name, unsorted := range map[string]bool{"newest first": false, "the vendor sorts otherwise": true} {
		r := newRig(t, nil)
		r.fill(250, "2024-01-01")
		once := true
		r.set(func(v *vendor) {
			v.unsorted, v.duplicates = unsorted, true
			v.lose = func() bool { hit := once; once = false; return hit }
		})
		if err := r.sink.Write(t.Context(), []sink.Message{receipt("JST1", 1, "5")}); fault.KindOf(err) != fault.BusyKind {
			t.Fatalf("%s: lost answer = %v, want busy", name, err)
		}
		r.fill(150, "2025-10-11")
		m := r.must(t, receipt("JST1", 1, "5"))
		if m.ExternalID != "30251" || r.numbers()["JST1"] != 1 || len(r.creates) != 1 {
			t.Errorf("%s: id %q, %d bills, %d calls; want the first one found", name, m.ExternalID, r.numbers()["JST1"], len(r.creates))
		}
	}
}

func TestSearchThatProvesNothing(t *testing.T) {
	r := newRig(t, map[string]string{"search_pages": "2"})
	r.set(func(v *vendor) { v.duplicates = true })
	r.fill(250, "2025-10-09")
	cut := true
	r.set(func(v *vendor) { v.lose = func() bool { hit := cut; cut = false; return hit }; v.refuse = "lost" })
	if err := r.sink.Write(t.Context(), []sink.Message{receipt("JST1", 1, "5")}); fault.KindOf(err) != fault.BusyKind {
		t.Fatalf("lost answer = %v, want busy", err)
	}
	r.refused(t, receipt("JST1", 1, "5"), "search", "JST1", "search_pages")
	if len(r.creates) != 1 {
		t.Errorf("%d calls, want no second one", len(r.creates))
	}
	r.fill(200, "2024-01-01") // older than the bill by more than the slack: it would have come before
	r.set(func(v *vendor) { v.refuse = "" })
	r.must(t, receipt("JST1", 1, "5"))
	if got := r.numbers()["JST1"]; got != 1 {
		t.Errorf("%d bills, want one", got)
	}
}

// TestLostAnswers loses one answer in five, at a vendor that takes a number twice.
func TestLostAnswers(t *testing.T) {
	r := newRig(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	lost := 0
	r.set(func(v *vendor) {
		v.duplicates = true
		v.lose = func() bool {
			hit := random.IntN(5) == 0
			if hit {
				lost++
			}
			return hit
		}
	})
	const n = 300
	waiting := map[string]sink.Message{}
	for i := range n {
		m := receipt(fmt.Sprintf("JST%04d", i), 1, "5")
		waiting[m.Key] = m
	}
	for round := 0; len(waiting) > 0; round++ {
		if round == 30 {
			t.Fatalf("%d messages are not settled after %d rounds", len(waiting), round)
		}
		for key, m := range waiting {
			err := r.sink.Write(t.Context(), []sink.Message{m})
			if err == nil {
				delete(waiting, key)
			} else if fault.KindOf(err) != fault.BusyKind {
				t.Fatalf("message %s: %v", key, err)
			}
		}
		r.pass(2 * time.Minute)
	}
	numbers := r.numbers()
	if len(numbers) != n || len(r.bills) != n {
		t.Errorf("%d bills with %d numbers, want %d of both", len(r.bills), len(numbers), n)
	}
	t.Logf("%d bills, %d answers lost", n, lost)
	if lost < n/10 {
		t.Errorf("%d answers were lost, too few to show anything", lost)
	}
}

func TestUnknownOptionsAndMessages(t *testing.T) {
	r := newRig(t, nil)
	for query, text := range map[string]string{"on_change=update": "on_change", "on_removed=delete": "on_removed", "marker=append": "marker", "speed=high": "speed"} {
		m := receipt("JST1", 1, "5")
		m.Options, _ = url.ParseQuery(query)
		r.refused(t, m, "options", text)
	}
	m := receipt("JST1", 1, "5")
	m.Schema = "erpstream.kingdee.v1.Customer"
	r.refused(t, m, "schema", "erpstream.kis.v1.OtherInbound")
	if len(r.creates) != 0 {
		t.Errorf("%d calls were made", len(r.creates))
	}
}

func TestOpen(t *testing.T) {
	v := newVendor(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "kis-main", "client_secret")
	if err := errors.Join(os.MkdirAll(filepath.Dir(secret), 0o700), os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600)); err != nil {
		t.Fatal(err)
	}
	svc := &service.Service{Name: "sink-kis", Instance: "test", Version: "dev", JS: natstest.Run(t), Secrets: service.Secrets{Dir: dir}}
	connection := flow.Connection{Name: "kis-main", System: "kis", Endpoint: v.URL, Budget: flow.Budget{PerMinute: 6_000_000}, Settings: map[string]string{
		"client_id": "200421", "outer_instance_id": "300000000000000002", "app_key": "kIs7Yx2Q", "head.FDeptID": "769",
	}}
	s, err := open(t.Context(), connection, svc)
	if err != nil {
		t.Fatal(err)
	}
	if paced, ok := s.(sink.Paced); !ok || paced.InFlight() != 1 {
		t.Errorf("the sink is %T, want it paced with one in flight", s)
	}
	if err := s.Write(t.Context(), []sink.Message{receipt("JST1", 1, "5")}); err != nil || !strings.Contains(v.creates[0], `"FDeptID":769`) {
		t.Errorf("Write = %v, sent %v; want the constant in it", err, v.creates)
	}
	for name, wrong := range map[string]string{"in_flight": "none", "wrap": "round", "client_id": "", "auth": "X"} {
		bad := connection
		bad.Settings = map[string]string{"client_id": "200421", name: wrong}
		if _, err := open(t.Context(), bad, svc); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "kis-main") {
			t.Errorf("open with %s %q = %v, want an error that names it", name, wrong, err)
		}
	}
}
