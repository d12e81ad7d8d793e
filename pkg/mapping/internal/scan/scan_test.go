package scan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// asked asks for record.a, record.b.c, record.l[1], and n and m.k of each of record.items.
func asked() (s *Shape, nodes map[string]*Node) {
	s = New()
	items := s.Root().Key("items").Element()
	nodes = map[string]*Node{
		"a": s.Root().Key("a"), "b.c": s.Root().Key("b").Key("c"), "l[1]": s.Root().Key("l").Index(1),
		"items": s.Root().Key("items"), "n": items.Key("n"), "m.k": items.Key("m").Key("k"),
	}
	s.Seal()
	return s, nodes
}

func at(d *Document, base int, n *Node) string {
	v := d.Values[base+n.Slot()]
	text := d.Body[v.Begin:v.End]
	switch v.Kind {
	case Absent:
		return "-"
	case Escaped:
		return string(AppendText(nil, text)) + "\\"
	default:
		return string(text)
	}
}

func TestRead(t *testing.T) {
	s, nodes := asked()
	var d Document
	for _, tt := range []struct{ body, want string }{
		{`{"a":1,"b":{"c":"x"},"l":[1,[2]],"items":[{"n":true,"m":{"k":-0.5e+3}},{"n":"\u91c7\ud83d\ude00\/"},null]}`, `1 x [2] true,-0.5e+3 采😀/\,- -,-`},
		{" { \"x\" : [ { \"a\" : 1 } ] , \"a\" : null\t} \r\n", "null - -"},
		{`{"b":null,"l":[],"items":[]}`, "- - -"},
		{`{"a":{"x":[1, 2]},"l":[0]}`, `{"x":[1, 2]} - -`},
	} {
		if !d.Read(s, []byte(tt.body), 3) {
			t.Errorf("%s is not taken", tt.body)
			continue
		}
		got := []string{at(&d, 0, nodes["a"]), at(&d, 0, nodes["b.c"]), at(&d, 0, nodes["l[1]"])}
		items := d.Values[nodes["items"].Slot()]
		next := items.First
		for range items.Count {
			var base int
			base, next = d.Element(next)
			got = append(got, at(&d, base, nodes["n"])+","+at(&d, base, nodes["m.k"]))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, strings.Join(got, " "), tt.want)
		}
	}
}

func TestNotTaken(t *testing.T) {
	s, _ := asked()
	var d Document
	for _, body := range []string{
		``, `{`, `{"a":1`, `{"a":1}}`, `{"a":1} x`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":-}`, `{"a":nul}`, `{"a":"x}`, "{\"a\":\"\n\"}", `{"a":"\x"}`,
		`{"a":"\u12g4"}`, `{"a":"\u12"}`, `{a:1}`, `{"a" 1}`, `{"a":1,}`, `{"l":[1,]}`, `{"l":[1 2]}`, `{,}`, "{\"a\":\"\xff\"}", "\ufeff{}", `{"x":tru`, `{"x":[}`, `{"x":1e1.5}`,
		`{"a":1,"a":2}`, `{"\u0061":1}`, `{"b":{"c":1,"c":1}}`, `{"b":null,"b":{}}`, `{"b":1}`, `{"b":[]}`, `{"l":{}}`, `{"l":"x"}`, `{"items":{}}`, `{"items":[1]}`,
		`{"items":[{},{},{},{}]}`, `{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, `[]`, `1`, `null`,
	} {
		if d.Read(s, []byte(body), 3) {
			t.Errorf("%s is taken", body)
		}
	}
	if !d.Read(s, []byte(`{"x":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)+`}`), 3) {
		t.Error("64 levels are not taken")
	}
}

// What is taken is JSON, and each value is the one that encoding/json finds.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":{"c":"x\ud800\n"},"l":[1,[2]],"items":[{"n":true,"m":{"k":-0.5e+3}},{"n":"\u91c7\ud83d\ude00\/"},null]}`,
		`{"a":"采购\"\\","x":[{"a":[null,false,1E-7]}]}`, `{"a":"\udc00\ud83d\ud83d\ude00"}`, `{"a":{"a":1,"a":"\u0000"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { compare(t, body) })
}

type failer interface {
	Fatalf(format string, args ...any)
	Helper()
}

func compare(t failer, body []byte) {
	t.Helper()
	s, nodes := asked()
	var d Document
	if !d.Read(s, body, 100) {
		return
	}
	var want struct {
		A     json.RawMessage
		B     struct{ C json.RawMessage }
		L     []json.RawMessage
		Items []struct {
			N json.RawMessage
			M struct{ K json.RawMessage }
		}
	}
	if !json.Valid(body) {
		t.Fatalf("%q is taken, and is not valid", body)
	}
	if bytes.ContainsAny(body, "ABCLINMKſK") {
		return // encoding/json takes keys of another case for struct fields
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	same(t, &d, 0, nodes["a"], want.A)
	same(t, &d, 0, nodes["b.c"], want.B.C)
	if len(want.L) > 1 {
		same(t, &d, 0, nodes["l[1]"], want.L[1])
	}
	items := d.Values[nodes["items"].Slot()]
	if int(items.Count) != len(want.Items) {
		t.Fatalf("%q: %d items", body, items.Count)
	}
	next := items.First
	for _, item := range want.Items {
		var base int
		base, next = d.Element(next)
		same(t, &d, base, nodes["n"], item.N)
		same(t, &d, base, nodes["m.k"], item.M.K)
	}
}

func same(t failer, d *Document, base int, n *Node, raw json.RawMessage) {
	t.Helper()
	v := d.Values[base+n.Slot()]
	text := d.Body[v.Begin:v.End]
	kinds := map[byte][]Kind{'n': {Null}, 't': {True}, 'f': {False}, '"': {Text, Escaped}, '{': {Object}, '[': {List}}
	allowed := []Kind{Absent}
	if len(raw) > 0 {
		allowed = []Kind{Number}
		if k, ok := kinds[raw[0]]; ok {
			allowed = k
		}
	}
	if !slices.Contains(allowed, v.Kind) {
		t.Fatalf("%q: kind %d", raw, v.Kind)
	}
	switch v.Kind {
	case Text, Escaped:
		var want string
		if json.Unmarshal(raw, &want) != nil || string(AppendText(nil, text)) != want || v.Kind == Text && string(text) != want {
			t.Fatalf("%q: %q, want %q", raw, text, want)
		}
	case Absent:
	default:
		if string(text) != string(raw) {
			t.Fatalf("%q: %q", raw, text)
		}
	}
}

func TestReadEqualsJSON(t *testing.T) {
	value := rapid.SampledFrom([]string{`1`, `-0.10`, `1e5`, `"采购"`, `"\u00e9\ud83d\ude00"`, `"\ud83d"`, `null`, `true`, `{"k":1,"c":"\n"}`, `[]`, `["x",{"n":2}]`, `""`, `01`, `{`, `"\q"`, `[{"n":1},{"m":{"k":"\t"}},{}]`})
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("{")
		for i := range rapid.IntRange(0, 6).Draw(t, "keys") {
			if i > 0 {
				b.WriteString(rapid.SampledFrom([]string{",", " , ", ",\n"}).Draw(t, "comma"))
			}
			b.WriteString(rapid.SampledFrom([]string{`"a":`, `"b": `, `"l" :`, `"items":`, `"x":`, `"\u0062":`, `"":`}).Draw(t, "key") + value.Draw(t, "value"))
		}
		b.WriteString("}")
		compare(t, []byte(b.String()))
	})
}

// A thousand keys that differ in the middle only are found as well.
func TestManyKeys(t *testing.T) {
	s := New()
	var keys []string
	for i := range 1000 {
		keys = append(keys, "a_long_begin_of_"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/26)+"_and_a_long_end")
	}
	body := "{"
	for i, key := range keys {
		s.Root().Key(key)
		if i > 0 {
			body += ","
		}
		body += `"` + key + `":` + `"` + key + `"`
	}
	s.Seal()
	var d Document
	if !d.Read(s, []byte(body+"}"), 0) {
		t.Fatal("not taken")
	}
	for _, key := range keys {
		if got := at(&d, 0, s.Root().Child(key)); got != key {
			t.Fatalf("%s is %s", key, got)
		}
	}
}
