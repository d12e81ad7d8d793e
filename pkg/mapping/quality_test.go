package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/record"
)

const judged = `{"id":1,"qty":120000.50,"text_qty":"7","no_qty":"many","status":"Confirmed","code":80,"phone":"13800001111","empty":"","nil":null,
"modified":"2026-01-02 03:04:05","zero":"0000-00-00 00:00:00","lines":[{"sku":"A","qty":1},{"sku":"","qty":-2}]}`

// judgedBy applies one rule with else: dead and returns what it says, "" when the record keeps it.
func judgedBy(t *testing.T, r Rule) string {
	t.Helper()
	from := one("i64", "record.id")
	from.Quality, from.Personal = []Rule{r}, []string{"phone"}
	m, issues := Compile(from, everything(t))
	if issues != nil {
		t.Fatalf("%+v: %v", r, issues)
	}
	read := time.Date(2026, 1, 9, 3, 4, 4, 0, newTimes(nil, nil).zone)
	_, err := m.Apply(record.Envelope{Key: "1", Time: time.Now(), Read: read}, []byte(judged), nil)
	if err != nil && fault.ClassOf(err) != "quality" {
		t.Fatalf("%+v: %v", r, err)
	}
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "quality: ")
}

func TestChecks(t *testing.T) {
	field := func(kind spec.CheckKind, text string) spec.Check {
		return spec.Check{Kind: kind, Field: Expr{Text: text}}
	}
	ranged := func(text, low, high string) spec.Check {
		c := field(spec.Range, text)
		c.Min, c.Max = low, high
		return c
	}
	oneOf := func(text string, values ...string) spec.Check {
		c := field(spec.OneOf, text)
		c.Values = values
		return c
	}
	fresh := func(text string, within time.Duration) spec.Check {
		c := field(spec.Fresh, text)
		c.Within = within
		return c
	}
	each := func(c spec.Check) spec.Check {
		c.Each = Expr{Text: "record.lines"}
		return c
	}
	const week = 7 * 24 * time.Hour
	for _, tt := range []struct {
		check spec.Check
		want  string
	}{
		{field(spec.Required, "record.status"), ""},
		{field(spec.Required, "record.nil"), "record.nil is missing"},
		{field(spec.Required, "record.gone.deep"), "record.gone.deep is missing"},
		{field(spec.Required, "record.empty"), `record.empty is ""`},
		{each(field(spec.Required, "item.sku")), `item.sku of record.lines[1] is ""`},
		{ranged("record.qty", "0", "120000.50"), ""},
		{ranged("record.qty", "0", "120000.4"), "record.qty is 120000.50, more than 120000.4"},
		{ranged("record.text_qty", "8", ""), `record.text_qty is "7", less than 8`},
		{ranged("record.no_qty", "8", ""), `record.no_qty is "many", not a number`},
		{ranged("record.nil", "8", ""), ""},
		{ranged("record.empty", "8", ""), ""},
		{ranged("record.lines", "8", ""), "record.lines is a list, not a number"},
		{ranged("record.phone", "", "1"), "record.phone is what it is, more than 1"},
		{ranged("size(record.lines)", "", "1"), "size(record.lines) is 2, more than 1"},
		{each(ranged("item.qty", "0", "")), "item.qty of record.lines[1] is -2, less than 0"},
		{oneOf("record.status", "WaitConfirm", "Confirmed"), ""},
		{oneOf("record.code", "80"), ""},
		{oneOf("record.status", "A", "B"), `record.status is "Confirmed", not one of A, B`},
		{oneOf("record.phone", "A"), `record.phone is what it is, not one of A`},
		{fresh("record.modified", week), ""},
		{fresh("record.modified", week-2*time.Second), `record.modified is "2026-01-02 03:04:05", 167h59m59s before it was read, more than 167h59m58s`},
		{fresh("datetime(record.modified)", time.Hour), "datetime(record.modified) is 2026-01-01T19:04:05Z, 167h59m59s before it was read, more than 1h0m0s"},
		{fresh("record.zero", time.Hour), ""},
		{fresh("record.status", time.Hour), `record.status is "Confirmed", not a time`},
	} {
		if got := judgedBy(t, Rule{Check: &tt.check, Else: Dead}); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.check, got, tt.want)
		}
	}
	named := field(spec.Required, "record.nil")
	if got := judgedBy(t, Rule{Name: "it is there", Check: &named, Else: Dead}); got != "it is there: record.nil is missing" {
		t.Errorf("named: %q", got)
	}
	if got := judgedBy(t, Rule{Name: "never", Rule: Expr{Text: "record.id > 1"}, Else: Dead}); got != "never: record.id > 1: not so" {
		t.Errorf("named: %q", got)
	}
}

// TestHeld has rules of all fates broken at once, fewer each time.
func TestHeld(t *testing.T) {
	unique := spec.Check{Kind: spec.Unique, Field: Expr{Text: "record.status"}, Within: time.Hour}
	from := one("i64", "record.id")
	from.Quality = []Rule{
		{Name: "held", Rule: Expr{Text: "false"}, Else: Park}, {Name: "held too", Rule: Expr{Text: "false"}, Else: Park},
		{Name: "warned", Rule: Expr{Text: "false"}, Else: Warn}, {Name: "own", Check: &unique, Else: Park},
		{Name: "dropped", Rule: Expr{Text: "false"}, Else: Drop}, {Name: "dead", Rule: Expr{Text: "false"}, Else: Dead},
	}
	m, issues := Compile(from, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	apply := func(m *Mapping) string {
		result, err := m.Apply(record.Envelope{}, []byte(judged), nil)
		held, isHeld := errors.AsType[*Held](err)
		switch {
		case isHeld:
			return "held by " + held.Rule + ": " + held.Why
		case err != nil:
			return err.Error()
		default:
			return fmt.Sprintf("dropped %q warnings %v claims %v body %v", result.Dropped, result.Warnings, result.Claims, len(result.Body) > 0)
		}
	}
	for _, want := range []string{
		"dead=quality: dead: false: not so",
		`dropped=dropped "dropped" warnings [warned] claims [] body false`,
		"held=held by held: false: not so",
		"held too=held by held too: false: not so",
		`=dropped "" warnings [warned] claims [{own record.status Confirmed 1h0m0s park}] body true`,
	} {
		waive, want, _ := strings.Cut(want, "=")
		if got := apply(m); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		m = m.Waive(waive)
	}
}

func TestClaims(t *testing.T) {
	for text, want := range map[string]string{
		"record.id": "1", "record.qty": "120000.50", `record.status + "/" + string(record.id)`: "Confirmed/1", "record.nil": "", "record.empty": "",
		"record.lines": "quality: record.lines is a list, and only text, numbers, times and booleans can be unique",
	} {
		from := one("i64", "record.id")
		from.Quality = []Rule{{Check: &spec.Check{Kind: spec.Unique, Field: Expr{Text: text}, Within: time.Hour}, Else: Drop}}
		m, issues := Compile(from, everything(t))
		if issues != nil {
			t.Fatal(issues)
		}
		result, err := m.Apply(record.Envelope{}, []byte(judged), nil)
		var got string
		switch {
		case err != nil:
			got = err.Error()
		case len(result.Claims) > 0:
			got = result.Claims[0].Value
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestChecksAreCompiled(t *testing.T) {
	at := func(text string) Expr {
		return Expr{Text: text, At: Pos{Line: 3, Column: 7}, Path: "quality[0].range.field"}
	}
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{Check: &spec.Check{Kind: spec.Range, Field: at("item.qty"), Min: "1"}, Else: Dead}, "undeclared reference to 'item'"},
		{Rule{Check: &spec.Check{Kind: spec.Range, Field: at("nope(1)"), Min: "1"}, Else: Dead}, "undeclared reference to 'nope'"},
		{Rule{Check: &spec.Check{Kind: spec.Range, Field: at("record.a"), Min: "x"}, Else: Dead}, `the bound "x" is no number`},
		{Rule{Check: &spec.Check{Kind: "nearly", Field: at("record.a")}, Else: Dead}, `unknown check "nearly"`},
		{Rule{Check: &spec.Check{Kind: spec.Required, Field: at("record.a")}, Else: "ignore"}, `else is "ignore"`},
	} {
		from := one("i64", "record.id")
		from.Quality = []Rule{tt.rule}
		_, issues := Compile(from, everything(t))
		found := func(i Issue) bool { return strings.Contains(i.Msg, tt.want) && i.Line == 3 && i.Column == 7 }
		if len(issues) != 1 || !slices.ContainsFunc(issues, found) {
			t.Errorf("%+v: %v, want %s", tt.rule.Check, issues, tt.want)
		}
	}
}
