package flowtest_test

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/flowtest"
)

const documents = `connection: jst
system: jushuitan
endpoint: sandbox
---
connection: kis
system: kis
endpoint: sandbox
---
source: receipts
connection: jst
feed: jushuitan.otherin
every: 5m
start: 2026-01-01
---
flow: bills
from: receipts
where: record.status == "Confirmed"
quality:
  - {rule: size(record.items) > 0, else: dead}
  - {name: has-remark, rule: has(record.remark), else: warn}
target: {kind: kis, connection: kis, message: erpstream.kis.v1.OtherInbound}
map:
  head:
    map:
      bill_no: string(record.io_id)
      date: format_time(datetime(record.io_date), "yyyy-MM-ddTHH:mm:ss")
  entry:
    each: record.items
    map:
      item_id: lookup("kis.material", "F_103", item.sku_id).FItemID
      unit_id: '"8"'
      qty: item.qty
`

const cases = `tests: bills
references:
  kis.material: [{id: 7, FItemID: 7, F_103: A}]
cases:
  # The usual bill.
  - name: a bill
    record:
      {io_id: 1, io_date: "2026-10-01 08:00:00", status: Confirmed, items: [{sku_id: A, qty: 1.50}, {sku_id: A, qty: 2}]}
    message: # as KIS gets it
      head:
        # the number
        bill_no: 2  # wrong
        date: 2026-10-01T08:00:00
      entry:
        # first line
        - item_id: 7
          unit_id: "8" # piece
          qty: 1.5
    warns: [has-remark]
  - name: waits
    record: {io_id: 1, io_date: "2026-10-01 08:00:00", status: Confirmed, items: [{sku_id: B, qty: 1}]}
    parked: {collection: kis.material, field: F_103, value: B}
  - name: left out
    record: {status: Open}
    filtered: true
  - name: new
    record: {io_id: 3, io_date: "2026-10-01 08:00:00", status: Confirmed, remark: x, items: [{sku_id: A, qty: 1}]}
`

// prepare reads the flow and its tests, which are in a file of that name.
func prepare(t *testing.T, file, text string, only *regexp.Regexp) (flowtest.Flow, error) {
	t.Helper()
	docs, err := flow.Parse("flow.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := flow.Parse(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	set := flow.Set{}.With(docs...)
	return flowtest.Prepare(set, set.Flows["bills"], tests, only)
}

func run(t *testing.T, text string) flowtest.FlowReport {
	t.Helper()
	f, err := prepare(t, "t.yaml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Run()
}

// before is what stands before a part of a text.
func before(text, part string) string {
	head, _, _ := strings.Cut(text, part)
	return head
}

func TestReportIsReadable(t *testing.T) {
	const want = `FAIL  bills: 4 tests, 0 % of 5 target fields
      FAIL a bill  (t.yaml:6)
           - expected, + came out: 3 fields differ
           - head.bill_no: "2"   (line 12)
           + head.bill_no: "1"
           - entry[0].qty: "1.5"   (line 18)
           + entry[0].qty: "1.50"
           + entry[1]: {"item_id":"7","unit_id":"8","qty":"2"}
      ok   waits  (t.yaml:20)
      ok   left out  (t.yaml:23)
      FAIL new  (t.yaml:26)
           nothing is expected; --update writes the message that came out
      no test expects a value of head.bill_no, head.date, entry.item_id, entry.unit_id, entry.qty
      no test has a record that is dead by size(record.items) > 0
      no test has a record that is warn by has-remark
`
	var b strings.Builder
	if err := flowtest.WriteText(&b, []flowtest.FlowReport{run(t, cases)}, true, true); err != nil || b.String() != want {
		t.Errorf("%v, got\n%swant\n%s", err, b.String(), want)
	}
}

func TestUpdateKeepsCommentsAndPasses(t *testing.T) {
	const want = `    message: # as KIS gets it
      head:
        # the number
        bill_no: "1"  # wrong
        date: "2026-10-01T08:00:00"
      entry:
        # first line
        - item_id: "7"
          unit_id: "8" # piece
          qty: "1.50"
        - item_id: "7"
          unit_id: "8"
          qty: "2"
    warns: [has-remark]
`
	updated, changed, err := flowtest.Update("t.yaml", []byte(cases), []flowtest.FlowReport{run(t, cases)})
	if err != nil || changed != 2 || !strings.Contains(string(updated), want) || !strings.HasPrefix(string(updated), before(cases, "message:")) {
		t.Fatalf("%d, %v\n%s", changed, err, updated)
	}
	if end := "items: [{sku_id: A, qty: 1}]}\n    message:\n      head:\n        bill_no: \"3\"\n"; !strings.Contains(string(updated), end) {
		t.Errorf("no %q in\n%s", end, updated)
	}
	report := run(t, string(updated))
	if report.Failed != 0 || report.Coverage.Percent != 100 || len(report.Coverage.Untried) != 1 {
		t.Errorf("%+v", report)
	}
	again, changed, err := flowtest.Update("t.yaml", updated, []flowtest.FlowReport{report})
	if err != nil || changed != 0 || !bytes.Equal(again, updated) {
		t.Errorf("updated twice: %d, %v", changed, err)
	}
}

func TestUpdateLeavesOtherExpectationsAlone(t *testing.T) {
	text := strings.Replace(cases, "    record: {status: Open}\n", "    record: {io_id: 1, io_date: \"2026-10-01 08:00:00\", status: Confirmed, items: [{sku_id: A, qty: 1}]}\n", 1)
	text = before(text, "  - name: new")
	report := run(t, text)
	updated, changed, err := flowtest.Update("t.yaml", []byte(text), []flowtest.FlowReport{report})
	if err != nil || report.Failed != 2 || changed != 1 || !strings.Contains(string(updated), "filtered: true") {
		t.Errorf("%d failed, %d changed, %v\n%s", report.Failed, changed, err, updated)
	}
	inline := "tests: bills\ncases:\n  - {name: x, record: {io_id: 3, io_date: \"2026-10-01 08:00:00\", status: Confirmed, items: []}, message: {}}\n"
	if _, _, err := flowtest.Update("t.yaml", []byte(inline), []flowtest.FlowReport{run(t, inline)}); err != nil {
		t.Errorf("a dead record has nothing to write: %v", err)
	}
	inline = strings.Replace(strings.Replace(inline, "tests: bills\n", "tests: bills\nreferences: {kis.material: [{id: 7, FItemID: 7, F_103: A}]}\n", 1), "items: []", "items: [{sku_id: A, qty: 1}]", 1)
	if _, _, err := flowtest.Update("t.yaml", []byte(inline), []flowtest.FlowReport{run(t, inline)}); err == nil || !strings.Contains(err.Error(), "t.yaml:4: x: --update needs a test whose fields stand on lines of their own") {
		t.Errorf("Update = %v", err)
	}
}

func TestExpectedMessagesAreChecked(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown field", "bill_no: 2", "bill_nr: 2", "t.yaml:12:9: cases[0].message.head.bill_nr: OtherInboundHead has no field \"bill_nr\": did you mean bill_no?"},
		{"no text", "qty: 1.5\n", "qty: true\n", "t.yaml:18:16: cases[0].message.entry[0].qty: must be text: put it in quotes"},
		{"null", "qty: 1.5\n", "qty: null\n", "a field that is absent is not written"},
		{"no list", "      entry:\n        # first line\n        - item_id: 7\n  ", "      entry:\n          item_id: 7\n  ", "cases[0].message.entry: must be a list"},
		{"not looked up", "kis.material: [", "kis.materiel: [", "t.yaml:3:3: references.kis.materiel: flow bills does not look up kis.materiel: did you mean kis.material?"},
		{"no file", "record: {status: Open}", "record_file: none.json", "cases[2].record_file: open none.json: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(cases, tt.old) != 1 {
				t.Fatalf("%q is there %d times", tt.old, strings.Count(cases, tt.old))
			}
			_, err := prepare(t, "t.yaml", strings.Replace(cases, tt.old, tt.new, 1), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Prepare = %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestRecordFileAndRun(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "r.json"), []byte(`{"status": "Open"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(cases, "record: {status: Open}", "record_file: r.json", 1)
	f, err := prepare(t, filepath.Join(folder, "t.yaml"), text, regexp.MustCompile("^left"))
	if err != nil {
		t.Fatal(err)
	}
	if r := f.Run(); r.Failed != 0 || len(r.Tests) != 1 || r.Tests[0].Name != "left out" {
		t.Errorf("%+v", r)
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := flowtest.WriteJUnit(&b, []flowtest.FlowReport{run(t, cases)}); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string  `xml:"name,attr"`
				Line    int     `xml:"line,attr"`
				Failure *string `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	first := read.Suites[0].Cases[0]
	if read.Tests != 4 || read.Failures != 2 || read.Suites[0].Name != "bills" || first.Line != 6 || !strings.Contains(*first.Failure, `+ head.bill_no: "1"`) || read.Suites[0].Cases[1].Failure != nil {
		t.Errorf("%s", b.Bytes())
	}
}
