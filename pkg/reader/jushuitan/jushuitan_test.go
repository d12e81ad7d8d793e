package jushuitan

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/jushuitan"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/token"
)

func get(t *testing.T, name string) feed.Feed {
	t.Helper()
	f, err := feed.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRequest(t *testing.T) {
	purchaseIn := get(t, "jushuitan.purchasein")
	from, to := time.Date(2024, 12, 31, 16, 0, 0, 0, time.UTC), time.Date(2025, 1, 1, 16, 0, 0, 0, time.UTC)
	since := int64(9007199254740993)
	tests := []struct {
		name  string
		query poll.Query
		want  string
	}{
		{"window", poll.Query{Feed: purchaseIn, Request: map[string]any{"statuss": []string{"Confirmed"}, "date_type": 2}, From: from, To: to, Page: 3, Size: 50},
			`{"date_type":2,"modified_begin":"2025-01-01 00:00:00","modified_end":"2025-01-02 00:00:00","page_index":3,"page_size":50,"statuss":["Confirmed"]}`},
		{"window with other names", poll.Query{Feed: get(t, "jushuitan.manufacture"), From: from, To: to, Page: 1, Size: 100},
			`{"date_type":0,"end_time":"2025-01-02 00:00:00","page_index":1,"page_size":100,"start_time":"2025-01-01 00:00:00"}`},
		{"snapshot", poll.Query{Feed: get(t, "jushuitan.shops"), Request: map[string]any{"nicks": []string{"老板"}}, Page: 1, Size: 100},
			`{"nicks":["老板"],"page_index":1,"page_size":100}`},
		{"row version", poll.Query{Feed: purchaseIn, Request: purchaseIn.RowVersion.Request, Since: &since, Page: 1, Size: 50},
			`{"is_get_total":false,"page_index":1,"page_size":50,"start_ts":9007199254740993}`},
		{"row version of a feed with nothing to say", poll.Query{Feed: get(t, "jushuitan.otherin"), Since: &since, Page: 1, Size: 50},
			`{"page_index":1,"page_size":50,"start_ts":9007199254740993}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(request(tt.query))
			if err != nil || string(got) != tt.want {
				t.Errorf("request = %s, %v\nwant      %s", got, err, tt.want)
			}
		})
	}
	if purchaseIn.Request["modified_begin"] != nil || purchaseIn.RowVersion.Request["start_ts"] != nil {
		t.Error("the feed's own parameters were changed")
	}
}

// account plays the vendor: one app, whose token is given once.
type account struct{ given int }

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/openWeb/auth/getInitToken" {
		a.given++
		fmt.Fprintf(w, `{"code":0,"data":{"access_token":"token-%d","refresh_token":"r","expires_in":2592000,"scope":"all"}}`, a.given)
		return
	}
	if r.FormValue("access_token") != "token-1" {
		io.WriteString(w, `{"code":100,"msg":"access_token已过期"}`)
		return
	}
	io.WriteString(w, `{"code":0,"data":{"shops":[{"shop_id":1}],"page_index":1,"page_size":100,"has_next":false}}`)
}

// TestReplicasShareTheToken reads with two replicas: the second uses the token of the first.
func TestReplicasShareTheToken(t *testing.T) {
	vendor := &account{}
	server := httptest.NewServer(vendor)
	t.Cleanup(server.Close)
	tokens := &token.Memory{}
	for range 2 {
		cfg := jushuitan.Configure(func(name string) string {
			return map[string]string{"endpoint": server.URL, "app_key": "app", "app_secret": "hidden"}[name]
		})
		cfg.Tokens = shared(tokens, "jst-main", cfg)
		cfg.Budget = pace.Budget{PerSecond: 1000, PerMinute: 60_000}
		client, err := jushuitan.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		page, err := reader{client}.Read(context.Background(), poll.Query{Feed: get(t, "jushuitan.shops"), Page: 1, Size: 100})
		if err != nil || len(page.Rows) != 1 || page.Total >= 0 || page.HasNext {
			t.Errorf("Read = %+v, %v, want one shop and no total", page, err)
		}
	}
	if vendor.given != 1 {
		t.Errorf("%d tokens were asked for, want 1", vendor.given)
	}
}
