package lint_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/lint"
)

var update = flag.Bool("update", false, "rewrite what is wanted")

func parse(t *testing.T, file, name string) []flow.Document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	documents, err := flow.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

// shipped are the documents of the shipped configuration.
func shipped(t *testing.T) []flow.Document {
	t.Helper()
	files, err := filepath.Glob("../../../../deploy/config/*/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var documents []flow.Document
	for _, file := range files {
		documents = append(documents, parse(t, file, filepath.Base(file))...)
	}
	return documents
}

func text(found []lint.Finding, least lint.Severity) string {
	var b strings.Builder
	for _, f := range found {
		if f.Severity.AtLeast(least) {
			b.WriteString(f.String() + "\n")
		}
	}
	return b.String()
}

// TestFindings lints testdata/*.yaml beside the shipped configuration: what is found stands in *.want.
func TestFindings(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	around := flow.Set{}.With(shipped(t)...)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			documents := parse(t, file, filepath.Base(file))
			got := text(lint.Run(lint.Input{Documents: documents, Set: around.With(documents...)}), lint.Info)
			wanted := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(wanted, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wanted)
			if err != nil || got != string(want) {
				t.Errorf("%v; found\n%swant\n%s", err, got, want)
			}
		})
	}
}

func TestTheShippedConfigurationIsClean(t *testing.T) {
	documents := shipped(t)
	if got := text(lint.Run(lint.Input{Documents: documents, Set: flow.Set{}.With(documents...)}), lint.Warning); got != "" {
		t.Errorf("found\n%s", got)
	}
}

// Records that were read know fields that the sample lacks, and make it whole when there are enough.
func TestSeenRecordsCount(t *testing.T) {
	documents := parse(t, "testdata/partial.yaml", "partial.yaml")
	in := lint.Input{Documents: documents, Set: flow.Set{}.With(shipped(t)...).With(documents...)}
	const nobody = "records have no field skipped_because"
	for n, want := range map[int]string{3: "info: " + nobody + " (of the recorded sample and 3 records that were read)", 5000: "warning: " + nobody} {
		in.Seen = map[string]lint.Seen{"orders": {Records: n, Fields: []samples.Field{{Path: "shop_nam", Types: []string{"text"}}}}}
		got := text(lint.Run(in), lint.Info)
		if !strings.Contains(got, want) || strings.Contains(got, "no field shop_nam") {
			t.Errorf("after %d records found\n%swant %s, and nothing of shop_nam", n, got, want)
		}
	}
	in.Seen = map[string]lint.Seen{"orders": {Records: 5000, Fields: []samples.Field{{Path: "*", Types: []string{"text"}}}}}
	if got := text(lint.Run(in), lint.Info); strings.Contains(got, "unknown-field") {
		t.Errorf("of records whose names are data found\n%s", got)
	}
}

// A list that was null at times is known by the records in which it was not.
func TestNullAtTimesIsKnown(t *testing.T) {
	documents, err := flow.Parse("f.yaml", []byte(misread))
	if err != nil {
		t.Fatal(err)
	}
	in := lint.Input{Documents: documents, Set: flow.Set{}.With(shipped(t)...).With(documents...)}
	in.Seen = map[string]lint.Seen{"jst-otherin": {Records: 100, Fields: []samples.Field{{Path: "items", Types: []string{"list", "null"}}, {Path: "items[].qty", Types: []string{"null", "number"}}}}}
	if got := text(lint.Run(in), lint.Error); !strings.Contains(got, "no field items[].qyt (of the recorded sample and 100 records that were read): did you mean qty?") {
		t.Errorf("found\n%s", got)
	}
}

const misread = `flow: misread
from: jst-otherin
target: {kind: kis, connection: kis-main, message: erpstream.kis.v1.OtherInbound}
map:
  head: {map: {bill_no: string(record.io_id), date: date(record.io_date)}}
  entry: {each: record.items, map: {item_id: item.sku_id, unit_id: item.unit, qty: item.qyt}}
`
