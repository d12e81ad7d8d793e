package wangdiantong_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

// The network itself, on every way: nobody there, too slow, cut, too much, sent elsewhere.
func TestNetwork(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil = nobody listens
		change  func(*wangdiantong.Config)
		kind    fault.Kind
		class   string
	}{
		{"refused", nil, nil, fault.DownKind, "connection"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { untilGone(r) },
			func(cfg *wangdiantong.Config) { cfg.Timeout = 20 * time.Millisecond }, fault.BusyKind, "timeout"},
		{"cut at once", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, fault.BusyKind, "network"},
		{"cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"code":0,`)
		}, nil, fault.BusyKind, "network"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, enterpriseDirect.ok("", rows(20))) },
			func(cfg *wangdiantong.Config) { cfg.MaxBody = 64 }, fault.PermanentKind, "size"},
		{"redirected", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+free.Addr().String(), http.StatusTemporaryRedirect)
		}, nil, fault.BusyKind, "http"},
		{"a page of a gateway", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, "<html>502 Bad Gateway</html>")
		}, nil, fault.BusyKind, "http"},
	}
	for _, tt := range tests {
		for _, a := range accounts {
			t.Run(tt.name+" "+a.String(), func(t *testing.T) {
				endpoint := "http://" + free.Addr().String()
				if tt.handler != nil {
					srv := httptest.NewServer(tt.handler)
					defer srv.Close()
					endpoint = srv.URL
				}
				v := newVendor(t, a, 0, "")
				c := v.client(func(cfg *wangdiantong.Config) {
					cfg.HTTP, cfg.Endpoint, cfg.Attempts = nil, endpoint, 1
					if tt.change != nil {
						tt.change(cfg)
					}
				})
				_, err := c.Page(t.Context(), a.call(0))
				if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class {
					t.Errorf("%v %s, want %v %s: %v", fault.KindOf(err), fault.ClassOf(err), tt.kind, tt.class, err)
				}
				expectHidden(t, fmt.Sprint(err), []string{"n4cl", "sign=", "salt="})
			})
		}
	}
}

// untilGone blocks until the client hangs up, which a server sees after the body only.
func untilGone(r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// A lost answer is asked for again over a real network, with the request whole.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	for _, a := range []account{enterpriseQimen, flagshipDirect} { // a form, and JSON
		v := newVendor(t, a, 0, "")
		v.answer = func(_ arrival, n int) (int, string) {
			if n == 1 {
				v.mu.Lock()
				v.calling--
				v.mu.Unlock()
				panic(http.ErrAbortHandler)
			}
			return 200, a.ok(`"total_count":1,`, "[{}]")
		}
		srv := httptest.NewServer(v)
		c := v.client(func(cfg *wangdiantong.Config) { cfg.HTTP, cfg.Endpoint = nil, srv.URL+"/" })
		page, err := c.Page(t.Context(), a.call(0))
		if err != nil || len(page.Rows) != 1 || len(v.seen()) != 2 {
			t.Errorf("%s: %+v, %v after %d requests", a, page, err, len(v.seen()))
		}
		srv.Close()
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
	v := newVendor(t, flagshipDirect, 0, "")
	c := v.client(func(cfg *wangdiantong.Config) { cfg.HTTP, cfg.Endpoint = nil, srv.URL })
	if _, err := c.Page(ctx, flagshipDirect.call(0)); !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Unknown {
		t.Errorf("err = %v (%v)", err, fault.KindOf(err))
	}
}

// No error and no log line shows a secret or a signature, even when the other side sends all of
// them back.
func TestNoSecrets(t *testing.T) {
	answers := map[string]func(arrival) (int, string){
		"page": func(a arrival) (int, string) { return 502, "<html>" + a.body + fmt.Sprint(a.all()) + a.query.Encode() },
		"secret": func(a arrival) (int, string) {
			if a.form == nil { // a direct client has no secret of Taobao's
				return 500, "<html>" + flagshipSecret + ":n4cl"
			}
			return 500, "<html>" + flagshipSecret + ":n4cl " + topSecret
		},
		"half": func(arrival) (int, string) {
			return 200, `{"response":{"status":0,"data":{"order":[{"receiver_name":"张三",`
		},
		"vendor": func(a arrival) (int, string) {
			text := quote(fmt.Sprint(a.all()) + a.query.Encode() + a.form.Encode() + flagshipSecret)
			return 200, `{"status":1,"message":` + text + `,"response":{"status":1,"message":` + text + `,"request_id":` + text + `}}`
		},
		"gateway": func(a arrival) (int, string) {
			text := quote(a.form.Encode() + topSecret)
			return 200, `{"status":5,"response":{"flag":"failure","code":"15","message":` + text + `,"sub_message":` + text + `}}`
		},
	}
	for name, answer := range answers {
		for _, a := range []account{flagshipDirect, flagshipQimen} {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				v := newVendor(t, a, 0, "")
				v.answer = func(got arrival, _ int) (int, string) { return answer(got) }
				c := v.client(func(cfg *wangdiantong.Config) {
					cfg.Attempts = 2
					cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				_, err := c.Page(t.Context(), a.call(0))
				if err == nil {
					t.Fatalf("%s: no error", name)
				}
				hidden := []string{flagshipSecret, topSecret, "n4cl", "张三"}
				for _, got := range v.seen() {
					hidden = append(hidden, got.all()["sign"], got.all()["wdt_sign"])
				}
				expectHidden(t, fmt.Sprintf("%v %s", err, log.String()), hidden)
			})
		}
	}
}

// quote returns text as JSON.
func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

func expectHidden(t *testing.T, text string, hidden []string) {
	t.Helper()
	for _, h := range hidden {
		if h != "" && (strings.Contains(text, h) || strings.Contains(text, url.QueryEscape(h))) {
			t.Errorf("%q is shown in %s", h, text)
		}
	}
}

// Nothing that can be printed shows a secret, and the account is named.
func TestPrintedValues(t *testing.T) {
	v := newVendor(t, flagshipQimen, 200, flagshipQimen.ok("", "[]"))
	cfg, c := v.config(), v.client(nil)
	if _, err := c.Page(t.Context(), flagshipQimen.call(0)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "client", c, "config", cfg)
	text := log.String()
	for _, value := range []any{cfg, &cfg, c, struct{ C *wangdiantong.Client }{c}, *c} {
		text += fmt.Sprintf("%v %+v %#v %s\n", value, value, value, value)
	}
	expectHidden(t, text, []string{flagshipSecret, topSecret, "n4cl"})
	if !strings.Contains(text, "wangdiantong flagship qimen account wdtdemo3 at https://3ldsmu02o9.api.taobao.com/router/qm") {
		t.Errorf("the account is not named: %s", text)
	}
}

func TestEndpoints(t *testing.T) {
	production := map[account]string{
		enterpriseDirect: "https://api.wangdian.cn/openapi2", enterpriseQimen: "https://hu3cgwt0tc.api.taobao.com/router/qm",
		flagshipDirect: "https://wdt.wangdian.cn/openapi", flagshipQimen: "https://3ldsmu02o9.api.taobao.com/router/qm",
	}
	for a, want := range production {
		cfg := newVendor(t, a, 0, "").config()
		if got := fmt.Sprint(cfg); !strings.HasSuffix(got, " at "+want) {
			t.Errorf("%s, want %s", got, want)
		}
		cfg.Endpoint = "http://127.0.0.1:8080/router/qmtest/"
		if got := fmt.Sprint(cfg); !strings.HasSuffix(got, " at http://127.0.0.1:8080/router/qmtest") {
			t.Errorf("with a path: %s", got)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	_, err := wangdiantong.New(wangdiantong.Config{
		Edition: "web", Transport: "post", Endpoint: "https://user:pass@host/?a=b", SignMethod: "sha1", Attempts: -1, Budget: pace.Budget{PerSecond: -1},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"more than scheme", `edition "web"`, `transport "post"`, `sign_method "sha1"`, "sid", "secrets", "negative", "budget"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	needs := map[account][]string{
		enterpriseDirect: {"app_key"}, enterpriseQimen: {"top_app_key"}, flagshipDirect: {"app_key"}, flagshipQimen: {"app_key", "top_app_key"},
	}
	for a, fields := range needs {
		_, err := wangdiantong.New(wangdiantong.Config{Edition: a.edition, Transport: a.transport, SID: "s", Secrets: secrets{}.get})
		var want []string
		for _, field := range fields {
			want = append(want, field+" is empty")
		}
		if err == nil || err.Error() != "configure wangdiantong client: "+strings.Join(want, "\n") {
			t.Errorf("%s: %v, want %v", a, err, want)
		}
	}
	for _, endpoint := range []string{"api.wangdian.cn", "ftp://host", "https://", "::"} {
		if _, err := wangdiantong.New(wangdiantong.Config{Edition: wangdiantong.Enterprise, SID: "s", AppKey: "k", Endpoint: endpoint, Secrets: secrets{}.get}); err == nil {
			t.Errorf("%s: no error", endpoint)
		}
	}
}

// The settings of a connection, as the poller and the command read them.
func TestConfigure(t *testing.T) {
	settings := map[string]string{
		"edition": "flagship", "transport": "qimen", "endpoint": "http://127.0.0.1:1", "sid": "wdtdemo3", "app_key": "demo3-test",
		"top_app_key": "12345678", "target_app_key": "999", "sign_method": "hmac", "sign_length": "bytes", "rate_wait": "45s",
		"app_secret": "a:b", "top_app_secret": "c",
	}
	cfg, err := wangdiantong.Configure(func(name string) string { return settings[name] })
	if err != nil || cfg.Edition != wangdiantong.Flagship || cfg.Transport != wangdiantong.Qimen || cfg.Endpoint != "http://127.0.0.1:1" ||
		cfg.SID != "wdtdemo3" || cfg.AppKey != "demo3-test" || cfg.TopAppKey != "12345678" || cfg.TargetAppKey != "999" ||
		cfg.SignMethod != wangdiantong.HMAC || !cfg.CountBytes || cfg.RateWait != 45*time.Second {
		t.Errorf("%#v, %v", cfg, err)
	}
	settings["app_secret"] = "changed:later"
	if secret, err := cfg.Secrets("app_secret"); secret != "changed:later" || err != nil {
		t.Errorf("secret = %q, %v", secret, err)
	}
	if _, err := wangdiantong.New(cfg); err != nil {
		t.Error(err)
	}
	settings["sign_length"], settings["rate_wait"] = "runes", "-1s"
	if _, err := wangdiantong.Configure(func(name string) string { return settings[name] }); err == nil ||
		!strings.Contains(err.Error(), `sign_length "runes"`) || !strings.Contains(err.Error(), `rate_wait "-1s"`) {
		t.Errorf("err = %v", err)
	}
	for _, length := range []string{"", "characters"} {
		cfg, err := wangdiantong.Configure(func(name string) string { return map[string]string{"sign_length": length}[name] })
		if err != nil || cfg.CountBytes || cfg.RateWait != 0 {
			t.Errorf("%q: %#v, %v", length, cfg, err)
		}
	}
}
