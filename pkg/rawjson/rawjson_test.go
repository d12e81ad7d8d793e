package rawjson_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/rawjson"
)

// members is what Object finds, and whether the text is an object.
func members(text []byte) (map[string]string, bool) {
	found := map[string]string{}
	err := rawjson.Object(text, func(key string, value []byte) error {
		found[key] = string(value)
		return nil
	})
	return found, err == nil
}

func elements(text []byte) ([]string, bool) {
	found := []string{}
	err := rawjson.List(text, func(value []byte) error {
		found = append(found, string(value))
		return nil
	})
	return found, err == nil
}

// agree compares with encoding/json, which takes a null for anything.
func agree(t interface{ Errorf(string, ...any) }, text []byte) {
	null := bytes.Equal(bytes.TrimSpace(text), []byte("null"))
	var object map[string]json.RawMessage
	want := json.Unmarshal(text, &object) == nil && !null
	got, ok := members(text)
	if ok != want {
		t.Errorf("an object: %v, want %v: %q", ok, want, text)
	} else if ok && !maps.EqualFunc(got, object, func(a string, b json.RawMessage) bool { return a == string(b) }) {
		t.Errorf("members %q, want %q", got, object)
	}
	names := slices.Sorted(maps.Keys(object))
	values := make([][]byte, len(names))
	if err := rawjson.Fields(text, names, values); (err == nil) != want {
		t.Errorf("fields of an object: %v, want %v: %q", err, want, text)
	} else if want {
		for i, name := range names {
			if !bytes.Equal(values[i], object[name]) {
				t.Errorf("field %q is %q, want %q", name, values[i], object[name])
			}
		}
	}
	var list []json.RawMessage
	want = json.Unmarshal(text, &list) == nil && !null
	each, ok := elements(text)
	if ok != want {
		t.Errorf("an array: %v, want %v: %q", ok, want, text)
	} else if ok && !slices.EqualFunc(each, list, func(a string, b json.RawMessage) bool { return a == string(b) }) {
		t.Errorf("elements %q, want %q", each, list)
	}
}

var seeds = []string{
	``, ` `, `null`, `{}`, `[]`, ` { } `, `[ ]x`, `{"a":1}`, `{"a":1,"a":2}`, `{"a" : [1, {"b":null}] , "c":"d"}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`,
	`{"\u0061":1}`, `{"a\\":"\""}`, `["\u12"]`, `["\x"]`, "[\"\x01\"]", "{\"\xff\":\"\xff\"}", "{\"\xff\":1,\"\ufffd\":2}", `["老板","\ud83d\ude00","\ud83d"]`,
	`[0,-0,1.5,-1.5e+10,2E-3,1e5]`, `[01]`, `[1.]`, `[.5]`, `[-]`, `[1e]`, `[+1]`, `[tru]`, `[true,false,null]`, `[nullx]`, `{"a"1}`, `{a:1}`, `{"a":`, `{"a"`, `{"a":1`, `[1 2]`, `["a`, `["a\`, "\xef\xbb\xbf{}", "[\x00]", "{}\x00", "[1]\x00",
	strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999), strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
}

// What encoding/json takes for an object or an array is one, with the same parts, and nothing else is.
func FuzzAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}

// TestAgreesWithEncodingJSON damages JSON at random places.
func TestAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := []byte(rapid.SampledFrom(seeds[:len(seeds)-3]).Draw(r, "seed"))
		parts := rapid.SliceOf(rapid.SampledFrom(strings.Split(`{ } [ ] : , " \ \u 00 "a" 1 - . e 0 true null   \n é`, " "))).Draw(r, "parts")
		at := rapid.IntRange(0, len(text)).Draw(r, "at")
		agree(r, slices.Concat(text[:at], []byte(strings.Join(parts, "")), text[at:]))
	})
}

func TestParts(t *testing.T) {
	text := []byte(`{"a":[1],"b":"x"}`)
	if err := rawjson.Object(text, func(_ string, value []byte) error {
		if &value[0] != &text[bytes.Index(text, value)] {
			t.Errorf("%s is a copy", value)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func BenchmarkFields(b *testing.B) {
	text := []byte(`{"io_id":2204001,"modified":"2025-01-01 11:00:00","items":[` + strings.Repeat(`{"sku_id":"SKU-A-01","name":"测试T恤","qty":100,"cost_price":35.5},`, 15) + `{}],"ts":1730946233}`)
	names, values := []string{"io_id", "modified", "ts"}, make([][]byte, 3)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := rawjson.Fields(text, names, values); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValid(b *testing.B) {
	text := []byte(`{"io_id":2204001,"modified":"2025-01-01 11:00:00","items":[` + strings.Repeat(`{"sku_id":"SKU-A-01","name":"测试T恤","qty":100,"cost_price":35.5},`, 15) + `{}],"ts":1730946233}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		json.Valid(text)
	}
}
