package mapping

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common/operators"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
)

var update = flag.Bool("update", false, "write the generated part of the guide")

var materials = entries{"kingdee.material number A1": {reference.NewEntry("1001", nil)}}

// Each example of the catalog is what it says.
func TestExamples(t *testing.T) {
	document, err := parseRecord([]byte(ExampleRecord))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Functions() {
		if f.Group == "" || f.Signature == "" || f.Does == "" || len(f.Examples) == 0 {
			t.Errorf("%s: %+v lacks something", f.Name, f)
		}
		for _, e := range f.Examples {
			named := strings.Contains(e.Expression, f.Name) || slices.ContainsFunc(f.Examples, func(e FunctionExample) bool { return strings.Contains(e.Expression, f.Name) })
			if !named {
				t.Errorf("%s: no example calls it", f.Name)
			}
			if got := example(t, e, document); got != e.Result {
				t.Errorf("%s: %s = %s, want %s", f.Name, e.Expression, got, e.Result)
			}
		}
	}
}

// example computes an example.
func example(t *testing.T, e FunctionExample, document map[string]any) string {
	t.Helper()
	c, err := newChecker(Spec{Tables: map[string]spec.Table{"paytype": {Rows: ExampleTable}}, Settings: ExampleSettings})
	if err != nil {
		t.Fatal(err)
	}
	s := &scope{record: document, envelope: &record.Envelope{}, budget: &budget{}, lookup: &noting{Lookup: materials}}
	if e.Each == "" {
		return shownBy(t, c.expression(Expr{Text: e.Expression}, 0), c, s)
	}
	var all []string
	items, err := c.expression(Expr{Text: e.Each}, 0).elements(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range items {
		element := s.within(item)
		element.index = i + 1
		all = append(all, shownBy(t, c.expression(Expr{Text: e.Expression}, 1), c, element))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func shownBy(t *testing.T, x *expression, c *checker, s *scope) string {
	t.Helper()
	if x == nil {
		return fmt.Sprint(c.issues)
	}
	v, err := x.value(s)
	if err != nil {
		return err.Error()
	}
	return jsonOf(t, v)
}

// jsonOf writes a value as the catalog does.
func jsonOf(t *testing.T, v any) string {
	t.Helper()
	v, err := plain(v)
	if err != nil {
		return err.Error()
	}
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case time.Time:
		return v.In(time.FixedZone("", 8*60*60)).Format(time.RFC3339Nano)
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, jsonOf(t, one))
		}
		return "[" + strings.Join(all, ", ") + "]"
	default:
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// What the language has is in the catalog, and the other way round.
func TestCatalogIsWhole(t *testing.T) {
	env, err := baseEnv()
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{indexVariable: true, "in": true}
	for name := range env.Functions() {
		if _, isOperator := operators.FindReverse(name); !isOperator && !strings.Contains(name, "@") && !strings.HasPrefix(name, "_") {
			has[name] = true
		}
	}
	for _, m := range env.Macros() {
		has[m.Function()] = true
	}
	for _, name := range []string{"double", "existsOne", "bind"} { // refused; another name of exists_one; cel.bind
		delete(has, name)
	}
	has["cel.bind"] = true
	for _, f := range Functions() {
		if !has[f.Name] {
			t.Errorf("%s is in the catalog, and not in the language or twice", f.Name)
		}
		delete(has, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		t.Errorf("%s is not in the catalog", name)
	}
}

// The marks around the generated part of the guide.
const (
	guide     = "../../docs/mapping.md"
	guideFrom = "<!-- Generated from the catalog of pkg/mapping: go test ./mapping -run Guide -update -->\n"
	guideTo   = "<!-- end of the generated part -->\n"
)

func TestGuideIsCurrent(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), guideFrom)
	_, after, okEnd := strings.Cut(rest, guideTo)
	if !ok || !okEnd {
		t.Fatalf("%s has no generated part", guide)
	}
	want := []byte(before + guideFrom + catalogText() + guideTo + after)
	if *update {
		if err := os.WriteFile(guide, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s is not current: run go test ./mapping -run Guide -update in pkg", guide)
	}
}

// catalogText is the catalog as Markdown.
func catalogText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nAll examples are computed over this record, of a feed in Asia/Shanghai:\n\n```json\n%s\n```\n", ExampleRecord)
	group := ""
	for _, f := range Functions() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n### %s\n\n| function | what it does | example |\n|---|---|---|\n", group)
		}
		var examples []string
		for _, e := range f.Examples {
			each := ""
			if e.Each != "" {
				each = "each: " + e.Each + ", "
			}
			examples = append(examples, each+"`"+cell(e.Expression)+"` → `"+cell(e.Result)+"`")
		}
		does := f.Does
		if f.Chinese != "" {
			does += " (" + f.Chinese + ")"
		}
		fmt.Fprintf(&b, "| `%s` %s | %s | %s |\n", f.Name, cell(f.Signature), cell(does), strings.Join(examples, "<br>"))
	}
	return b.String() + "\n"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
