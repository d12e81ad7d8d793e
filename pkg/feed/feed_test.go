package feed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
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

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"feed: a.b\nsystem: a\nnope: 1\nzone: UTC": "nope",
		"feed: b\nsystem: a\nzone: UTC":            "feed must be named",
		"feed: a.b\nsystem: a\nzone: Mars/Olympus": "zone",
	}
	for text, want := range tests {
		if _, err := feed.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q", text, err, want)
		}
	}
}
