package mapping

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/record"
)

// paths are the plain paths of the property tests.
var paths = []string{"record.a", "record.b.c", "record.l[0]", "record.l[1].c", `record["a"]`}

var scalars = []string{"i32", "i64", "u32", "u64", "flag", "text", "amount", "color"}

// jsonValue draws the JSON text of a value, with numbers in all forms.
func jsonValue(t *rapid.T, depth int) string {
	kinds := []string{"null", "true", "number", "text", "object", "list"}
	if depth == 0 {
		kinds = kinds[:4]
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "number":
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "number")
	case "text":
		text, _ := json.Marshal(rapid.OneOf(rapid.String(), rapid.StringMatching(`[+-]?[0-9]{0,4}(\.[0-9]{0,3})?`),
			rapid.SampledFrom([]string{"", "true", "COLOR_RED", "1"})).Draw(t, "text"))
		return string(text)
	case "object":
		return `{"c":` + jsonValue(t, depth-1) + `}`
	case "list":
		return `[` + jsonValue(t, depth-1) + `,` + jsonValue(t, depth-1) + `]`
	case "true":
		return strconv.FormatBool(rapid.Bool().Draw(t, "bool"))
	default:
		return "null"
	}
}

func TestPathEqualsCEL(t *testing.T) {
	md := everything(t)
	type pair struct{ direct, forced *Mapping }
	compiled := map[string]pair{}
	for _, field := range scalars {
		for _, p := range paths {
			direct, issues := compile(one(field, p), md, false)
			forced, forcedIssues := compile(one(field, p), md, true)
			if issues != nil || forcedIssues != nil {
				t.Fatal(issues, forcedIssues)
			}
			if direct.plan.fields[0].value.program != nil || forced.plan.fields[0].value.program == nil {
				t.Fatalf("%s: the switch does not switch", p)
			}
			compiled[field+p] = pair{direct, forced}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := compiled[rapid.SampledFrom(scalars).Draw(t, "field")+rapid.SampledFrom(paths).Draw(t, "path")]
		body := []byte(`{"a":` + jsonValue(t, 2) + `,"b":` + jsonValue(t, 2) + `,"l":` + jsonValue(t, 2) + `}`)
		a, errA := m.direct.Apply(record.Envelope{}, body, nil)
		b, errB := m.forced.Apply(record.Envelope{}, body, nil)
		if (errA == nil) != (errB == nil) || !bytes.Equal(a.Body, b.Body) {
			t.Fatalf("%s\npath %x, %v\nCEL  %x, %v", body, a.Body, errA, b.Body, errB)
		}
		again, err := m.direct.Apply(record.Envelope{}, body, nil)
		if !bytes.Equal(again.Body, a.Body) || (err == nil) != (errA == nil) {
			t.Fatalf("%s: twice is not equal once", body)
		}
	})
}

func TestLiteralsSurvive(t *testing.T) {
	md := everything(t)
	for _, text := range []string{"record.x", "string(record.x)", "coalesce(record.x)", "record.gone == null ? record.x : null", `[record.x][0]`} {
		m, issues := Compile(one("text", text), md)
		if issues != nil {
			t.Fatal(issues)
		}
		literals := []string{"9007199254740993", "0.10", "12345678901234567890.123", "-0", "1E+2", "0.00", "100000000000000000000000000000"}
		for _, literal := range literals {
			got, err := m.Apply(record.Envelope{}, []byte(`{"x":`+literal+`}`), nil)
			if err != nil || !bytes.HasSuffix(got.Body, []byte(literal)) {
				t.Errorf("%s of %s: %q, %v", text, literal, got.Body, err)
			}
		}
	}
}

func TestSumsAreExact(t *testing.T) {
	m, issues := Compile(one("amount", "(record.a + record.b) * record.c - record.a * record.c - record.b * record.c"), everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`-?[1-9][0-9]{0,17}\.[0-9]{1,6}`)
		body := `{"a":` + number.Draw(t, "a") + `,"b":` + number.Draw(t, "b") + `,"c":` + number.Draw(t, "c") + `}`
		got, err := m.Apply(record.Envelope{}, []byte(body), nil)
		if err != nil || bytes.ContainsAny(got.Body[2:], "123456789") {
			t.Fatalf("%s: %q, %v, want 0", body, got.Body, err)
		}
	})
}
