package xingchen_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

const (
	clientSecret = "0123456789abcdef0123456789abcdef"
	instance     = "300000000000000001"
	authorise    = "/jdyconnector/app_management/push_app_authorize"
	authToken    = "/jdyconnector/app_management/kingdee_auth_token"
	bill         = "/jdy/v2/scm/inv_check_gail_bill"
	store        = "/jdy/v2/bd/store"
	success      = `{"errcode":0,"description":"success","data":{"ids":["1990000000000000001"],"id_number_map":{"1990000000000000001":"PYD-1"}}}`
)

// arrival is one request as the vendor saw it.
type arrival struct {
	at     time.Time
	method string
	path   string
	query  url.Values
	header http.Header
	body   string
}

// vendor imitates the gateway: it checks the signature by a rule of its own, hands out authorisations
// and tokens, and answers business calls as the test says. It is a RoundTripper, so that a test can
// run on synctest's clock, and a Handler for the tests that need a network.
type vendor struct {
	t *testing.T
	// answer is what a business call in a valid session gets; n counts those calls from 1.
	answer func(a arrival, n int) (status int, body string)
	// rows is the data of the authorisation; "" is one active account set.
	rows string
	// envelope is the spelling of the authorisation's success.
	envelope string
	// refuse answers a token call in the place of a token, when it is not "".
	refuse string

	mu        sync.Mutex
	appSecret string
	token     string
	arrivals  []arrival
	business  int
}

func newVendor(t *testing.T, answer func(a arrival, n int) (int, string)) *vendor {
	return &vendor{t: t, answer: answer, appSecret: "secret-1", envelope: `"errcode":0`}
}

// always answers every business call alike.
func always(status int, body string) func(arrival, int) (int, string) {
	return func(arrival, int) (int, string) { return status, body }
}

// rotate gives the account set another app secret, which the old authorisation doesn't know.
func (v *vendor) rotate() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.appSecret += "x"
}

// expire ends the token.
func (v *vendor) expire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token = "ended"
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Errorf("read request: %v", err)
	}
	a := arrival{time.Now(), r.Method, r.URL.Path, r.URL.Query(), r.Header, string(body)}
	status, text := v.serve(a, r.URL.RawQuery)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Result(), context.Cause(r.Context())
}

func (v *vendor) serve(a arrival, rawQuery string) (int, string) {
	v.check(a, rawQuery)
	v.mu.Lock()
	v.arrivals = append(v.arrivals, a)
	token := v.token
	if strings.HasPrefix(a.path, "/jdy/") && a.header.Get("App-Token") == token {
		v.business++
	}
	n := v.business
	v.mu.Unlock()
	switch {
	case a.path == authorise:
		return v.authorise(a)
	case a.path == authToken:
		return v.grant(a)
	case a.header.Get("X-Gw-Router-Addr") != "https://tf.jdy.com":
		v.t.Errorf("%s: router %q", a.path, a.header.Get("X-Gw-Router-Addr"))
		return 519, `{"errcode":5001,"description":"404 No Route"}`
	case a.header.Get("App-Token") != token:
		return 401, `{"description":"JWT token has expired","errcode":1000202001}`
	}
	return v.answer(a, n)
}

func (v *vendor) authorise(a arrival) (int, string) {
	if a.method != http.MethodPost || a.query.Get("outerInstanceId") != instance || a.body != "{}" {
		v.t.Errorf("authorise: %s %v %q", a.method, a.query, a.body)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := v.rows
	if rows == "" {
		rows = row("aB3dE9kZ", v.appSecret, `"1.0"`)
	}
	return 200, fmt.Sprintf(`{%s,"description":"success","data":[%s]}`, v.envelope, rows)
}

func row(appKey, appSecret, status string) string {
	return fmt.Sprintf(`{"accountId":"acc-%s","accountName":"账套 %s","appKey":%q,"appSecret":%q,"domain":"https://tf.jdy.com","status":%s}`,
		appKey, appKey, appKey, appSecret, status)
}

func (v *vendor) grant(a arrival) (int, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refuse != "" {
		return 200, v.refuse
	}
	if a.query.Get("app_signature") != hmacText(v.appSecret, a.query.Get("app_key")) {
		return 200, `{"errcode":1030002006,"description":"授权密钥校验失败，请获取最新密钥加密"}`
	}
	v.token = fmt.Sprintf("eyJ-token-%d", len(v.arrivals))
	return 200, fmt.Sprintf(`{"errcode":"0","description":"成功","data":{"app-token":%q,"access_token":"0f0f","expires":%d,"uid":173000001}}`,
		v.token, time.Now().Add(24*time.Hour).UnixMilli())
}

// check looks at what every request must have.
func (v *vendor) check(a arrival, rawQuery string) {
	h := a.header
	for name, want := range map[string]string{
		"X-Api-Clientid": "200421", "X-Api-Auth-Version": "2.0", "X-Api-Signheaders": "X-Api-TimeStamp,X-Api-Nonce",
		"Content-Type": "application/json", "User-Agent": "erpstream/dev",
	} {
		if h.Get(name) != want {
			v.t.Errorf("%s: %s = %q, want %q", a.path, name, h.Get(name), want)
		}
	}
	ms, _ := strconv.ParseInt(h.Get("X-Api-Timestamp"), 10, 64)
	if off := time.Since(time.UnixMilli(ms)); off < -time.Second || off > time.Second {
		v.t.Errorf("%s: time stamp is off by %v", a.path, off)
	}
	text := a.method + "\n" + url.QueryEscape(a.path) + "\n" + twice(rawQuery) + "\n" +
		"x-api-nonce:" + h.Get("X-Api-Nonce") + "\nx-api-timestamp:" + h.Get("X-Api-Timestamp") + "\n"
	if got, want := h.Get("X-Api-Signature"), hmacText(clientSecret, text); got != want {
		v.t.Errorf("%s: signature %s, want %s", a.path, got, want)
	}
}

// twice encodes the sides of each pair of a raw query once more.
func twice(raw string) string {
	if raw == "" {
		return ""
	}
	pairs := strings.Split(raw, "&")
	slices.Sort(pairs)
	var out []string
	for _, pair := range pairs {
		k, val, _ := strings.Cut(pair, "=")
		out = append(out, url.QueryEscape(k)+"="+url.QueryEscape(val))
	}
	return strings.Join(out, "&")
}

func hmacText(key, text string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(m.Sum(nil))))
}

// story tells the requests so far: a(uthorise), t(oken), c(all).
func (v *vendor) story() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	for _, a := range v.arrivals {
		switch a.path {
		case authorise:
			b.WriteByte('a')
		case authToken:
			b.WriteByte('t')
		default:
			b.WriteByte('c')
		}
	}
	return b.String()
}

// calls returns the business calls so far.
func (v *vendor) calls() []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(v.arrivals), func(a arrival) bool { return !strings.HasPrefix(a.path, "/jdy/") })
}

// settings are those of a connection, with its secret.
func settings(name string) string {
	return map[string]string{
		"connection": "kd-main", "client_id": "200421", "outer_instance_id": instance, "app_key": "aB3dE9kZ",
		"client_secret": clientSecret + "\n",
	}[name]
}

// newClient returns a client of v; change may set more of its configuration.
func newClient(t *testing.T, v *vendor, change func(*kingdee.Config)) *xingchen.Client {
	t.Helper()
	cfg := xingchen.Configure(settings, pace.Budget{})
	cfg.HTTP = &http.Client{Transport: v}
	if change != nil {
		change(&cfg)
	}
	c, err := xingchen.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refusal(code any, text string) string {
	b, _ := json.Marshal(map[string]any{"errcode": code, "description": text, "data": nil})
	return string(b)
}
