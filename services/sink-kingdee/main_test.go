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
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/xingchen"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
)

// rig is a sink, the vendor that it books at, and a clock that goes on when a message has to wait.
type rig struct {
	*vendor
	sink *booking.Sink
	mu   sync.Mutex
	now  time.Time
}

func newRig(t testing.TB) *rig {
	t.Helper()
	v := newVendor(t)
	links, err := booking.Open(t.Context(), natstest.Run(t))
	if err != nil {
		t.Fatal(err)
	}
	client, err := xingchen.New(kingdee.Config{
		Endpoint: v.URL, ClientID: "200421", ClientSecret: func() (string, error) { return "0123456789abcdef0123456789abcdef", nil },
		OuterInstanceID: "300000000000000001", Budget: pace.Budget{PerMinute: 6_000_000}, Attempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{vendor: v, now: time.Date(2025, 10, 10, 9, 0, 0, 0, time.UTC)}
	desk := booking.New(links, booking.Options{Connection: "kd-main", Instance: "test", Now: r.clock})
	r.sink = booking.NewSink(desk, 1, shelves{client}.route, client.Rest)
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

// wantCalls compares the writing calls since the last time.
func (r *rig) wantCalls(t testing.TB, what, want string) {
	t.Helper()
	if got := r.made(); got != want {
		t.Errorf("%s: calls are %q, want %q", what, got, want)
	}
}

func message(key string, version int64, options string, doc proto.Message) sink.Message {
	body, err := proto.Marshal(doc)
	if err != nil {
		panic(err)
	}
	values, err := url.ParseQuery(options)
	if err != nil {
		panic(err)
	}
	return sink.Message{Body: body, Options: values, Attempt: 1, Envelope: record.Envelope{
		Source: "wdt-stockgain", Type: "wangdiantong.stockin", Key: key, Version: version, RawSequence: uint64(version),
		Schema: string(doc.ProtoReflect().Descriptor().FullName()),
	}}
}

func gainLine(material, qty string) *kingdeev1.BillLine {
	return &kingdeev1.BillLine{
		MaterialId: proto.String(material), StockId: proto.String("1986543210987654400"), UnitId: proto.String("8"), Qty: proto.String(qty),
	}
}

// gain is a message for a gain bill that is to be audited.
func gain(key string, version int64, options string, lines ...*kingdeev1.BillLine) sink.Message {
	if len(lines) == 0 {
		lines = []*kingdeev1.BillLine{gainLine("1986543210987654321", "3")}
	}
	return message(key, version, options, &kingdeev1.InventoryGainBill{
		BillDate: proto.String("2025-10-10"), Remark: proto.String("旺店通盘盈单" + key), OperationKey: proto.String("audit"), MaterialEntity: lines,
	})
}

func customer(key string, version int64, options, name string) sink.Message {
	return message(key, version, options, &kingdeev1.Customer{Number: proto.String(key), Name: proto.String(name)})
}

func otherIn(key string, version int64, qty string) sink.Message {
	return message(key, version, "", &kingdeev1.OtherInBill{
		BillDate: proto.String("2025-10-10"), BillNo: proto.String(key),
		MaterialEntity: []*kingdeev1.BillLine{{MaterialId: proto.String("1"), StockId: proto.String("2"), UnitId: proto.String("3"), Qty: proto.String(qty)}},
	})
}

// bills of the vendor, by remark.
func (r *rig) remarks() map[string]int {
	count := map[string]int{}
	for _, d := range r.held(pathGain) {
		count[fmt.Sprint(d.fields["remark"])]++
	}
	return count
}

func TestGainBillIsSentAsDocumented(t *testing.T) {
	r := newRig(t)
	line := gainLine("1986543210987654321", "3.50")
	line.Comment = proto.String("SKU-001")
	m := r.must(t, gain("RK202510100001", 1, "", line))
	want := `{"bill_date":"2025-10-10","material_entity":[{"comment":"SKU-001","material_id":"1986543210987654321","qty":3.50,"stock_id":"1986543210987654400","unit_id":"8"}],"operation_key":"audit","remark":"旺店通盘盈单RK202510100001"}`
	if len(r.saves) != 1 || r.saves[0] != want {
		t.Errorf("saves = %s\nwant    [%s]", r.saves, want)
	}
	held := r.held(pathGain)
	if len(held) != 1 || held[0].status != "C" || m.ExternalID != held[0].id || m.ExternalID != "1990000000000000001" {
		t.Errorf("held = %+v, external id %q", held, m.ExternalID)
	}
	if again := r.must(t, gain("RK202510100001", 1, "", line)); again.Outcome != sink.Unchanged || again.ExternalID != m.ExternalID {
		t.Errorf("again = %v with id %q, want unchanged", again.Outcome, again.ExternalID)
	}
	r.wantCalls(t, "twice the same", "inv_check_gail_bill")
}

func TestMarkerCanBeAppended(t *testing.T) {
	r := newRig(t)
	r.must(t, gain("RK1", 1, "marker=append"))
	if got := r.remarks(); got["旺店通盘盈单RK1 [wdt-stockgain/RK1]"] != 1 {
		t.Errorf("remarks = %v", got)
	}
	r.refused(t, gain(strings.Repeat("x", 300), 1, "marker=append"), "data", "255")
}

func TestCustomers(t *testing.T) {
	r := newRig(t)
	first := r.must(t, customer("10086", 1, "", "旗舰店A"))
	r.wantCalls(t, "create", "customer")
	if again := r.must(t, customer("10086", 2, "", "旗舰店A")); again.Outcome != sink.Unchanged {
		t.Errorf("outcome of the same = %v, want unchanged", again.Outcome)
	}
	r.wantCalls(t, "same", "")
	renamed := r.must(t, customer("10086", 3, "", "旗舰店B"))
	held := r.held(pathCustomer)
	if len(held) != 1 || held[0].fields["name"] != "旗舰店B" || renamed.ExternalID != first.ExternalID {
		t.Errorf("held = %+v, want the customer renamed", held)
	}
	r.refused(t, customer("10086", 4, "on_change=refuse", "旗舰店C"), "change", "10086")

	// Somebody has typed these in; the second one is as it is to be.
	r.set(func(v *vendor) {
		for _, number := range []string{"20001", "20002"} {
			_, _ = v.save(pathCustomer, map[string]any{"number": number, "name": "老店" + number})
		}
		v.calls = nil
	})
	if m := r.must(t, customer("20001", 1, "", "新名")); m.Outcome == sink.Unchanged {
		t.Error("a customer with another name counts as unchanged")
	}
	r.wantCalls(t, "taken over and changed", "customer")
	if m := r.must(t, customer("20002", 1, "", "老店20002")); m.Outcome != sink.Unchanged {
		t.Errorf("outcome = %v, want unchanged", m.Outcome)
	}
	r.wantCalls(t, "taken over", "")
	if held := r.held(pathCustomer); len(held) != 3 {
		t.Errorf("%d customers, want 3", len(held))
	}
}

func TestNameThatIsTaken(t *testing.T) {
	r := newRig(t)
	r.set(func(v *vendor) { v.refuse["POST "+pathCustomer] = "名称[旗舰店A]已存在" })
	r.refused(t, customer("10086", 1, "", "旗舰店A"), "exists", "名称[旗舰店A]已存在")
	r.set(func(v *vendor) { clear(v.refuse) })
	r.must(t, customer("10086", 1, "", "旗舰店A"))
}

func TestCustomerWithPersonalFieldsIsSavedWhenItIsTakenOver(t *testing.T) {
	r := newRig(t)
	m := message("1", 1, "", &kingdeev1.Customer{Number: proto.String("1"), Name: proto.String("店"), Addr: proto.String("杭州")})
	r.set(func(v *vendor) {
		_, _ = v.save(pathCustomer, map[string]any{"number": "1", "name": "店", "addr": "杭州"})
		v.calls = nil
	})
	r.must(t, m)
	r.wantCalls(t, "taken over", "customer") // what is encrypted can't be compared
}

func TestDraftIsKeptAndFinishedLater(t *testing.T) {
	r := newRig(t)
	r.set(func(v *vendor) { v.auditFails = "库存不足" })
	r.refused(t, gain("RK1", 1, ""), "audit", "PYD-20251010-00001", "库存不足")
	r.wantCalls(t, "save with audit", "inv_check_gail_bill")
	r.refused(t, gain("RK1", 1, ""), "audit", "PYD-20251010-00001")
	r.wantCalls(t, "replay in vain", "audit")
	r.set(func(v *vendor) { v.auditFails = "" })
	r.must(t, gain("RK1", 1, ""))
	r.wantCalls(t, "replay", "audit")
	if held := r.held(pathGain); len(held) != 1 || held[0].status != "C" {
		t.Errorf("held = %+v, want one audited bill", held)
	}
}

func TestDraftThatSomebodyFinishedOrDeleted(t *testing.T) {
	r := newRig(t)
	r.set(func(v *vendor) { v.auditFails = "库存不足" })
	r.refused(t, gain("RK1", 1, ""), "audit")
	r.refused(t, gain("RK2", 1, ""), "audit")
	r.set(func(v *vendor) {
		v.auditFails, v.calls = "", nil
		v.docs[pathGain][0].status = "C"
		v.docs[pathGain] = v.docs[pathGain][:1]
	})
	r.must(t, gain("RK1", 1, ""))
	r.wantCalls(t, "audited by hand", "")
	r.must(t, gain("RK2", 1, ""))
	r.wantCalls(t, "deleted by hand", "inv_check_gail_bill")
}

func TestDraftIsDeleted(t *testing.T) {
	r := newRig(t)
	r.set(func(v *vendor) { v.auditFails = "库存不足" })
	r.refused(t, gain("RK1", 1, "on_audit_failure=delete"), "audit", "库存不足", "deleted again")
	r.wantCalls(t, "save and delete", "inv_check_gail_bill, delete")
	if held := r.held(pathGain); len(held) != 0 {
		t.Errorf("held = %+v, want none", held)
	}
	r.set(func(v *vendor) { v.auditFails = "" })
	r.must(t, gain("RK1", 1, "on_audit_failure=delete"))
}

func TestRefusedBillIsNotTakenForAnother(t *testing.T) {
	r := newRig(t)
	// A draft with the same remark, that belongs to another record.
	r.set(func(v *vendor) { v.auditFails = "库存不足" })
	other := gain("RK1", 1, "")
	other.Key = "another"
	r.refused(t, other, "audit")
	r.set(func(v *vendor) { v.refuse["POST "+pathGain] = `第1行基础资料"unit"字段不能为空` })
	r.refused(t, gain("RK1", 1, ""), "refused", "字段不能为空")
	if held := r.held(pathGain); len(held) != 1 {
		t.Errorf("%d bills, want one", len(held))
	}
}

func TestChangeOfAnAuditedBill(t *testing.T) {
	r := newRig(t)
	r.must(t, gain("RK1", 1, "", gainLine("1", "3"), gainLine("2", "4"), gainLine("3", "5")))
	before := r.held(pathGain)[0]
	r.made()
	r.must(t, gain("RK1", 2, "", gainLine("1", "3"), gainLine("9", "7")))
	r.wantCalls(t, "change", "unaudit, inv_check_gail_bill, audit")
	after := r.held(pathGain)
	if len(after) != 1 || after[0].status != "C" || len(after[0].lines) != 2 {
		t.Fatalf("held = %+v, want one audited bill with two lines", after)
	}
	for i, line := range after[0].lines {
		if line["id"] != before.lines[i]["id"] {
			t.Errorf("line %d has id %v, want that of the line before", i, line["id"])
		}
	}
	if save := r.saves[1]; strings.Contains(save, "operation_key") || !strings.Contains(save, `"id":"`+before.id+`"`) {
		t.Errorf("second save = %s, want the bill's id and no operation_key", save)
	}
	r.refused(t, gain("RK1", 3, "on_change=refuse"), "change", "PYD-20251010-00001")
}

func TestChangeThatIsRefusedLeavesTheBillAudited(t *testing.T) {
	r := newRig(t)
	r.must(t, gain("RK1", 1, ""))
	r.made()
	r.set(func(v *vendor) { v.refuse["POST "+pathGain] = "参数number[9]不存在" })
	r.refused(t, gain("RK1", 2, "", gainLine("9", "1")), "refused", "参数number[9]不存在")
	r.wantCalls(t, "refused change", "unaudit, inv_check_gail_bill, audit")
	r.set(func(v *vendor) { v.refuse["POST "+pathOperate+" audit"] = "期间已结账" })
	r.refused(t, gain("RK1", 2, "", gainLine("9", "1")), "audit", "without its audit", "期间已结账", "参数number[9]不存在")
	r.set(func(v *vendor) { clear(v.refuse) })
	r.must(t, gain("RK1", 2, "", gainLine("9", "1")))
	if held := r.held(pathGain); len(held) != 1 || held[0].status != "C" || fmt.Sprint(held[0].lines[0]["material_id"]) != "9" {
		t.Errorf("held = %+v, want the change", held)
	}
	r.set(func(v *vendor) { v.refuse["POST "+pathOperate+" unaudit"] = "期间已结账" })
	r.made()
	r.refused(t, gain("RK1", 3, "", gainLine("10", "1")), "refused", "期间已结账")
	r.wantCalls(t, "closed period", "unaudit")
}

func TestLinesThatStayAreNoticed(t *testing.T) {
	r := newRig(t)
	r.set(func(v *vendor) { v.keepsLines = true })
	r.must(t, gain("RK1", 1, "", gainLine("1", "3"), gainLine("2", "4")))
	r.refused(t, gain("RK1", 2, "", gainLine("1", "3")), "lines", "PYD-20251010-00001")
	if held := r.held(pathGain); held[0].status != "Z" {
		t.Errorf("status = %s, want the bill not audited", held[0].status)
	}
}

// TestChangeAfterEachLostAnswer loses the answer to each call of a change.
func TestChangeAfterEachLostAnswer(t *testing.T) {
	for _, lost := range []string{"POST " + pathOperate + " unaudit", "POST " + pathGain, "POST " + pathOperate + " audit"} {
		r := newRig(t)
		r.must(t, gain("RK1", 1, "", gainLine("1", "3")))
		once := true
		r.set(func(v *vendor) {
			v.lose = func(call string) bool { hit := once && call == lost; once = once && !hit; return hit }
		})
		r.must(t, gain("RK1", 2, "", gainLine("2", "4"), gainLine("3", "5")))
		held := r.held(pathGain)
		if once || len(held) != 1 || held[0].status != "C" || len(held[0].lines) != 2 {
			t.Errorf("after the lost answer to %s: %+v, want the change", lost, held)
		}
	}
}

func TestNumberOfABill(t *testing.T) {
	r := newRig(t)
	r.must(t, otherIn("QT1", 1, "5"))
	r.must(t, otherIn("QT1", 2, "6"))
	held := r.held(pathOtherIn)
	if len(held) != 1 || held[0].status != "Z" || fmt.Sprint(held[0].lines[0]["qty"]) != "6" {
		t.Errorf("held = %+v, want one draft with quantity 6", held)
	}
	foreign := otherIn("QT1", 1, "5")
	foreign.Source = "another"
	r.refused(t, foreign, "exists", "wdt-stockgain.QT1")
	r.set(func(v *vendor) {
		_, _ = v.save(pathOtherIn, map[string]any{"bill_no": "QT2", "bill_date": "2025-10-10"})
	})
	r.refused(t, otherIn("QT2", 1, "5"), "exists", "组合值")
}

func TestRemoval(t *testing.T) {
	r := newRig(t)
	m := r.must(t, gain("RK1", 1, "on_removed=delete"))
	m.Body, m.Version, m.RawSequence = nil, 2, 2
	m.Type += record.RemovedSuffix
	m.Outcome = 0
	kept := m
	kept.Options = url.Values{}
	r.made()
	if kept = r.must(t, kept); kept.Outcome != sink.Unchanged || len(r.held(pathGain)) != 1 {
		t.Errorf("keep: %v with %d bills", kept.Outcome, len(r.held(pathGain)))
	}
	r.must(t, m)
	r.wantCalls(t, "delete", "unaudit, delete")
	if held := r.held(pathGain); len(held) != 0 {
		t.Errorf("held = %+v, want none", held)
	}
	r.must(t, gain("RK1", 3, "on_removed=delete"))
	m.Version, m.RawSequence = 4, 4
	r.set(func(v *vendor) { v.refuse["POST "+pathOperate+" delete"] = "单据被引用" })
	r.refused(t, m, "refused", "单据被引用")
	if held := r.held(pathGain); len(held) != 1 || held[0].status != "C" {
		t.Errorf("held = %+v, want the bill audited as before", held)
	}
}

func TestUnknownOptionsAndMessages(t *testing.T) {
	r := newRig(t)
	r.refused(t, gain("RK1", 1, "on_audit_failure=maybe&on_change=never&speed=high"), "options", "maybe", "keep_draft or delete", "never", "speed")
	r.refused(t, customer("1", 1, "on_audit_failure=delete", "店"), "options", "on_audit_failure")
	r.refused(t, customer("1", 1, "marker=append", "店"), "options", "marker")
	m := gain("RK1", 1, "")
	m.Schema = "erpstream.kis.v1.OtherInbound"
	r.refused(t, m, "schema", "erpstream.kingdee.v1.InventoryGainBill")
	r.wantCalls(t, "all of them", "")
}

func TestRefusedCallsLeaveNoWait(t *testing.T) {
	r := newRig(t)
	r.set(func(v *vendor) { v.refuse["POST "+pathGain] = "参数number[x]不存在" })
	err := r.sink.Write(t.Context(), []sink.Message{gain("RK1", 1, "")})
	if !fault.IsPermanent(err) {
		t.Fatalf("refused = %v, want permanent", err)
	}
	r.set(func(v *vendor) { clear(v.refuse) })
	if err := r.sink.Write(t.Context(), []sink.Message{gain("RK1", 1, "")}); err != nil {
		t.Errorf("corrected at once = %v, want none", err)
	}
}

// TestLostAnswers loses one answer in five after the vendor stored the bill; the lists have several
// pages by the end.
func TestLostAnswers(t *testing.T) {
	r := newRig(t)
	random := rand.New(rand.NewPCG(1, 2))
	lost := 0
	r.set(func(v *vendor) {
		v.lose = func(string) bool {
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
		m := gain(fmt.Sprintf("RK%04d", i), 1, "")
		waiting[m.Key] = m
	}
	for round := 0; len(waiting) > 0; round++ {
		if round == 30 {
			t.Fatalf("%d messages are not settled after %d rounds", len(waiting), round)
		}
		for key, m := range waiting {
			switch err := r.sink.Write(t.Context(), []sink.Message{m}); fault.KindOf(err) {
			case fault.BusyKind:
			default:
				if err != nil {
					t.Fatalf("message %s: %v", key, err)
				}
				delete(waiting, key)
			}
		}
		r.pass(2 * time.Minute)
	}
	remarks, held := r.remarks(), r.held(pathGain)
	if len(remarks) != n || len(held) != n {
		t.Errorf("%d bills with %d remarks, want %d of both", len(held), len(remarks), n)
	}
	for _, d := range held {
		if d.status != "C" {
			t.Errorf("bill %s is not audited", d.number)
		}
	}
	t.Logf("%d bills, %d answers lost", n, lost)
	if lost < n/10 {
		t.Errorf("%d answers were lost, too few to show anything", lost)
	}
}

// service returns a service with the secrets of the connection.
func testService(t testing.TB, secrets map[string]string) *service.Service {
	t.Helper()
	dir := t.TempDir()
	for name, value := range secrets {
		path := filepath.Join(dir, "kd-main", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(value), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return &service.Service{Name: "sink-kingdee", Instance: "test", Version: "dev", JS: natstest.Run(t), Secrets: service.Secrets{Dir: dir}}
}

func TestOpen(t *testing.T) {
	v := newVendor(t)
	connection := flow.Connection{Name: "kd-main", System: "kingdee", Endpoint: v.URL, Budget: flow.Budget{PerMinute: 6_000_000}, Settings: map[string]string{
		"client_id": "200421", "outer_instance_id": "300000000000000001", "app_key": "aB3dE9kZ", "in_flight": "2",
	}}
	svc := testService(t, map[string]string{"client_secret": "0123456789abcdef0123456789abcdef"})
	s, err := open(t.Context(), connection, svc)
	if err != nil {
		t.Fatal(err)
	}
	if paced, ok := s.(sink.Paced); !ok || paced.InFlight() != 2 {
		t.Errorf("the sink is %T, want it paced with two in flight", s)
	}
	if err := s.Write(t.Context(), []sink.Message{gain("RK1", 1, "")}); err != nil {
		t.Errorf("Write = %v", err)
	}
	for name, wrong := range map[string]string{"in_flight": "none", "booking_settle": "long", "booking_longest": "-1s", "client_id": ""} {
		bad := connection
		bad.Settings = map[string]string{"client_id": "200421", name: wrong}
		if _, err := open(t.Context(), bad, svc); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "kd-main") {
			t.Errorf("open with %s %q = %v, want an error that names it", name, wrong, err)
		}
	}
}

func TestInFlight(t *testing.T) {
	tests := map[string]struct {
		budget pace.Budget
		want   int
	}{
		"the vendor's":             {pace.Budget{Percent: share}, 7},
		"the narrower limit":       {pace.Budget{PerSecond: 5, PerMinute: 600, Percent: share}, 5},
		"less than one a second":   {pace.Budget{PerMinute: 30, Percent: share}, 1},
		"more than is looked up":   {pace.Budget{PerSecond: 100, PerMinute: 6000, Percent: share}, mostInFlight},
		"seconds alone are no end": {pace.Budget{PerSecond: 100, Percent: share}, 7},
	}
	for name, tt := range tests {
		if got := inFlight(tt.budget); got != tt.want {
			t.Errorf("%s: %d in flight, want %d", name, got, tt.want)
		}
	}
}
