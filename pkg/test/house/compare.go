//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// target is what a comparison found: how many documents, or rows, a target should have, and what is not so.
type target struct {
	Name       string `json:"target"`
	Expected   int    `json:"expected"`
	Missing    int    `json:"missing"`
	Duplicated int    `json:"duplicated"`
	// Stale are there as they were before an edit.
	Stale int `json:"stale"`
}

// holding is what a side has: by the key of a document what tells its versions apart, once for each copy.
type holding map[string][]string

// compared counts what got has not as want has it.
func compared(name string, want, got holding) target {
	t := target{Name: name, Expected: len(want)}
	for key, version := range want {
		switch found := got[key]; {
		case len(found) == 0:
			t.Missing++
		case found[0] != version[0]:
			t.Stale++
		}
	}
	for key, found := range got {
		t.Duplicated += max(len(found)-len(want[key]), 0)
	}
	return t
}

// side reads what one side of a flow has.
type side func(context.Context, *house) (holding, error)

// document is one as the sandbox shows it.
type document = map[string]any

// page is a side that the sandbox tells of; each document says what it is.
func page(name string, tell func(d document, add func(key string, version ...any))) side {
	return func(ctx context.Context, h *house) (holding, error) {
		var list struct{ Datas []document }
		if err := fetch(ctx, h.control(name), &list); err != nil {
			return nil, err
		}
		all := holding{}
		for _, d := range list.Datas {
			tell(d, func(key string, version ...any) { all[key] = append(all[key], fmt.Sprint(version...)) })
		}
		return all, nil
	}
}

// table is a side in the database: a query for keys and versions.
func table(query string) side {
	return func(ctx context.Context, h *house) (holding, error) {
		found, err := h.db.QueryContext(ctx, query)
		if err != nil {
			return nil, err
		}
		defer func() { _ = found.Close() }()
		all := holding{}
		for found.Next() {
			var key, version string
			if err := found.Scan(&key, &version); err != nil {
				return nil, err
			}
			all[key] = append(all[key], version)
		}
		return all, found.Err()
	}
}

// targets are both sides of each flow. They share nothing with the mapping.
var targets = []struct {
	name           string
	source, target side
}{
	{"purchase receipts, lines (MySQL)", page("jushuitan/purchasein", func(d document, add func(string, ...any)) {
		for _, line := range list(d, "items") {
			add(fmt.Sprintf("%v-%v", d["io_id"], line["ioi_id"]), d["ts"])
		}
	}), table("SELECT id, ts FROM purchasein_query")},

	{"refunds (MySQL)", page("wangdiantong/refund", func(d document, add func(string, ...any)) {
		var ms int64
		_, _ = fmt.Sscan(fmt.Sprint(d["modified"]), &ms) // 0 is nowhere
		add(fmt.Sprint(d["refund_id"]), time.UnixMilli(ms).In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format(time.DateTime))
	}), table("SELECT refund_id, modified FROM aftersales_refund_refund_search")},

	{"customers (Kingdee)", page("jushuitan/shops", func(d document, add func(string, ...any)) {
		if number := fmt.Sprint(d["shop_id"]); number != "0" { // the pseudo shop
			add(number, d["shop_name"])
		}
	}), page("xingchen/customers", func(d document, add func(string, ...any)) { add(fmt.Sprint(d["number"]), d["name"]) })},

	{"gain bills (Kingdee)", page("wangdiantong/stockin", func(d document, add func(string, ...any)) {
		if d["order_type"] == "4" && d["status"] == "80" && d["warehouse_no"] != "WH2024052601" { // the one that the flow leaves out
			add(fmt.Sprint("旺店通盘盈单", d["order_no"]), "C", len(list(d, "details_list")))
		}
	}), page("xingchen/gain-bills", func(d document, add func(string, ...any)) {
		add(fmt.Sprint(d["remark"]), d["bill_status"], len(list(d, "material_entity")))
	})},

	{"receipts (KIS)", page("jushuitan/otherin", func(d document, add func(string, ...any)) {
		if d["type"] == "其它退货" && d["status"] == "Confirmed" {
			add(fmt.Sprint(d["io_id"]), len(list(d, "items")))
		}
	}), page("kis/receipts", func(d document, add func(string, ...any)) {
		head, _ := d["Head"].(document)
		add(fmt.Sprint(head["FBillNo"]), len(list(d, "Entry")))
	})},
}

// list are the lines of a document.
func list(d document, field string) (lines []document) {
	values, _ := d[field].([]any)
	for _, v := range values {
		if line, ok := v.(document); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

// compare looks at all targets.
func (h *house) compare(ctx context.Context) (found []target, err error) {
	for _, t := range targets {
		want, err := t.source(ctx, h)
		if err != nil {
			return nil, err
		}
		got, err := t.target(ctx, h)
		if err != nil {
			return nil, err
		}
		found = append(found, compared(t.name, want, got))
	}
	return found, nil
}
