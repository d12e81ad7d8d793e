package tolerant_test

import (
	"encoding/json"
	"testing"

	"github.com/erpstream/erpstream/pkg/tolerant"
)

// Whatever comes, reading doesn't panic; what it returns was there, and is JSON.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":"2.0","c":null,"d":[1,"x",{}],"e":{"f":true}}`, "\xef\xbb\xbf{}", `{"a":9223372036854775807}`, `{"a":"1e3"}`,
		`{"a":"\u0000"}`, `{"a":"True"}`, `[]`, `null`, ``, `{"a":-0.0}`, `{"a":" 7 "}`, `{"":""}`, `{"a":".5"}`, `{"a":"-"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := tolerant.Parse(text)
		if (o == nil) != (err != nil) {
			t.Fatalf("%v and %v", o, err)
		}
		for name := range o {
			read(t, o, name)
		}
	})
}

// read reads a value in every way, and checks that what is said to be given is.
func read(t *testing.T, o tolerant.Object, name string) {
	t.Helper()
	raw := o.Raw(name)
	if raw != nil && !json.Valid(raw) {
		t.Errorf("%q is not JSON", raw)
	}
	if _, given, err := o.Int(name); given && (err != nil || raw == nil) {
		t.Errorf("%q is given and %v", raw, err)
	}
	if _, given, err := o.Bool(name); given && (err != nil || raw == nil) {
		t.Errorf("%q is given and %v", raw, err)
	}
	rows, err := o.List(name)
	if (err != nil) != (raw != nil && raw[0] != '[') {
		t.Errorf("%q is a list of %d: %v", raw, len(rows), err)
	}
	inner, err := o.Object(name)
	if (err != nil) != (raw != nil && raw[0] != '{') {
		t.Errorf("%q is an object %v: %v", raw, inner, err)
	}
}
