package feed_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
)

func purchaseIn(t *testing.T) feed.Feed {
	t.Helper()
	f, err := feed.Get("jushuitan.purchasein")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCatalogReads(t *testing.T) {
	if len(feed.Names()) == 0 {
		t.Fatal("the catalog is empty")
	}
	for _, name := range feed.Names() {
		f, err := feed.Get(name)
		if err != nil || f.Name != name {
			t.Errorf("Get(%q) = %q, %v", name, f.Name, err)
		}
	}
	if _, err := feed.Get("jushuitan.nothing"); err == nil || !strings.Contains(err.Error(), "jushuitan.purchasein") {
		t.Errorf("unknown feed: %v, want the names that there are", err)
	}
}

func TestIdentify(t *testing.T) {
	shanghai, _ := time.LoadLocation("Asia/Shanghai")
	at := time.Date(2025, 1, 1, 11, 5, 0, 0, shanghai)
	tests := []struct {
		name, body string
		want       feed.Identity
		err        string
	}{
		{"numbers", `{"io_id":2204001,"ts":9007199254740993,"modified":"2025-01-01 11:05:00"}`, feed.Identity{Key: "2204001", Version: 9007199254740993, Modified: at}, ""},
		{"numbers as text", `{"io_id":"2204001","ts":"17","modified":"2025-01-01 11:05:00.000"}`, feed.Identity{Key: "2204001", Version: 17, Modified: at}, ""},
		{"no key", `{"ts":1,"modified":"2025-01-01 11:05:00"}`, feed.Identity{}, "no io_id"},
		{"null key", `{"io_id":null,"ts":1,"modified":"2025-01-01 11:05:00"}`, feed.Identity{}, "no io_id"},
		{"no version", `{"io_id":1,"modified":"2025-01-01 11:05:00"}`, feed.Identity{}, "document 1: ts is not a whole number"},
		{"bad time", `{"io_id":1,"ts":1,"modified":"0000-00-00"}`, feed.Identity{}, "document 1: modified"},
		{"no object", `[1]`, feed.Identity{}, "not a JSON object"},
	}
	f := purchaseIn(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := f.Identify([]byte(tt.body))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || got.Key != tt.want.Key || got.Version != tt.want.Version || !got.Modified.Equal(tt.want.Modified) {
				t.Errorf("Identify = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestTimesKeepTheZone(t *testing.T) {
	f := purchaseIn(t)
	utc := time.Date(2024, 12, 31, 16, 0, 0, 0, time.UTC)
	if got := f.FormatTime(utc); got != "2025-01-01 00:00:00" {
		t.Errorf("FormatTime = %q", got)
	}
	if got, err := f.ParseTime("2025-01-01 00:00:00"); err != nil || !got.Equal(utc) {
		t.Errorf("ParseTime = %v, %v", got, err)
	}
}

// described is a descriptor with nothing wrong, in parts that tests replace.
const described = `feed: a.b
system: a
path: /b
rows: datas
key: [id]
zone: Asia/Shanghai
paging: {index: page, size: size, origin: 1, max: 50}
`

const windowed = `modified: modified
layouts: ["2006-01-02 15:04:05"]
window: {begin: from, end: to, layout: "2006-01-02 15:04:05", resolution: 1s, max: 24h, settle: 1m, overlap: 10m}
`

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown field", described + windowed + "nope: 1\n", "nope"},
		{"name", strings.Replace(described, "a.b", "b", 1) + windowed, "feed must be named"},
		{"zone", strings.Replace(described, "Asia/Shanghai", "Mars/Olympus", 1) + windowed, "zone"},
		{"rows", strings.Replace(described, "rows: datas", "title: t", 1) + windowed, "rows is missing"},
		{"no window", described, "window needs begin"},
		{"edition", described + windowed + "edition: Flagship\n", "edition must be in lower case"},
		{"snapshot with a window", described + windowed + "snapshot: true\n", "a snapshot is read whole: its window has a settle at most"},
		{"snapshot with a version", described + "snapshot: true\nversion: ts\n", "takes no modified and no version"},
		{"snapshot by version", described + "snapshot: true\nrow_version: {param: ts, field: ts}\n", "it takes no row_version"},
		{"row version without a parameter", described + windowed + "row_version: {count: {total: true}}\n", "row_version needs param"},
		{"row version without a field", described + windowed + "row_version: {param: since}\n", "row_version needs field"},
		{"details without a path", described + windowed + "details: {max: 20}\n", "details needs path"},
		{"details in part", described + windowed + "details: {path: /c, ids: ids, max: 20}\n", "details needs ids, from, rows and max"},
	}
	for _, tt := range tests {
		if _, err := feed.Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	for _, text := range []string{
		described + windowed, described + "snapshot: true\nwindow: {settle: 5s}\n", described + windowed + "version: ts\nrow_version: {param: since}\n",
		described + windowed + "details: {path: /c, ids: ids, from: id, rows: list, max: 20}\n",
	} {
		if _, err := feed.Parse([]byte(text)); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

// TestEveryFeedReadsItsSample reads one recorded answer of each API the way the poller does: where
// the rows are, which document each is and when it changed.
func TestEveryFeedReadsItsSample(t *testing.T) {
	for _, name := range feed.Names() {
		t.Run(name, func(t *testing.T) {
			f, err := feed.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := samples.Documents(f)
			if err != nil {
				t.Fatalf("record one answer of the vendor in pkg/feed/catalog/samples: %v", err)
			}
			keys := map[string]bool{}
			for _, row := range rows {
				keys[checkRow(t, f, row)] = true
			}
			if len(keys) != len(rows) {
				t.Errorf("%d rows have %d keys", len(rows), len(keys))
			}
		})
	}
}

// checkRow checks that the identity of a row can be read, and returns its key.
func checkRow(t *testing.T, f feed.Feed, row json.RawMessage) string {
	t.Helper()
	id, err := f.Identify(row)
	if err != nil {
		t.Fatalf("%v in %s", err, row)
	}
	if f.Snapshot != id.Modified.IsZero() || f.Snapshot != (id.Version == 0) {
		t.Errorf("document %s has version %d and changed %v", id.Key, id.Version, id.Modified)
	}
	if f.Version != "" && f.RowVersion.Param != "" {
		if v, err := f.RowVersionOf(row); err != nil || v != id.Version {
			t.Errorf("row version of document %s is %d, %v, want %d", id.Key, v, err, id.Version)
		}
	}
	return id.Key
}

func TestSnapshotHasAKeyOnly(t *testing.T) {
	f, err := feed.Get("jushuitan.shops")
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Identify([]byte(`{"shop_id":0,"created":null}`))
	if want := (feed.Identity{Key: "0"}); err != nil || got != want {
		t.Errorf("Identify = %+v, %v, want %+v", got, err, want)
	}
	if _, err := f.Identify([]byte(`{"shop_name":"x"}`)); err == nil || !strings.Contains(err.Error(), "no shop_id") {
		t.Errorf("without a key: %v", err)
	}
}

func TestRowVersionStandsApartFromTheVersion(t *testing.T) {
	f, err := feed.Get("jushuitan.otherin")
	if err != nil {
		t.Fatal(err)
	}
	const plain, emitted = `{"io_id":1,"modified":"2025-01-01 10:15:02"}`, `{"io_id":1,"ts":"9007199254740993","modified":"2025-01-01 10:15:02"}`
	for _, body := range []string{plain, emitted} {
		if id, err := f.Identify([]byte(body)); err != nil || id.Version != id.Modified.UnixMilli() {
			t.Errorf("Identify(%s) = %+v, %v, want the time of change for a version", body, id, err)
		}
	}
	if v, err := f.RowVersionOf([]byte(emitted)); err != nil || v != 9007199254740993 {
		t.Errorf("RowVersionOf = %d, %v", v, err)
	}
	if _, err := f.RowVersionOf([]byte(plain)); err == nil || !strings.Contains(err.Error(), "ts is not a whole number") {
		t.Errorf("RowVersionOf of a document without one: %v", err)
	}
}
