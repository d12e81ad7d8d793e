package wangdiantong

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// pager is one way to ask for page number n, counted from 0 whatever the vendor counts from.
type pager func(n, size int) reply

func (v *vendor) pagers() map[string]pager {
	number := func(n, size int) fields { return fields{"page_no": strconv.Itoa(n), "page_size": strconv.Itoa(size)} }
	return map[string]pager{
		"enterprise":          func(n, size int) reply { return v.enterprise("stockin_order_query", gains(v).with(number(n, size))) },
		"enterprise at Qimen": func(n, size int) reply { return v.qimen(gains(v).with(number(n, size))) },
		"flagship":            func(n, size int) reply { return v.flagship(number(n, size), "["+allRefunds(v, "")+"]") },
		"flagship at Qimen": func(n, size int) reply {
			return v.qimenFlagship(allRefunds(v, ""), fmt.Sprintf(`{"page_size":%d,"page_no":%d}`, size, n+1), nil)
		},
	}
}

// listOf returns the name of the list and of the id at a door.
func listOf(door string) (list, id string) {
	if strings.HasPrefix(door, "enterprise") {
		return "stockin_list", "stockin_id"
	}
	return "order", "refund_id"
}

func TestAllPagesTogetherAreAllDocuments(t *testing.T) {
	v := start(t, func(s *Settings) { s.HidePlatforms = false })
	for door, page := range v.pagers() {
		list, id := listOf(door)
		seen, before := map[string]bool{}, ""
		for n := range 3 {
			r := page(n, 50)
			wantCode(t, door, r, 0)
			if want := []int{50, 50, 20}[n]; len(r.list(list)) != want {
				t.Errorf("%s: page %d has %d rows, want %d", door, n, len(r.list(list)), want)
			}
			for _, row := range r.list(list) {
				seen[fmt.Sprint(row[id])] = true
				key := sortKey(row, id)
				if key <= before {
					t.Errorf("%s: %s comes after %s", door, key, before)
				}
				before = key
			}
		}
		if len(seen) != records {
			t.Errorf("%s: %d documents, want %d", door, len(seen), records)
		}
		for _, beyond := range []int{3, 1 << 50} {
			if r := page(beyond, 50); r.Code != 0 || len(r.list(list)) != 0 {
				t.Errorf("%s: page %d: %d %s with %d rows", door, beyond, r.Code, r.Message, len(r.list(list)))
			}
		}
	}
}

// sortKey orders rows by modification and id.
func sortKey(row map[string]any, id string) string {
	modified := cmp.Or(fmt.Sprint(row["modified_date"]), "<nil>")
	if modified == "<nil>" {
		modified = fmt.Sprint(row["modified"])
	}
	number, _ := strconv.ParseFloat(fmt.Sprint(row[id]), 64)
	return fmt.Sprintf("%s %010.0f", modified, number)
}

func TestWhoTellsTotals(t *testing.T) {
	v := start(t, nil)
	for door, want := range map[string][2]any{
		"enterprise":          {"120", nil},
		"enterprise at Qimen": {120.0, nil},
		"flagship at Qimen":   {120.0, 120.0},
	} {
		for n := range 2 {
			if got := v.pagers()[door](n, 50).Data["total_count"]; got != want[n] {
				t.Errorf("%s: total of page %d is %#v, want %#v", door, n, got, want[n])
			}
		}
	}
	for calc, want := range map[string]bool{"1": true, "0": false, remove: false} {
		r := v.flagship(fields{"calc_total": calc}, "["+allRefunds(v, "")+"]")
		if _, got := r.Data["total_count"].(float64); got != want {
			t.Errorf("flagship, calc_total %q: total is %v", calc, r.Data["total_count"])
		}
	}
	v = start(t, func(s *Settings) { s.TotalCount = "int" })
	if got := v.enterprise("stockin_order_query", gains(v)).Data["total_count"]; got != 120.0 {
		t.Errorf("total is %#v, want a number", got)
	}
}

func TestPageSizes(t *testing.T) {
	for mode, wantAbove := range map[string]int{"clamp": 0, "reject": 1} {
		v := start(t, func(s *Settings) { s.PageSizeAboveMax, s.HidePlatforms = mode, false; s.Codes.Parameter = 1 })
		for door, page := range v.pagers() {
			list, _ := listOf(door)
			limit := map[string]int{"stockin_list": 100, "order": 200}[list]
			wantCode(t, door+" at the limit", page(0, limit), 0)
			wantCode(t, door+" above it, "+mode, page(0, limit+1), wantAbove)
			wantCode(t, door+" nothing", page(0, 0), 1)
		}
		if rows := v.enterprise("stockin_order_query", gains(v).with(fields{"page_size": "110"})).list("stockin_list"); mode == "clamp" && len(rows) != 100 {
			t.Errorf("a page of 110 has %d rows, want 100", len(rows))
		}
		if rows := v.enterprise("stockin_order_query", gains(v).with(fields{"page_size": remove})).list("stockin_list"); len(rows) != 40 {
			t.Errorf("a page of no size has %d rows, want 40", len(rows))
		}
	}
}

func TestEmptyLists(t *testing.T) {
	for mode, want := range map[string]bool{"array": true, "absent": false} {
		v := start(t, func(s *Settings) { s.EmptyList = mode })
		for door, page := range v.pagers() {
			list, _ := listOf(door)
			if got, there := page(99, 50).Data[list]; there != want || want && got == nil {
				t.Errorf("%s, %s: list is %v (there: %v)", mode, door, got, there)
			}
		}
		if total := v.qimen(gains(v).with(fields{"warehouse_no": "WH99"})).Data["total_count"]; total != 0.0 {
			t.Errorf("%s: total of nothing is %v, want 0", mode, total)
		}
	}
}

func TestWindowsAreClosed(t *testing.T) {
	v := start(t, nil)
	docs := v.server.StockIns.Documents()
	slices.SortFunc(docs, func(a, b *documents.StockIn) int { return a.Modified.Compare(b.Modified) })
	from, to := docs[20].Modified, docs[70].Modified
	want := 0
	for _, d := range docs {
		if d.OrderType == documents.StockGain && d.Status == documents.Done && !d.Modified.Before(from) && !d.Modified.After(to) {
			want++
		}
	}
	window := fields{"start_time": from.Format(time.DateTime), "end_time": to.Format(time.DateTime)}
	if got := v.qimen(gains(v).with(window)).Data["total_count"]; got != float64(want) {
		t.Errorf("window has %v documents, want %d", got, want)
	}
	refund := v.server.Refunds.Documents()[3]
	second := refund.Modified.Format(time.DateTime)
	r := v.qimenFlagship(`{"modified_from":"`+second+`","modified_to":"`+second+`"}`, `{"page_no":1,"page_size":50}`, nil)
	if !slices.Contains(ids(r.list("order"), "refund_no"), refund.No) {
		t.Errorf("window of one second lacks %s", refund.No)
	}
}

func TestWidestWindow(t *testing.T) {
	v := start(t, nil)
	window := func(d time.Duration) fields {
		return fields{"start_time": anchor.Add(-d).Format(time.DateTime), "end_time": anchor.Format(time.DateTime)}
	}
	wantCode(t, "30 days", v.enterprise("stockin_order_query", window(30*24*time.Hour)), 0)
	wantCode(t, "and a second", v.enterprise("stockin_order_query", window(30*24*time.Hour+time.Second)), 2104)
}

func TestStockInFilters(t *testing.T) {
	v := start(t, nil)
	all := v.server.StockIns.Documents()
	count := func(keep func(*documents.StockIn) bool) (n float64) {
		for _, d := range all {
			if keep(d) {
				n++
			}
		}
		return n
	}
	done := func(d *documents.StockIn) bool { return d.Status == documents.Done }
	withSource := all[slices.IndexFunc(all, func(d *documents.StockIn) bool { return done(d) && d.SrcNo != "" && d.OuterNo != "" })]
	window := allTime(v)
	for name, test := range map[string]struct {
		ask  fields
		want float64
	}{
		"nothing: finished documents":   {window, count(done)},
		"status":                        {window.with(fields{"status": "30"}), count(func(d *documents.StockIn) bool { return d.Status == 30 })},
		"order type":                    {window.with(fields{"order_type": "6"}), count(func(d *documents.StockIn) bool { return done(d) && d.OrderType == 6 })},
		"returns are in another query":  {window.with(fields{"order_type": "3"}), 0},
		"warehouse":                     {gains(v).with(fields{"warehouse_no": "WH01"}), count(func(d *documents.StockIn) bool { return done(d) && d.OrderType == 4 && d.Warehouse.No == "WH01" })},
		"number, without a window":      {fields{"stockin_no": all[7].No, "status": text(all[7].Status)}, 1},
		"source number":                 {fields{"src_order_no": withSource.SrcNo}, 1},
		"outer number":                  {fields{"outer_no": withSource.OuterNo}, 1},
		"number, outside of the window": {fields{"stockin_no": all[7].No, "start_time": "2024-01-01 00:00:00", "end_time": "2024-01-02 00:00:00"}, 0},
	} {
		r := v.qimen(test.ask)
		wantCode(t, name, r, 0)
		if got := r.Data["total_count"]; got != test.want {
			t.Errorf("%s: %v documents, want %v", name, got, test.want)
		}
	}
}

func TestRefundFilters(t *testing.T) {
	v := start(t, nil)
	all := v.server.Refunds.Documents()
	one := all[slices.IndexFunc(all, func(d *documents.Refund) bool { return d.Waybill != "" && d.RawNo != "" && !d.Settled.IsZero() })]
	quote := func(key, value string) string { return fmt.Sprintf(`%q:%q`, key, value) }
	for _, test := range []struct {
		params string
		keep   func(*documents.Refund) bool
	}{
		{allRefunds(v, `"status":90,`), func(d *documents.Refund) bool { return d.Status == 90 }},
		{allRefunds(v, `"status":"90",`), func(d *documents.Refund) bool { return d.Status == 90 }},
		{allRefunds(v, `"type":3,`), func(d *documents.Refund) bool { return d.Type == 3 }},
		{allRefunds(v, `"stockin_status":0,`), func(d *documents.Refund) bool { return d.StockIn == 0 }},
		{allRefunds(v, `"rr_status":5,`), func(d *documents.Refund) bool { return d.Platform == 5 }},
		{allRefunds(v, `"shop_nos":"S001,S002",`), func(d *documents.Refund) bool { return d.Shop.No == "S001" || d.Shop.No == "S002" }},
		{allRefunds(v, `"return_warehouse_nos":"WH01,WH03",`), func(d *documents.Refund) bool { return d.Warehouse.No == "WH01" || d.Warehouse.No == "WH03" }},
		{allRefunds(v, quote("buyer_nick", one.Nick)+","), func(d *documents.Refund) bool { return d.Nick == one.Nick }},
		{`{` + quote("refund_no", one.No) + `}`, func(d *documents.Refund) bool { return d == one }},
		{`{` + quote("tid", one.Tid) + `}`, func(d *documents.Refund) bool { return d == one }},
		{`{` + quote("trade_no", one.TradeNo) + `}`, func(d *documents.Refund) bool { return d == one }},
		{`{` + quote("return_logistics_no", one.Waybill) + `}`, func(d *documents.Refund) bool { return d == one }},
		{`{` + quote("raw_refund_nos", one.RawNo+",other") + `}`, func(d *documents.Refund) bool { return d == one }},
		{`{` + quote("refund_no", one.No[2:]) + `,"fuzzy_query":true}`, func(d *documents.Refund) bool { return d == one }},
		{`{` + quote("refund_no", one.No[2:]) + `}`, func(d *documents.Refund) bool { return false }},
		{allRefunds(v, `"return_mask_manual_intercept":true,`), func(d *documents.Refund) bool { return false }},
		{allRefunds(v, `"refund_mask_reject_return":false,`), func(d *documents.Refund) bool { return true }},
		{strings.ReplaceAll(allRefunds(v, ""), "modified", "settle"), func(d *documents.Refund) bool { return !d.Settled.IsZero() }},
		{strings.ReplaceAll(allRefunds(v, ""), "modified", "agree"), func(d *documents.Refund) bool { return !d.Checked.IsZero() }},
		{strings.ReplaceAll(allRefunds(v, ""), "modified", "current_phase_timeout"), func(d *documents.Refund) bool { return !d.Phase.IsZero() }},
	} {
		want := 0.0
		for _, d := range all {
			if test.keep(d) {
				want++
			}
		}
		r := v.qimenFlagship(test.params, `{"page_no":1,"page_size":50}`, nil)
		wantCode(t, test.params, r, 0)
		if got := r.Data["total_count"]; got != want {
			t.Errorf("%s: %v refunds, want %v", test.params, got, want)
		}
	}
}

func TestNewestRefundsFirst(t *testing.T) {
	v := start(t, nil)
	ask := func(more string) []string {
		return ids(v.qimenFlagship(allRefunds(v, more), `{"page_no":1,"page_size":200}`, nil).list("order"), "refund_no")
	}
	oldest, newest := ask(""), ask(`"order_type":1,`)
	slices.Reverse(newest)
	if len(oldest) != records || !slices.Equal(oldest, newest) {
		t.Error("order_type 1 is not the other way round")
	}
}

func TestWhatDirectCallsDoNotShow(t *testing.T) {
	hidden := func(row map[string]any) bool { return row["platform_id"] == "1" || row["platform_id"] == "39" }
	for hide, want := range map[bool]bool{true: false, false: true} {
		v := start(t, func(s *Settings) { s.HidePlatforms = hide })
		rows := v.flagship(fields{"page_size": "200"}, "["+allRefunds(v, "")+"]").list("order")
		if got := slices.ContainsFunc(rows, hidden); got != want || len(rows) == 0 {
			t.Errorf("hide %v: refunds of Taobao or Pinduoduo shown: %v", hide, got)
		}
	}
	v := start(t, nil)
	for _, row := range v.qimenFlagship(allRefunds(v, ""), `{"page_no":1,"page_size":200}`, nil).list("order") {
		own := row["platform_id"] == "127"
		for _, key := range []string{"customer_name", "buyer_nick", "receiver_name", "receiver_telno"} {
			if (row[key] != "") != own {
				t.Errorf("platform %v: %s is %q", row["platform_id"], key, row[key])
			}
		}
		if _, there := row["wms_code"]; there {
			t.Error("wms_code came through Qimen")
		}
	}
}

func TestTypesOfRefundsAtQimen(t *testing.T) {
	v := start(t, func(s *Settings) { s.QimenNumbers, s.QimenStatus, s.ProcessStatus = "string", "string", "string" })
	params := v.qimenFlagshipParams(allRefunds(v, ""), `{"page_no":1,"page_size":1}`, nil)
	row := v.qimenForm(params).list("order")[0]
	line := row["detail_list"].([]any)[0].(map[string]any)
	for key, value := range map[string]any{"refund_id": row["refund_id"], "modified": row["modified"], "num": line["num"], "process_status": row["process_status"]} {
		if _, isText := value.(string); !isText {
			t.Errorf("%s is %#v, want text", key, value)
		}
	}
	if _, isBool := row["sync_return"].(bool); !isBool {
		t.Errorf("sync_return is %#v", row["sync_return"])
	}
	res, err := http.PostForm(v.http.URL+"/router/qm", params.values())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var raw struct {
		Response struct {
			Status string `json:"status"`
		} `json:"response"`
	}
	if err := json.NewDecoder(res.Body).Decode(&raw); err != nil || raw.Response.Status != "0" {
		t.Errorf("status is %q: %v", raw.Response.Status, err)
	}
	direct := v.flagship(nil, "["+allRefunds(v, "")+"]").list("order")[0]
	if _, isNumber := direct["refund_id"].(float64); !isNumber {
		t.Errorf("called directly, refund_id is %#v", direct["refund_id"])
	}
}

func TestTypesOfRefunds(t *testing.T) {
	v := start(t, func(s *Settings) { s.RefundTypes = []int{6} })
	for more, want := range map[string]float64{`"type":6,`: records, `"type":2,`: 0} {
		if got := v.qimenFlagship(allRefunds(v, more), `{"page_no":1,"page_size":1}`, nil).Data["total_count"]; got != want {
			t.Errorf("{%s}: %v refunds, want %v", more, got, want)
		}
	}
	s := Default()
	s.RefundTypes = []int{5}
	if _, err := New(Config{Settings: s, World: testWorld(), Data: documents.Params{Days: 1}}); err == nil {
		t.Error("type 5 was taken")
	}
}

func TestSubsidiesOnRequest(t *testing.T) {
	v := start(t, nil)
	for more, want := range map[string]bool{"": false, `"need_gov_subsidy_info":true,`: true} {
		row := v.qimenFlagship(allRefunds(v, more), `{"page_no":1,"page_size":1}`, nil).list("order")[0]
		if _, got := row["gov_subsidy_info"]; got != want {
			t.Errorf("{%s}: subsidies there: %v", more, got)
		}
	}
}

func TestNeighbours(t *testing.T) {
	v := start(t, nil)
	first := fields{"page_no": "0", "page_size": "10"}
	for _, test := range []struct {
		name, list, key, want string
		r                     reply
	}{
		{"warehouses", "warehouses", "warehouse_no", "[WH01 WH02 WH03 " + world.Excluded + "]", v.enterprise("warehouse_query", first)},
		{"warehouses at Qimen", "warehouses", "warehouse_no", "[WH01 WH02 WH03 " + world.Excluded + "]", v.qimen(fields{"method": "wdt.warehouse.query"})},
		{"shops", "shoplist", "shop_no", "[S001 S002 S003 S004 S005 S006 S007 S008 S009 S010]", v.enterprise("shop", first)},
		{"shops at Qimen", "shoplist", "shop_no", "[S011 S012]", v.qimen(fields{"method": "wdt.shop.query", "page_no": "1", "page_size": "10"})},
		{"one of the goods", "goods_list", "goods_no", "[SPU-00007]", v.enterprise("goods_query", fields{"goods_no": "SPU-00007"})},
		{"oldest goods", "goods_list", "goods_no", "[SPU-00001 SPU-00002]", v.enterprise("goods_query", fields{
			"start_time": begin.Format(time.DateTime), "end_time": begin.Add(time.Second).Format(time.DateTime)})},
		{"warehouses, flagship", "details", "warehouse_no", "[WH01 WH02 WH03 " + world.Excluded + "]", v.flagship(fields{"method": "setting.Warehouse.queryWarehouse"}, "[{}]")},
		{"shops, flagship", "details", "shop_no", "[S012]", v.qimenFlagship("{}", `{"page_no":12,"page_size":1}`, fields{"method": "wdt.setting.shop.queryshop"})},
	} {
		wantCode(t, test.name, test.r, 0)
		if got := fmt.Sprint(ids(test.r.list(test.list), test.key)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	wantCode(t, "goods without anything", v.enterprise("goods_query", first), 2104)
	wantCode(t, "an API that there is not", v.enterprise("purchase_order_query", first), 2060)
	for _, body := range []string{"[]", "[{}]"} {
		r := v.flagship(fields{"method": "system.Core.now", "page_no": remove, "page_size": remove, "calc_total": remove}, body)
		if r.Code != 0 || r.Data["data"] != "2025-01-31 12:00:00" {
			t.Errorf("system.Core.now of %s: %d %v", body, r.Code, r.Data)
		}
	}
}

// sameShape checks that got has each field of a documented example, with its type.
func sameShape(t *testing.T, path string, documented, got any) {
	t.Helper()
	switch want := documented.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %T, want an object", path, got)
			return
		}
		for key := range want {
			value, there := fields[key]
			if !there {
				t.Errorf("%s.%s is not there", path, key)
				continue
			}
			sameShape(t, path+"."+key, want[key], value)
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) == 0 {
			t.Errorf("%s is %T, want a list that is not empty", path, got)
			return
		}
		for _, element := range list {
			sameShape(t, path+"[]", want[0], element)
		}
	default:
		if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", documented) {
			t.Errorf("%s is %T, want %T", path, got, documented)
		}
	}
}

func TestRowsLookAsDocumented(t *testing.T) {
	v := start(t, nil)
	for file, rows := range map[string][]map[string]any{
		"stockin.json": v.enterprise("stockin_order_query", allTime(v).with(fields{"page_size": "100"})).list("stockin_list"),
		"refund.json":  v.flagship(fields{"page_size": "200"}, "["+allRefunds(v, `"type":3,`)+"]").list("order"),
	} {
		documented := readJSON(t, "testdata/"+file)
		if len(rows) == 0 {
			t.Errorf("%s: no rows", file)
		}
		for _, row := range rows {
			sameShape(t, strings.TrimSuffix(file, ".json"), documented, any(row))
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	v := start(t, nil)
	for _, d := range v.server.StockIns.Documents() {
		row := v.server.StockInRow(d).(stockInRow)
		var count, amount dataset.Decimal
		for i, l := range d.Items {
			count, amount = count+l.Count, amount+l.Amount()
			if want := fmt.Sprintf("%d.%04d", l.Count/10_000, l.Count%10_000); row.Details[i].GoodsCount != want {
				t.Errorf("goods_count %s, want %s", row.Details[i].GoodsCount, want)
			}
		}
		if row.GoodsCount != fixed(count) || row.TotalPrice != fixed(amount) {
			t.Errorf("%s: totals %s and %s, want %s and %s", d.No, row.GoodsCount, row.TotalPrice, fixed(count), fixed(amount))
		}
	}
	for _, d := range v.server.Refunds.Documents() {
		text, err := json.Marshal(v.server.RefundRow(d))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"modified":`+strconv.FormatInt(d.Modified.UnixMilli(), 10)+",") {
			t.Errorf("%s: modified is not in milliseconds", d.No)
		}
	}
}

func TestOptionalFieldsOfRefunds(t *testing.T) {
	v := start(t, nil)
	rows := v.qimenFlagship(allRefunds(v, ""), `{"page_no":1,"page_size":200}`, nil).list("order")
	present := map[string]int{}
	for _, row := range rows {
		for _, key := range []string{"fenxiao_nick_name", "refund_reason", "swap_order"} {
			if _, there := row[key]; there {
				present[key]++
			}
		}
		if _, swapped := row["swap_order"]; swapped != (row["type"] == 3.0) {
			t.Errorf("type %v: swap_order there: %v", row["type"], swapped)
		}
		if row["settle_time"] == "" {
			present["no settle_time"]++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(present)) {
		if present[key] == len(rows) {
			t.Errorf("%s: on all refunds", key)
		}
	}
	if len(present) != 4 {
		t.Errorf("seen: %v", present)
	}
}
