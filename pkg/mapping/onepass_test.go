package mapping

import (
	"bytes"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/record"
)

// passes reports whether one pass makes what becomes of a record.
func passes(t *testing.T, from Spec, body string) bool {
	t.Helper()
	m, issues := Compile(from, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	return m.Passes(record.Envelope{Key: "k"}, []byte(body), master)
}

// What is unusual is left to the plan, and what is not is done.
func TestWhatOnePassDoes(t *testing.T) {
	lines := func(n int) string { return `{"l":[` + strings.TrimSuffix(strings.Repeat(`{"n":1},`, n), ",") + `]}` }
	each := Spec{Fields: []Field{{Name: "list", Each: Expr{Text: "record.l"}, Fields: []Field{leaf("i64", "item.n"), leaf("text", `string(item.n) + "-" + string(index)`)}}}}
	warn := func(fate Else, text string) Spec {
		from := one("i64", "record.n")
		from.Quality = []Rule{ruled(text, fate)}
		return from
	}
	filter := one("i64", "record.n")
	filter.Where = Expr{Text: "record.n == 1"}
	tests := []struct {
		name string
		from Spec
		body string
		want bool
	}{
		{"a plain path", one("i64", "record.n"), `{"n":1}`, true},
		{"a number that only decimals can tell", one("i64", "record.n"), `{"n":2e0}`, true},
		{"a number that is none", one("i64", "record.n"), `{"n":"x"}`, false},
		{"a key that is there twice", one("i64", "record.n"), `{"n":1,"n":2}`, false},
		{"another key that is there twice", one("i64", "record.n"), `{"n":1,"x":2,"x":2}`, true},
		{"a key with escapes", one("i64", "record.n"), `{"\u006e":1}`, false},
		{"text with escapes", one("text", "record.n"), `{"n":"\u91c7\ud83d\ude00"}`, true},
		{"a value where an object was expected", one("i64", "record.a.n"), `{"a":1}`, false},
		{"JSON that is cut off", one("i64", "record.n"), `{"n":1`, false},
		{"filtered", filter, `{"n":2}`, true},
		{"dropped", warn(Drop, "record.n == 1"), `{"n":2}`, true},
		{"with a warning", warn(Warn, "record.n == 1"), `{"n":2}`, true},
		{"held", warn(Park, "record.n == 1"), `{"n":2}`, false},
		{"dead", warn(Dead, "record.n == 1"), `{"n":2}`, false},
		{"a look-up", one("text", look("record.n")+".base_unit_id"), `{"n":"A1"}`, true},
		{"a look-up that finds nothing", one("text", look("record.n")+".base_unit_id"), `{"n":"gone"}`, false},
		{"what CEL computes", one("text", "string(sum(record.l, item.n))"), lines(3), true},
		{"a choice of one field", one("one", "record.n"), `{"n":1}`, false},
		{"many lines", each, lines(2000), true},
		{"many lines of which CEL computes something", one("text", "string(sum(record.l, item.n))"), lines(9000), false},
		{"more lines than a pass walks", each, lines(maxPassed + 1), false},
		{"more work than a pass does", Spec{Fields: []Field{{Name: "list", Each: Expr{Text: "record.l"}, Fields: []Field{leaf("text", "string(sum(record.l, x, x.n * item.n))")}}}}, lines(500), false},
	}
	for _, tt := range tests {
		if got := passes(t, tt.from, tt.body); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Fields that are plain paths, and those that are computed without CEL, cost no allocation.
func TestOnePassAllocatesNothing(t *testing.T) {
	fields := []Field{
		leaf("i64", "record.n"), leaf("text", `record.s + "-" + string(record.n)`), leaf("amount", "record.d"), leaf("at", "datetime(record.at)"), leaf("flag", "record.n == 1 && record.s != null"),
		{Name: "list", Each: Expr{Text: "record.l"}, Fields: []Field{leaf("i64", "item.n"), leaf("text", "coalesce(item.s, record.s)"), leaf("amount", "decimal(item.d)"), leaf("u32", "index")}},
	}
	m, issues := Compile(Spec{
		Where: Expr{Text: `record.n != 2`}, Fields: fields, Tables: map[string]spec.Table{},
		Quality: []Rule{ruled("size(record.l) > 0", Dead)},
	}, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	env := record.Envelope{Key: "k"}
	body := []byte(`{"n":1,"s":"采\n购","d":12.5000,"at":"2025-01-01 11:05:00","x":[1,{"y":null}],"l":[{"n":1,"s":"","d":"2.50"},{"n":2,"s":"x","d":-1}]}`)
	p := m.onePass.take()
	got := testing.AllocsPerRun(100, func() {
		if _, ok := m.onePass.run(p, &env, body, nil); !ok {
			t.Error("the pass gave up")
		}
	})
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// What CEL gets of a record as a whole is told from what else it gets of it.
func TestPassTellsListsApart(t *testing.T) {
	m, issues := Compile(Spec{Fields: []Field{
		leaf("i64", "sum(record.l, item.n)"), leaf("amount", "sum(record.k, item.n)"), leaf("text", "string(sum(record.l, item.n))"),
	}}, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	env, body := record.Envelope{Key: "k"}, []byte(`{"l":[{"n":1},{"n":2}],"k":[{"n":10},{"n":20}]}`)
	if !m.Passes(env, body, nil) {
		t.Error("the pass gave up")
	}
	got, err := m.Apply(env, body, nil)
	want, _ := m.General(env, body, nil)
	if err != nil || !bytes.Equal(got.Body, want.Body) {
		t.Errorf("%x, %v, want %x", got.Body, err, want.Body)
	}
}

// A pass keeps nothing of a record for the next one.
func TestPassesAreIndependent(t *testing.T) {
	m, issues := Compile(Spec{Fields: []Field{
		leaf("text", "record.s"), leaf("amount", `string(sum(record.l, item.n))`),
		{Name: "list", Each: Expr{Text: "record.l"}, Fields: []Field{leaf("i64", "item.n"), leaf("text", "record.s")}},
	}}, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	bodies := []string{`{"s":"a\u0062","l":[{"n":1},{"n":2}]}`, `{"l":[{"n":3}],"s":"x"}`, `{"l":null}`, `{"s":1,"l":[{}]}`, `{"l":[{"n":4}],"other":1}`}
	for range 3 {
		for _, body := range bodies {
			want, wantErr := m.general(record.Envelope{}, []byte(body), nil)
			got, err := m.Apply(record.Envelope{}, []byte(body), nil)
			if string(got.Body) != string(want.Body) || (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %x, %v, want %x, %v", body, got.Body, err, want.Body, wantErr)
			}
		}
	}
}
