package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// vendor is an account with documents a minute apart, that behaves as it is told.
type vendor struct {
	documents     int
	refuseLarge   bool
	unbounded     bool // serves pages of any size
	newestFirst   bool
	exclusiveEnds bool
	err           error
}

var newest = time.Date(2026, 11, 1, 12, 0, 0, 0, time.FixedZone("", 8*60*60))

func (v vendor) Read(_ context.Context, q poll.Query) (poll.Page, error) {
	if v.err != nil {
		return poll.Page{}, v.err
	}
	size := q.Size
	if size > q.Feed.Paging.Max && v.refuseLarge {
		return poll.Page{}, errors.New("page_size 超过最大值")
	}
	if !v.unbounded {
		size = min(size, q.Feed.Paging.Max)
	}
	var rows []json.RawMessage
	for i := range v.documents {
		at := newest.Add(-time.Duration(v.documents-1-i) * time.Minute)
		if at.Before(q.From) || at.After(q.To) || v.exclusiveEnds && at.Equal(q.To) {
			continue
		}
		rows = append(rows, json.RawMessage(fmt.Sprintf(`{"io_id":%d,"ts":%d,"modified":%q}`, i, i, at.Format(time.DateTime))))
	}
	if v.newestFirst {
		slices.Reverse(rows)
	}
	page := poll.Page{Total: len(rows), HasNext: len(rows) > size}
	page.Rows = rows[:min(size, len(rows))]
	return page, nil
}

func TestFeed(t *testing.T) {
	f, err := feed.Get("jushuitan.purchasein")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		vendor vendor
		want   []string
	}{
		{"usual", vendor{documents: 120}, []string{"ok sign in", "ok read a page: feed jushuitan.purchasein: 50 documents", "the vendor counts 120", "cut to 50", "oldest change first", "begin is inclusive, end is inclusive"}},
		{"strict", vendor{documents: 120, refuseLarge: true}, []string{"a page of 100 is refused: page_size 超过最大值"}},
		{"generous", vendor{documents: 120, unbounded: true}, []string{"served with 100 documents"}},
		{"newest first", vendor{documents: 120, newestFirst: true}, []string{"newest change first"}},
		{"exclusive", vendor{documents: 120, exclusiveEnds: true}, []string{"begin is inclusive, end is exclusive"}},
		{"few", vendor{documents: 1}, []string{"unknown page clamp", "unknown sort order", "ok window bounds"}},
		{"none", vendor{}, []string{"ok read a page", "unknown window bounds: there is no document"}},
		{"credentials", vendor{err: fault.Down("signature", errors.New("验证失败！无效签名"))}, []string{"fail sign in: 验证失败！无效签名"}},
		{"permission", vendor{err: fault.Permanent("request", errors.New("无仓库访问权限"))}, []string{"ok sign in", "fail read a page: feed jushuitan.purchasein: 无仓库访问权限"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := poll.Source{Name: "src", Feed: f, PageSize: f.Paging.Max}
			findings := probe.Feed(t.Context(), tt.vendor, src, newest.Add(time.Hour))
			var text strings.Builder
			for _, f := range findings {
				fmt.Fprintf(&text, "%s %s: %s\n", f.State, f.Check, f.Text)
			}
			for _, want := range tt.want {
				if !strings.Contains(text.String(), want) {
					t.Errorf("findings lack %q:\n%s", want, text.String())
				}
			}
			if failed := tt.vendor.err != nil; probe.Failed(findings) != failed {
				t.Errorf("Failed = %v, want %v:\n%s", !failed, failed, text.String())
			}
		})
	}
}

func TestClock(t *testing.T) {
	for skew, want := range map[time.Duration]probe.State{0: probe.OK, 10 * time.Minute: probe.Warn, -10 * time.Minute: probe.Warn} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		}))
		if got := probe.Clock(t.Context(), server.URL); got.State != want {
			t.Errorf("%s off: %+v, want %s", skew, got, want)
		}
		server.Close()
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	if got := probe.Clock(t.Context(), server.URL); got.State != probe.OK {
		t.Errorf("redirect: %+v", got)
	}
	if got := probe.Clock(t.Context(), "http://127.0.0.1:1"); got.State != probe.Fail {
		t.Errorf("nobody there: %+v", got)
	}
}

// TestUsual finds a feed for each system that is read.
func TestUsual(t *testing.T) {
	for _, account := range [][2]string{{"jushuitan", ""}, {"wangdiantong", "enterprise"}, {"wangdiantong", "flagship"}, {"kingdee", ""}, {"kis", ""}} {
		f, err := probe.Usual(account[0], account[1])
		if err != nil || f.System != account[0] || f.Edition != account[1] {
			t.Errorf("%v: feed %s of %s, edition %q, %v", account, f.Name, f.System, f.Edition, err)
		}
	}
	if _, err := probe.Usual("mysql", ""); err == nil {
		t.Error("a database has no feed")
	}
}
