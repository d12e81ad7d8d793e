package xingchen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/token"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

func TestGetAndPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, func(a arrival, _ int) (int, string) {
			if a.method == http.MethodPost {
				return 200, success
			}
			return 200, `{"errcode":0,"data":{"id":1420169116878110000,"q":1.10}}`
		})
		c := newClient(t, v, nil)
		data, err := c.Get(t.Context(), store, url.Values{"number": {"店铺-10/A B"}, "ids": {"1", "2"}})
		if err != nil || string(data) != `{"id":1420169116878110000,"q":1.10}` {
			t.Errorf("Get = %s, %v", data, err)
		}
		if data, err = c.Post(t.Context(), bill, json.RawMessage(`{"qty":1.50,"remark":"<a&b>"}`)); err != nil || !strings.Contains(string(data), "PYD-1") {
			t.Errorf("Post = %s, %v", data, err)
		}
		if _, err = c.Post(t.Context(), bill, map[string]string{"remark": "<a&b>"}); err != nil {
			t.Error(err)
		}
		calls := v.calls()
		if q := calls[0].query; q.Get("number") != "店铺-10/A B" || q.Get("ids") != "1,2" {
			t.Errorf("query = %v", q)
		}
		if calls[1].body != `{"qty":1.50,"remark":"<a&b>"}` || calls[2].body != `{"remark":"<a&b>"}` {
			t.Errorf("bodies %q, %q", calls[1].body, calls[2].body)
		}
		if got := v.story(); got != "atccc" {
			t.Errorf("requests: %s", got)
		}
	})
}

// What is needed for a session, request by request.
func TestSessionStories(t *testing.T) {
	tests := []struct {
		name  string
		set   func(v *vendor, cfg *kingdee.Config)
		want  string
		class string
		text  string // in the error
	}{
		{"the other envelope", func(v *vendor, _ *kingdee.Config) { v.envelope = `"code":200` }, "atc", "", ""},
		{"status as a number", func(v *vendor, _ *kingdee.Config) { v.rows = row("aB3dE9kZ", "secret-1", "1") }, "atc", "", ""},
		{"chosen among several", func(v *vendor, _ *kingdee.Config) {
			v.rows = row("other", "s", "1") + "," + row("aB3dE9kZ", "secret-1", `"1"`)
		}, "atc", "", ""},
		{"chosen by account", func(v *vendor, cfg *kingdee.Config) {
			v.rows = row("other", "s", "1") + "," + row("aB3dE9kZ", "secret-1", `"1"`)
			cfg.AppKey, cfg.AccountID = "", "acc-aB3dE9kZ"
		}, "atc", "", ""},
		{"the only one", func(_ *vendor, cfg *kingdee.Config) { cfg.AppKey = "" }, "atc", "", ""},
		{"never the first of several", func(v *vendor, cfg *kingdee.Config) {
			v.rows = row("other", "s", "1") + "," + row("aB3dE9kZ", "secret-1", `"1"`)
			cfg.AppKey = ""
		}, "a", "account", "aB3dE9kZ"},
		{"not active", func(v *vendor, _ *kingdee.Config) { v.rows = row("aB3dE9kZ", "secret-1", "0") }, "a", "account", "status 0"},
		{"none", func(v *vendor, _ *kingdee.Config) { v.rows = " " }, "a", "account", "none"},
		{"app secret refused for good", func(v *vendor, _ *kingdee.Config) {
			v.refuse = refusal(1030002006, "授权密钥校验失败")
		}, "atat", "token", "授权密钥校验失败"},
		{"token refused", func(v *vendor, _ *kingdee.Config) { v.refuse = refusal("77", "应用已停用") }, "at", "token", "应用已停用"},
		{"signature refused", func(v *vendor, _ *kingdee.Config) { v.refuse = refusal(4008, "X-Api-Signature is invalid") }, "at", "signature", "client_secret"},
		{"no token in the answer", func(v *vendor, _ *kingdee.Config) { v.refuse = `{"errcode":0,"data":{}}` }, "atat", "answer", "app-token"},
		{"no secret", func(_ *vendor, cfg *kingdee.Config) {
			cfg.ClientSecret = kingdee.Secret(func(string) string { return "" }, "client_secret", "put it there")
		}, "", "secret", "client_secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVendor(t, always(200, success))
				c := newClient(t, v, func(cfg *kingdee.Config) { tt.set(v, cfg) })
				_, err := c.Get(t.Context(), store, nil)
				if got := v.story(); got != tt.want {
					t.Errorf("requests: %s, want %s", got, tt.want)
				}
				if tt.class == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("err = %v (%s), want class %s with %q", err, fault.ClassOf(err), tt.class, tt.text)
				}
				if tt.class != "answer" && fault.KindOf(err) != fault.DownKind {
					t.Errorf("err is %v, want down", fault.KindOf(err))
				}
				for _, hidden := range []string{clientSecret, "secret-1"} {
					if strings.Contains(err.Error(), hidden) {
						t.Errorf("error shows a secret: %v", err)
					}
				}
			})
		})
	}
}

// An ended token is renewed once and the call sent once more, also one that writes: the gateway refused
// it before the product saw it. The app secret that was rotated meanwhile is asked for anew.
func TestRenewal(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, always(200, success))
			c := newClient(t, v, nil)
			call := func() error {
				var err error
				if method == http.MethodGet {
					_, err = c.Get(t.Context(), store, nil)
				} else {
					_, err = c.Post(t.Context(), bill, struct{}{})
				}
				return err
			}
			if err := call(); err != nil {
				t.Fatal(err)
			}
			v.rotate()
			v.expire()
			if err := call(); err != nil {
				t.Fatal(err)
			}
			if got := v.story(); got != "atccatc" {
				t.Errorf("%s: requests %s", method, got)
			}
			v.answer = always(519, refusal(4011, "access token is expired"))
			err := call()
			if fault.ClassOf(err) != "token" || fault.KindOf(err) != fault.DownKind || xingchen.Uncertain(err) {
				t.Errorf("%s: refused twice: %v", method, err)
			}
			if got := v.story(); got != "atccatccatc" {
				t.Errorf("%s: requests %s, want one renewal and one replay", method, got)
			}
		})
	}
}

// The app secret is rotated between the authorisation and the token.
func TestRotationInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, success))
		c := newClient(t, v, func(cfg *kingdee.Config) {
			cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == authToken && v.story() == "a" {
					v.rotate()
				}
				return v.RoundTrip(r)
			})}
		})
		if _, err := c.Get(t.Context(), store, nil); err != nil {
			t.Fatal(err)
		}
		if got := v.story(); got != "atatc" {
			t.Errorf("requests: %s", got)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A token is renewed before it ends.
func TestRenewedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, success))
		c := newClient(t, v, nil)
		for range 24 {
			if _, err := c.Get(t.Context(), store, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if got, want := v.story(), "at"+strings.Repeat("c", 23)+"atc"; got != want {
			t.Errorf("requests: %s, want %s", got, want)
		}
	})
}

// Two clients of one account set share its session: one asks for a token, also after that ended.
func TestSharedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, success))
		shared := &token.Memory{}
		var clients []*xingchen.Client
		for range 2 {
			clients = append(clients, newClient(t, v, func(cfg *kingdee.Config) { cfg.Tokens = shared }))
		}
		for range 2 {
			v.expire()
			var callers sync.WaitGroup
			for _, c := range clients {
				callers.Go(func() {
					if _, err := c.Get(t.Context(), store, nil); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
		}
		if n := strings.Count(v.story(), "t"); n != 2 {
			t.Errorf("%d tokens, want 2: %s", n, v.story())
		}
		other := newClient(t, v, func(cfg *kingdee.Config) { cfg.Tokens, cfg.AppKey, cfg.AccountID = shared, "", "acc-aB3dE9kZ" })
		if _, err := other.Get(t.Context(), store, nil); err != nil {
			t.Error(err)
		}
		if n := strings.Count(v.story(), "t"); n != 3 {
			t.Errorf("another choice of account set uses a session that is not its own: %s", v.story())
		}
	})
}

// What the vendor's answers mean, and whether a write with them may have been carried out.
func TestErrors(t *testing.T) {
	const detail = "/jdy/v2/bd/customer"
	tests := []struct {
		status    int
		body      string
		kind      fault.Kind
		class     string
		is        error
		uncertain bool
		text      string
	}{
		{200, refusal(2000002001, "编码[10086]已存在"), fault.PermanentKind, "refused", xingchen.ErrExists, false, "编码[10086]已存在"},
		{200, refusal("2000002001", "组合值[x]与其他表单重复"), fault.PermanentKind, "refused", xingchen.ErrExists, false, "组合值[x]与其他表单重复"},
		{200, refusal(2000002001, "数据不存在"), fault.PermanentKind, "refused", xingchen.ErrNotFound, false, "数据不存在"},
		{200, refusal(2000002001, "参数number[xxx]不存在"), fault.PermanentKind, "refused", nil, false, "参数number[xxx]不存在"},
		{200, refusal(2000002001, `第1行基础资料"unit"字段不能为空`), fault.PermanentKind, "refused", nil, false, `"unit"`},
		{200, refusal(2000002001, "proto: invalid value for string"), fault.PermanentKind, "refused", nil, false, "invalid value"},
		{200, refusal(2000002001, "源单未审核"), fault.PermanentKind, "refused", nil, false, "源单未审核"},
		{200, `{"errcode":2000002001,"description":"failed","description_cn":"字段不能为空"}`, fault.PermanentKind, "refused", nil, false, "字段不能为空"},
		{200, refusal(2000002000, "系统错误"), fault.BusyKind, "vendor", nil, true, "系统错误"},
		{200, refusal(2000002001, "操作超时"), fault.BusyKind, "timeout", nil, true, "操作超时"},
		{519, refusal(4005, "mismatch"), fault.DownKind, "credentials", nil, false, "client_secret"},
		{519, refusal(4006, "timestamp invalid"), fault.DownKind, "clock", nil, false, "clock"},
		{519, refusal(4008, "X-Api-Signature is invalid"), fault.DownKind, "signature", nil, false, "client_secret"},
		{519, refusal(4012, "no permission"), fault.DownKind, "permission", nil, false, "permission"},
		{519, refusal(5001, "404 No Route"), fault.DownKind, "route", nil, false, "domain"},
		{519, refusal(5002, "method"), fault.PermanentKind, "request", nil, false, "method"},
		{519, refusal(5000, "internal"), fault.BusyKind, "gateway", nil, true, "internal"},
		{519, refusal(5003, "unavailable"), fault.BusyKind, "gateway", nil, true, "unavailable"},
		{519, refusal(5004, "slow"), fault.BusyKind, "timeout", nil, true, "slow"},
		{519, refusal(5005, "cancelled"), fault.BusyKind, "gateway", nil, true, "cancelled"},
		{519, refusal(5006, "fused"), fault.BusyKind, "rate", nil, true, "fused"},
		{519, refusal(5007, "overload"), fault.BusyKind, "rate", nil, true, "overload"},
		{500, refusal(2000002001, "字段不能为空"), fault.PermanentKind, "refused", nil, true, "字段不能为空"},
		{429, "Too Many Requests", fault.BusyKind, "rate", nil, false, "429"},
		{429, refusal(9, "calls"), fault.BusyKind, "rate", nil, false, "calls"},
		{502, "<html>bad gateway</html>", fault.BusyKind, "http", nil, true, "bad gateway"},
		{403, "<html>forbidden</html>", fault.BusyKind, "http", nil, false, "403"},
		{404, "404 No Route", fault.DownKind, "route", nil, false, "domain"},
		{200, `{"errcode":0,"data":{"ids`, fault.BusyKind, "answer", nil, true, "not JSON"},
		{200, "", fault.BusyKind, "answer", nil, true, "empty"},
		{200, `{"data":{}}`, fault.BusyKind, "answer", nil, true, "no errcode"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, always(tt.status, tt.body))
			c := newClient(t, v, nil)
			_, err := c.Post(t.Context(), detail, struct{}{})
			name := fmt.Sprintf("%d %s", tt.status, tt.body)
			if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class || xingchen.Uncertain(err) != tt.uncertain {
				t.Errorf("%s: %v, class %s, uncertain %v, want %v, %s, %v", name, fault.KindOf(err), fault.ClassOf(err), xingchen.Uncertain(err), tt.kind, tt.class, tt.uncertain)
			}
			for _, target := range []error{xingchen.ErrExists, xingchen.ErrNotFound} {
				if errors.Is(err, target) != errors.Is(tt.is, target) {
					t.Errorf("%s: is %v: %v", name, target, errors.Is(err, target))
				}
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), detail) {
				t.Errorf("%s: error %v lacks %q or the path", name, err, tt.text)
			}
			if n := len(v.calls()); n != 1 {
				t.Errorf("%s: the write was sent %d times", name, n)
			}
		})
	}
}

// Reads are tried again when that can help; the budget and the limits of the vendor are kept.
func TestReadsAreTriedAgain(t *testing.T) {
	tests := []struct {
		status int
		body   string
		want   int
	}{
		{502, "", 3}, {429, "", 3}, {519, refusal(5004, "slow"), 3}, {200, "{", 3}, {200, refusal(5, "no"), 1}, {519, refusal(5001, "no"), 1},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, func(_ arrival, n int) (int, string) {
				if n < 3 {
					return tt.status, tt.body
				}
				return 200, success
			})
			c := newClient(t, v, nil)
			_, err := c.Get(t.Context(), store, nil)
			if n := len(v.calls()); n != tt.want || (err == nil) != (tt.want == 3) || xingchen.Uncertain(err) {
				t.Errorf("%d %s: %d calls, want %d; %v", tt.status, tt.body, n, tt.want, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(503, ""))
		_, err := newClient(t, v, nil).Get(t.Context(), store, nil)
		if n := len(v.calls()); n != 5 || fault.KindOf(err) != fault.BusyKind || !strings.Contains(err.Error(), "attempts: 5") {
			t.Errorf("%d calls, err = %v", n, err)
		}
	})
}

// After a 429 no call of the account set is made for a while, whoever makes it.
func TestLimitHoldsBackAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, func(_ arrival, n int) (int, string) {
			if n == 1 {
				return 429, ""
			}
			return 200, success
		})
		c := newClient(t, v, nil)
		if _, err := c.Post(t.Context(), bill, struct{}{}); fault.ClassOf(err) != "rate" {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), store, nil); err != nil {
			t.Fatal(err)
		}
		if calls := v.calls(); calls[1].at.Sub(calls[0].at) < 10*time.Second {
			t.Errorf("the next call came %v after a 429", calls[1].at.Sub(calls[0].at))
		}
	})
}

// In no minute more calls are made than the budget has, and they are spaced evenly.
func TestBudget(t *testing.T) {
	tests := []struct {
		budget pace.Budget
		want   time.Duration // between two calls
	}{
		{pace.Budget{}, 120 * time.Millisecond},
		{pace.Budget{Percent: 20}, 600 * time.Millisecond},
		{pace.Budget{Percent: 80}, 150 * time.Millisecond},
		{pace.Budget{PerMinute: 60}, time.Second},
		{pace.Budget{PerSecond: 2}, 500 * time.Millisecond},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, always(200, success))
			c := newClient(t, v, func(cfg *kingdee.Config) { cfg.Budget = tt.budget })
			var callers sync.WaitGroup
			for range 20 {
				callers.Go(func() {
					if _, err := c.Get(t.Context(), store, nil); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			calls := v.calls()
			for i := 1; i < len(calls); i++ {
				if d := calls[i].at.Sub(calls[i-1].at); d < tt.want || d > tt.want*201/200 {
					t.Fatalf("%+v: calls are %v apart, want %v", tt.budget, d, tt.want)
				}
			}
		})
	}
}

// A write whose reply is lost, over a real network: it arrived once, and its error says that nobody
// knows. A connection that could not be had is another thing.
func TestLostReply(t *testing.T) {
	v := newVendor(t, nil)
	v.answer = func(a arrival, _ int) (int, string) {
		if a.method == http.MethodPost {
			panic(http.ErrAbortHandler) // after the product booked it
		}
		return 200, success
	}
	server := httptest.NewUnstartedServer(v)
	server.Config.ErrorLog = nil
	server.Start()
	defer server.Close()
	c := newClient(t, v, func(cfg *kingdee.Config) { cfg.Endpoint, cfg.HTTP = server.URL, nil })
	_, err := c.Post(t.Context(), bill, struct{}{})
	if !xingchen.Uncertain(err) || fault.KindOf(err) != fault.BusyKind || len(v.calls()) != 1 {
		t.Errorf("err = %v, %d calls", err, len(v.calls()))
	}
	if strings.Contains(err.Error(), "?") || strings.Contains(err.Error(), v.token) {
		t.Errorf("error shows a query or a token: %v", err)
	}
	server.Close()
	_, err = c.Post(t.Context(), bill, struct{}{})
	if xingchen.Uncertain(err) || fault.KindOf(err) != fault.DownKind || fault.ClassOf(err) != "connection" {
		t.Errorf("nobody there: %v", err)
	}
}

// The caller's ctx ends while a write is under way, and while it waits for its turn.
func TestEndOfContext(t *testing.T) {
	arrived := make(chan struct{})
	v := newVendor(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	v.answer = func(arrival, int) (int, string) {
		close(arrived)
		cancel()
		return 200, success
	}
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.ServeHTTP(w, r)
		if strings.HasPrefix(r.URL.Path, "/jdy/") {
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	c := newClient(t, v, func(cfg *kingdee.Config) { cfg.Endpoint, cfg.HTTP = server.URL, nil })
	if _, err := c.Post(ctx, bill, struct{}{}); !xingchen.Uncertain(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("under way: %v", err)
	}
	<-arrived
	if _, err := c.Post(ctx, bill, struct{}{}); xingchen.Uncertain(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("not begun: %v", err)
	}
}

// A product that takes longer than the time-out leaves a write uncertain.
func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	v := newVendor(t, always(200, success))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/jdy/") {
			<-release
		}
		v.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer close(release)
	c := newClient(t, v, func(cfg *kingdee.Config) { cfg.Endpoint, cfg.HTTP, cfg.Timeout = server.URL, nil, 300*time.Millisecond })
	if _, err := c.Post(t.Context(), bill, struct{}{}); !xingchen.Uncertain(err) || fault.ClassOf(err) != "timeout" {
		t.Errorf("err = %v", err)
	}
}

// A name that does not resolve: nothing was sent.
func TestUnknownHost(t *testing.T) {
	v := newVendor(t, always(200, success))
	c := newClient(t, v, func(cfg *kingdee.Config) {
		cfg.Attempts = 1
		dialer := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "api.kingdee.com", IsNotFound: true}
		}}
		cfg.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/jdy/") {
				return dialer.RoundTrip(r)
			}
			return v.RoundTrip(r)
		})}
	})
	if _, err := c.Post(t.Context(), bill, struct{}{}); xingchen.Uncertain(err) || fault.ClassOf(err) != "connection" {
		t.Errorf("err = %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	c := newClient(t, newVendor(t, always(200, success)), nil)
	_, noJSON := c.Post(t.Context(), bill, []byte("{"))
	_, query := c.Post(t.Context(), bill+"?a=b", struct{}{})
	_, foreign := c.Get(t.Context(), "/koas/x", nil)
	_, unencodable := c.Post(t.Context(), bill, func() {})
	for _, err := range []error{noJSON, query, foreign, unencodable} {
		if fault.KindOf(err) != fault.PermanentKind || fault.ClassOf(err) != "request" || xingchen.Uncertain(err) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := xingchen.New(kingdee.Config{Endpoint: "ftp://x", Attempts: -1, Budget: pace.Budget{Percent: 101}})
	for _, want := range []string{"endpoint", "client_id", "client secret", "negative", "percent"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// No verb of fmt shows a secret of a client or its configuration.
func TestNoSecretsInText(t *testing.T) {
	c := newClient(t, newVendor(t, always(200, success)), nil)
	cfg := xingchen.Configure(settings, pace.Budget{})
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v", c, *c, c, cfg, cfg, cfg)
	if strings.Contains(text, clientSecret) || !strings.Contains(text, "200421") {
		t.Errorf("text = %s", text)
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case authorise:
			io.WriteString(w, `{"errcode":0,"data":[`+row("aB3dE9kZ", "rotates every day", "1")+`]}`)
		case authToken:
			io.WriteString(w, `{"errcode":0,"data":{"app-token":"eyJ"}}`)
		default:
			io.WriteString(w, `{"errcode":0,"data":{"count":"1","total_page":1,"page":1,"page_size":100,"rows":[{"id":"8","number":"个"}]}}`)
		}
	}))
	defer server.Close()

	cfg := xingchen.Configure(settings, pace.Budget{})
	cfg.Endpoint = server.URL // leave it out for the vendor's own
	client, err := xingchen.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	data, err := client.Get(context.Background(), "/jdy/v2/bd/measure_unit", url.Values{"page": {"1"}, "page_size": {"100"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := xingchen.DecodeList(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range list.Rows {
		fmt.Printf("%s\n", row)
	}
	// Output:
	// {"id":"8","number":"个"}
}
