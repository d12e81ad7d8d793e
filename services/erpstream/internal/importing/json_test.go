package importing

import (
	"strings"
	"testing"
)

// TestJSONAsPeoplePassItOn reads what is nearly JSON.
func TestJSONAsPeoplePassItOn(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", `{"a": [1, -2.50, true, false, null, "x\n\"\u91c7"]}`, `{"a":[1,-2.50,true,false,null,"x\n\"采"]}`},
		{"elisions", `{"a": ..., ..., "b": [1, ...]}`, `{"a":...,...,"b":[1,...]}`},
		{"typographic elision", `{"a": ……}`, `{"a":...}`},
		{"cut off after an elision", "{\"a\": [\n{\n...\n", `{"a":[{...}]}`},
		{"trailing commas", `{"a": [1,2,],}`, `{"a":[1,2]}`},
		{"a comma is missing", "{\"a\": 1\n \"b\": 2}", `{"a":1,"b":2}`},
		{"comments", "{ // why\n\"a\": /* this */ 1 }", `{"a":1}`},
		{"typographic quotes", `{“a”: “x”, ‘b’: 'y'}`, `{"a":"x","b":"y"}`},
		{"full-width punctuation", `｛"a"：［1，2］，"b"：＂x＂｝`, `{"a":[1,2],"b":"x"}`},
		{"leftovers of HTML", "<p>{&nbsp;&quot;a&quot;:<br/>&quot;x &lt; y&quot;}</p>", `{"a":"x < y"}`},
		{"blanks of other kinds", "\ufeff{\u00a0\"a\"\u200b:\u30001}", `{"a":1}`},
		{"a separator behind it", "{\"a\":1};\n", `{"a":1}`},
		{"an escape that is none", `{"a": "C:\dir \ud83d\ude00"}`, `{"a":"C:\\dir 😀"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := parseJSON("f.json", []byte(tt.text))
			if err != nil || n.String() != tt.want {
				t.Errorf("got %v, %v, want %s", n, err, tt.want)
			}
		})
	}
}

// TestJSONThatIsNone names the place of what can't be read.
func TestJSONThatIsNone(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", " \n ", "f.json:2:2: is empty"},
		{"words", "hello", `f.json:1:1: no value begins with "hello": text stands in quotes`},
		{"a key without quotes", "{\n  a: 1}", `f.json:2:3: a key in quotes must stand here, not "a: 1}"`},
		{"no colon", `{"采购" 1}`, `f.json:1:7: a colon must follow the key "采购", not "1}"`},
		{"cut off", "{\"a\": [1,\n", "f.json:2:1: the text ends within a list that begins at 1:7"},
		{"text without an end", "{\"a\": \"x\n\"}", "f.json:1:7: the text is not closed on its line"},
		{"text after the end", `{"a": 1} {"b": 2}`, `f.json:1:10: text after the end of the metadata: "{\"b\": 2}"`},
		{"twice", "{\"a\": 1,\n \"a\": 2}", `f.json:2:2: the key "a" is there twice`},
		{"no number", `{"a": 0x1p4}`, "f.json:1:7: no value begins with"},
		{"not a number", `{"a": NaN}`, "f.json:1:7: no value begins with"},
		{"deep", strings.Repeat("[", 100), "f.json:1:66: is nested deeper than 64"},
		{"many", "[" + strings.Repeat("1,", 30_000) + "]", "has more than 20000 values"},
		{"large", strings.Repeat(" ", 1<<20) + "1", "f.json:1:1: is larger than 1048576 bytes"},
		{"other bytes", "{\"a\": \"\xff\"}", "f.json:1:1: is not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := parseJSON("f.json", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want %s", n, err, tt.want)
			}
		})
	}
}
