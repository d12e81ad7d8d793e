package shape

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var fields = Fields{
	"text": {Kind: Text}, "number": {Kind: Number}, "integer": {Kind: Integer}, "bool": {Kind: Boolean}, "id": {Kind: ID},
	"texts": {Kind: Texts}, "map": {Kind: Map},
	"list":   {Kind: List, Fields: Fields{"text": {Kind: Text}}},
	"nested": {Kind: Nested, Fields: Fields{"number": {Kind: Number}}},
}

func read(t *testing.T, r Rules, text string) (string, error) {
	t.Helper()
	o, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o, err = r.Read(o, fields)
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), nil
}

func TestWhatIsRead(t *testing.T) {
	for _, test := range []struct {
		rules    Rules
		in, want string
	}{
		{Rules{}, `{"text":"a","number":1.50,"integer":-3,"bool":true,"id":1986543210987654,"texts":["a"],"map":{"k":"v"}}`, ""},
		{Rules{}, `{"list":[{"text":"a"},{}],"nested":{"number":0.10}}`, ""},
		{Rules{}, `{"text":null,"list":null}`, `{}`},
		{Rules{}, `{"id":"23722"}`, `{"id":23722}`},
		{Rules{Lenient: true}, `{"text":5,"number":"1.50","integer":"3"}`, `{"integer":3,"number":1.50,"text":"5"}`},
		{Rules{IgnoreUnknown: true}, `{"text":"a","other":1,"nested":{"other":1}}`, `{"nested":{},"text":"a"}`},
		{Rules{Allow: func(name string) bool { return name == "own" }}, `{"own":"x"}`, `{"own":"x"}`},
		{Rules{Rename: func(name string, _ Fields) string { return strings.ToLower(name) }}, `{"Text":"a"}`, `{"text":"a"}`},
	} {
		got, err := read(t, test.rules, test.in)
		if want := test.want; err != nil || (want != "" && got != want) || (want == "" && len(got) != len(test.in)) {
			t.Errorf("%s became %s, %v", test.in, got, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		rules    Rules
		in, want string
	}{
		{Rules{}, `{"text":10086}`, `invalid value for string field text: 10086`},
		{Rules{}, `{"number":"5"}`, `invalid value for number field number: "5"`},
		{Rules{}, `{"integer":1.5}`, `invalid value for int32 field integer: 1.5`},
		{Rules{}, `{"id":"x"}`, `invalid value for int64 field id: "x"`},
		{Rules{}, `{"bool":"true"}`, `invalid value for bool field bool: "true"`},
		{Rules{}, `{"list":{}}`, `invalid value for repeated message field list: {}`},
		{Rules{}, `{"list":[{},{"text":[]}]}`, `invalid value for string field list[1].text: []`},
		{Rules{}, `{"nested":[]}`, `invalid value for message field nested: []`},
		{Rules{}, `{"map":{"k":1}}`, `invalid value for string field map.k: 1`},
		{Rules{}, `{"texts":[1]}`, `invalid value for string field texts[0]: 1`},
		{Rules{}, `{"nested":{"other":1}}`, `unknown field "nested.other"`},
		{Rules{Lenient: true}, `{"number":"five"}`, `invalid value for number field number: "five"`},
	} {
		got, err := read(t, test.rules, test.in)
		if mistake, ok := errors.AsType[*Mistake](err); !ok || mistake.Error() != test.want {
			t.Errorf("%s became %s, %v, want %s", test.in, got, err, test.want)
		}
	}
}

func TestDecodeWantsOneObject(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "1", `{}{}`, `{"a"`, `"{}"`} {
		if o, err := Decode([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, o)
		}
	}
}

func TestLongNumbersStayExactInJournals(t *testing.T) {
	const text = `{"entry":{"n":[1986543210987654321.0000000001]}}`
	var kept struct {
		Entry Object `json:"entry"`
	}
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(kept); err != nil || string(out) != text {
		t.Errorf("%s, %v", out, err)
	}
}
