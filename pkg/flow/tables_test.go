package flow_test

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/record"
)

// withTables is a flow to MySQL with tables.
const withTables = `source: jst
connection: jst-main
feed: jushuitan.purchasein
every: 5m
start: "2025-01-01"
---
# a comment
flow: to-bi
from: jst
target: {kind: mysql, connection: bi, message: erpstream.mysql.v1.PurchaseIn}
tables:
  pay: {"1": JSFS01, "2": "JSFS 02"}
TABLES
map:
  io_id: record.io_id
  rows:
    each: record.items
    map:
      id: string(record.io_id) + "-" + string(index)
      io_id: record.io_id
      modified: datetime(record.modified)
      status: table("TABLE", record.pay) + setting("account")
      items_ioi_id: item.ioi_id
      items_qty: item.qty
`

var folder = fstest.MapFS{
	"tables/unit.csv":  {Data: []byte("\ufeffcode,value,note\n1,件,piece\n 2 ,\"say \"\"hi\"\", C:\\x # no comment\",\n")},
	"tables/twice.csv": {Data: []byte("code,value\n1,a\n1,b\n")},
	"tables/head.csv":  {Data: []byte("1,a\n")},
	"tables/none.csv":  {Data: []byte("code,value\n")},
	"tables/gbk.csv":   {Data: []byte("code,value\n1,\xbc\xfe\n")},
	"tables/empty.csv": {Data: []byte("code,value\n1,\n")},
	"tables/csv.csv":   {Data: []byte("code,value\n1,a,b\n")},
	"tables/large.csv": {Data: []byte("code,value\n" + strings.Repeat("1,a\n", 70_000))},
}

func tablesIn(text, table string) string {
	return strings.ReplaceAll(strings.ReplaceAll(withTables, "TABLES", text), "TABLE", table)
}

func TestTablesInFilesBecomeRowsOfTheDocument(t *testing.T) {
	want := map[string]string{"1": "件", "2": `say "hi", C:\x # no comment`}
	for name, text := range map[string]string{
		"a line of its own":  "  unit:\n    file: tables/unit.csv   # 单位",
		"quotes":             "  unit:\n    file: 'tables/unit.csv'",
		"braces":             "  unit: {file: tables/unit.csv}  # 单位",
		"braces with quotes": "  unit: { \"file\": \"tables/unit.csv\" }",
		"between others":     "  first: {file: tables/unit.csv}\n  unit:\n    file: tables/unit.csv\n  last: {\"a\": b}",
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := flow.ReadTables(parse(t, tablesIn(text, "unit")), folder)
			if err != nil {
				t.Fatal(err)
			}
			d := docs[1]
			if got := d.Flow.Spec.Tables["unit"]; !maps.Equal(got.Rows, want) || got.File != "" {
				t.Errorf("table = %+v", got)
			}
			if d.Flow.Spec.Tables["pay"].Rows["2"] != "JSFS 02" || !strings.Contains(d.Text, "# a comment") || strings.Contains(name, "own") != strings.Contains(d.Text, "# 单位") && name != "braces" {
				t.Errorf("the document changed:\n%s", d.Text)
			}
			stored, err := flow.ParseStored(flow.KindFlow, "to-bi", []byte(d.Text))
			if err != nil || !maps.Equal(stored.Flow.Spec.Tables["unit"].Rows, want) {
				t.Errorf("stored: %v\n%s", err, d.Text)
			}
			again, err := flow.ReadTables([]flow.Document{stored}, nil)
			if err != nil || again[0].Text != d.Text {
				t.Errorf("what is stored does not stand for itself: %v", err)
			}
		})
	}
}

func TestTablesAndSettingsInAMapping(t *testing.T) {
	docs, err := flow.ReadTables(parse(t, tablesIn("  unit: {file: tables/unit.csv}", "unit")), folder)
	if err != nil {
		t.Fatal(err)
	}
	from, _ := feed.Get("jushuitan.purchasein")
	target := flow.Connection{Name: "bi", System: "mysql", Settings: map[string]string{"account": "168"}}
	m, err := check.Compile(*docs[1].Flow, *docs[0].Source, from, target)
	if err != nil {
		t.Fatal(err)
	}
	body := func(pay string) []byte {
		return []byte(`{"io_id":7,"pay":` + pay + `,"modified":"2026-01-02 00:00:00","items":[{"ioi_id":1,"qty":2}]}`)
	}
	got, err := m.Apply(record.Envelope{Key: "7"}, body("1"), nil)
	if err != nil || !strings.Contains(string(got.Body), "件168") {
		t.Errorf("%q, %v", got.Body, err)
	}
	_, err = m.Apply(record.Envelope{Key: "7"}, body(`"9"`), nil)
	if err == nil || !strings.Contains(err.Error(), `table unit has no code "9"`) {
		t.Errorf("%v", err)
	}
	_, err = check.Compile(*docs[1].Flow, *docs[0].Source, from, flow.Connection{Name: "bi", Settings: map[string]string{"acount": "1"}})
	if err == nil || !strings.Contains(err.Error(), `has no setting "account": did you mean acount?`) {
		t.Errorf("%v", err)
	}
}

func TestTablesRefuse(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"outside", "  unit: {file: ../unit.csv}", `t.yaml:13:16: tables.unit.file: "../unit.csv" is no path in the folder of the flow`},
		{"absolute", "  unit: {file: /etc/passwd}", "is no path in the folder of the flow"},
		{"no file", "  unit: {file: tables/gone.csv}", "t.yaml:13:16: tables.unit.file: there is no file tables/gone.csv in the folder of the flow"},
		{"code twice", "  unit: {file: tables/twice.csv}", `tables/twice.csv:3:1: code "1" is there twice, first on line 2`},
		{"no header", "  unit: {file: tables/head.csv}", "tables/head.csv:1:1: the first line must name the columns code and value"},
		{"no rows", "  unit: {file: tables/none.csv}", "tables/none.csv has no rows"},
		{"no UTF-8", "  unit: {file: tables/gbk.csv}", "tables/gbk.csv is not UTF-8: save it as CSV UTF-8"},
		{"an empty value", "  unit: {file: tables/empty.csv}", "tables/empty.csv:2:1: code and value must not be empty"},
		{"too many columns", "  unit: {file: tables/csv.csv}", "tables/csv.csv:2:"},
		{"too large", "  unit: {file: tables/large.csv}", "tables/large.csv is larger than 262144 bytes"},
		{"a folder", "  unit: {file: tables}", "tables.unit.file"},
		{"two lines", "  unit:\n    file:\n      tables/unit.csv", "stands on the line of its key"},
		{"a number", "  unit: {\"1\": 5}", "t.yaml:13:15: tables.unit.1: must be text, is a number: put it in quotes"},
		{"no table", "  unit: 5", "tables.unit: must be a mapping"},
		{"empty", "  unit: {}", "tables.unit: has no rows"},
		{"blanks", "  unit: {\" 1\": x}", "a code is not empty and has no blanks around it"},
	}
	for _, tt := range tests {
		docs, err := flow.Parse("t.yaml", []byte(tablesIn(tt.text, "unit")))
		if err == nil {
			_, err = flow.ReadTables(docs, folder)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.name, err, tt.want)
		}
	}
	docs := parse(t, tablesIn("  unit: {file: tables/unit.csv}", "unit"))
	if _, err := flow.ReadTables(docs, nil); err == nil || !strings.Contains(err.Error(), "a flow that is no file") {
		t.Errorf("without a folder: %v", err)
	}
	err := check.Set(flow.Set{}.With(docs...))
	if err == nil || !strings.Contains(err.Error(), `the rows of table "unit" are in file tables/unit.csv, which was not read`) {
		t.Errorf("not read: %v", err)
	}
	err = check.Set(flow.Set{}.With(parse(t, tablesIn("", "pya"))...))
	if err == nil || !strings.Contains(err.Error(), `unknown table "pya": did you mean pay?`) {
		t.Errorf("unknown: %v", err)
	}
}
