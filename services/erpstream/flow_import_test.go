package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/erpstream/internal/importing"
)

// importData is where the metadata is that is imported.
const importData = "internal/importing/testdata/"

// TestFlowImport imports metadata: what comes out passes flow check, and the exit code says whether all
// was carried over.
func TestFlowImport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shops.yaml")
	code, out, report := run(t, "flow", "import", importData+"shops.source.json", importData+"shops.target.json", "--with", shippedConfig, "--out", file)
	if code != 0 || out != "" || !strings.Contains(report, "shops.source.json:5:5: handled: page_index: the feed pages by itself") {
		t.Fatalf("import = %d, %q\n%s", code, out, report)
	}
	if code, out, report := run(t, "flow", "check", shippedConfig, file); code != 0 {
		t.Errorf("check = %d, %s%s", code, out, report)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, _, report = run(t, "flow", "import", importData+"shops.source.json", importData+"shops.target.json", "--out", file)
	if after, err := os.ReadFile(file); code != 2 || err != nil || string(after) != string(before) || !strings.Contains(report, "exists already") {
		t.Errorf("import over a file = %d, %v\n%s", code, err, report)
	}
}

func TestFlowImportThatIsNotComplete(t *testing.T) {
	args := []string{"flow", "import", importData + "otherin.source.json", importData + "otherin.target.json", "--message", "erpstream.kis.v1.OtherInbound", "--start", "2026-10-01"}
	code, out, report := run(t, args...)
	for _, want := range []string{
		"otherin.target.json:8:108: missing: map.entry: further fields of Entry are left out (...)",
		"needs connection kis-main of system kis", "needs a flow that keeps F_103, FItemID of kis.material", "5 things are left to do",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q\n%s", want, report)
		}
	}
	if code != 1 || !strings.Contains(out, "flow: jushuitan-otherin-to-kis") {
		t.Errorf("import = %d\n%s", code, out)
	}
	code, out, _ = run(t, append(args, "--json")...)
	var result importing.Result
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	if code != 1 || result.Complete || len(result.Open()) != 5 || len(result.Needs) != 3 || result.Flow != "jushuitan-otherin-to-kis" {
		t.Errorf("import --json = %d\n%s", code, out)
	}
}

func TestFlowImportOfWhatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	shops, customers := importData+"shops.source.json", importData+"shops.target.json"
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no file", []string{"gone.json", customers}, "gone.json: no such file"},
		{"no JSON", []string{write("words.json", "{\n  \"api\" x}"), customers}, `words.json:2:9: a colon must follow the key "api"`},
		{"an unknown API", []string{write("api.json", `{"api": "/open/shop/query"}`), customers}, `api.json:1:9: no feed reads the api "/open/shop/query": say with --feed which it is, perhaps jushuitan.shops`},
		{"an unknown target", []string{shops, write("to.json", `{"api": "/x"}`)}, `to.json:1:9: no message is for the api "/x": say with --message`},
		{"an unknown table", []string{shops, write("sql.json", `{"main_sql": "REPLACE INTO t(a) VALUES"}`)}, "sql.json:1:1: no message is for the table t: say with --message"},
		{"a list", []string{shops, write("list.json", `[]`)}, "list.json:1:1: metadata is an object"},
		{"a field without a name", []string{shops, write("field.json", `{"api": "/jdy/v2/bd/customer", "request": [{"value": "1"}]}`)}, `field.json:1:44: an element of request has no "field"`},
		{"an unknown feed", []string{shops, customers, "--feed", "jushuitan.shop"}, `unknown feed "jushuitan.shop"`},
		{"a name that is none", []string{shops, customers, "--flow", "A b"}, `name "A b" must begin with a lower case letter`},
		{"a start that is none", []string{importData + "purchasein.source.json", importData + "purchasein.target.json", "--start", "soon"}, `"soon" is no time`},
		{"a collection without a name", []string{shops, customers, "--collection", "x"}, "must be ID=NAME or FIELD=NAME"},
		{"one file", []string{shops}, "accepts 2 arg(s), received 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, report := run(t, append([]string{"flow", "import"}, tt.args...)...)
			if code != 2 || out != "" || !strings.Contains(report, tt.want) {
				t.Errorf("import = %d, %q\n%s\nwant %s", code, out, report, tt.want)
			}
		})
	}
}
