package xingchen

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/gatewaytest"
)

const (
	gainPath    = "/jdy/v2/scm/inv_check_gail_bill"
	lossPath    = "/jdy/v2/scm/inv_check_loss_bill"
	otherInPath = "/jdy/v2/scm/inv_other_in"
	operatePath = "/jdy/v2/sys/common_operate"
)

// bill returns the body of a save of 2025-10-10.
func (v *vendor) bill(operation string, lines ...string) string {
	return `{"bill_date":"2025-10-10","remark":"旺店通盘盈单RK1","operation_key":"` + operation + `","material_entity":[` + strings.Join(lines, ",") + `]}`
}

// line returns a line for the n-th good that the vendor knows.
func (v *vendor) line(n int, qty string) string {
	m := v.known(n)
	return fmt.Sprintf(`{"material_id":"%s","stock_id":"%s","qty":%s,"unit_id":"%s","comment":"c"}`, m.id, v.server.base.rows["store"][0].id, qty, m.units[0].id)
}

func (v *vendor) known(n int) *entity {
	for _, m := range v.server.base.rows["material"] {
		if !v.server.base.known(m) {
			continue
		}
		if n == 0 {
			return m
		}
		n--
	}
	v.T.Fatal("too few goods")
	return nil
}

func (v *vendor) operate(entity, operation string, ids ...string) gatewaytest.Reply {
	v.T.Helper()
	return v.post(operatePath, text(v.T, map[string]any{"entity_number": entity, "operate_type": operation, "ids": ids}))
}

// lines returns the lines of a bill's detail.
func lines(row Row) []Row {
	all := []Row{}
	list, _ := row["material_entity"].([]any)
	for _, one := range list {
		line, _ := one.(Row)
		all = append(all, line)
	}
	return all
}

func TestAGainBillIsSavedAuditedAndRead(t *testing.T) {
	v := start(t, nil)
	for i, series := range map[string]string{gainPath: "PYD", lossPath: "PKD", otherInPath: "QTRK"} {
		id := v.saved(i, v.bill("audit", v.line(0, "3"), v.line(1, "0.1000000001")))
		row := v.row(i+"_detail", "id="+id)
		if row["bill_no"] != series+"-20251010-00001" || row["bill_status"] != "C" || row["bill_date"] != "2025-10-10" ||
			row["remark"] != "旺店通盘盈单RK1" || row["audit_time"] != "2025-10-10 09:00:00" || row["operation_key"] != nil {
			t.Errorf("%s: %v", i, row)
		}
		all := lines(row)
		if len(all) != 2 || all[0]["qty"] != json.Number("3") || all[1]["qty"] != json.Number("0.1000000001") || all[1]["seq"] != json.Number("2") ||
			all[0]["material_number"] != v.known(0).number || all[0]["stock_number"] != "WH01" || all[0]["comment"] != "c" || all[0]["id"] == "" {
			t.Errorf("%s: lines are %v", i, all)
		}
		draft := v.saved(i, v.bill("", v.line(0, "1")))
		byNumber := v.row(i+"_detail", "number="+series+"-20251010-00002")
		if byNumber["id"] != draft || byNumber["bill_status"] != "Z" || byNumber["audit_time"] != "" {
			t.Errorf("%s: the draft is %v", i, byNumber)
		}
	}
	if g, l, o := len(v.server.GainBills()), len(v.server.LossBills()), len(v.server.OtherInBills()); g != 2 || l != 2 || o != 2 {
		t.Errorf("there are %d, %d and %d bills, want 2 each", g, l, o)
	}
}

func TestAUnitOfAMaterialIsConverted(t *testing.T) {
	v := start(t, nil)
	var boxed *entity
	for _, m := range v.server.base.rows["material"] {
		if len(m.units) > 1 && v.server.base.known(m) {
			boxed = m
		}
	}
	if boxed == nil {
		t.Fatal("no material has two units")
	}
	store := v.server.base.rows["store"][0].id
	body := fmt.Sprintf(`{"material_id":"%s","stock_id":"%s","qty":0.3,"unit_id":"%s"}`, boxed.id, store, boxed.units[1].id)
	row := lines(v.row(gainPath+"_detail", "id="+v.saved(gainPath, v.bill("", body))))[0]
	if row["base_qty"] != json.Number("3.6") || row["coefficient"] != json.Number("12") || row["unit_name"] != "箱" || row["base_unit_id"] != boxed.units[0].id {
		t.Errorf("line is %v", row)
	}
}

func TestBillsThatAreRefused(t *testing.T) {
	v := start(t, func(s *Settings) { s.MaxLines = 2 })
	good := map[string]any{}
	if err := json.Unmarshal([]byte(v.line(0, "1")), &good); err != nil {
		t.Fatal(err)
	}
	var late *entity
	for _, m := range v.server.base.rows["material"] {
		if !v.server.base.known(m) {
			late = m
		}
	}
	foreign := ""
	for _, u := range v.server.base.rows["measure_unit"] {
		if u.id != v.known(0).units[0].id && len(v.known(0).units) == 1 {
			foreign = u.id
		}
	}
	for _, test := range []struct {
		change map[string]any
		want   string
	}{
		{map[string]any{"material_id": ""}, `第2行基础资料"material"字段不能为空`},
		{map[string]any{"material_id": "1986543210000099999"}, "参数material_id[1986543210000099999]不存在"},
		{map[string]any{"material_id": late.id}, "不存在"},
		{map[string]any{"material_id": v.server.base.rows["material"][120].id}, "不存在"}, // disabled
		{map[string]any{"material_id": 5}, "invalid value for string field material_entity[1].material_id: 5"},
		{map[string]any{"stock_id": ""}, `第2行基础资料"stock"字段不能为空`},
		{map[string]any{"stock_id": "1"}, "参数stock_id[1]不存在"},
		{map[string]any{"unit_id": ""}, `第2行基础资料"unit"字段不能为空`},
		{map[string]any{"unit_id": "77"}, `第2行基础资料"unit"字段不能为空`},
		{map[string]any{"unit_id": foreign}, `第2行基础资料"unit"字段不能为空`},
		{map[string]any{"qty": "3"}, "invalid value for number field"},
		{map[string]any{"qty": 0}, "第2行数量必须大于0"},
		{map[string]any{"qty": -1}, "第2行数量必须大于0"},
		{map[string]any{"qty": json.Number("1e3")}, "第2行数量必须大于0"},
		{map[string]any{"qty": nil}, "第2行数量必须大于0"},
		{map[string]any{"amount": 1}, "unknown field"},
		{map[string]any{"material_number": "x"}, "unknown field"},
		{map[string]any{"id": "5"}, "第2行分录[5]不存在"},
	} {
		line := maps.Clone(good)
		maps.Copy(line, test.change)
		v.refused(v.post(gainPath, v.bill("audit", v.line(0, "1"), text(t, line))), test.want)
	}
	for body, want := range map[string]string{
		v.bill("submit", v.line(0, "1")): "operation_key[submit]",
		v.bill("audit"):                  "商品分录不能为空",
		`{"bill_date":"2025-10-10"}`:     "商品分录不能为空",
		v.bill("audit", v.line(0, "1"), v.line(0, "1"), v.line(0, "1")):                     "商品分录不能超过2行",
		strings.Replace(v.bill("audit", v.line(0, "1")), "2025-10-10", "2025-10-1", 1):      "单据日期",
		strings.Replace(v.bill("audit", v.line(0, "1")), "bill_date", "bill_no", 1):         `unknown field "bill_no"`,
		strings.Replace(v.bill("audit", v.line(0, "1")), `{"bill`, `{"id":"5","bill`, 1):    "数据不存在",
		strings.Replace(v.bill("audit", v.line(0, "1")), `"2025-10-10"`, "20251010", 1):     "invalid value for string field bill_date",
		strings.Replace(v.bill("audit", v.line(0, "1")), `"旺店通盘盈单RK1"`, `["x"]`, 1):         "invalid value for string field remark",
		strings.Replace(v.bill("audit", v.line(0, "1")), `"material_entity":[`, `"x":[`, 1): `unknown field "x"`,
	} {
		v.refused(v.post(gainPath, body), want)
	}
	if n := len(v.server.GainBills()); n != 0 {
		t.Errorf("%d bills were kept", n)
	}
}

func TestABillNoIsUsedOnce(t *testing.T) {
	v := start(t, nil)
	numbered := func(no, further string) string {
		return strings.Replace(v.bill("audit", v.line(0, "1")), "{", `{"bill_no":"`+no+`",`+further, 1)
	}
	id := v.saved(otherInPath, numbered("JST1", `"dept_id":"1986543400000000001",`))
	v.refused(v.post(otherInPath, numbered("JST1", "")), "与其他表单重复")
	if row := v.row(otherInPath+"_detail", "number=JST1"); row["id"] != id || row["dept_id"] != "1986543400000000001" {
		t.Errorf("row is %v", row)
	}
	for field, want := range map[string]string{"dept_id": "参数dept_id[5]不存在", "customer_id": "参数customer_id[5]不存在", "supplier_id": "参数supplier_id[5]不存在"} {
		v.refused(v.post(otherInPath, numbered("JST2", `"`+field+`":"5",`)), want)
	}
}

func TestOtherInTakesNumbersOfMasterData(t *testing.T) {
	v := start(t, nil)
	m := v.known(0)
	line := fmt.Sprintf(`{"material_number":"%s","stock_number":"WH02","unit_number":"%s","qty":1}`, m.number, m.units[0].name)
	row := lines(v.row(otherInPath+"_detail", "id="+v.saved(otherInPath, v.bill("", line))))[0]
	if row["material_id"] != m.id || row["stock_name"] != "华南二仓" || row["unit_id"] != m.units[0].id {
		t.Errorf("line is %v", row)
	}
	v.refused(v.post(otherInPath, v.bill("", strings.Replace(line, "WH02", "WH2024052601", 1))), "参数number[WH2024052601]不存在")
}

func TestABillIsChanged(t *testing.T) {
	for unnamed, want := range map[string]string{"remove": "2 5", "keep": "1 2 5"} {
		v := start(t, func(s *Settings) { s.UnnamedLines = unnamed })
		id := v.saved(gainPath, v.bill("", v.line(0, "1"), v.line(1, "7")))
		second := lines(v.row(gainPath+"_detail", "id="+id))[1]
		v.Clock.Advance(time.Minute)
		lineID, ok := second["id"].(string)
		if !ok {
			t.Fatal(second)
		}
		body := fmt.Sprintf(`{"id":"%s","remark":"new","material_entity":[{"id":"%s","qty":2},%s]}`, id, lineID, v.line(2, "5"))
		if got := v.saved(gainPath, body); got != id {
			t.Errorf("the update made %s of %s", got, id)
		}
		row := v.row(gainPath+"_detail", "id="+id)
		qtys, found := []string{}, false
		for _, l := range lines(row) {
			qtys = append(qtys, fmt.Sprint(l["qty"]))
			found = found || l["id"] == lineID && l["material_id"] == second["material_id"] && l["qty"] == json.Number("2")
		}
		if strings.Join(qtys, " ") != want || !found || row["remark"] != "new" || row["bill_date"] != "2025-10-10" || row["bill_no"] != "PYD-20251010-00001" ||
			row["modify_time"] != "2025-10-10 09:01:00" {
			t.Errorf("%s: quantities %v, bill %v", unnamed, qtys, row)
		}
		v.saved(gainPath, `{"id":"`+id+`","operation_key":"audit"}`)
		if row := v.row(gainPath+"_detail", "id="+id); row["bill_status"] != "C" || len(lines(row)) != len(qtys) {
			t.Errorf("audited: %v", row)
		}
		v.refused(v.post(gainPath, `{"id":"`+id+`","remark":"x"}`), "已审核")
	}
}

func TestCommonOperate(t *testing.T) {
	v := start(t, nil)
	first, second := v.saved(gainPath, v.bill("", v.line(0, "1"))), v.saved(gainPath, v.bill("", v.line(0, "1")))
	const gain = "inv_check_gain_bill"
	done := func(r gatewaytest.Reply) {
		t.Helper()
		if r.Code != 0 || !strings.Contains(r.Body, `"ids":["`+first+`"]`) {
			t.Errorf("answer is %s", r.Body)
		}
	}
	v.refused(v.operate(gain, "unaudit", first), "未审核")
	done(v.operate(gain, "audit", first))
	v.refused(v.operate(gain, "audit", first), "已审核")
	v.refused(v.operate(gain, "delete", first), "已审核")
	v.refused(v.operate(gain, "audit", second, first), "已审核") // all or nothing
	if row := v.row(gainPath+"_detail", "id="+second); row["bill_status"] != "Z" {
		t.Errorf("the other bill is %v", row)
	}
	done(v.post(operatePath, `{"entity_number":"inv_check_gain_bill","operate_type":"unaudit","numbers":["PYD-20251010-00001"],"ignore_warn":true}`))
	done(v.operate(gain, "delete", first, first))
	v.refused(v.operate(gain, "delete", first), "数据不存在")
	v.refused(v.get(gainPath+"_detail", "id="+first), "数据不存在")
	v.refused(v.operate("inv_check_loss_bill", "audit", second), "数据不存在")
	v.refused(v.operate("inv_check_gail_bill", "audit", second), "entity_number")
	v.refused(v.operate(gain, "enable", second), "operate_type")
	v.refused(v.operate(gain, "audit"), "不能同时为空")

	customer := v.saved(customerPath, `{"number":"1","name":"A"}`)
	v.refused(v.operate("bd_customer", "audit", customer), "operate_type")
	if r := v.operate("bd_customer", "delete", customer); r.Code != 0 || len(v.server.Customers()) != 0 {
		t.Errorf("customer: %s", r.Body)
	}
	v.saved(customerPath, `{"number":"1","name":"A"}`)
}

func TestAuditsThatFail(t *testing.T) {
	for kind, drafts := range map[faults.Kind]int{faults.AuditDraft: 1, faults.AuditRollback: 0} {
		v := start(t, nil)
		v.strike(faults.Fault{Kind: kind, Path: gainPath})
		v.saved(lossPath, v.bill("audit", v.line(0, "1")))
		v.refused(v.post(gainPath, v.bill("audit", v.line(0, "1"))), "审核失败")
		all := v.server.GainBills()
		if len(all) != drafts || drafts == 1 && all[0]["bill_status"] != "Z" {
			t.Errorf("%s: bills are %v", kind, all)
		}
		id := v.saved(gainPath, v.bill("", v.line(0, "1")))
		v.strike(faults.Fault{Kind: kind})
		v.refused(v.operate("inv_check_gain_bill", "audit", id), "审核失败")
		if row := v.row(gainPath+"_detail", "id="+id); row["bill_status"] != "Z" {
			t.Errorf("%s: the bill is %v", kind, row)
		}
		if r := v.operate("inv_check_gain_bill", "audit", id); r.Code != 0 {
			t.Errorf("%s: again: %s", kind, r.Body)
		}
	}
}

func TestAShareOfAuditsFails(t *testing.T) {
	for mode, kept := range map[string]bool{"draft": true, "rollback": false} {
		v := start(t, func(s *Settings) { s.AuditFailures, s.AuditFailure = 0.5, mode })
		failed := 0
		for range 60 {
			if r := v.post(gainPath, v.bill("audit", v.line(0, "1"))); r.Code != 0 {
				failed++
			}
		}
		drafts := 0
		for _, row := range v.server.GainBills() {
			if row["bill_status"] == "Z" {
				drafts++
			}
		}
		if failed < 10 || failed > 50 || kept != (drafts == failed) || !kept && drafts != 0 {
			t.Errorf("%s: %d of 60 failed, %d drafts", mode, failed, drafts)
		}
	}
}

func TestListsOfBills(t *testing.T) {
	v := start(t, nil)
	begin := v.Clock.Now()
	for i, date := range []string{"2025-10-09", "2025-10-10", "2025-10-11"} {
		operation := []string{"", "audit", "audit"}[i]
		v.saved(gainPath, strings.Replace(v.bill(operation, v.line(0, "1")), "2025-10-10", date, 1))
		v.Clock.Advance(time.Minute)
	}
	for _, test := range []struct{ query, want string }{
		{"", "PYD-20251011-00001 PYD-20251010-00001 PYD-20251009-00001"},
		{"start_bill_date=2025-10-10&end_bill_date=2025-10-10", "PYD-20251010-00001"},
		{"start_bill_date=2025-10-10", "PYD-20251011-00001 PYD-20251010-00001"},
		{"bill_status=Z", "PYD-20251009-00001"},
		{"bill_status=C&end_bill_date=2025-10-10", "PYD-20251010-00001"},
		{"search=1011", "PYD-20251011-00001"},
		{"search=RK1", ""},
		{"create_start_time=" + text(t, begin.Add(time.Minute).UnixMilli()) + "&page_size=1", "PYD-20251011-00001"},
	} {
		if got := numbers(v.list(gainPath, test.query)); got != test.want {
			t.Errorf("%s: %s, want %s", test.query, got, test.want)
		}
	}
	l := v.list(gainPath, "page_size=2000")
	if l.Count != json.Number("3") || l.PageSize != 100 || l.Rows[0]["remark"] != "旺店通盘盈单RK1" || l.Rows[0]["material_entity"] != nil {
		t.Errorf("list is %+v", l)
	}
}
