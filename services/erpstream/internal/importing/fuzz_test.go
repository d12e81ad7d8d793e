package importing_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/importing"
)

// FuzzImport: whatever stands in the two files, there is an error, or documents that can be read and in
// which each open finding has its comment. Import itself checks them.
func FuzzImport(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.source.json")
	if err != nil || len(paths) == 0 {
		f.Fatal("no testdata", err)
	}
	for _, source := range paths {
		text, err := os.ReadFile(source)
		if err != nil {
			f.Fatal(err)
		}
		targets, err := filepath.Glob(strings.TrimSuffix(source, ".source.json") + "*.target.json")
		if err != nil {
			f.Fatal(err)
		}
		for _, target := range targets {
			to, err := os.ReadFile(target)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, to)
		}
	}
	f.Add([]byte(`{"api": "/open/purchasein/query", "beatFlat": ["items"], "condition": [[{"field": "items.qty", "logic": "gt", "value": 1}]]}`),
		[]byte(`{"main_sql": "INSERT INTO purchasein_query(id, ...) VALUES", "request": [{"field": "id", "value": "_function CONCAT('{io_id}', CASE '{x}' WHEN 1 THEN SUM({{a.b}}) END)"}]}`))
	f.Add([]byte(`{"api": "/open/purchasein/query", "request": {"x": {"value": "{y}", "children": [1]}}}`),
		[]byte(`{"api": "/jdy/v2/bd/customer", "request": [{"field": "custom_field", "type": "object", "children": [{"field": "a b", "value": "{x|date}"}]}, {"field": "contact_persons", "type": "array", "children": [{"field": "qq", "value": "{{a.b.c}}"}]}]}`))
	f.Fuzz(func(t *testing.T, source, target []byte) {
		result, err := importing.Import(importing.File{Name: "s.json", Data: source}, importing.File{Name: "t.json", Data: target}, importing.Options{Start: "2026-01-01"})
		if err != nil {
			if strings.Contains(err.Error(), "do not pass the check") {
				t.Fatal(err)
			}
			return
		}
		docs, err := flow.Parse("import.yaml", []byte(result.Text))
		if err != nil || len(docs) != 2 {
			t.Fatalf("%d documents, %v\n%s", len(docs), err, result.Text)
		}
		for _, one := range result.Open() {
			if !strings.Contains(result.Text, "# TODO import: "+string(one.Kind)+": ") {
				t.Fatalf("no comment for %+v\n%s", one, result.Text)
			}
		}
	})
}
