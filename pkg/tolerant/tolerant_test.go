package tolerant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/tolerant"
)

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", " \n": "empty", "\xef\xbb\xbf": "empty", "null": "null", "[1]": "a JSON array", `"x"`: "a JSON string", "7": "a JSON number",
		"<html>secret": "not JSON", `{"a":`: "not JSON",
	} {
		o, err := tolerant.Parse([]byte(text))
		if err == nil || o != nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q) = %v, %v, want %q", text, o, err, want)
		}
	}
}

func object(t *testing.T, text string) tolerant.Object {
	t.Helper()
	o, err := tolerant.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestText(t *testing.T) {
	o := object(t, "\xef\xbb\xbf"+`{"s":"a\u4e2d","n":1.50,"b":true,"o":{"x":1},"null":null}`)
	for key, want := range map[string]string{"s": "a中", "n": "1.50", "b": "true", "o": `{"x":1}`, "null": "", "none": ""} {
		if got := o.Text(key); got != want {
			t.Errorf("Text(%s) = %q, want %q", key, got, want)
		}
	}
	if o.Raw("null") != nil || o.Raw("none") != nil || string(o.Raw("n")) != "1.50" {
		t.Error("Raw is nil for null and for nothing, and the bytes for the rest")
	}
}

func TestInt(t *testing.T) {
	tests := map[string]string{
		`7`: "7 true <nil>", `"7"`: "7 true <nil>", `" 7 "`: "7 true <nil>", `7.0`: "7 true <nil>", `"7.0000"`: "7 true <nil>", `-1`: "-1 true <nil>",
		`9007199254740993`: "9007199254740993 true <nil>", `""`: "0 false <nil>", `null`: "0 false <nil>",
		`7.5`: "0 false n is no whole number", `"x"`: "0 false n is no whole number", `".0"`: "0 false n is no whole number", `true`: "0 false n is no whole number",
	}
	for value, want := range tests {
		n, given, err := object(t, `{"n":`+value+`}`).Int("n")
		if got := fmt.Sprint(n, " ", given, " ", err); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestIntInto(t *testing.T) {
	o := object(t, `{"n":"7.0","null":null,"text":"x"}`)
	n := -1
	for _, key := range []string{"null", "none"} {
		if err := o.IntInto(&n, key); err != nil || n != -1 {
			t.Errorf("%s: %d, %v", key, n, err)
		}
	}
	if err := o.IntInto(&n, "n"); err != nil || n != 7 {
		t.Errorf("n = %d, %v", n, err)
	}
	if err := o.IntInto(&n, "text"); err == nil || n != 7 {
		t.Errorf("text: %d, %v", n, err)
	}
}

func TestBool(t *testing.T) {
	tests := map[string]string{
		`true`: "true true <nil>", `"True"`: "true true <nil>", `1`: "true true <nil>", `"1"`: "true true <nil>", `false`: "false true <nil>", `0`: "false true <nil>",
		`""`: "false false <nil>", `null`: "false false <nil>", `"maybe"`: "false false b is no flag", `2`: "false false b is no flag",
	}
	for value, want := range tests {
		b, given, err := object(t, `{"b":`+value+`}`).Bool("b")
		if got := fmt.Sprint(b, " ", given, " ", err); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestNested(t *testing.T) {
	o := object(t, `{"list":[{"id":90071992547409931, "x":"1.10"}],"empty":[],"null":null,"object":{"a":1},"text":"t"}`)
	if list, err := o.List("list"); err != nil || len(list) != 1 || string(list[0]) != `{"id":90071992547409931, "x":"1.10"}` {
		t.Errorf("List = %s, %v", list, err)
	}
	for _, key := range []string{"null", "none"} {
		list, err := o.List(key)
		inner, errObject := o.Object(key)
		if list != nil || err != nil || inner != nil || errObject != nil {
			t.Errorf("%s: %v, %v, %v, %v", key, list, err, inner, errObject)
		}
	}
	if list, err := o.List("empty"); list == nil || len(list) != 0 || err != nil {
		t.Errorf("empty list = %v, %v", list, err)
	}
	if _, err := o.List("object"); err == nil || err.Error() != "object is no array" {
		t.Errorf("List of an object: %v", err)
	}
	if inner, err := o.Object("object"); err != nil || inner.Text("a") != "1" {
		t.Errorf("Object = %v, %v", inner, err)
	}
	if _, err := o.Object("text"); err == nil || !strings.Contains(err.Error(), "text: a JSON string") {
		t.Errorf("Object of a text: %v", err)
	}
}
