package wangdiantong_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

const (
	enterpriseSecret = "b7c1e0f2a4d6"
	flagshipSecret   = "f1e2d3c4b5a6"
	topSecret        = "topsecret0123456789abcdef"
)

// vectorTime is the moment of the signed examples, 2024-06-03 15:33:20 in Shanghai.
var vectorTime = time.Unix(1717400000, 0)

// fast is for the tests that don't look at spacing.
var fast = pace.Budget{PerMinute: 1e9}

// account is one of the four ways to the vendor.
type account struct {
	edition   wangdiantong.Edition
	transport wangdiantong.Transport
}

var (
	enterpriseDirect = account{wangdiantong.Enterprise, wangdiantong.Direct}
	enterpriseQimen  = account{wangdiantong.Enterprise, wangdiantong.Qimen}
	flagshipDirect   = account{wangdiantong.Flagship, wangdiantong.Direct}
	flagshipQimen    = account{wangdiantong.Flagship, wangdiantong.Qimen}
	accounts         = []account{enterpriseDirect, enterpriseQimen, flagshipDirect, flagshipQimen}
)

func (a account) String() string { return string(a.edition) + " " + string(a.transport) }

// call is a query that the account has.
func (a account) call(page int) wangdiantong.Call {
	if a.edition == wangdiantong.Flagship {
		return wangdiantong.Call{
			Method: "aftersales.refund.Refund.search", Page: page, Size: 50, Rows: "order",
			Params: map[string]any{"modified_from": "2024-06-03 14:00:00", "modified_to": "2024-06-03 14:59:59"},
		}
	}
	return wangdiantong.Call{
		Method: "stockin_order_query", Page: page, Size: 50, Rows: "stockin_list",
		Params: map[string]any{"start_time": "2024-06-03 14:00:00", "end_time": "2024-06-03 14:59:59", "order_type": 4, "status": uint64(80)},
	}
}

// ok is a good answer of the account; fields are those around the list, in JSON, with a comma.
func (a account) ok(fields, rows string) string {
	call := a.call(0)
	switch a {
	case enterpriseDirect:
		return fmt.Sprintf(`{"code":0,"message":"ok",%s%q:%s}`, fields, call.Rows, rows)
	case enterpriseQimen:
		return fmt.Sprintf(`{"response":{"errorcode":0,"message":"ok",%s%q:%s,"request_id":"r-1"}}`, fields, call.Rows, rows)
	case flagshipDirect:
		return fmt.Sprintf(`{"status":0,"data":{%s%q:%s}}`, fields, call.Rows, rows)
	default:
		return fmt.Sprintf(`{"response":{"status":"0","data":{%s%q:%s},"request_id":"r-1"}}`, fields, call.Rows, rows)
	}
}

// refusal is an answer of the account with the vendor's code.
func (a account) refusal(code int, msg string) string {
	name := map[account]string{enterpriseDirect: "code", enterpriseQimen: "errorcode"}[a]
	if name == "" {
		name = "status"
	}
	body := fmt.Sprintf(`{%q:%d,"message":%s}`, name, code, quote(msg))
	if a.transport == wangdiantong.Qimen {
		return `{"response":` + body + `}`
	}
	return body
}

// arrival is one request as the vendor saw it.
type arrival struct {
	at                time.Time
	path, contentType string
	query, form       url.Values
	body              string
}

// all returns query and form together, as the Qimen gateway reads them.
func (a arrival) all() map[string]string {
	out := map[string]string{}
	for _, values := range []url.Values{a.query, a.form} {
		for key := range values {
			out[key] = values.Get(key)
		}
	}
	return out
}

// vendor imitates a gateway: it checks what every request must hold, with signatures of its own,
// and answers what the test says. It is a RoundTripper, so that a test can run on synctest's clock,
// and a Handler for the tests that need a network.
type vendor struct {
	t       *testing.T
	account account
	secrets secrets
	answer  func(a arrival, n int) (status int, body string) // n counts from 1
	// unsigned leaves the signatures unchecked, for requests that the fake can't sign itself.
	unsigned bool

	mu       sync.Mutex
	calling  int
	arrivals []arrival
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Errorf("read request: %v", err)
	}
	a := arrival{at: time.Now(), path: r.URL.Path, contentType: r.Header.Get("Content-Type"), query: r.URL.Query(), body: string(body)}
	if strings.HasPrefix(a.contentType, "application/x-www-form-urlencoded") {
		if a.form, err = url.ParseQuery(a.body); err != nil {
			v.t.Errorf("form: %v", err)
		}
	}
	v.check(r, a)
	v.mu.Lock()
	v.arrivals = append(v.arrivals, a)
	n := len(v.arrivals)
	if v.calling++; v.calling > 1 {
		v.t.Error("two calls at once")
	}
	v.mu.Unlock()
	status, text := v.answer(a, n)
	v.mu.Lock()
	v.calling--
	v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Result(), context.Cause(r.Context())
}

// seen returns the arrivals so far.
func (v *vendor) seen() []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.arrivals)
}

func (v *vendor) check(r *http.Request, a arrival) {
	if r.Method != http.MethodPost || r.Header.Get("User-Agent") != "erpstream/dev" {
		v.t.Errorf("%s from %q, want POST from erpstream/dev", r.Method, r.Header.Get("User-Agent"))
	}
	params := a.all()
	for key, value := range params {
		if value == "" {
			v.t.Errorf("%s is empty", key)
		}
	}
	if v.unsigned {
		return
	}
	for key, want := range v.signatures(a, params) {
		if params[key] != want {
			v.t.Errorf("%s: %s = %s, want %s", v.account, key, params[key], want)
		}
	}
}

// signatures are the vendor's rules, written again from their description.
func (v *vendor) signatures(a arrival, params map[string]string) map[string]string {
	secret, salt, _ := strings.Cut(v.secrets["app_secret"], ":")
	keys := slices.Sorted(maps.Keys(params))
	join := func(skip string) (s string) {
		for _, key := range keys {
			if !strings.Contains(skip, " "+key+" ") {
				s += key + params[key]
			}
		}
		return s
	}
	switch v.account {
	case enterpriseDirect:
		var pack []string
		for _, key := range keys {
			if key != "sign" {
				pack = append(pack, fmt.Sprintf("%02d-%s:%04d-%s", len(key), key, utf8.RuneCountInString(params[key]), params[key]))
			}
		}
		return map[string]string{"sign": hexMD5(strings.Join(pack, ";") + v.secrets["app_secret"])}
	case flagshipDirect:
		return map[string]string{"salt": salt, "sign": hexMD5(secret + "body" + a.body + join(" sign ") + secret)}
	}
	want := map[string]string{"sign": strings.ToUpper(hexMD5(v.secrets["top_app_secret"] + join(" sign ") + v.secrets["top_app_secret"]))}
	if v.account == flagshipQimen {
		text := ""
		for _, key := range []string{"datetime", "method", "pager", "params", "wdt_appkey", "wdt_salt"} {
			if params[key] != "" {
				text += key + unfold(v.t, params[key])
			}
		}
		want["wdt_salt"], want["wdt_sign"] = salt, hexMD5(secret+text+secret)
	}
	return want
}

// unfold returns an object's keys and values in order, other text as it is.
func unfold(t *testing.T, text string) string {
	if !strings.HasPrefix(text, "{") {
		return text
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	out := ""
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := string(fields[key])
		if s, err := strconv.Unquote(value); err == nil {
			value = s
		}
		out += key + value
	}
	return out
}

func hexMD5(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }

// secrets is a source of secrets that a test may change.
type secrets map[string]string

func (s secrets) get(field string) (string, error) {
	if v, ok := s[field]; ok {
		return v + "\n", nil // as a file ends
	}
	return "", fs.ErrNotExist
}

// newVendor returns a vendor that an account's client can call, answering always the same.
func newVendor(t *testing.T, a account, status int, body string) *vendor {
	v := &vendor{t: t, account: a, secrets: secrets{}}
	v.answer = func(arrival, int) (int, string) { return status, body }
	if a.edition == wangdiantong.Flagship {
		v.secrets["app_secret"] = flagshipSecret + ":n4cl"
	}
	if a == enterpriseDirect {
		v.secrets["app_secret"] = enterpriseSecret
	}
	if a.transport == wangdiantong.Qimen {
		v.secrets["top_app_secret"] = topSecret
	}
	return v
}

// config is the configuration of an account's client.
func (v *vendor) config() wangdiantong.Config {
	cfg := wangdiantong.Config{
		Edition: v.account.edition, Transport: v.account.transport, SID: "demo2",
		Secrets: v.secrets.get, Budget: fast, HTTP: &http.Client{Transport: v},
		Now: func() time.Time { return vectorTime },
	}
	switch v.account {
	case enterpriseDirect:
		cfg.AppKey = "demo2-test"
	case enterpriseQimen:
		cfg.TopAppKey = "12345678"
	case flagshipDirect:
		cfg.SID, cfg.AppKey = "wdtdemo3", "demo3-test"
	case flagshipQimen:
		cfg.SID, cfg.AppKey, cfg.TopAppKey = "wdtdemo3", "demo3-test", "12345678"
	}
	return cfg
}

// client returns a client of v; change may set more of its configuration.
func (v *vendor) client(change func(*wangdiantong.Config)) *wangdiantong.Client {
	v.t.Helper()
	cfg := v.config()
	if change != nil {
		change(&cfg)
	}
	c, err := wangdiantong.New(cfg)
	if err != nil {
		v.t.Fatal(err)
	}
	return c
}
