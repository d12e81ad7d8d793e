package mapping

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
)

// doubled makes text or a list twice as long, n times, with the expression that grows and the last one.
func doubled(start, last string, n int) string {
	text := last
	for i := n; i > 0; i-- {
		text = fmt.Sprintf("cel.bind(v%d, %s, %s)", i, strings.ReplaceAll(start, "V", fmt.Sprintf("v%d", i-1)), text)
	}
	return text
}

// A hostile expression ends with a permanent error, soon, and takes little memory.
func TestHostileExpressionsAreStopped(t *testing.T) {
	lines := strings.Repeat(`{"n":1,"t":"x"},`, 999) + `{"n":1,"t":"x"}`
	body := []byte(`{"a":"` + strings.Repeat("a", 100_000) + `","l":[` + lines + `],"n":7}`)
	bind := func(first, rest string) string { return "cel.bind(v0, " + first + ", " + rest + ")" }
	tests := []struct{ name, text, err string }{
		{"loops in loops", `string(record.l.map(a, record.l.map(b, record.l.map(c, a.n + c.n))).size())`, "cost limit exceeded"},
		{"aggregates in aggregates", `string(sum(record.l, a, sum(record.l, b, sum(record.l, c, c.n))))`, "cost limit exceeded"},
		{"padding", `record.a.pad_start(1000000000, "0")`, "1000000000 is no whole number from 0 to 4096"},
		{"repetition", `record.a.repeat(1000)`, "the text would have more than 1048576 bytes"},
		{"replacement", `record.a.replace("", record.a)`, "the text would have more than 1048576 bytes"},
		{"joining", `record.l.map(x, record.a).join(record.a)`, "cost limit exceeded"},
		{"text that doubles", bind(`record.a`, doubled("V + V", "v40", 40)), "the text would have more than 1048576 bytes"},
		{"list that doubles", bind(`[record.n]`, doubled("V + V", "string(1 in v40)", 40)), "the list would have more than 50000 elements"},
		{"list of itself compared", bind(`[record.n]`, doubled("[V, V]", "string(v40 == v40)", 40)), "cost limit exceeded"},
		{"list of itself grouped", bind(`[record.n]`, doubled("[V, V]", "string(size(group(v40, item)))", 40)), "cost limit exceeded"},
		{"list of itself flattened", bind(`[record.n]`, doubled("[V, V].flatten()", "string(v20.size())", 20)), "the list would have more than 50000 elements"},
		{"map of itself compared", bind(`{"k": record.n}`, doubled(`{"a": V, "b": V}`, "string(v40 == v40)", 40)), "cost limit exceeded"},
		{"splitting", `record.a.split("").join()`, "the list would have more than 50000 elements"},
		{"matches", `record.a.matches("(a+)+$") ? "y" : "n"`, ""},
		{"matches of a large pattern", `record.a.matches("(a{30}){30}b") ? "y" : "n"`, "cost limit exceeded"},
		{"replacement that grows", `record.a.regex_replace("a", "` + strings.Repeat("$0", 100) + `")`, "the text would have more than 1048576 bytes"},
		{"numbers that grow", bind(`record.n + decimal("9999999999")`, doubled("V * V", "string(v40)", 40)), "more than 200 digits"},
		{"a quotient without end", `string(divide(record.n, 3, 1000000))`, "1000000 is no whole number from 0 to 100"},
		{"sets", `string(sets.contains(record.l.map(x, record.a), record.l.map(x, record.a + "b")))`, "cost limit exceeded"},
	}
	for _, tt := range tests {
		m, issues := Compile(one("text", tt.text), everything(t))
		if issues != nil {
			t.Errorf("%s: %v", tt.name, issues)
			continue
		}
		bytes, err := measured(m, body)
		if tt.err == "" && err != nil || tt.err != "" && (!fault.IsPermanent(err) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if bytes > 200<<20 {
			t.Errorf("%s: it allocated %d MiB", tt.name, bytes>>20)
		}
	}
}

// measured applies a mapping and says how much that allocates.
func measured(m *Mapping, body []byte) (bytes uint64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = m.Apply(record.Envelope{}, body, nothing{})
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

// All that is done for one record is bounded, not only each expression of it.
func TestARecordIsStopped(t *testing.T) {
	lines := func(n int) []byte {
		return []byte(`{"l":[` + strings.TrimSuffix(strings.Repeat(`{"n":1},`, n), ",") + `]}`)
	}
	each := func(list string, fields ...Field) Field {
		return Field{Name: "list", Each: Expr{Text: list}, Fields: fields}
	}
	heavy := leaf("text", "string(sum(record.l, x, x.n * item.n))")
	tests := []struct {
		name   string
		fields []Field
		lines  int
		err    string
	}{
		{"a sum over all lines for each line", []Field{each("record.l", heavy)}, 1000, "the record costs more than a mapping may"},
		{"the same list in itself", []Field{each("record.l", each("record.l", leaf("i64", "item.n")))}, 1000, "the record costs more than a mapping may"},
		{"a list without end", []Field{each("record.l", leaf("i64", "item.n"))}, 60_000, "the record costs more than a mapping may"},
		{"a large document", []Field{each("record.l", leaf("i64", "item.n"), leaf("text", `string(item.n * 2) + "-" + string(index)`), leaf("amount", "round(decimal(item.n) / 3, 2)"))}, 5000, ""},
	}
	for _, tt := range tests {
		m, issues := Compile(Spec{Fields: tt.fields}, everything(t))
		if issues != nil {
			t.Fatal(issues)
		}
		bytes, err := measured(m, lines(tt.lines))
		if tt.err == "" && err != nil || tt.err != "" && (!fault.IsPermanent(err) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if bytes > 400<<20 {
			t.Errorf("%s: it allocated %d MiB", tt.name, bytes>>20)
		}
	}
}

// A record with a fault in each line keeps few of them.
func TestFaultsOfARecordAreBounded(t *testing.T) {
	m, issues := Compile(Spec{Fields: []Field{{Name: "list", Each: Expr{Text: "record.l"}, Fields: []Field{leaf("i64", "item")}}}}, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	_, err := m.Apply(record.Envelope{}, []byte(`{"l":["x"`+strings.Repeat(`,"x"`, 40_000)+`]}`), nil)
	if err == nil || !strings.Contains(err.Error(), "and 990 more") {
		t.Errorf("%v", err)
	}
}
