package httpcall_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/erpstream/erpstream/pkg/jushuitan"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

// TestNoClientGoesWhereAnAnswerSends has gateways that redirect every call, to sign in and to read, with an answer
// in the body that would do: each client takes it for an error, and calls nobody else.
func TestNoClientGoesWhereAnAnswerSends(t *testing.T) {
	var calls, elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
		_, _ = w.Write([]byte(`{"code":0,"errcode":0,"status":0,"data":{"url":"` + other.URL + `","next":"` + other.URL + `","rows":[],"datas":[]},"response":{"errorcode":0}}`))
	}))
	defer gateway.Close()
	settings := map[string]string{
		"endpoint": gateway.URL, "app_key": "k", "app_secret": "s3cr3t:salt", "access_token": "t0ken", "client_id": "1", "client_secret": "s3cr3t",
		"edition": "flagship", "sid": "s",
	}
	get := func(name string) string { return settings[name] }
	clients := map[string]func(ctx context.Context) error{
		"jushuitan": func(ctx context.Context) error {
			cfg := jushuitan.Configure(get)
			cfg.Attempts = 1
			c, err := jushuitan.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Page(ctx, "/open/shops/query", nil)
			return err
		},
		"wangdiantong": func(ctx context.Context) error {
			cfg, err := wangdiantong.Configure(get)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Attempts = 1
			c, err := wangdiantong.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Page(ctx, wangdiantong.Call{Method: "aftersales.refund.Refund.search", Rows: "rows", Size: 10})
			return err
		},
		"xingchen": func(ctx context.Context) error {
			cfg := xingchen.Configure(get, pace.Budget{PerMinute: 6000})
			cfg.Attempts = 1
			c, err := xingchen.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Get(ctx, "/jdy/v2/bd/store", nil)
			return err
		},
		"kis": func(ctx context.Context) error {
			cfg := kis.Configure(get, pace.Budget{PerMinute: 6000})
			cfg.Attempts = 1
			c, err := kis.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.List(ctx, "/koas/app007104/api/miscellaneousreceipt/list", "rows", map[string]any{})
			return err
		},
	}
	for name, call := range clients {
		before := calls.Load()
		if err := call(t.Context()); err == nil || calls.Load() == before {
			t.Errorf("%s: %v after %d calls", name, err, calls.Load()-before)
		}
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d calls elsewhere", n)
	}
}
