package e2e

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// The pages of the sandbox that say what the finance systems must hold, and what they hold.
var bookPages = []string{
	purchaseIn.page, refunds.page, "jushuitan/shops", "jushuitan/otherin", "wangdiantong/stockin",
	"xingchen/customers", "xingchen/gain-bills", "xingchen/materials", "xingchen/stores",
	"kis/receipts", "kis/materials", "kis/units",
}

// compareAll fails the test unless the targets of all five integrations hold exactly what the
// sandbox's source data must become, worked out here anew. It returns how many of each there are.
func (h *house) compareAll() map[string]int {
	h.t.Helper()
	return h.compareHeld(h.held(bookPages...))
}

// compareHeld does so with pages that were read already.
func (h *house) compareHeld(held map[string]documents) map[string]int {
	h.t.Helper()
	return h.judge(held).must(h.t)
}

// judge compares the targets of all five integrations with what the sandbox holds.
func (h *house) judge(held map[string]documents) *verdict {
	h.t.Helper()
	v := &verdict{}
	v.rows(h, purchaseIn, held[purchaseIn.page])
	v.rows(h, refunds, held[refunds.page])
	v.customers(h.t, held)
	v.gains(h.t, held)
	v.receipts(h.t, held)
	return v
}

// customers: each shop but the pseudo shop is a customer with its number and name.
func (v *verdict) customers(t *testing.T, held map[string]documents) {
	t.Helper()
	want, got := map[string][]string{}, map[string][]string{}
	for _, shop := range held["jushuitan/shops"] {
		if number := fmt.Sprint(shop["shop_id"]); number != "0" {
			want[number] = []string{fmt.Sprint(shop["shop_name"])}
		}
	}
	for _, c := range held["xingchen/customers"] {
		v.once(got, "customer", fmt.Sprint(c["number"]), []string{fmt.Sprint(c["name"])})
	}
	v.compare(t, "customers", []string{"name"}, want, got)
}

// once adds a document, which must not be there yet.
func (v *verdict) once(all map[string][]string, what, id string, fields []string) {
	if _, twice := all[id]; twice {
		v.duplicated++
		v.fault("%s %s is booked twice", what, id)
	}
	all[id] = fields
}

// excluded is the warehouse that the flow leaves out.
const excluded = "WH2024052601"

// isGain reports whether a document is one that the flow takes.
func isGain(doc map[string]any) bool {
	return doc["order_type"] == "4" && doc["status"] == "80" && doc["warehouse_no"] != excluded
}

// gains: each completed gain outside the excluded warehouse is an audited bill, found by its
// remark, with a line for each of its lines.
func (v *verdict) gains(t *testing.T, held map[string]documents) {
	t.Helper()
	materials, stores := by(held["xingchen/materials"], "number"), by(held["xingchen/stores"], "number")
	want, got := map[string][]string{}, map[string][]string{}
	for _, doc := range held["wangdiantong/stockin"] {
		if !isGain(doc) {
			continue
		}
		var lines []string
		for _, line := range list(t, doc, "details_list") {
			material := materials[fmt.Sprint(line["goods_no"])]
			lines = append(lines, fmt.Sprint(material["id"], " ", stores[fmt.Sprint(doc["warehouse_no"])]["id"], " ",
				material["base_unit_id"], " ", decimal(t, fmt.Sprint(line["goods_count"]))))
		}
		date, _, _ := strings.Cut(fmt.Sprint(doc["stockin_time"]), " ")
		want["旺店通盘盈单"+fmt.Sprint(doc["order_no"])] = []string{date, "C", strings.Join(lines, "\n")}
	}
	for _, bill := range held["xingchen/gain-bills"] {
		var lines []string
		for _, line := range list(t, bill, "material_entity") {
			lines = append(lines, fmt.Sprint(line["material_id"], " ", line["stock_id"], " ", line["unit_id"], " ", decimal(t, fmt.Sprint(line["qty"]))))
		}
		v.once(got, "gain bill", fmt.Sprint(bill["remark"]), []string{fmt.Sprint(bill["bill_date"]), fmt.Sprint(bill["bill_status"]), strings.Join(lines, "\n")})
	}
	v.compare(t, "gain bills", []string{"bill_date", "bill_status", "lines"}, want, got)
}

// receipts: each confirmed 其它退货 is a receipt of KIS with its number, whose quantity in base
// units follows from the unit of the material.
func (v *verdict) receipts(t *testing.T, held map[string]documents) {
	t.Helper()
	materials, units := by(held["kis/materials"], "F_103"), by(held["kis/units"], "FItemID")
	want, got := map[string][]string{}, map[string][]string{}
	for _, doc := range held["jushuitan/otherin"] {
		if doc["type"] != "其它退货" || doc["status"] != "Confirmed" {
			continue
		}
		var lines []string
		for _, line := range list(t, doc, "items") {
			material := materials[fmt.Sprint(line["sku_id"])]
			coefficient := units[fmt.Sprint(material["FUnitID"])]["FCoefficient"]
			lines = append(lines, fmt.Sprint(material["FItemID"], " ", material["FUnitID"], " ", decimal(t, fmt.Sprint(line["qty"])), " ",
				product(t, fmt.Sprint(line["qty"]), fmt.Sprint(coefficient))))
		}
		day, _, _ := strings.Cut(fmt.Sprint(doc["io_date"]), " ")
		want[fmt.Sprint(doc["io_id"])] = []string{day + "T00:00:00", "10", "1320", strings.Join(lines, "\n")}
	}
	for _, bill := range held["kis/receipts"] {
		head, ok := bill["Head"].(map[string]any)
		if !ok {
			t.Fatalf("receipt without a head: %v", bill)
		}
		var lines []string
		for _, line := range list(t, bill, "Entry") {
			lines = append(lines, fmt.Sprint(line["FItemID"], " ", line["FUnitID"], " ", decimal(t, fmt.Sprint(line["Fauxqty"])), " ", decimal(t, fmt.Sprint(line["FQty"]))))
		}
		v.once(got, "receipt", fmt.Sprint(head["FBillNo"]), []string{fmt.Sprint(head["Fdate"]), fmt.Sprint(head["FTranType"]), fmt.Sprint(head["FDCStockID"]), strings.Join(lines, "\n")})
	}
	v.compare(t, "KIS receipts", []string{"Fdate", "FTranType", "FDCStockID", "lines"}, want, got)
}

// by returns documents by a field.
func by(docs documents, field string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for _, doc := range docs {
		found[fmt.Sprint(doc[field])] = doc
	}
	return found
}

// list returns the lines of a document, of which there must be some.
func list(t *testing.T, doc map[string]any, field string) []map[string]any {
	t.Helper()
	values, _ := doc[field].([]any)
	var lines []map[string]any
	for _, v := range values {
		line, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s of %v has a line that is no object", field, doc)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		t.Fatalf("document %v has no %s", doc, field)
	}
	return lines
}

// product multiplies two numbers exactly.
func product(t *testing.T, a, b string) string {
	t.Helper()
	x, y := new(big.Rat), new(big.Rat)
	if _, ok := x.SetString(a); !ok {
		t.Fatalf("%q is no number", a)
	}
	if _, ok := y.SetString(b); !ok {
		t.Fatalf("%q is no number", b)
	}
	return x.Mul(x, y).RatString()
}
