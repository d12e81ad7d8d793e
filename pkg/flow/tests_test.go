package flow_test

import (
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
)

const goodTests = `tests: bills
references:
  kis.material:
    - {id: 7, F_103: A}
cases:
  - name: digits stay
    record: {io_id: 9007199254740993, qty: 1.50, big: 12345678901234567890123, date: 2026-10-01, none: null, ok: true, items: []}
    meta: {key: 1, version: 9007199254740993, time: 2026-10-01T08:00:00+08:00}
    message: {qty: 1.50}
  - name: as it is
    record: '{"cut": '
    dead: json
  - name: waits
    record_file: a.json
    parked: {collection: kis.material, field: F_103, value: 007A}
`

func TestTestsKeepLiterals(t *testing.T) {
	docs, err := flow.Parse("t.yaml", []byte(goodTests))
	if err != nil || len(docs) != 1 || docs[0].Kind != flow.KindTests || docs[0].Name != "bills" {
		t.Fatalf("%+v, %v", docs, err)
	}
	tests := docs[0].Tests
	want := `{"io_id":9007199254740993,"qty":1.50,"big":12345678901234567890123,"date":"2026-10-01","none":null,"ok":true,"items":[]}`
	if got := string(tests.Cases[0].Record.JSON()); got != want {
		t.Errorf("record = %s\nwant %s", got, want)
	}
	if c := tests.Cases[0]; c.Key != "1" || c.Version != 9007199254740993 || c.Time.Unix() != 1790812800 || c.Want.Message == nil {
		t.Errorf("%+v", c)
	}
	if c := tests.Cases[1]; c.Record.Text != `{"cut": ` || c.Want.Dead != "json" || c.At.Line != 10 {
		t.Errorf("%+v", c)
	}
	if c := tests.Cases[2]; c.RecordFile != "a.json" || *c.Want.Parked != (flow.ParkedTest{Collection: "kis.material", Field: "F_103", Value: "007A"}) {
		t.Errorf("%+v", c)
	}
	if got := tests.References[0].Entries[0]["id"]; got != "7" {
		t.Errorf("id = %q", got)
	}
}

func TestTestsAreRefused(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown field", "dead: json", "deed: json", "t.yaml:12:5: cases[1].deed: unknown field \"deed\": did you mean dead?"},
		{"two expectations", "dead: json", "dead: json\n    filtered: true", "t.yaml:13:5: cases[1].filtered: dead and filtered exclude one another"},
		{"no record", "    record_file: a.json\n", "", "t.yaml:13:5: cases[2]: needs record or record_file"},
		{"two records", "record_file: a.json", "record_file: a.json\n    record: {}", "record and record_file exclude one another"},
		{"one name", "name: waits", "name: as it is", `there is a case "as it is" already, on line 10`},
		{"no name", "name: waits", "meta: {key: 1}", "cases[2].name: is missing"},
		{"no decimal", "qty: 1.50,", "qty: 0x10,", "0x10 is no decimal number: put it in quotes if it is text"},
		{"leading zero", "{id: 7,", "{id: 007,", "007 is no decimal number"},
		{"not filtered", "dead: json", "filtered: false", "must be true, or left out"},
		{"no collection", "{collection: kis.material, field", "{field", "needs collection, or rule"},
		{"no id", "{id: 7, F_103: A}", "{F_103: A}", "t.yaml:4:7: references.kis.material[0]: needs an id"},
		{"time without zone", "+08:00", "", "is no time with a zone"},
		{"list as message", "message: {qty: 1.50}", "message: [1]", "must be a mapping of the message's fields, is a list"},
		{"no cases", "cases:", "case:", `unknown field "case": did you mean cases?`},
		{"list as record", "record: '{\"cut\": '", "record: [1]", "must be the record as a mapping, or its JSON as text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(goodTests, tt.old) != 1 {
				t.Fatalf("%q is there %d times", tt.old, strings.Count(goodTests, tt.old))
			}
			_, err := flow.Parse("t.yaml", []byte(strings.Replace(goodTests, tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want %s", err, tt.want)
			}
		})
	}
}
