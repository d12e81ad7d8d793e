package jushuitan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/jushuitan"
	"github.com/erpstream/erpstream/pkg/pace"
)

// fast is for the tests on a real network, where spacing would cost real time.
var fast = pace.Budget{PerSecond: 1e6, PerMinute: 1e8}

func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{answer: always(200, `{"code":0,"msg":"执行成功","request_id":"r-1","data":{"page_size":30,"page_index":1,"data_count":"61","page_count":3,"has_next":true,"datas":[{"io_id":2204001,"wh_id":"1"}]}}`)}
		c := newClient(t, v, given(), nil)
		page, err := c.Page(t.Context(), "/open/purchasein/query", map[string]any{"page_index": 1})
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != 61 || !page.HasNext || page.RequestID != "r-1" || string(page.Rows[0]) != `{"io_id":2204001,"wh_id":"1"}` {
			t.Errorf("page = %+v", page)
		}
		v.answer = always(200, `{"code":0,"data":null}`)
		if _, err := c.Page(t.Context(), shops, nil); fault.ClassOf(err) != "answer" {
			t.Errorf("no page object: err = %v", err)
		}
		if data, err := c.Call(t.Context(), shops, nil); data != nil || err != nil {
			t.Errorf("Call = %s, %v", data, err)
		}
	})
}

// Requests that can't be right are refused before anything is sent.
func TestWrongRequests(t *testing.T) {
	c := newClient(t, &vendor{answer: always(200, emptyPage)}, given(), nil)
	for _, tt := range []struct {
		path string
		biz  any
	}{
		{shops, []byte(`{"page_index":`)}, {shops, "page_index=1"}, {shops, make(chan int)},
		{"open/shops/query", nil}, {shops + "?page=1", nil}, {"", nil},
	} {
		if _, err := c.Call(t.Context(), tt.path, tt.biz); !fault.IsPermanent(err) || fault.ClassOf(err) != "request" {
			t.Errorf("%s %v: err = %v", tt.path, tt.biz, err)
		}
	}
}

// Answers of gateways on the way: all are tried again, with a growing wait.
func TestGatewayAnswers(t *testing.T) {
	tests := []struct {
		status      int
		body, class string
		text        string
	}{
		{502, "<html>502 Bad Gateway</html>", "http", "Bad Gateway"},
		{400, "<html>400</html>", "http", "HTTP 400"},
		{503, "", "http", "HTTP 503"},
		{302, "", "http", "HTTP 302"},
		{500, `{"error":"oops"}`, "http", "oops"},
		{502, `{"code":502,"msg":"upstream"}`, "http", "upstream"},
		{200, "<!doctype html>maintenance", "answer", "maintenance"},
		{200, "", "answer", "empty"},
		{200, emptyPage[:40], "answer", "not JSON"},
		{200, `{}`, "answer", "no code"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: always(tt.status, tt.body)}
			_, err := newClient(t, v, given(), nil).Call(t.Context(), shops, nil)
			if fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%d %s: err = %v (%s), want class %s with %q", tt.status, tt.body, err, fault.ClassOf(err), tt.class, tt.text)
			}
			got := v.seen("")
			if len(got) != 5 {
				t.Fatalf("%d %s: %d attempts, want 5", tt.status, tt.body, len(got))
			}
			for i := range 4 {
				least := 500 * time.Millisecond << i
				if gap := got[i+1].at.Sub(got[i].at); gap < least || gap > least*5/4+interval {
					t.Errorf("wait %d = %v, want %v and a little", i+1, gap, least)
				}
			}
		})
	}
}

// A code of the table is the vendor's word under any HTTP status.
func TestKnownCodeUnderHTTPError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{answer: always(404, refusal(140, "接口不存在"))}
		_, err := newClient(t, v, given(), nil).Call(t.Context(), "/open/no/such", nil)
		if e, ok := errors.AsType[*jushuitan.Error](err); !ok || e.Code != 140 || !fault.IsPermanent(err) {
			t.Errorf("err = %v", err)
		}
	})
}

// The network itself: nobody there, too slow, cut, too much, sent elsewhere.
func TestNetwork(t *testing.T) {
	redirected := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the token went to another host")
	}))
	defer redirected.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()

	tests := []struct {
		name    string
		handler http.HandlerFunc // nil = nobody listens
		change  func(*jushuitan.Config)
		kind    fault.Kind
		class   string
	}{
		{"refused", nil, nil, fault.DownKind, "connection"},
		{"unknown host", nil, func(cfg *jushuitan.Config) {
			cfg.HTTP = &http.Client{Transport: failing{&net.DNSError{Err: "no such host", IsNotFound: true}}}
		}, fault.DownKind, "connection"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { untilGone(r) },
			func(cfg *jushuitan.Config) { cfg.Timeout = 20 * time.Millisecond }, fault.BusyKind, "timeout"},
		{"slow in the middle", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(emptyPage[:20]))
			w.(http.Flusher).Flush()
			untilGone(r)
		}, func(cfg *jushuitan.Config) { cfg.Timeout = 50 * time.Millisecond }, fault.BusyKind, "timeout"},
		{"cut at once", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, fault.BusyKind, "network"},
		{"cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(emptyPage))
		}, nil, fault.BusyKind, "network"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(emptyPage)) },
			func(cfg *jushuitan.Config) { cfg.MaxBody = int64(len(emptyPage)) - 1 }, fault.PermanentKind, "size"},
		{"just not too much", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(emptyPage)) },
			func(cfg *jushuitan.Config) { cfg.MaxBody = int64(len(emptyPage)) }, fault.Unknown, "unclassified"},
		{"redirected", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, redirected.URL, http.StatusTemporaryRedirect)
		}, nil, fault.BusyKind, "http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			endpoint := "http://" + free.Addr().String()
			if tt.handler != nil {
				srv := httptest.NewServer(tt.handler)
				defer srv.Close()
				endpoint = srv.URL
			}
			c := newClient(t, nil, given(), func(cfg *jushuitan.Config) {
				cfg.Endpoint = endpoint
				cfg.Attempts = 1
				cfg.Budget = fast
				if tt.change != nil {
					tt.change(cfg)
				}
			})
			_, err := c.Call(t.Context(), shops, nil)
			if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class {
				t.Errorf("%v %s, want %v %s: %v", fault.KindOf(err), fault.ClassOf(err), tt.kind, tt.class, err)
			}
		})
	}
}

// untilGone blocks until the client hangs up, which a server sees after the body only.
func untilGone(r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// failing is a network on which nothing works.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// A cut connection is tried again over a real network, with the form whole.
func TestCutConnectionIsTriedAgain(t *testing.T) {
	v := &vendor{t: t}
	v.answer = func(_ arrival, n int) (int, string) {
		if n == 1 {
			panic(http.ErrAbortHandler)
		}
		return 200, emptyPage
	}
	srv := httptest.NewServer(v)
	defer srv.Close()
	c := newClient(t, nil, given(), func(cfg *jushuitan.Config) { cfg.Endpoint, cfg.Budget = srv.URL+"/", fast })
	if _, err := c.Page(t.Context(), shops, nil); err != nil || len(v.seen("")) != 2 {
		t.Errorf("err = %v after %d attempts", err, len(v.seen("")))
	}
}

// A caller's end stops a request that is under way.
func TestContextStopsRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		untilGone(r)
	}))
	defer srv.Close()
	c := newClient(t, nil, given(), func(cfg *jushuitan.Config) {
		cfg.Endpoint, cfg.Budget, cfg.Attempts = srv.URL, fast, 1
	})
	if _, err := c.Call(ctx, shops, nil); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Unknown {
		t.Errorf("err = %v (%v)", err, fault.KindOf(err))
	}
}

// No error, log line or printed value shows a secret, even when the other side sends all
// of them back.
func TestNoSecrets(t *testing.T) {
	const (
		odd    = "sandbox+access/token=0001" // is encoded on the wire
		fresh  = "6f0c0000aaaa4444bbbb8888cccc1111"
		bought = "bought-token-0001"
	)
	answers := map[string]func(arrival) (int, string){
		"page": func(a arrival) (int, string) {
			return 502, "<html>" + appSecret + " " + a.form.Get("access_token") + a.form.Get("sign")
		},
		"page with the form":  func(a arrival) (int, string) { return 502, "<html>" + a.form.Encode() },
		"page with a new one": func(arrival) (int, string) { return 502, "<html>" + fresh },
		"vendor":              func(a arrival) (int, string) { return 200, refusal(130, a.form.Encode()+appSecret) },
		"vendor, plain":       func(a arrival) (int, string) { return 200, refusal(130, fmt.Sprint(a.form)) },
		"request id":          func(a arrival) (int, string) { return 200, `{"code":130,"request_id":` + quote(a.form.Encode()) + `}` },
		"half answer":         func(arrival) (int, string) { return 200, `{"code":0,"data":{"receiver_name":"张三", "x":` },
		"half token":          func(arrival) (int, string) { return 200, tokenAnswer(bought, bought, month)[:100] },
		"token page":          func(arrival) (int, string) { return 500, "<html>" + tokenAnswer(bought, bought, month) },
		"second 100":          func(a arrival) (int, string) { return 200, refusal(100, a.form.Encode()) },
		"token vendor":        func(a arrival) (int, string) { return 200, refusal(21024, a.form.Encode()) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := given()
				s["access_token"], s["refresh_token"] = odd, refresh
				if strings.Contains(name, "token") {
					delete(s, "access_token")
				}
				store := &jushuitan.MemoryStore{}
				v := &vendor{answer: func(a arrival, _ int) (int, string) { return answer(a) }}
				c := newClient(t, v, s, func(cfg *jushuitan.Config) {
					cfg.Tokens = store
					cfg.Attempts = 2
					cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				_, err := c.Call(t.Context(), shops, nil)
				if err == nil {
					t.Fatal("no error")
				}
				text := fmt.Sprintf("%v %s", err, log.String())
				hidden := []string{appSecret, odd, refresh, fresh, bought, "张三"}
				for _, a := range v.seen("") {
					hidden = append(hidden, a.form.Get("sign"), a.form.Get("code"))
				}
				expectHidden(t, text, hidden)
			})
		})
	}
}

// Nothing that can be printed shows a secret.
func TestPrintedValues(t *testing.T) {
	token := jushuitan.Token{Access: access, Refresh: refresh, ExpiresAt: time.Now()}
	store := stored(token)
	var log bytes.Buffer
	cfg := jushuitan.Config{AppKey: appKey, Secrets: given().get, Tokens: store}
	c := newClient(t, &vendor{answer: always(200, emptyPage)}, given(), func(cfg *jushuitan.Config) {
		cfg.Tokens = stored(jushuitan.Token{Access: access})
		cfg.Budget = fast
	})
	if _, err := c.Call(t.Context(), shops, nil); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("", "client", c, "config", cfg, "token", token, "store", store)
	text := log.String()
	for _, v := range []any{token, &token, []any{token}, store, cfg, &cfg, c, struct{ C *jushuitan.Client }{c}, *c} {
		text += fmt.Sprintf("%v %+v %#v %s\n", v, v, v, v)
	}
	expectHidden(t, text, []string{access, refresh, appSecret})
	if !strings.Contains(text, appKey) || !strings.Contains(text, jushuitan.DefaultEndpoint) {
		t.Errorf("the account is not named: %s", text)
	}
	if got := fmt.Sprint(jushuitan.Token{}, jushuitan.Token{Access: "x"}); got != "no token token without a known end" {
		t.Errorf("tokens print as %q", got)
	}
}

func expectHidden(t *testing.T, text string, hidden []string) {
	t.Helper()
	for _, h := range hidden {
		if h != "" && (strings.Contains(text, h) || strings.Contains(text, url.QueryEscape(h))) {
			t.Errorf("%q is shown in %s", h, text)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := jushuitan.New(jushuitan.Config{
		Endpoint: "https://user:pass@host/?a=b", App: "other", Attempts: -1, AuthPath: "auth", Budget: pace.Budget{PerSecond: -1},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"more than scheme", `"other"`, "app_key", "secrets", "negative", "token endpoints", "budget"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	for _, endpoint := range []string{"openapi.jushuitan.com", "ftp://host", "https://", "::"} {
		if _, err := jushuitan.New(jushuitan.Config{Endpoint: endpoint, AppKey: "k", Secrets: given().get}); err == nil {
			t.Errorf("%s: no error", endpoint)
		}
	}
}

// TestConfigure reads settings once and secrets each time.
func TestConfigure(t *testing.T) {
	values := map[string]string{"endpoint": "http://127.0.0.1:1", "app": "isv", "app_key": "app", "auth_path": "/openWebIsv/auth", "app_secret": "first"}
	cfg := jushuitan.Configure(func(name string) string { return values[name] })
	if got := fmt.Sprint(cfg.Endpoint, cfg.App, cfg.AppKey, cfg.AuthPath); got != "http://127.0.0.1:1isvapp/openWebIsv/auth" {
		t.Errorf("Configure = %s", got)
	}
	values["app_secret"] = "rotated"
	if secret, err := cfg.Secrets("app_secret"); err != nil || secret != "rotated" {
		t.Errorf("app_secret = %q, %v, want the present one", secret, err)
	}
	if secret, err := cfg.Secrets("code"); err != nil || secret != "" {
		t.Errorf("code = %q, %v, want none", secret, err)
	}
	if _, err := jushuitan.New(cfg); err != nil {
		t.Errorf("New = %v", err)
	}
	if _, err := jushuitan.New(jushuitan.Configure(func(string) string { return "" })); err == nil || !strings.Contains(err.Error(), "app_key is empty") {
		t.Errorf("New without settings = %v", err)
	}
}
