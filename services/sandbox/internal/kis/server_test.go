package kis

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/clocktest"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/gatewaytest"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

const (
	createPath   = "/koas/app007104/api/miscellaneousreceipt/create"
	listPath     = "/koas/app007104/api/miscellaneousreceipt/list"
	detailPath   = "/koas/app007104/api/miscellaneousreceipt/getdetail"
	materialPath = "/koas/APP006992/api/Material/List"
	domain       = "https://kis-gw.example"
)

// vendor is a Server with a client that has the right credentials.
type vendor struct {
	*gatewaytest.Client
	server          *Server
	world           *world.World
	plan            *faults.Plan
	token, authData string
	trace           int
}

// setUp is how a vendor is to be.
type setUp struct {
	file    string
	clock   *clocktest.Clock
	gateway func(*gateway.Settings)
	kis     func(*Settings)
}

func start(t *testing.T, set func(*Settings)) *vendor {
	t.Helper()
	return setUp{kis: set}.start(t)
}

func (u setUp) start(t *testing.T) *vendor {
	t.Helper()
	settings, gates := Default(), gateway.Default()
	settings.PerMinute = 0
	if u.kis != nil {
		u.kis(&settings)
	}
	if u.gateway != nil {
		u.gateway(&gates)
	}
	clock := u.clock
	if clock == nil {
		clock = gatewaytest.NewClock()
	}
	plan, log := faults.NewPlan(1), slog.New(slog.DiscardHandler)
	gate, err := gateway.New(gateway.Config{Settings: gates, Faults: faults.NewPlan(1), Now: clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w := world.New(world.Params{Seed: 1, Goods: 120, LateShare: 0.1})
	server, err := New(Config{Settings: settings, World: w, Gateway: gate, Faults: plan, File: u.file, Now: clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	mux := http.NewServeMux()
	mux.Handle("/jdyconnector/", gate)
	mux.Handle("/", server)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	v := &vendor{Client: &gatewaytest.Client{T: t, URL: web.URL, Clock: clock}, server: server, world: w, plan: plan}
	v.newToken()
	return v
}

// newToken takes tokens from the gateway.
func (v *vendor) newToken() {
	tokens := v.Token("300000000000000002", "kIs7Yx2Q")
	v.token, v.authData = tokens.AccessToken, tokens.AuthData
	if v.authData == "" {
		v.authData = tokens.AppToken
	}
}

// request returns a call with all headers; header replaces some and, with empty values, removes some.
func (v *vendor) request(path, body string, header map[string]string) gatewaytest.Request {
	v.trace++
	all := map[string]string{
		"Content-Type": "application/json", "KIS-AuthData": v.authData, "KIS-State": "0123456789abcdef", "KIS-Ver": "1.0",
		"KIS-Timestamp": strconv.FormatInt(v.Clock.Now().Unix(), 10), "KIS-TraceID": fmt.Sprintf("trace-%04d", v.trace), "X-GW-Router-Addr": domain,
	}
	maps.Copy(all, header)
	return gatewaytest.Request{Method: "POST", Path: path, Query: "access_token=" + v.token, Body: body, Header: all}
}

func (v *vendor) post(path, body string) gatewaytest.Reply {
	v.T.Helper()
	return v.Call(v.request(path, body, nil))
}

// data posts what has to succeed and returns its data.
func (v *vendor) data(path, body string) Row {
	v.T.Helper()
	r := v.post(path, body)
	if r.Code != 0 {
		v.T.Fatalf("%s %s: %s", path, body, r.Body)
	}
	var row Row
	r.Into(v.T, &row)
	return row
}

// rows returns the rows of a list.
func (v *vendor) rows(path, body string) []Row {
	v.T.Helper()
	return rows(v.data(path, body)["List"])
}

func rows(list any) []Row {
	all := []Row{}
	elements, _ := list.([]any)
	for _, one := range elements {
		row, _ := one.(Row)
		all = append(all, row)
	}
	return all
}

func (v *vendor) strike(f faults.Fault) {
	v.T.Helper()
	if _, err := v.plan.Add(f); err != nil {
		v.T.Fatal(err)
	}
}

// refused fails the test unless r is a refusal of the business interface that contains text.
func (v *vendor) refused(r gatewaytest.Reply, text string) {
	v.T.Helper()
	if r.Status != 200 || r.Code != 10201 || !strings.HasPrefix(r.Text, "业务接口返回失败结果，失败原因：") || !strings.Contains(r.Text, text) {
		v.T.Errorf("status %d, %s, want a refusal with %s", r.Status, r.Body, text)
	}
}

func text(t testing.TB, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestHeadersAreChecked(t *testing.T) {
	v := start(t, nil)
	now := v.Clock.Now()
	seconds := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	for _, test := range []struct {
		name   string
		header map[string]string
		code   int
	}{
		{"as it should be", nil, 0},
		{"no version", map[string]string{"KIS-Ver": ""}, 4001},
		{"no state", map[string]string{"KIS-State": ""}, 4007},
		{"no trace", map[string]string{"KIS-TraceID": ""}, 4007},
		{"no timestamp", map[string]string{"KIS-Timestamp": ""}, 4006},
		{"milliseconds", map[string]string{"KIS-Timestamp": strconv.FormatInt(now.UnixMilli(), 10)}, 4006},
		{"old", map[string]string{"KIS-Timestamp": seconds(-5*time.Minute - time.Second)}, 4006},
		{"ahead", map[string]string{"KIS-Timestamp": seconds(5*time.Minute + time.Second)}, 4006},
		{"almost ahead", map[string]string{"KIS-Timestamp": seconds(5 * time.Minute)}, 0},
		{"no auth data", map[string]string{"KIS-AuthData": ""}, 4009},
		{"auth data", map[string]string{"KIS-AuthData": "x"}, 4010},
		{"no router", map[string]string{"X-GW-Router-Addr": ""}, 5001},
		{"router", map[string]string{"X-GW-Router-Addr": "https://tf.jdy.com"}, 5001},
	} {
		r := v.Call(v.request(materialPath, "{}", test.header))
		if r.Code != test.code || (r.Status == 519) != (test.code != 0) {
			t.Errorf("%s: status %d, %s, want %d", test.name, r.Status, r.Body, test.code)
		}
	}
	get := v.request(materialPath, "", nil)
	get.Method = "GET"
	if r := v.Call(get); r.Code != 5002 {
		t.Errorf("GET: %s", r.Body)
	}
	noToken := v.request(materialPath, "{}", nil)
	noToken.Query = ""
	if r := v.Call(noToken); r.Code != 4009 {
		t.Errorf("no access token: %s", r.Body)
	}
}

func TestACallCountsOnce(t *testing.T) {
	for once, want := range map[bool]int{true: 4006, false: 0} {
		v := start(t, func(s *Settings) { s.CallsOnce = once })
		request := v.request(materialPath, "{}", nil)
		if r := v.Call(request); r.Code != 0 {
			t.Fatal(r.Body)
		}
		if r := v.Call(request); r.Code != want {
			t.Errorf("once is %v: %s, want %d", once, r.Body, want)
		}
		request.Header["KIS-TraceID"] = "another"
		if r := v.Call(request); r.Code != 0 {
			t.Errorf("another trace: %s", r.Body)
		}
	}
}

func TestTheAppTokenTakesThePlaceOfAuthData(t *testing.T) {
	v := setUp{gateway: func(s *gateway.Settings) { s.AuthData = false }}.start(t)
	if !strings.HasPrefix(v.authData, "eyJ") {
		t.Fatalf("auth data is %s", v.authData)
	}
	v.rows(materialPath, "{}")
}

func TestTokensExpire(t *testing.T) {
	v := start(t, nil)
	v.Clock.Advance(24 * time.Hour)
	if r := v.post(materialPath, "{}"); r.Status != 519 || r.Code != 4011 {
		t.Errorf("after a day: %d %s", r.Status, r.Body)
	}
	v.newToken()
	v.rows(materialPath, "{}")
	v.strike(faults.Fault{Kind: faults.ExpireToken})
	if r := v.post(materialPath, "{}"); r.Code != 4011 {
		t.Errorf("by a fault: %s", r.Body)
	}
}

func TestPathsHaveNoLetterCase(t *testing.T) {
	v := start(t, nil)
	for _, path := range []string{"/koas/app006992/api/material/list", "/koas/APP006992/API/MATERIAL/LIST"} {
		v.rows(path, "{}")
	}
	if st := v.server.Stats(); st.Calls[materialPath] != 2 {
		t.Errorf("calls are %v", st.Calls)
	}
	if r := v.post("/koas/APP006992/api/Material/Save", "{}"); r.Status != 519 || r.Code != 5001 {
		t.Errorf("unknown path: %s", r.Body)
	}
	if !slices.Contains(v.server.Paths(), materialPath) || !slices.Contains(v.server.Paths(), createPath) {
		t.Errorf("paths are %q", v.server.Paths())
	}
}

func TestBodies(t *testing.T) {
	v := start(t, func(s *Settings) { s.AccountDB = "AIS1" })
	for _, body := range []string{"", "[]", "null", "{"} {
		v.refused(v.post(materialPath, body), "403-ParseRequestContent:{}请求参数转换成JSON对象异常")
	}
	for _, name := range []string{"AccountDB", "AccountDb", "accountDb"} {
		v.rows(materialPath, `{"`+name+`":"AIS1"}`)
		v.refused(v.post(materialPath, `{"`+name+`":"AIS2"}`), "AIS2")
	}
	v.refused(v.post(materialPath, `{"CurrentPage":"x"}`), "CurrentPage")
}

func TestTheRateLimit(t *testing.T) {
	for status := range map[int]bool{429: true, 519: true} {
		v := start(t, func(s *Settings) { s.PerMinute, s.LimitStatus = 60, status })
		for range 60 {
			v.rows(materialPath, `{"ItemsOfPage":1}`)
			v.Clock.Advance(500 * time.Millisecond)
		}
		if r := v.post(materialPath, "{}"); r.Status != status || r.Code != 5007 {
			t.Errorf("call 61: %d %s", r.Status, r.Body)
		}
		v.Clock.Advance(30 * time.Second)
		v.rows(materialPath, "{}")
		if st := v.server.Stats(); st.Violations["per_minute"] != 1 || st.Violations["in_flight"] != 0 || st.InFlight != 1 || st.Accepted.PerSecond != 2 {
			t.Errorf("stats are %+v", st)
		}
	}
}

func TestCallsAtOnceAreViolations(t *testing.T) {
	v := start(t, nil)
	request := v.request(materialPath, "{}", nil)
	reading, writing := io.Pipe()
	slow, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL+materialPath+"?"+request.Query, reading)
	if err != nil {
		t.Fatal(err)
	}
	slow.Header.Set("Expect", "100-continue") // the body is read once the call is under way
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	ended := make(chan error)
	go func() {
		res, err := transport.RoundTrip(slow)
		if err == nil {
			err = res.Body.Close()
		}
		ended <- err
	}()
	if _, err := writing.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	v.rows(materialPath, "{}")
	writing.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if st := v.server.Stats(); st.InFlight != 2 || st.Violations["in_flight"] != 1 {
		t.Errorf("stats are %+v", st)
	}
}

func TestTheMachineIsOffline(t *testing.T) {
	v := start(t, nil)
	v.server.Offline(time.Minute)
	if r := v.post(materialPath, "{}"); r.Status != 519 || r.Code != 5003 {
		t.Errorf("offline: %d %s", r.Status, r.Body)
	}
	v.Clock.Advance(time.Minute)
	v.rows(materialPath, "{}")
	v.strike(faults.Fault{Kind: faults.Offline, Code: 5004, DelayMS: 30_000})
	for range 2 {
		if r := v.post(createPath, v.bill("1", v.line(0, "1"))); r.Code != 5004 {
			t.Errorf("by a fault: %s", r.Body)
		}
		v.Clock.Advance(29 * time.Second)
	}
	v.rows(materialPath, "{}")
	if n := len(v.server.Receipts()); n != 0 {
		t.Errorf("%d bills were booked", n)
	}
}

func TestALostReply(t *testing.T) {
	v := start(t, nil)
	v.strike(faults.Fault{Kind: faults.LostReply})
	v.rows(materialPath, "{}")
	if r, err := v.Try(v.request(createPath, v.bill("JST1", v.line(0, "1")), nil)); !errors.Is(err, io.EOF) {
		t.Errorf("answer is %+v, %v, want a cut connection", r, err)
	}
	v.refused(v.post(createPath, v.bill("JST1", v.line(0, "1"))), "202-单据编号[JST1]已存在")
	v.strike(faults.Fault{Kind: faults.TimeoutAfter})
	if r := v.post(createPath, v.bill("JST2", v.line(0, "1"))); r.Status != 519 || r.Code != 5004 {
		t.Errorf("timeout: %s", r.Body)
	}
	if st := v.server.Stats(); len(v.server.Receipts()) != 2 || st.Changes != 2 || st.LostReplies != 1 {
		t.Errorf("%d bills, stats %+v", len(v.server.Receipts()), st)
	}
}

func TestAShareOfRepliesIsLost(t *testing.T) {
	v := start(t, func(s *Settings) { s.LostReplies = 0.2 })
	lost := 0
	for i := range 100 {
		if _, err := v.Try(v.request(createPath, v.bill(fmt.Sprint("JST", i), v.line(0, "1")), nil)); err != nil {
			lost++
		}
	}
	if lost < 5 || lost > 40 || len(v.server.Receipts()) != 100 {
		t.Errorf("%d replies of 100 were lost, %d bills", lost, len(v.server.Receipts()))
	}
}

func TestBillsAndSessionSurviveARestart(t *testing.T) {
	file, clock := filepath.Join(t.TempDir(), "kis.journal"), gatewaytest.NewClock()
	v := setUp{file: file, clock: clock}.start(t)
	v.data(createPath, v.bill("JST1", v.line(0, "1986543210987.0000000001")))
	v.token = Default().User.AccessToken
	session := v.data("/koas/user/get_service_gateway", v.sessionBody())
	before := text(t, v.server.Receipts())

	clock.Advance(time.Hour)
	again := setUp{file: file, clock: clock}.start(t)
	if got := text(t, again.server.Receipts()); got != before || !strings.Contains(got, "1986543210987.0000000001") {
		t.Errorf("bills after a restart are %s, before %s", got, before)
	}
	again.refused(again.post(createPath, again.bill("JST1", again.line(0, "1"))), "已存在")
	again.token, again.authData = v.token, fmt.Sprint(session["auth_data"])
	if next := again.data(createPath, again.bill("JST2", again.line(0, "1"))); next["FID"] != json.Number("30002") {
		t.Errorf("the next bill is %v", next)
	}
	clock.Advance(2 * time.Hour)
	if r := again.post("/koas/user/login_status", again.sessionBody()); r.Code != 4011 {
		t.Errorf("the session of before the restart should have ended: %s", r.Body)
	}
}

func TestTheSignInIsNotRepeatedAtARestart(t *testing.T) {
	file, clock := filepath.Join(t.TempDir(), "kis.journal"), gatewaytest.NewClock()
	setUp{file: file, clock: clock}.start(t)
	clock.Advance(3*time.Hour - time.Second)
	v := setUp{file: file, clock: clock}.start(t)
	v.signIn()
	if r := v.post("/koas/user/login_status", v.sessionBody()); r.Code != 0 {
		t.Errorf("before its end: %s", r.Body)
	}
	clock.Advance(time.Second)
	if r := v.post("/koas/user/login_status", v.sessionBody()); r.Code != 4011 {
		t.Errorf("at its end: %s", r.Body)
	}
}

func TestSettings(t *testing.T) {
	err := Settings{PerMinute: -1, LostReplies: 2, ClockSkew: -1, DetailsAtOnce: -1, DuplicateSKUs: -1, Mandatory: []string{"FNothing"}}.Check()
	for _, want := range []string{"limit is", "status beyond", "lost replies", "skew", "unknown fields", "most lines", "most ids", "two materials", "token of the user", "FNothing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not speak of %s", err, want)
		}
	}
	s := Default()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	Flags(flags, &s)
	args := []string{"--kis-mandatory", "FDCStockID,FHeadSelfA0143", "--kis-per-minute", "5", "--kis-calls-once=false"}
	if err := errors.Join(flags.Parse(args), s.Check()); err != nil || len(s.Mandatory) != 2 || s.PerMinute != 5 || s.CallsOnce {
		t.Errorf("settings are %+v, %v", s, err)
	}
}
