package kis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/kis"
	"github.com/erpstream/erpstream/pkg/pace"
)

const (
	clientSecret = "0123456789abcdef0123456789abcdef"
	create       = "/koas/app007104/api/miscellaneousreceipt/create"
	created      = `{"errcode":0,"description":"success","data":{"FID":30512,"FBillNo":"JST20251010001"}}`
	router       = "https://kis-gw.example"
)

// arrival is one request as the vendor saw it.
type arrival struct {
	at     time.Time
	path   string
	query  url.Values
	header http.Header
	body   map[string]json.RawMessage
}

// vendor imitates KIS behind the gateway. It is a RoundTripper, so that a test can run on synctest's
// clock, and a Handler for the tests that need a network.
type vendor struct {
	t *testing.T
	// answer is what a business call in a valid session gets; n counts those calls from 1.
	answer func(a arrival, n int) (status int, body string)
	// authData is in the answer of the token call when it is not "".
	authData string
	// lose lets a renewal of the user's tokens happen and its answer get lost.
	lose bool

	mu       sync.Mutex
	access   string
	auth     string
	refresh  string // the one that is good
	tokens   int
	inFlight int
	most     int
	triples  map[string]bool
	arrivals []arrival
	business int
}

func newVendor(t *testing.T, answer func(a arrival, n int) (int, string)) *vendor {
	return &vendor{t: t, answer: answer, authData: "auth-data-1", refresh: "refresh-token-0", triples: map[string]bool{}}
}

func always(status int, body string) func(arrival, int) (int, string) {
	return func(arrival, int) (int, string) { return status, body }
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Errorf("read request: %v", err)
	}
	a := arrival{at: time.Now(), path: r.URL.Path, query: r.URL.Query(), header: r.Header}
	if len(text) > 0 && json.Unmarshal(text, &a.body) != nil {
		v.t.Errorf("%s: body %s is no object", a.path, text)
	}
	if strings.HasPrefix(a.path, "/koas/") && r.Method != http.MethodPost {
		v.t.Errorf("%s: %s", a.path, r.Method)
	}
	v.enter(1)
	status, body := v.serve(a)
	v.enter(-1)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Result(), context.Cause(r.Context())
}

func (v *vendor) enter(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inFlight += n
	v.most = max(v.most, v.inFlight)
}

func (v *vendor) serve(a arrival) (int, string) {
	v.mu.Lock()
	v.arrivals = append(v.arrivals, a)
	v.mu.Unlock()
	switch a.path {
	case "/jdyconnector/app_management/push_app_authorize":
		return 200, fmt.Sprintf(`{"errcode":0,"data":[{"accountId":"1","appKey":"kIs7Yx2Q","appSecret":"app-secret","domain":%q,"status":1}]}`, router)
	case "/jdyconnector/app_management/kingdee_auth_token":
		return v.grant()
	case "/koas/user/refresh_auth_data":
		return v.rotate(a)
	}
	v.check(a)
	v.mu.Lock()
	ok := a.query.Get("access_token") == v.access && a.header.Get("KIS-AuthData") == v.auth
	if ok {
		v.business++
	}
	n := v.business
	v.mu.Unlock()
	if !ok {
		return 519, `{"errcode":4011,"description":"access token is expired"}`
	}
	return v.answer(a, n)
}

// check looks at what every business call must have.
func (v *vendor) check(a arrival) {
	h := a.header
	v.mu.Lock()
	defer v.mu.Unlock()
	if h.Get("X-GW-Router-Addr") != router || h.Get("KIS-Ver") != "1.0" || len(h.Get("KIS-State")) != 16 || len(h.Get("KIS-TraceID")) != 32 {
		v.t.Errorf("%s: headers %v", a.path, h)
	}
	seconds, _ := strconv.ParseInt(h.Get("KIS-Timestamp"), 10, 64)
	if off := a.at.Sub(time.Unix(seconds, 0)); off < 0 || off > 2*time.Second {
		v.t.Errorf("%s: time stamp %s is off by %v", a.path, h.Get("KIS-Timestamp"), off)
	}
	triple := h.Get("KIS-State") + h.Get("KIS-Timestamp") + h.Get("KIS-TraceID")
	if v.triples[triple] {
		v.t.Errorf("%s: a triple of state, time stamp and trace came twice", a.path)
	}
	v.triples[triple] = true
}

// grant is a token of the server-to-server way.
func (v *vendor) grant() (int, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens++
	v.access = fmt.Sprintf("access-token-%d", v.tokens)
	v.auth = v.authData
	if v.authData == "" {
		v.auth = "eyJ-app-token"
		return 200, fmt.Sprintf(`{"errcode":0,"data":{"app-token":"eyJ-app-token","access_token":%q}}`, v.access)
	}
	return 200, fmt.Sprintf(`{"errcode":0,"data":{"app-token":"eyJ-app-token","access_token":%q,"auth_data":%q}}`, v.access, v.auth)
}

// rotate uses up a refresh token of the user's way: there is one that is good at a time.
func (v *vendor) rotate(a arrival) (int, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var given string
	_ = json.Unmarshal(a.body["refresh_auth_data_token"], &given)
	if a.query.Get("client_id") != "200421" || a.query.Get("client_secret") != clientSecret {
		v.t.Errorf("refresh: query %v", a.query)
	}
	if given != v.refresh {
		return 200, `{"errcode":10201,"description":"refresh_auth_data_token 无效"}`
	}
	v.tokens++
	v.access, v.auth = fmt.Sprintf("access-token-%d", v.tokens), fmt.Sprintf("auth-%d", v.tokens)
	v.refresh = fmt.Sprintf("refresh-token-%d", v.tokens)
	if v.lose {
		return 502, ""
	}
	return 200, fmt.Sprintf(`{"errcode":0,"data":{"access_token":%q,"auth_data":%q,"gw_router_addr":%q,"extend_data":{"refresh_auth_data_token":%q,"refresh_auth_data_token_expire_in":%d}}}`,
		v.access, v.auth, router, v.refresh, time.Now().Add(2*time.Hour).Unix())
}

// expire ends the session.
func (v *vendor) expire() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.access = "ended"
}

// calls returns the business calls so far.
func (v *vendor) calls() []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []arrival
	for _, a := range v.arrivals {
		if strings.HasPrefix(a.path, "/koas/") && !strings.HasPrefix(a.path, "/koas/user/") {
			out = append(out, a)
		}
	}
	return out
}

// settings are those of a connection, with its secrets; a test may change them.
type settings map[string]string

func given() settings {
	return settings{
		"connection": "kis-main", "client_id": "200421", "outer_instance_id": "300000000000000002",
		"app_key": "kIs7Yx2Q", "client_secret": clientSecret,
	}
}

func byUser() settings {
	s := given()
	s["auth"], s["refresh_auth_data_token"], s["access_token"] = "U", "refresh-token-0", "access-token-0"
	return s
}

func (s settings) get(name string) string { return s[name] }

// newClient returns a client of v; change may set more of its configuration.
func newClient(t *testing.T, v *vendor, s settings, change func(*kis.Config)) *kis.Client {
	t.Helper()
	cfg := kis.Configure(s.get, pace.Budget{})
	cfg.HTTP = &http.Client{Transport: v}
	if change != nil {
		change(&cfg)
	}
	c, err := kis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
