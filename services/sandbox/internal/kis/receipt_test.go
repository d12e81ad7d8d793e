package kis

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// bill returns the body of a create.
func (v *vendor) bill(number string, lines ...string) string {
	return v.billWith(number, "", lines...)
}

// billWith returns the body of a create with more in its head.
func (v *vendor) billWith(number, head string, lines ...string) string {
	return `{"Object":{"Head":{` + head + `"FBillNo":"` + number + `","Fdate":"2025-10-10T09:30:00","FTranType":10,"FROB":1,"FDCStockID":1320,"FDeptID":769,` +
		`"FFManagerID":"3286","FSManagerID":3286,"FBillerID":16394},"Entry":[` + strings.Join(lines, ",") + `]}}`
}

// line returns a line for the n-th good that the vendor knows, in its own unit.
func (v *vendor) line(n int, qty string) string {
	m := v.known(n, 1)
	return fmt.Sprintf(`{"FEntryID":1,"FItemID":"%d","FUnitID":%v,"Fauxqty":%s,"FAuxQtyMust":%s,"FQty":%s,"FQtyMust":%s,"FAuxPrice":0,"Famount":0,"FDCStockID":1320,"FDCSPID":0,"FPlanMode":14036,"Fnote":""}`,
		m.id, m.detail["FUnitID"], qty, qty, qty, qty)
}

// known returns the n-th material whose unit has the coefficient.
func (v *vendor) known(n, coefficient int) *item {
	for _, m := range v.server.base.shown(classMaterial) {
		if m.good == nil || m.good.Unit.Coefficient != coefficient || m.good.Unit.Name == "件" || m.good.Unit.Name == "套" {
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

func TestABillIsBookedAndRead(t *testing.T) {
	v := start(t, nil)
	booked := v.data(createPath, v.bill("JST20251010001", v.line(0, "5"), v.line(1, "0.5000000001")))
	if booked["FID"] != json.Number("30001") || booked["FBillNo"] != "JST20251010001" {
		t.Fatalf("answer is %v", booked)
	}
	for _, id := range []string{"30001", `"30001"`} {
		row := v.data(detailPath, `{"Id":`+id+`}`)
		head, _ := row["Head"].(Row)
		entries := rows(row["Entry"])
		if head["FInterID"] != json.Number("30001") || head["FBillNo"] != "JST20251010001" || head["Fdate"] != "2025-10-10T00:00:00" ||
			head["FCheckDate"] != nil || head["FFManagerID"] != json.Number("3286") {
			t.Errorf("head is %v", head)
		}
		if len(entries) != 2 || entries[1]["Fauxqty"] != json.Number("0.5000000001") || entries[1]["FEntryID"] != json.Number("2") ||
			entries[0]["FItemID"] != json.Number(fmt.Sprint(v.known(0, 1).id)) || entries[0]["FBatchNo"] != "" {
			t.Errorf("entries are %v", entries)
		}
	}
	v.refused(v.post(detailPath, `{"Id":5}`), "单据[5]不存在")
	v.refused(v.post(createPath, v.bill("JST20251010001", v.line(0, "5"))), "202-单据编号[JST20251010001]已存在")
	if all := v.server.Receipts(); len(all) != 1 {
		t.Errorf("%d bills, want 1", len(all))
	}
}

func TestBaseQuantitiesAreExact(t *testing.T) {
	v := start(t, nil)
	box := v.server.base.units["箱"]
	single := v.known(0, 1) // counted in single ones, booked in boxes
	boxes := v.known(0, 12) // counted in boxes
	line := func(m *item, qty, baseQty string) string {
		return fmt.Sprintf(`{"FItemID":%d,"FUnitID":%d,"Fauxqty":%s,"FQty":%s}`, m.id, box.id, qty, baseQty)
	}
	for i, test := range []struct {
		line string
		ok   bool
	}{
		{line(single, "2", "24"), true},
		{line(boxes, "0.1", "1.2"), true},
		{line(boxes, "0.1", "1.20"), true},
		{line(boxes, "9007199254740993", "108086391056891916"), true},
		{line(boxes, "9007199254740993", "108086391056891904"), false}, // what a double makes of it
		{line(boxes, "1", "1"), false},
		{line(boxes, "0.1", "1.2000000001"), false},
	} {
		r := v.post(createPath, v.bill(fmt.Sprint("N", i), test.line))
		if test.ok && r.Code != 0 {
			t.Errorf("%s: %s", test.line, r.Body)
		}
		if !test.ok {
			v.refused(r, "基本单位数量")
		}
	}
}

func TestBillsThatAreRefused(t *testing.T) {
	v := start(t, func(s *Settings) { s.MaxLines = 2 })
	good := Row{}
	if err := json.Unmarshal([]byte(v.line(0, "1")), &good); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		change Row
		want   string
	}{
		{Row{"FItemID": 5}, "第2行物料[5]不存在"},
		{Row{"FItemID": nil}, "第2行物料[]不存在"},
		{Row{"FItemID": 20001}, "第2行物料[20001]不是明细物料"},
		{Row{"FItemID": "x"}, "字段[Object.Entry[1].FItemID]的值"},
		{Row{"FUnitID": 258}, "第2行计量单位与物料不匹配"},
		{Row{"FUnitID": 5}, "第2行计量单位与物料不匹配"},
		{Row{"FDCStockID": 769}, "字段[FDCStockID]的基础资料[769]不存在"},
		{Row{"FDCStockID": 0}, "第2行收货仓库不能为空"},
		{Row{"Fauxqty": 0, "FQty": 0}, "第2行数量[0]不正确"},
		{Row{"Fauxqty": -1, "FQty": -1}, "第2行数量[-1]不正确"},
		{Row{"Fauxqty": "1"}, "Fauxqty]的值"},
		{Row{"FQty": nil}, "第2行基本单位数量"},
		{Row{"FAuxQty": 1}, "字段[Object.Entry[1].FAuxQty]不存在"}, // the letter case is another
	} {
		line := maps.Clone(good)
		maps.Copy(line, test.change)
		v.refused(v.post(createPath, v.bill("1", v.line(0, "1"), text(t, line))), test.want)
	}
	body := v.bill("1", v.line(0, "1"))
	for _, test := range []struct{ old, replaced, want string }{
		{`"FDCStockID":1320,"FDept`, `"FDept`, "字段[FDCStockID]不能为空"},
		{`"FSManagerID":3286`, `"FSManagerID":0`, "字段[FSManagerID]不能为空"},
		{`"FSManagerID":3286`, `"FSManagerID":769`, "字段[FSManagerID]的基础资料[769]不存在"},
		{`"FDeptID":769`, `"FDeptID":3286`, "字段[FDeptID]"},
		{`"FBillerID":16394`, `"FBillerID":3286`, "制单人[3286]不存在"},
		{`"FROB":1`, `"FROB":2`, "红蓝字[2]"},
		{`"FROB":1`, `"FSupplyID":7`, "供应商[7]不存在"},
		{`"FTranType":10`, `"FTranType":29`, "单据类型[29]"},
		{`T09:30:00`, ` 09:30:00`, "日期[2025-10-10 09:30:00]格式不正确"},
		{`"Fdate"`, `"FDate"`, "字段[Object.Head.FDate]不存在"},
		{`"FBillNo":"1"`, `"FBillNo":1`, "字段[Object.Head.FBillNo]的值1不正确"},
		{`"Object"`, `"object"`, "字段[object]不存在"},
		{`"Head":{`, `"Head":{"F_1":1,`, "F_1"},
	} {
		v.refused(v.post(createPath, strings.Replace(body, test.old, test.replaced, 1)), test.want)
	}
	v.refused(v.post(createPath, v.bill("1")), "0行")
	v.refused(v.post(createPath, v.bill("1", v.line(0, "1"), v.line(0, "1"), v.line(0, "1"))), "3行")
	v.refused(v.post(createPath, "{}"), "Object.Head不能为空")
	if n := len(v.server.Receipts()); n != 0 {
		t.Errorf("%d bills were booked", n)
	}
}

func TestSwitchesOfBills(t *testing.T) {
	flat := func(v *vendor) string {
		return `{"FBillNo":"1","Fdate":"2025-10-10T09:30:00","FDCStockID":1320,"FFManagerID":3286,"FSManagerID":3286,"Entry":[` + v.line(0, "1") + `]}`
	}
	for _, test := range []struct {
		name string
		set  func(*Settings)
		body func(*vendor) string
	}{
		{"flat form", func(s *Settings) { s.FlatForm = true }, flat},
		{"any case", func(s *Settings) { s.AnyCase = true }, func(v *vendor) string {
			return strings.NewReplacer("Object", "object", "FBillNo", "fbillno", "Fauxqty", "FAuxQty", "Entry\"", "ENTRY\"").Replace(v.bill("1", v.line(0, "1")))
		}},
		{"unknown fields", func(s *Settings) { s.UnknownFields = "ignore" }, func(v *vendor) string { return v.billWith("1", `"F_1":1,`, v.line(0, "1")) }},
		{"mandatory", func(s *Settings) { s.Mandatory = []string{"FHeadSelfA0143"} }, func(v *vendor) string {
			return v.billWith("1", `"FHeadSelfA0143":"x",`, v.line(0, "1"))
		}},
	} {
		v := start(t, nil)
		switch r := v.post(createPath, test.body(v)); test.name {
		case "mandatory":
			if r.Code != 0 {
				t.Errorf("%s: %s", test.name, r.Body)
			}
		default:
			v.refused(r, "不存在")
		}
		v = start(t, test.set)
		v.data(createPath, test.body(v))
		if got := text(t, v.server.Receipts()); !strings.Contains(got, `"FBillNo":"1"`) || strings.Contains(got, "F_1") {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	v := start(t, func(s *Settings) { s.Mandatory = []string{"FHeadSelfA0143"} })
	v.refused(v.post(createPath, v.bill("1", v.line(0, "1"))), "字段[FHeadSelfA0143]不能为空")
	v = start(t, func(s *Settings) { s.UniqueNumbers = false })
	first, second := v.data(createPath, v.bill("1", v.line(0, "1"))), v.data(createPath, v.bill("1", v.line(0, "1")))
	if first["FID"] == second["FID"] || len(v.server.Receipts()) != 2 {
		t.Errorf("bills are %v and %v", first, second)
	}
}

func TestABillWithoutANumberGetsOne(t *testing.T) {
	v := start(t, nil)
	v.data(createPath, v.bill("QIN000002", v.line(0, "1")))
	body := strings.Replace(v.bill("1", v.line(0, "1")), `"FBillNo":"1",`, "", 1)
	if booked := v.data(createPath, body); booked["FBillNo"] != "QIN000003" {
		t.Errorf("answer is %v", booked)
	}
}

func TestALineHasTheStockOfTheHead(t *testing.T) {
	v := start(t, nil)
	v.data(createPath, v.bill("1", strings.Replace(v.line(0, "1"), `"FDCStockID":1320,`, "", 1)))
	if got := text(t, v.server.Receipts()[0]["Entry"]); !strings.Contains(got, `"FDCStockID":1320`) {
		t.Errorf("entry is %s", got)
	}
}

func TestARedBillHasQuantitiesBelowZero(t *testing.T) {
	v := start(t, nil)
	v.data(createPath, strings.Replace(v.bill("1", v.line(0, "-1")), `"FROB":1`, `"FROB":-1`, 1))
}

func TestListsOfBills(t *testing.T) {
	v := start(t, nil)
	for i, date := range []string{"2025-10-11", "2025-10-09", "2025-10-10"} {
		v.data(createPath, strings.Replace(v.bill(fmt.Sprint("N", i), v.line(0, "1")), "2025-10-10", date, 1))
	}
	for body, want := range map[string]string{
		`{}`: "N0 N1 N2",
		`{"OrderBy":{"Property":"FInterID","Type":"Desc"}}`:                                "N2 N1 N0",
		`{"OrderBy":{"Property":"Fdate","Type":"Asc"}}`:                                    "N1 N2 N0",
		`{"OrderBy":{"Property":"FBillNo","Type":"desc"},"CurrentPage":2,"ItemsOfPage":2}`: "N0",
	} {
		got := []string{}
		for _, row := range v.rows(listPath, body) {
			head, _ := row["Head"].(Row)
			got = append(got, fmt.Sprint(head["FBillNo"]))
			if len(rows(row["Entry"])) != 1 {
				t.Errorf("row is %v", row)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
	}
	v.refused(v.post(listPath, `{"OrderBy":{"Property":"FNothing"}}`), "FNothing")
	v.refused(v.post(listPath, `{"OrderBy":"Fdate"}`), "OrderBy")
}

func TestBillsAreChangedOnlyWhereThatIsAsked(t *testing.T) {
	const update, remove = "/koas/app007104/api/miscellaneousreceipt/update", "/koas/app007104/api/miscellaneousreceipt/delete"
	v := start(t, nil)
	for _, path := range []string{update, remove} {
		if r := v.post(path, `{"Id":30001}`); r.Code != 5001 {
			t.Errorf("%s: %s", path, r.Body)
		}
	}
	v = start(t, func(s *Settings) { s.ChangeBills = true })
	v.data(createPath, v.bill("1", v.line(0, "1")))
	v.data(createPath, v.bill("2", v.line(0, "1")))
	changed := strings.Replace(v.bill("3", v.line(0, "7")), "{", `{"Id":30001,`, 1)
	if r := v.data(update, changed); r["FID"] != json.Number("30001") || r["FBillNo"] != "3" {
		t.Errorf("updated: %v", r)
	}
	if got := text(t, v.server.Receipts()[0]); !strings.Contains(got, `"Fauxqty":7`) {
		t.Errorf("bill is %s", got)
	}
	v.refused(v.post(update, strings.Replace(changed, `"FBillNo":"3"`, `"FBillNo":"2"`, 1)), "单据编号[2]已存在")
	v.refused(v.post(update, strings.Replace(changed, "30001", "5", 1)), "单据[5]不存在")
	v.data(createPath, v.bill("1", v.line(0, "1"))) // the number is free again
	v.data(remove, `{"Id":30002}`)
	v.refused(v.post(remove, `{"Id":30002}`), "不存在")
	v.data(createPath, v.bill("2", v.line(0, "1")))
	if n := len(v.server.Receipts()); n != 3 {
		t.Errorf("%d bills, want 3", n)
	}
}
