package samples_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
)

func get(t *testing.T, name string) feed.Feed {
	t.Helper()
	f, err := feed.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryFeedHasFieldsWithItsIdentityAndPersonalData(t *testing.T) {
	for _, name := range feed.Names() {
		f := get(t, name)
		fields, err := samples.Fields(f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		has := func(path string) bool {
			return slices.ContainsFunc(fields, func(one samples.Field) bool { return one.Path == path })
		}
		for _, path := range append(slices.Clone(f.Key), f.Modified, f.Version) {
			if path != "" && !has(path) {
				t.Errorf("feed %s: no %s among the fields of its sample", name, path)
			}
		}
		for _, one := range fields {
			if shown := strings.Trim(one.Example, `"`); one.Personal && shown != "" && shown != "null" && shown != "***" {
				t.Errorf("feed %s shows %s of %s, which is personal", name, one.Example, one.Path)
			}
		}
	}
}

// A sample that nobody reads, because its feed was renamed, would rot.
func TestEverySampleHasAFeed(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".json"), ".details")
		if !slices.Contains(feed.Names(), name) {
			t.Errorf("%s is the sample of no feed", file)
		}
		text, err := os.ReadFile(file)
		if err != nil || !json.Valid(text) {
			t.Errorf("%s is not JSON, %v", file, err)
		}
	}
}

func TestDetailsLieOverTheListsRow(t *testing.T) {
	fields, err := samples.Fields(get(t, "kis.material"))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, one := range fields {
		paths = append(paths, one.Path)
	}
	for _, want := range []string{"FItemID", "UUID", "F_103", "FUnitID"} {
		if !slices.Contains(paths, want) {
			t.Errorf("no %s among %v", want, paths)
		}
	}
}

func TestFieldsOfRecords(t *testing.T) {
	f := get(t, "jushuitan.otherin")
	got, err := samples.FieldsOf(f,
		json.RawMessage(`{"io_id":1,"receiver_name":"张三","labels":null,"items":[{"qty":2.50,"sns":[]}]}`),
		json.RawMessage(`{"io_id":"2","labels":"a<b","items":[{"qty":3,"sns":["x"]}],"open":true}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []samples.Field{
		{Path: "io_id", Types: []string{"number", "text"}, Example: "1"},
		{Path: "receiver_name", Types: []string{"text"}, Example: `"***"`, Personal: true},
		{Path: "labels", Types: []string{"text"}, Example: `"a<b"`},
		{Path: "items", Types: []string{"list"}},
		{Path: "items[].qty", Types: []string{"number"}, Example: "2.50"},
		{Path: "items[].sns", Types: []string{"list"}},
		{Path: "items[].sns[]", Types: []string{"text"}, Example: `"x"`},
		{Path: "open", Types: []string{"bool"}, Example: "true"},
	}
	if !slices.EqualFunc(got, want, func(a, b samples.Field) bool {
		return a.Path == b.Path && slices.Equal(a.Types, b.Types) && a.Example == b.Example && a.Personal == b.Personal
	}) {
		t.Errorf("got %+v", got)
	}
	if _, err := samples.FieldsOf(f, json.RawMessage(`{"receiver_name":"张三"`)); err == nil || strings.Contains(err.Error(), "张") {
		t.Errorf("of half a record: %v", err)
	}
}
