package e2e

import (
	"database/sql"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// table is a table and what its rows are made of: the documents of a page of the sandbox.
type table struct {
	name, page string
	// lines is the list of a document whose elements are the rows; empty: the document is one row.
	lines   string
	id      func(doc, line map[string]any) string
	columns []column
}

// column is a column with the field of the document, or of the line, that it shows.
type column struct{ name, head, line, kind string }

// purchaseIn are the 31 columns of the purchase receipts.
var purchaseIn = table{
	name: "purchasein_query", page: "jushuitan/purchasein", lines: "items",
	id: func(doc, line map[string]any) string { return fmt.Sprintf("%v-%v", doc["io_id"], line["ioi_id"]) },
	columns: []column{
		{"id", "", "", "id"}, {"io_id", "io_id", "", "text"}, {"ts", "ts", "", "text"}, {"warehouse", "warehouse", "", "text"},
		{"po_id", "po_id", "", "text"}, {"supplier_id", "supplier_id", "", "text"}, {"supplier_name", "supplier_name", "", "text"},
		{"modified", "modified", "", "time"}, {"so_id", "so_id", "", "text"}, {"out_io_id", "out_io_id", "", "text"},
		{"status", "status", "", "text"}, {"io_date", "io_date", "", "time"}, {"wh_id", "wh_id", "", "text"},
		{"wms_co_id", "wms_co_id", "", "text"}, {"remark", "remark", "", "text"}, {"tax_rate", "tax_rate", "", "decimal"},
		{"labels", "labels", "", "text"}, {"archived", "archived", "", "time"}, {"merge_so_id", "merge_so_id", "", "text"},
		{"type", "type", "", "text"}, {"creator_name", "creator_name", "", "text"}, {"f_status", "f_status", "", "text"},
		{"l_id", "l_id", "", "text"}, {"items_ioi_id", "", "ioi_id", "text"}, {"items_sku_id", "", "sku_id", "text"},
		{"items_i_id", "", "i_id", "text"}, {"items_unit", "", "unit", "text"}, {"items_name", "", "name", "text"},
		{"items_qty", "", "qty", "decimal"}, {"items_cost_price", "", "cost_price", "decimal"}, {"items_cost_amount", "", "cost_amount", "decimal"},
	},
}

// refunds are the 39 columns of the refunds.
var refunds = table{
	name: "aftersales_refund_refund_search", page: "wangdiantong/refund",
	id: func(doc, _ map[string]any) string { return fmt.Sprint(doc["refund_id"]) },
	columns: named(map[string]string{
		"modified": "ms", "created": "ms", "settle_time": "time", "check_time": "time",
		"return_goods_count": "decimal", "guarantee_refund_amount": "decimal", "return_goods_amount": "decimal",
		"actual_refund_amount": "decimal", "direct_refund_amount": "decimal", "receive_amount": "decimal",
	}, `refund_id src_tids refund_no remark type stockin_status flag_name return_goods_count receiver_telno receiver_name modified
		note_count shop_no from_type created settle_time check_time return_logistics_no trade_no_list guarantee_refund_amount
		return_goods_amount return_logistics_name reason_name refund_reason buyer_nick operator_name actual_refund_amount
		revert_reason_name return_warehouse_no direct_refund_amount receive_amount customer_name fenxiao_nick_name status shop_id
		trade_id raw_refund_nos pay_id provider_refund_no`),
}

// named returns columns that show the field of their own name, as text unless kinds says otherwise.
func named(kinds map[string]string, names string) []column {
	var columns []column
	for name := range strings.FieldsSeq(names) {
		kind := kinds[name]
		if kind == "" {
			kind = "text"
		}
		columns = append(columns, column{name, name, "", kind})
	}
	return columns
}

// expected works out the rows that the sandbox's documents must become, by the row's id. It
// shares nothing with the mapping.
func (tab table) expected(t *testing.T, docs documents) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, doc := range docs {
		lines := []any{map[string]any{}}
		if tab.lines != "" {
			lines, _ = doc[tab.lines].([]any)
		}
		for _, each := range lines {
			line, ok := each.(map[string]any)
			if !ok {
				t.Fatalf("document %v has a line that is no object", doc)
			}
			id := tab.id(doc, line)
			row := make([]string, len(tab.columns))
			for i, c := range tab.columns {
				value := doc[c.head]
				if c.line != "" {
					value = line[c.line]
				}
				row[i] = show(t, c.kind, value)
				if c.kind == "id" {
					row[i] = id
				}
			}
			rows[id] = row
		}
	}
	return rows
}

// show writes a value so that it can be compared: a decimal without trailing zeros, NULL for none.
func show(t *testing.T, kind string, value any) string {
	t.Helper()
	if value == nil || kind != "text" && value == "" {
		return "NULL"
	}
	text := fmt.Sprint(value)
	switch kind {
	case "decimal":
		return decimal(t, text)
	case "ms":
		var ms int64
		if _, err := fmt.Sscan(text, &ms); err != nil {
			t.Fatalf("%q are no milliseconds", text)
		}
		return time.UnixMilli(ms).In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format(time.DateTime)
	default:
		return text
	}
}

// decimal writes a number so that equal ones are equal.
func decimal(t *testing.T, text string) string {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no decimal", text)
	}
	return r.RatString()
}

// stored reads the table, by the row's id, which is its first column.
func (tab table) stored(t *testing.T, dsn string) map[string][]string {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	names := make([]string, len(tab.columns))
	for i, c := range tab.columns {
		names[i] = "`" + c.name + "`"
	}
	found, err := db.QueryContext(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM "+tab.name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	rows := map[string][]string{}
	for found.Next() {
		values, row := make([]sql.NullString, len(names)), make([]string, len(names))
		targets := make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := found.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			row[i] = "NULL"
			switch {
			case v.Valid && tab.columns[i].kind == "decimal":
				row[i] = decimal(t, v.String)
			case v.Valid:
				row[i] = v.String
			}
		}
		rows[row[0]] = row
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// compare fails the test unless the table of purchase receipts holds exactly what the sandbox's
// documents must become.
func (h *house) compare() (rows int) {
	h.t.Helper()
	return h.compareRows(purchaseIn, h.held(purchaseIn.page)[purchaseIn.page])
}

// compareRows does so for any table, with documents that were read already.
func (h *house) compareRows(tab table, docs documents) (rows int) {
	h.t.Helper()
	var v verdict
	v.rows(h, tab, docs)
	return v.must(h.t)[tab.name]
}

// verdict is what a comparison of the targets with the source found; each number counts documents,
// or rows.
type verdict struct {
	// missing are not at the target, duplicated are there once too often, wrong have a field that differs.
	missing, duplicated, wrong int
	// faults says which, expected how many there should be.
	faults   []string
	expected map[string]int
}

// must fails the test unless all is as it should be, and returns how many of each there are.
func (v *verdict) must(t *testing.T) map[string]int {
	t.Helper()
	for _, fault := range v.faults[:min(len(v.faults), 10)] {
		t.Error(fault)
	}
	if len(v.faults) > 10 {
		t.Errorf("and %d more", len(v.faults)-10)
	}
	return v.expected
}

// rows compares a table.
func (v *verdict) rows(h *house, tab table, docs documents) {
	h.t.Helper()
	v.compare(h.t, tab.name, tab.names(), tab.expected(h.t, docs), tab.stored(h.t, h.dsn))
}

// names are those of the columns.
func (tab table) names() []string {
	names := make([]string, len(tab.columns))
	for i, c := range tab.columns {
		names[i] = c.name
	}
	return names
}

// compare notes what got does not hold as want does, field by field; names are the fields'.
func (v *verdict) compare(t *testing.T, what string, names []string, want, got map[string][]string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: the sandbox holds nothing: the comparison is no test", what)
	}
	if v.expected == nil {
		v.expected = map[string]int{}
	}
	v.expected[what] = len(want)
	for id, w := range want {
		g, ok := got[id]
		if !ok {
			v.missing++
			v.fault("%s: %s is missing", what, id)
			continue
		}
		if i := differing(w, g); i >= 0 {
			v.wrong++
			v.fault("%s: %s: %s differs: %q, want %q", what, id, names[i], g, w)
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			v.duplicated++
			v.fault("%s: %s is too many", what, id)
		}
	}
}

// differing returns the first field that is not as it should be, -1 for none.
func differing(want, got []string) int {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return i
		}
	}
	return -1
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}
