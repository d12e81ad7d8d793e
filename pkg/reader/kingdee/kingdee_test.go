package kingdee

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

// vendor imitates the gateway with a session for everybody, and the products behind it.
type vendor struct {
	answer func(path string, query url.Values, body string) string

	mu   sync.Mutex
	seen []string // business calls, as path, query and body
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/push_app_authorize"):
		io.WriteString(w, `{"errcode":0,"data":[{"accountId":"1","appKey":"k","appSecret":"s","domain":"https://tf.jdy.com","status":1}]}`)
	case strings.HasSuffix(r.URL.Path, "/kingdee_auth_token"):
		io.WriteString(w, `{"errcode":0,"data":{"app-token":"eyJ","access_token":"access","auth_data":"auth"}}`)
	default:
		query := r.URL.Query()
		query.Del("access_token")
		v.mu.Lock()
		v.seen = append(v.seen, strings.TrimSpace(r.URL.Path+" "+query.Encode()+" "+string(body)))
		v.mu.Unlock()
		io.WriteString(w, v.answer(r.URL.Path, query, string(body)))
	}
}

// start runs v and returns what a connection to it is configured with, fast enough for a test.
func (v *vendor) start(t *testing.T) (get func(string) string, budget pace.Budget) {
	t.Helper()
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	settings := map[string]string{"endpoint": server.URL, "client_id": "200421", "client_secret": "0123456789abcdef0123456789abcdef"}
	return func(name string) string { return settings[name] }, pace.Budget{PerMinute: 6000}
}

func (v *vendor) xingchen(t *testing.T) poll.Reader {
	t.Helper()
	client, err := xingchen.New(xingchen.Configure(v.start(t)))
	if err != nil {
		t.Fatal(err)
	}
	return xingchenReader{client}
}

func (v *vendor) kis(t *testing.T) poll.Reader {
	t.Helper()
	client, err := kis.New(kis.Configure(v.start(t)))
	if err != nil {
		t.Fatal(err)
	}
	return kisReader{client, slog.New(slog.DiscardHandler)}
}

// query asks for a page of a feed as the poller does, with parameters of the source.
func query(t *testing.T, name string, request map[string]any, page int) poll.Query {
	t.Helper()
	f, err := feed.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return poll.Query{Feed: f, Request: request, Page: page, Size: 100}
}

func TestXingchenPage(t *testing.T) {
	v := &vendor{answer: func(string, url.Values, string) string {
		return `{"errcode":0,"data":{"count":"201","total_page":3,"page":2,"page_size":100,"rows":[{"id":"1986543210987654321"},{"id":"8"}]}}`
	}}
	q := query(t, "kingdee.material", map[string]any{"enable": int64(1), "parent": []any{"1", int64(2)}, "search": nil}, 2)
	page, err := v.xingchen(t).Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != 201 || page.Size != 100 || !page.HasNext || len(page.Rows) != 2 || string(page.Rows[0]) != `{"id":"1986543210987654321"}` {
		t.Errorf("page = %+v", page)
	}
	const want = "/jdy/v2/bd/material enable=1&page=2&page_size=100&parent=1%2C2&search=&show_units=true"
	if v.seen[0] != want {
		t.Errorf("asked %s\nwant  %s", v.seen[0], want)
	}
	if q.Feed.Request["page"] != nil || q.Feed.Request["enable"] != "-1" {
		t.Error("the feed's own parameters were changed")
	}
}

func TestXingchenRefusesWhatIsNoQuery(t *testing.T) {
	v := &vendor{}
	for _, value := range []any{map[string]any{"a": 1}, []any{map[string]any{}}, 1.5} {
		_, err := v.xingchen(t).Read(t.Context(), query(t, "kingdee.store", map[string]any{"search": value}, 1))
		if !fault.IsPermanent(err) || !strings.Contains(err.Error(), "search") {
			t.Errorf("%v: %v", value, err)
		}
	}
	if len(v.seen) != 0 {
		t.Errorf("asked %v", v.seen)
	}
}

func TestXingchenAnswerWithoutRows(t *testing.T) {
	v := &vendor{answer: func(string, url.Values, string) string { return `{"errcode":0,"data":[]}` }}
	if _, err := v.xingchen(t).Read(t.Context(), query(t, "kingdee.store", nil, 1)); fault.ClassOf(err) != "answer" {
		t.Errorf("err = %v", err)
	}
}

// A record is the list's row with the details over it, 20 ids at a time; a row without details stays.
func TestKISPageWithDetails(t *testing.T) {
	v := &vendor{}
	v.answer = func(path string, _ url.Values, body string) string {
		if strings.HasSuffix(path, "/List") {
			var rows []string
			for n := range 25 {
				rows = append(rows, fmt.Sprintf(`{"FItemID":%d,"FNumber":"A<%d>","FName":"list"}`, n, n))
			}
			return `{"errcode":0,"data":{"List":[` + strings.Join(rows, ",") + `],"TotalItems":25,"TotalPages":1,"HasNextPage":false}}`
		}
		var asked struct {
			IDs []int `json:"ItemIds"`
		}
		if err := json.Unmarshal([]byte(body), &asked); err != nil || len(asked.IDs) > 20 {
			t.Errorf("asked for %s", body)
		}
		var rows []string
		for _, id := range asked.IDs {
			if id != 24 {
				rows = append(rows, fmt.Sprintf(`{"FItemID":%d,"FName":"detail","FPrice":1.10,"F_103":"SKU-%d"}`, id, id))
			}
		}
		return `{"errcode":0,"data":{"List":[` + strings.Join(rows, ",") + `]}}`
	}
	page, err := v.kis(t).Read(t.Context(), query(t, "kis.material", nil, 1))
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != 25 || page.HasNext || len(page.Rows) != 25 {
		t.Errorf("page of %d rows: %+v", len(page.Rows), page)
	}
	if got, want := string(page.Rows[7]), `{"FItemID":7,"FName":"detail","FNumber":"A<7>","FPrice":1.10,"F_103":"SKU-7"}`; got != want {
		t.Errorf("record %s\nwant   %s", got, want)
	}
	if got, want := string(page.Rows[24]), `{"FItemID":24,"FName":"list","FNumber":"A<24>"}`; got != want {
		t.Errorf("record %s\nwant   %s", got, want)
	}
	const want = `/koas/APP006992/api/Material/List  {"CurrentPage":1,"Detail":true,"ItemsOfPage":100}`
	if len(v.seen) != 3 || v.seen[0] != want {
		t.Errorf("asked %q", v.seen)
	}
}

func TestKISPageWithoutDetails(t *testing.T) {
	v := &vendor{answer: func(string, url.Values, string) string {
		return `{"errcode":0,"data":{"List":[{"FItemID": 257}],"HasNextPage":true}}`
	}}
	page, err := v.kis(t).Read(t.Context(), query(t, "kis.unit", map[string]any{"FUnitGroupID": int64(256)}, 2))
	if err != nil || page.Total != -1 || !page.HasNext || string(page.Rows[0]) != `{"FItemID": 257}` {
		t.Errorf("page = %+v, %v", page, err)
	}
	if want := `/koas/APP006992/api/MeasureUnit/List  {"CurrentPage":2,"FUnitGroupID":256,"ItemsOfPage":100}`; v.seen[0] != want {
		t.Errorf("asked %s", v.seen[0])
	}
}

func TestKISRowsThatAreNoObjects(t *testing.T) {
	for _, list := range []string{`[1]`, `[null]`} {
		v := &vendor{answer: func(string, url.Values, string) string { return `{"errcode":0,"data":{"List":` + list + `}}` }}
		if _, err := v.kis(t).Read(t.Context(), query(t, "kis.material", nil, 1)); fault.ClassOf(err) != "answer" {
			t.Errorf("%s: %v", list, err)
		}
	}
}

// The poller leaves the larger part of the account set's calls to the sink.
func TestBudget(t *testing.T) {
	c := flow.Connection{Budget: flow.Budget{PerMinute: 300, PerSecond: 10}}
	if got, want := budget(c), (pace.Budget{PerMinute: 300, PerSecond: 10, Percent: 20}); got != want {
		t.Errorf("budget = %+v, want %+v", got, want)
	}
}
