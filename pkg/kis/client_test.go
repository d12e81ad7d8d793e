package kis_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/token"
)

func TestSignature(t *testing.T) {
	got := kis.Signature("0123456789abcdef", "se1760000000abcdefghijklmnopqrst", "trace-0001", "secret-abcdefghijklmnopqrstuvwx", "1760000000")
	if want := "b03c0766108be45223091f7d4cd021c8be62aacd088b0aa722240435ac12dcd3"; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, created))
		s := given()
		c := newClient(t, v, s, nil)
		data, err := c.Call(t.Context(), "app007104/api/miscellaneousreceipt/create", json.RawMessage(`{"Object":{"Head":{"Fauxqty":1.50}}}`), kis.Write)
		if err != nil || string(data) != `{"FID":30512,"FBillNo":"JST20251010001"}` {
			t.Errorf("Call = %s, %v", data, err)
		}
		s["account_db"] = "AIS2025"
		c = newClient(t, v, s, nil)
		for _, body := range []any{nil, []byte(`{"AccountDB":"own"}`), map[string]any{"a": "<&>"}} {
			if _, err := c.Call(t.Context(), create, body, kis.Read); err != nil {
				t.Error(err)
			}
		}
		var got []string
		for _, a := range v.calls() {
			if a.path != create {
				t.Errorf("path %s", a.path)
			}
			text, _ := json.Marshal(a.body)
			got = append(got, string(text))
		}
		want := []string{`{"Object":{"Head":{"Fauxqty":1.50}}}`, `{"AccountDB":"AIS2025"}`, `{"AccountDB":"own"}`, `{"AccountDB":"AIS2025","a":"\u003c\u0026\u003e"}`}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("bodies %v\nwant   %v", got, want)
		}
	})
}

// The token of the server-to-server way: auth_data where the vendor names it, else the app token.
func TestServerAuth(t *testing.T) {
	for _, authData := range []string{"auth-data-1", ""} {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, always(200, created))
			v.authData = authData
			c := newClient(t, v, given(), nil)
			for range 2 {
				if _, err := c.Call(t.Context(), create, nil, kis.Write); err != nil {
					t.Error(err)
				}
				v.expire()
			}
			if v.tokens != 2 {
				t.Errorf("%d tokens, want one, and one renewal", v.tokens)
			}
		})
	}
}

// Calls go one at a time, and with the default budget each has a second of its own.
func TestOneCallASecond(t *testing.T) {
	tests := []struct {
		budget pace.Budget
		own    bool // each time stamp once
	}{
		{pace.Budget{}, true}, {pace.Budget{Percent: 80}, true}, {pace.Budget{PerMinute: 60}, true}, {pace.Budget{PerMinute: 600}, false},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, func(arrival, int) (int, string) {
				time.Sleep(20 * time.Millisecond)
				return 200, created
			})
			c := newClient(t, v, given(), func(cfg *kis.Config) { cfg.Budget = tt.budget })
			var callers sync.WaitGroup
			for range 70 {
				callers.Go(func() {
					if _, err := c.Call(t.Context(), create, nil, kis.Read); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			stamps := map[string]bool{}
			calls := v.calls()
			for _, a := range calls {
				stamps[a.header.Get("KIS-Timestamp")] = true
			}
			if own := len(stamps) == 70; own != tt.own {
				t.Errorf("%+v: %d time stamps of 70 calls", tt.budget, len(stamps))
			}
			if v.most != 1 {
				t.Errorf("%+v: %d calls at once", tt.budget, v.most)
			}
		})
	}
}

// Two processes of a fleet, the poller and the sink, call one after the other too.
func TestOneCallOverAllProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, func(arrival, int) (int, string) {
			time.Sleep(5 * time.Second)
			return 200, created
		})
		shared := &token.Memory{}
		var callers sync.WaitGroup
		for range 2 {
			c := newClient(t, v, given(), func(cfg *kis.Config) { cfg.Tokens = shared })
			callers.Go(func() {
				for range 5 {
					if _, err := c.Call(t.Context(), create, nil, kis.Write); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		if v.most != 1 || len(v.calls()) != 10 {
			t.Errorf("%d calls, %d at once: want 10, one at a time", len(v.calls()), v.most)
		}
	})
}

// A slow answer holds the next call back, over a real network as well.
func TestSlowAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, func(arrival, int) (int, string) {
			time.Sleep(10 * time.Second)
			return 200, created
		})
		c := newClient(t, v, given(), nil)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() { _, _ = c.Call(t.Context(), create, nil, kis.Read) })
		}
		callers.Wait()
		if v.most != 1 {
			t.Errorf("%d calls at once", v.most)
		}
	})
}

func TestErrors(t *testing.T) {
	const prefix = "业务接口返回失败结果，失败原因："
	tests := []struct {
		status    int
		code      any
		text      string
		kind      fault.Kind
		class     string
		is        error
		uncertain bool
	}{
		{200, 10201, prefix + "202-单据编号[JST20251010001]已存在", fault.PermanentKind, "refused", kis.ErrExists, false},
		{200, "10201", prefix + "202-第1行计量单位与物料不匹配", fault.PermanentKind, "refused", nil, false},
		{200, 10201, prefix + "500-等待客户端响应超时", fault.BusyKind, "timeout", nil, true},
		{519, 5003, "API unavailable", fault.BusyKind, "gateway", nil, true},
		{519, 5004, "timeout", fault.BusyKind, "timeout", nil, true},
		{519, 5006, "fused", fault.BusyKind, "rate", nil, true},
		{519, 5007, "overload", fault.BusyKind, "rate", nil, true},
		{502, 0, "", fault.BusyKind, "http", nil, true},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			answer, _ := json.Marshal(map[string]any{"errcode": tt.code, "description": tt.text, "data": nil})
			v := newVendor(t, always(tt.status, string(answer)))
			c := newClient(t, v, given(), nil)
			_, err := c.Call(t.Context(), create, nil, kis.Write)
			if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class || kis.Uncertain(err) != tt.uncertain || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("%s: %v (%v, %s, uncertain %v)", answer, err, fault.KindOf(err), fault.ClassOf(err), kis.Uncertain(err))
			}
			if errors.Is(err, kis.ErrExists) != (tt.is != nil) {
				t.Errorf("%s: is ErrExists: %v", answer, tt.is == nil)
			}
			if n := len(v.calls()); n != 1 {
				t.Errorf("%s: the write was sent %d times", answer, n)
			}
			_, err = c.Call(t.Context(), create, nil, kis.Read)
			want := 1 + 5
			if tt.kind == fault.PermanentKind {
				want = 1 + 1
			}
			if n := len(v.calls()); n != want || kis.Uncertain(err) {
				t.Errorf("%s: %d calls after a read, want %d; %v", answer, n, want, err)
			}
		})
	}
}

// KIS repeats a request that it can't read, with credentials: no error shows them.
func TestEchoIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, `{"errcode":10201,"description":"失败原因：403-ParseRequestContent:{\"AuthData\":{\"Sign\":\"0f\"},\"BizData\":\"{13800000000}\"}请求参数转换成JSON对象异常"}`))
		_, err := newClient(t, v, given(), nil).Call(t.Context(), create, nil, kis.Write)
		if err == nil || !strings.Contains(err.Error(), "ParseRequestContent:{…}请求参数转换成JSON对象异常") || strings.Contains(err.Error(), "1380") {
			t.Errorf("err = %v", err)
		}
	})
}

// A create whose reply is lost, over a real network.
func TestLostReply(t *testing.T) {
	v := newVendor(t, func(arrival, int) (int, string) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(v)
	defer server.Close()
	c := newClient(t, v, given(), func(cfg *kis.Config) { cfg.Endpoint, cfg.HTTP, cfg.Budget.PerMinute = server.URL, nil, 6000 })
	_, err := c.Call(t.Context(), create, nil, kis.Write)
	if !kis.Uncertain(err) || len(v.calls()) != 1 {
		t.Errorf("err = %v, %d calls", err, len(v.calls()))
	}
	if strings.Contains(err.Error(), "access-token") || strings.Contains(err.Error(), "auth-data") {
		t.Errorf("error shows a secret: %v", err)
	}
}

// Refresh tokens rotate: each is used once, two replicas never lock one another out.
func TestUserAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, created))
		s := byUser()
		s["session_id"], s["session_secret"] = "se1760000000abcdefghijklmnopqrst", "secret-abcdefghijklmnopqrstuvwx"
		store := &token.Memory{}
		shared := func(cfg *kis.Config) { cfg.Tokens = store }
		clients := []*kis.Client{newClient(t, v, s, shared), newClient(t, v, s, shared)}
		for range 5 * 60 / 10 { // five hours, of tokens that live for two
			for _, c := range clients {
				if _, err := c.Call(t.Context(), create, nil, kis.Read); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Minute)
		}
		if v.tokens != 3 {
			t.Errorf("%d renewals in five hours, want 3", v.tokens)
		}
		v.expire()
		restarted := newClient(t, v, s, shared)
		if _, err := restarted.Call(t.Context(), create, nil, kis.Write); err != nil {
			t.Error(err)
		}
		h := v.arrivals[0].header
		if want := kis.Signature(h.Get("KIS-State"), s["session_id"], h.Get("KIS-TraceID"), s["session_secret"], h.Get("KIS-Timestamp")); h.Get("KIS-Signature") != want {
			t.Errorf("KIS-Signature = %q, want %q", h.Get("KIS-Signature"), want)
		}
	})
}

// The answer to a renewal got lost: the chain is broken, and a person signs in again. The new secret
// counts at once, in a process that runs.
func TestBrokenChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, created))
		v.lose = true
		s := byUser()
		c := newClient(t, v, s, nil)
		if _, err := c.Call(t.Context(), create, nil, kis.Write); fault.KindOf(err) != fault.BusyKind || kis.Uncertain(err) {
			t.Errorf("lost: %v", err)
		}
		v.lose = false
		_, err := c.Call(t.Context(), create, nil, kis.Write)
		if fault.KindOf(err) != fault.DownKind || fault.ClassOf(err) != "token" || !strings.Contains(err.Error(), "sign in to KIS again") {
			t.Errorf("locked out: %v", err)
		}
		time.Sleep(2 * time.Minute)
		s["refresh_auth_data_token"] = v.refresh
		if _, err := c.Call(t.Context(), create, nil, kis.Write); err != nil {
			t.Error(err)
		}
	})
}

// Another sign-in may be one to another account set: the session of the one before is not used any more.
func TestReplacedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, created))
		s := byUser()
		c := newClient(t, v, s, nil)
		if _, err := c.Call(t.Context(), create, nil, kis.Write); err != nil {
			t.Fatal(err)
		}
		v.mu.Lock()
		v.refresh = "refresh-token-of-another-sign-in"
		v.mu.Unlock()
		s["refresh_auth_data_token"] = v.refresh
		if _, err := c.Call(t.Context(), create, nil, kis.Write); err != nil {
			t.Error(err)
		}
		if got := v.calls()[1].query.Get("access_token"); got != "access-token-2" {
			t.Errorf("called with %s", got)
		}
	})
}

func TestBadRequestsAndConfig(t *testing.T) {
	c := newClient(t, newVendor(t, nil), given(), nil)
	for path, body := range map[string]any{"a?b": nil, "a": []byte("[1]"), "b": []byte("{"), "c": func() {}} {
		if _, err := c.Call(t.Context(), path, body, kis.Write); fault.KindOf(err) != fault.PermanentKind || fault.ClassOf(err) != "request" {
			t.Errorf("%s: %v", path, err)
		}
	}
	s := given()
	s["auth"] = "X"
	if _, err := kis.New(kis.Configure(s.get, pace.Budget{})); err == nil || !strings.Contains(err.Error(), `"X"`) {
		t.Errorf("auth X: %v", err)
	}
	if _, err := kis.New(kis.Config{Auth: kis.UserAuth}); err == nil || !strings.Contains(err.Error(), "refresh_auth_data_token") {
		t.Errorf("auth U without a token: %v", err)
	}
	s = byUser()
	delete(s, "refresh_auth_data_token")
	if _, err := newClient(t, newVendor(t, nil), s, nil).Call(t.Context(), create, nil, kis.Read); fault.ClassOf(err) != "secret" {
		t.Errorf("no refresh token: %v", err)
	}
}

func TestNoSecretsInText(t *testing.T) {
	s := byUser()
	c := newClient(t, newVendor(t, nil), s, nil)
	text := fmt.Sprintf("%v %+v %#v %v", c, *c, c, kis.Configure(s.get, pace.Budget{}))
	if strings.Contains(text, clientSecret) || strings.Contains(text, "refresh-token") || !strings.Contains(text, "200421") {
		t.Errorf("text = %s", text)
	}
}

func TestListAndDetails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, func(a arrival, _ int) (int, string) {
			if strings.HasSuffix(a.path, "/List") {
				return 200, `{"errcode":0,"data":{"List":[{"FItemID":1}],"TotalItems":"250","TotalPage":3,"HasNextPage":true}}`
			}
			return 200, fmt.Sprintf(`{"errcode":"0","data":{"List":[{"asked":%s}]}}`, a.body["ItemIds"])
		})
		c := newClient(t, v, given(), nil)
		list, err := c.List(t.Context(), "APP006992/api/Material/List", "List", map[string]any{"CurrentPage": 1, "ItemsOfPage": 100, "Detail": true})
		if err != nil || list.Total != 250 || list.Pages != 3 || !list.HasNext || len(list.Rows) != 1 {
			t.Errorf("List = %+v, %v", list, err)
		}
		var ids []json.RawMessage
		for n := range 45 {
			ids = append(ids, json.RawMessage(fmt.Sprint(n)))
		}
		rows, err := c.Details(t.Context(), kis.Details{Path: "APP006992/api/Material/GetListDetails", IDs: "ItemIds", Rows: "List", Max: 20}, ids)
		if err != nil || len(rows) != 3 || string(rows[2]) != `{"asked":[40,41,42,43,44]}` {
			t.Errorf("Details = %s, %v", rows, err)
		}
	})
}

func TestDecodeList(t *testing.T) {
	tests := []struct {
		data  string
		rows  string
		want  string
		fails bool
	}{
		{`{"List":[{},{}],"TotalItems":2,"TotalPages":1,"HasNextPage":false}`, "List", "2 rows of 2, 1 pages, next false", false},
		{`{"GoodItemStocks":[{}],"TotalItems":"1","TotalPage":"1","HasNextPage":"False"}`, "GoodItemStocks", "1 rows of 1, 1 pages, next false", false},
		{`{"List":[{}]}`, "List", "1 rows of -1, -1 pages, next true", false},
		{`{"List":null}`, "List", "0 rows of -1, -1 pages, next false", false},
		{`{"List":{}}`, "List", "", true},
		{`{"List":[],"TotalItems":"x"}`, "List", "", true},
		{`null`, "List", "", true},
	}
	for _, tt := range tests {
		list, err := kis.DecodeList(json.RawMessage(tt.data), tt.rows)
		got := fmt.Sprintf("%d rows of %d, %d pages, next %v", len(list.Rows), list.Total, list.Pages, list.HasNext)
		if (err != nil) != tt.fails || !tt.fails && got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.data, got, err, tt.want)
		}
	}
}
