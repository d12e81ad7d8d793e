package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

// entries is master data by collection, field and value.
type entries map[string][]reference.Entry

// Find returns what is there under all three.
func (e entries) Find(collection, field, value string) []reference.Entry {
	return e[collection+" "+field+" "+value]
}

var master = entries{
	"kingdee.material number A1":  {reference.NewEntry("11", map[string]string{"number": "A1", "base_unit_id": "7", "F_103": ""})},
	"kingdee.material number A2":  {reference.NewEntry("12", map[string]string{"number": "A2", "base_unit_id": "8"})},
	"kingdee.material number two": {reference.NewEntry("22", nil), reference.NewEntry("21", nil)},
	"kingdee.material number 2.0": {reference.NewEntry("13", nil)},
	"kingdee.material number 3":   {reference.NewEntry("14", nil)},
	"kis.unit FItemID 7":          {reference.NewEntry("7", map[string]string{"FCoefficient": "1.50"})},
}

// look is a look-up in the materials by number.
func look(value string) string { return `lookup("kingdee.material", "number", ` + value + `)` }

func TestLookup(t *testing.T) {
	tests := []struct{ name, text, want, class, err string }{
		{"a field", look("record.no") + ".base_unit_id", "7", "", ""},
		{"the id", look(`"A2"`) + ".id", "12", "", ""},
		{"blanks around it", look(`" A1 "`) + ".id", "11", "", ""},
		{"a number by its literal", look("record.two") + ".id", "13", "", ""},
		{"a whole number", look("1 + 2") + ".id", "14", "", ""},
		{"in another", `lookup("kis.unit", "FItemID", ` + look("record.no") + `.base_unit_id).FCoefficient`, "1.50", "", ""},
		{"in text", `"unit " + ` + look("record.no") + ".base_unit_id", "unit 7", "", ""},
		{"in a macro", `record.l.map(n, ` + look("n") + `.id).join("/")`, "11/12", "", ""},
		{"a field in brackets", look("record.no") + `["base_unit_id"]`, "7", "", ""},
		{"has", `has(` + look("record.no") + `.F_103) ? "yes" : "no"`, "no", "", ""},
		{"optional", look("record.no") + `.?F_103.orValue("none")`, "none", "", ""},
		{"not needed", `true ? "x" : ` + look(`"gone"`) + ".id", "x", "", ""},
		{"nothing found", look("record.gone_no") + ".id", "", "unclassified", `text: lookup("kingdee.material", "number", rec…: kingdee.material has no entry with number "X9"`},
		{"several found", look(`"two"`) + ".id", "", "reference-ambiguous", `kingdee.material has 2 entries with number "two": ids 21, 22`},
		{"no such field", look("record.no") + ".weight", "", "reference", "kingdee.material with id 11 has no weight"},
		{"an empty field", look("record.no") + ".F_103", "", "reference", "kingdee.material with id 11 has no F_103"},
		{"by null", look("record.nothing") + ".id", "", "reference", "kingdee.material is looked up by a number that is empty"},
		{"by blanks", look(`"  "`) + ".id", "", "reference", "kingdee.material is looked up by a number that is empty"},
		{"by a list", look("record.l") + ".id", "", "reference", "is looked up by a list, not by text or a number"},
		{"the entry itself", `cel.bind(m, ` + look("record.no") + `, m)`, "", "mapping", "can't be used"},
	}
	const body = `{"no":"A1","two":2.0,"l":["A1","A2"],"gone_no":"X9"}`
	for _, tt := range tests {
		m, issues := Compile(one("text", tt.text), everything(t))
		if issues != nil {
			t.Errorf("%s: %v", tt.name, issues)
			continue
		}
		got, err := m.Apply(record.Envelope{}, []byte(body), master)
		switch {
		case tt.err == "" && (err != nil || !strings.HasSuffix(string(got.Body), tt.want)):
			t.Errorf("%s: %q, %v, want %s", tt.name, got.Body, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || fault.ClassOf(err) != tt.class):
			t.Errorf("%s: %v (%s), want %s: %s", tt.name, err, fault.ClassOf(err), tt.class, tt.err)
		}
	}
}

func TestMissingSaysWhat(t *testing.T) {
	m, issues := Compile(one("text", look("record.no")+".id"), everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	_, err := m.Apply(record.Envelope{}, []byte(`{"no":" X9 "}`), master)
	missing, ok := errors.AsType[*Missing](err)
	if !ok || missing.Collection != "kingdee.material" || missing.Field != "number" || missing.Value != "X9" {
		t.Errorf("%v, want the look-up that found nothing", err)
	}
	if fault.IsPermanent(err) {
		t.Errorf("%v is permanent, and it passes when the entry comes", err)
	}
}

// TestVerdict tries what several faults of one record come to.
func TestVerdict(t *testing.T) {
	missing, ambiguous := look(`"gone"`)+".id", look(`"two"`)+".id"
	tests := []struct {
		name    string
		where   string
		quality []Rule
		fields  []Field
		class   string
		waits   bool
	}{
		{"two missing", "", nil, []Field{leaf("text", missing), leaf("one", missing)}, "", true},
		{"missing in the condition", missing + ` == "1"`, nil, nil, "", true},
		{"missing in a rule", "", []Rule{ruled(missing+` == "1"`, Dead)}, nil, "", true},
		{"missing, and dead anyway", "", []Rule{ruled("false", Dead), ruled(missing+` == "1"`, Dead)}, nil, "quality", false},
		{"missing, and broken anyway", "", nil, []Field{leaf("text", missing), leaf("i64", "record.text")}, "mapping", false},
		{"missing and ambiguous", "", nil, []Field{leaf("text", missing), leaf("one", ambiguous)}, "reference-ambiguous", false},
		{"ambiguous and broken", "", nil, []Field{leaf("one", ambiguous), leaf("i64", "record.text")}, "mapping", false},
		{"ambiguous in the condition", ambiguous + ` == "1"`, nil, nil, "reference-ambiguous", false},
	}
	for _, tt := range tests {
		m, issues := Compile(Spec{Where: Expr{Text: tt.where}, Quality: tt.quality, Fields: tt.fields}, everything(t))
		if issues != nil {
			t.Fatalf("%s: %v", tt.name, issues)
		}
		_, err := m.Apply(record.Envelope{}, []byte(`{"text":"x"}`), master)
		_, waits := errors.AsType[*Missing](err)
		if waits != tt.waits || !tt.waits && fault.ClassOf(err) != tt.class {
			t.Errorf("%s: %v (%s), want class %q, waits %v", tt.name, err, fault.ClassOf(err), tt.class, tt.waits)
		}
	}
}

func leaf(name, text string) Field { return one(name, text).Fields[0] }

func ruled(text string, otherwise Else) Rule {
	return Rule{Rule: Expr{Text: text}, Else: otherwise}
}

func TestPersonalValuesStayOutOfLookupErrors(t *testing.T) {
	for _, value := range []string{`record.phone`, `"two" + record.phone.substring(0, 0)`} {
		spec := one("text", look(value)+".id")
		spec.Personal = []string{"phone"}
		m, issues := Compile(spec, everything(t))
		if issues != nil {
			t.Fatal(issues)
		}
		_, err := m.Apply(record.Envelope{}, []byte(`{"phone":"13800138000"}`), master)
		if err == nil || strings.Contains(err.Error(), "138") || !strings.Contains(err.Error(), "that number") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestLookupWithinEachIsDoneOnceARecord(t *testing.T) {
	spec := Spec{Fields: []Field{{Name: "list", Each: Expr{Text: "record.l"}, Fields: []Field{
		leaf("one", look("record.no")+".id"), leaf("text", look("item")+".id"),
	}}}}
	m, issues := Compile(spec, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	calls := counted{entries: master}
	if _, err := m.Apply(record.Envelope{}, []byte(`{"no":"A1","l":["A1","A2","A1"]}`), &calls); err != nil {
		t.Fatal(err)
	}
	if calls.n != 4 {
		t.Errorf("%d look-ups, want one for the record and one for each of 3 items", calls.n)
	}
}

// counted counts the look-ups.
type counted struct {
	entries
	n int
}

// Find counts and finds.
func (c *counted) Find(collection, field, value string) []reference.Entry {
	c.n++
	return c.entries.Find(collection, field, value)
}

func TestUses(t *testing.T) {
	at := func(line int, text string) Expr {
		return Expr{Text: text, At: Pos{Line: line, Column: 10}, Path: fmt.Sprintf("map.f%d", line)}
	}
	spec := Spec{
		Where: at(1, `has(`+look("record.a")+`.F_103)`),
		Fields: []Field{
			{Name: "text", Value: at(2, look("record.a")+".base_unit_id")},
			{Name: "list", Each: at(3, "record.l"), Fields: []Field{{Name: "one", Value: at(4, `lookup("kis.unit", 'FItemID', item).FCoefficient`)}}},
		},
	}
	m, issues := Compile(spec, everything(t))
	if issues != nil {
		t.Fatal(issues)
	}
	var got []string
	for _, u := range m.Uses() {
		got = append(got, fmt.Sprintf("%d:%d %s %s %s %v", u.FieldAt.Line, u.FieldAt.Column, u.Path, u.Collection, u.Field, u.Searched))
	}
	want := []string{
		"1:41 map.f1 kingdee.material number true",
		"2:37 map.f2 kingdee.material number true",
		"2:56 map.f2 kingdee.material base_unit_id false",
		"4:29 map.f4 kis.unit FItemID true",
		"4:45 map.f4 kis.unit FCoefficient false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCompileRefusesLookups(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"computed collection", `lookup("kis." + record.x, "number", "A").id`, "1:15: f: the collection of lookup must be written out as text"},
		{"computed field", `lookup("kis.unit", record.x, "A").id`, "1:26: f: the field of lookup must be written out as text"},
		{"empty field", `lookup("kis.unit", "", "A").id`, "1:20: f: the field of lookup must be written out as text"},
		{"no field", `lookup("kis.unit", "A").id`, "1:1: f: found no matching overload for 'lookup'"},
		{"the entry itself", `lookup("kis.unit", "number", "A")`, "1:8: f: lookup gives an entry, not a value (write what of it: lookup(…).id)"},
		{"misspelt", `lokup("kis.unit", "number", "A").id`, "1:1: f: undeclared reference to 'lokup' (did you mean lookup?)"},
	}
	for _, tt := range tests {
		spec := Spec{Fields: []Field{{Name: "text", Value: Expr{Text: tt.text, At: Pos{Line: 1, Column: 1}, Path: "f"}}}}
		_, issues := Compile(spec, everything(t))
		if len(issues) != 1 || !strings.HasPrefix(issues[0].String(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.name, issues, tt.want)
		}
	}
}

// entry is a flow that fills a collection.
func entry(fields ...Field) Spec {
	return Spec{Fields: []Field{leaf("collection", `"kingdee.material"`), leaf("id", "record.id"), {Name: "fields", At: Pos{Line: 9, Column: 3}, Path: "map.fields", Fields: fields}}}
}

func TestMapFields(t *testing.T) {
	md := (&referencev1.Entry{}).ProtoReflect().Descriptor()
	spec := entry(leaf("number", "record.number"), leaf("F_103", "record.custom.F_103"), leaf("weight", "record.weight"),
		leaf("blank", "record.blank"), leaf("gone", "record.gone"), leaf("none", "record.none"))
	m, issues := Compile(spec, md)
	if issues != nil {
		t.Fatal(issues)
	}
	got, err := m.Apply(record.Envelope{}, []byte(`{"id":12,"number":"A1","custom":{"F_103":"x"},"weight":1.50,"blank":"","none":null}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := new(referencev1.Entry)
	if err := proto.Unmarshal(got.Body, e); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"F_103": "x", "blank": "", "number": "A1", "weight": "1.50"}
	if e.GetCollection() != "kingdee.material" || e.GetId() != "12" || !maps.Equal(e.GetFields(), want) {
		t.Errorf("%v, want the fields %v", e, want)
	}
	_, err = m.Apply(record.Envelope{}, []byte(`{"id":1,"number":[1]}`), nil)
	if err == nil || !strings.Contains(err.Error(), "fields.number: record.number: a list is not text") {
		t.Errorf("%v, want the name of the pair", err)
	}
	if got, err := m.Apply(record.Envelope{}, []byte(`{"id":1}`), nil); err != nil || len(got.Body) == 0 {
		t.Errorf("no pair at all: %v", err)
	}
}

func TestMapFieldsWithinEach(t *testing.T) {
	md := (&kingdeev1.OtherInBill{}).ProtoReflect().Descriptor()
	line := []Field{leaf("material_id", "item.id"), leaf("stock_id", `"2"`), leaf("qty", "item.qty"), leaf("unit_id", `"3"`)}
	spec := Spec{Fields: []Field{
		leaf("bill_date", `"2026-01-02"`), leaf("bill_no", "record.no"),
		{Name: "material_entity", Each: Expr{Text: "record.l"}, Fields: line},
		{Name: "custom_field", Fields: []Field{leaf("shop", "record.shop")}},
	}}
	m, issues := Compile(spec, md)
	if issues != nil {
		t.Fatal(issues)
	}
	got, err := m.Apply(record.Envelope{}, []byte(`{"no":"N1","shop":"旗舰店","l":[{"id":1,"qty":2},{"id":2,"qty":0.5}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	bill := new(kingdeev1.OtherInBill)
	if err := proto.Unmarshal(got.Body, bill); err != nil || bill.GetCustomField()["shop"] != "旗舰店" {
		t.Errorf("%v, %v", bill, err)
	}
}

func TestCompileRefusesMaps(t *testing.T) {
	md := (&referencev1.Entry{}).ProtoReflect().Descriptor()
	at := func(f Field) Field { f.At, f.Path = Pos{Line: 10, Column: 5}, "map.fields.x"; return f }
	base := entry().Fields[:2]
	tests := []struct {
		name  string
		field Field
		want  string
	}{
		{"one expression", Field{Name: "fields", At: Pos{Line: 9, Column: 3}, Path: "map.fields", Value: Expr{Text: "record.x"}}, "9:3: map.fields: is a map of names to values (write map: with a name and an expression each)"},
		{"a map in it", entry(at(Field{Name: "x", Fields: []Field{}})).Fields[2], "10:5: map.fields.x: a value of a map is one expression"},
		{"twice", entry(leaf("x", "record.x"), at(leaf("x", "record.x"))).Fields[2], "10:5: map.fields.x: the name is there twice"},
		{"a list", entry(Field{Name: "x", Value: Expr{Text: "[1]", At: Pos{Line: 10, Column: 9}, Path: "map.fields.x"}}).Fields[2], "10:9: map.fields.x: the expression is list(int), x wants string"},
	}
	for _, tt := range tests {
		_, issues := Compile(Spec{Fields: append(base[:2:2], tt.field)}, md)
		if len(issues) != 1 || !strings.HasPrefix(issues[0].String(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.name, issues, tt.want)
		}
	}
}

func TestEmptyRequiredTextIsRefused(t *testing.T) {
	md := (&referencev1.Entry{}).ProtoReflect().Descriptor()
	for _, text := range []string{"record.id", `string(record.id)`, `coalesce(record.id)`} {
		m, issues := Compile(Spec{Fields: []Field{leaf("collection", `"kingdee.material"`), leaf("id", text)}}, md)
		if issues != nil {
			t.Fatal(issues)
		}
		_, err := m.Apply(record.Envelope{}, []byte(`{"id":""}`), nil)
		if err == nil || fault.ClassOf(err) != "validation" || !strings.Contains(err.Error(), "id: value is required") {
			t.Errorf("%s: %v (%s), want that id is required", text, err, fault.ClassOf(err))
		}
	}
}

// TestReferencesAreNoted names each entry once, in the order in which it was found, and keeps what is
// personal to itself.
func TestReferencesAreNoted(t *testing.T) {
	md := (&kingdeev1.OtherInBill{}).ProtoReflect().Descriptor()
	lines := func(text string) *Mapping {
		m, issues := Compile(Spec{
			Personal: []string{"l.phone"},
			Where:    Expr{Text: `has(` + look(`"2.0"`) + `.id)`},
			Fields: []Field{leaf("bill_date", `"2026-01-02"`), leaf("bill_no", "record.no"),
				{Name: "material_entity", Each: Expr{Text: "record.l"}, Fields: []Field{
					leaf("material_id", text), leaf("stock_id", look("item.no")+".id"), leaf("qty", "item.qty"), leaf("unit_id", look("item.no")+".base_unit_id")}},
			}}, md)
		if issues != nil {
			t.Fatal(issues)
		}
		return m
	}
	body := []byte(`{"no":"N1","l":[{"no":"A1","phone":"A1","qty":2},{"no":"A2","phone":"A2","qty":2},{"no":" A1","phone":"A1","qty":2}]}`)
	first := record.Reference{Collection: "kingdee.material", Field: "number", Value: "2.0", ID: "13"}
	a1 := record.Reference{Collection: "kingdee.material", Field: "number", Value: "A1", ID: "11"}
	a2 := record.Reference{Collection: "kingdee.material", Field: "number", Value: "A2", ID: "12"}
	for text, want := range map[string][]record.Reference{
		look("item.no") + ".id": {first, a1, a2},
		look("item.phone") + ".id": {
			first, {Collection: "kingdee.material", Field: "number", ID: "11"}, a1, {Collection: "kingdee.material", Field: "number", ID: "12"}, a2,
		},
	} {
		result, err := lines(text).Apply(record.Envelope{}, body, master)
		if err != nil || !slices.Equal(result.References, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, result.References, err, want)
		}
	}
}

func TestManyReferencesAreNotedOnce(t *testing.T) {
	n := &noting{Lookup: everyone{}}
	for range 3 {
		for i := range 100 {
			n.Find("c", "f", fmt.Sprint(i))
		}
	}
	n.Find("c", "f", "nobody")
	if len(n.noted) != 100 || n.noted[99] != (record.Reference{Collection: "c", Field: "f", Value: "99", ID: "99"}) {
		t.Errorf("%d noted, the last as %+v", len(n.noted), n.noted[len(n.noted)-1])
	}
}

// everyone has an entry for all but nobody.
type everyone struct{}

func (everyone) Find(_, _, value string) []reference.Entry {
	if value == "nobody" {
		return nil
	}
	return []reference.Entry{reference.NewEntry(value, nil)}
}

// BenchmarkLookup maps a bill of ten lines with three look-ups each.
func BenchmarkLookup(b *testing.B) {
	md := (&kingdeev1.OtherInBill{}).ProtoReflect().Descriptor()
	for name, texts := range map[string][2]string{
		"paths":   {"item.id", "item.id"},
		"lookups": {look("item.no") + ".id", look("item.no") + ".base_unit_id"},
	} {
		m, issues := Compile(Spec{Fields: []Field{
			leaf("bill_date", `"2026-01-02"`), leaf("bill_no", "record.no"),
			{Name: "material_entity", Each: Expr{Text: "record.l"}, Fields: []Field{
				leaf("material_id", texts[0]), leaf("stock_id", texts[0]), leaf("qty", "item.qty"), leaf("unit_id", texts[1])}},
		}}, md)
		if issues != nil {
			b.Fatal(issues)
		}
		body := []byte(`{"no":"N1","l":[` + strings.Repeat(`{"id":1,"no":"A1","qty":2},`, 9) + `{"id":1,"no":"A1","qty":2}]}`)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Apply(record.Envelope{}, body, master); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
