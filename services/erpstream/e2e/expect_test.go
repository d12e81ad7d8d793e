package e2e

import (
	"database/sql"
	"fmt"
	"math/big"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
)

// columns are the 31 of the table, each with the document's or the line's field that it shows.
var columns = []struct{ name, head, line, kind string }{
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
}

// expected works out the rows that the sandbox's documents must become, by the row's id. It
// shares nothing with the mapping.
func expected(t *testing.T, documents []map[string]any) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, doc := range documents {
		items, _ := doc["items"].([]any)
		for _, it := range items {
			item, ok := it.(map[string]any)
			if !ok {
				t.Fatalf("document %v has a line that is no object", doc["io_id"])
			}
			id := fmt.Sprintf("%v-%v", doc["io_id"], item["ioi_id"])
			row := make([]string, len(columns))
			for i, c := range columns {
				value := doc[c.head]
				if c.line != "" {
					value = item[c.line]
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
	if kind != "decimal" {
		return text
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no decimal", text)
	}
	return r.RatString()
}

// stored reads the table, by the row's id.
func stored(t *testing.T, dsn string) map[string][]string {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = "`" + c.name + "`"
	}
	found, err := db.QueryContext(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM purchasein_query")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	rows := map[string][]string{}
	for found.Next() {
		values, row := make([]sql.NullString, len(columns)), make([]string, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := found.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			row[i] = "NULL"
			if v.Valid {
				row[i] = show(t, columns[i].kind, v.String)
			}
		}
		rows[row[0]] = row
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// compare fails the test unless the table holds exactly what the sandbox's documents must become.
func (h *house) compare() (rows int) {
	h.t.Helper()
	return h.compareWith(h.documents())
}

// compareWith does so with documents that were read already.
func (h *house) compareWith(documents []map[string]any) (rows int) {
	h.t.Helper()
	want, got := expected(h.t, documents), stored(h.t, h.dsn)
	if len(want) == 0 {
		h.t.Fatal("the sandbox holds nothing: the comparison is no test")
	}
	faults := 0
	fault := func(format string, args ...any) {
		h.t.Helper()
		if faults++; faults <= 10 {
			h.t.Errorf(format, args...)
		}
	}
	for id, w := range want {
		g, ok := got[id]
		if !ok {
			fault("row %s is missing", id)
			continue
		}
		for i, c := range columns {
			if g[i] != w[i] {
				fault("row %s: %s = %q, want %q", id, c.name, g[i], w[i])
			}
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			fault("row %s is too many", id)
		}
	}
	if faults > 10 {
		h.t.Errorf("and %d more", faults-10)
	}
	return len(got)
}
