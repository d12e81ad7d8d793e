package xingchen

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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/clocktest"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/gatewaytest"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// vendor is a Server with a client that has the right credentials.
type vendor struct {
	*gatewaytest.Client
	server *Server
	world  *world.World
	plan   *faults.Plan
	tokens gatewaytest.Tokens
}

func start(t *testing.T, set func(*Settings)) *vendor {
	t.Helper()
	return startWith(t, "", gatewaytest.NewClock(), set)
}

func startWith(t *testing.T, file string, clock *clocktest.Clock, set func(*Settings)) *vendor {
	t.Helper()
	settings := Default()
	settings.PerMinute = 0
	if set != nil {
		set(&settings)
	}
	plan, log := faults.NewPlan(1), slog.New(slog.DiscardHandler)
	gate, err := gateway.New(gateway.Config{Settings: gateway.Default(), Faults: faults.NewPlan(1), Now: clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w := world.New(world.Params{Seed: 1, Goods: 120, LateShare: 0.1})
	server, err := New(Config{Settings: settings, World: w, Gateway: gate, Faults: plan, File: file, Now: clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	mux := http.NewServeMux()
	mux.Handle("/jdyconnector/", gate)
	mux.Handle("/jdy/v2/", server)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	v := &vendor{Client: &gatewaytest.Client{T: t, URL: web.URL, Clock: clock}, server: server, world: w, plan: plan}
	v.newToken()
	return v
}

func (v *vendor) newToken() { v.tokens = v.Token("300000000000000001", "aB3dE9kZ") }

// send calls with token and router.
func (v *vendor) send(r gatewaytest.Request) gatewaytest.Reply {
	v.T.Helper()
	return v.CallSigned(v.routed(r))
}

func (v *vendor) routed(r gatewaytest.Request) gatewaytest.Request {
	header := map[string]string{"app-token": v.tokens.AppToken, "X-GW-Router-Addr": "https://tf.jdy.com"}
	maps.Copy(header, r.Header)
	r.Header = header
	return r
}

func (v *vendor) post(path, body string) gatewaytest.Reply {
	v.T.Helper()
	return v.send(gatewaytest.Request{Method: "POST", Path: path, Body: body})
}

// tryPost posts over a connection that may be cut.
func (v *vendor) tryPost(path, body string) (gatewaytest.Reply, error) {
	v.T.Helper()
	r := v.routed(gatewaytest.Request{Method: "POST", Path: path, Body: body})
	header := v.Signed(r)
	maps.Copy(header, r.Header)
	r.Header = header
	return v.Try(r)
}

func (v *vendor) get(path, query string) gatewaytest.Reply {
	v.T.Helper()
	return v.send(gatewaytest.Request{Method: "GET", Path: path, Query: query})
}

// saved posts what has to succeed and returns the id.
func (v *vendor) saved(path, body string) string {
	v.T.Helper()
	r := v.post(path, body)
	var data struct {
		IDs     []string          `json:"ids"`
		Numbers map[string]string `json:"id_number_map"`
	}
	if r.Code != 0 {
		v.T.Fatalf("save %s: %s", body, r.Body)
	}
	r.Into(v.T, &data)
	if len(data.IDs) != 1 || len(data.IDs[0]) != 19 || data.Numbers[data.IDs[0]] == "" {
		v.T.Fatalf("reply of a save is %s", r.Body)
	}
	return data.IDs[0]
}

// row returns the data of a detail.
func (v *vendor) row(path, query string) Row {
	v.T.Helper()
	r := v.get(path, query)
	if r.Code != 0 {
		v.T.Fatalf("%s?%s: %s", path, query, r.Body)
	}
	var row Row
	r.Into(v.T, &row)
	return row
}

// list is the data of a list.
type list struct {
	Count     any   `json:"count"`
	TotalPage int   `json:"total_page"`
	PageSize  int   `json:"page_size"`
	Rows      []Row `json:"rows"`
}

func (v *vendor) list(path, query string) list {
	v.T.Helper()
	r := v.get(path, query)
	if r.Code != 0 {
		v.T.Fatalf("%s?%s: %s", path, query, r.Body)
	}
	var l list
	r.Into(v.T, &l)
	return l
}

func (v *vendor) strike(f faults.Fault) {
	v.T.Helper()
	if _, err := v.plan.Add(f); err != nil {
		v.T.Fatal(err)
	}
}

// refused fails the test unless r is a refusal of the product whose text contains text.
func (v *vendor) refused(r gatewaytest.Reply, text string) {
	v.T.Helper()
	if r.Status != 200 || r.Code != codeRefused || !strings.Contains(r.Text, text) || string(r.Data) != "null" {
		v.T.Errorf("status %d, %s, want a refusal with %s", r.Status, r.Body, text)
	}
}

func TestTheWayThroughTheGateway(t *testing.T) {
	v := start(t, func(s *Settings) { s.PerMinute = 2 })
	for _, test := range []struct {
		name, method, path string
		header             map[string]string
		status, code       int
	}{
		{"signature", "GET", "/jdy/v2/bd/store", map[string]string{"X-Api-Signature": "x"}, 519, 4008},
		{"no token", "GET", "/jdy/v2/bd/store", map[string]string{"app-token": ""}, 519, 4009},
		{"token", "GET", "/jdy/v2/bd/store", map[string]string{"app-token": "x"}, 519, 4010},
		{"router", "GET", "/jdy/v2/bd/store", map[string]string{"X-GW-Router-Addr": "https://vip2-hz.jdy.com"}, 519, 5001},
		{"path", "GET", "/jdy/v2/bd/customer/list", nil, 519, 5001},
		{"method", "POST", "/jdy/v2/bd/store", nil, 519, 5002},
		{"first", "GET", "/jdy/v2/bd/store", nil, 200, 0},
		{"second", "GET", "/jdy/v2/bd/store", nil, 200, 0},
		{"third", "GET", "/jdy/v2/bd/store", nil, 429, 5007},
	} {
		r := v.send(gatewaytest.Request{Method: test.method, Path: test.path, Header: test.header})
		if r.Status != test.status || r.Code != test.code {
			t.Errorf("%s: status %d, %s, want %d and %d", test.name, r.Status, r.Body, test.status, test.code)
		}
	}
	v.Clock.Advance(time.Minute)
	v.list("/jdy/v2/bd/store", "")
	st := v.server.Stats()
	if st.All.PerMinute != 9 || st.Accepted.PerMinute != 2 || st.Violations["per_minute"] != 1 || st.Rejections["5001"] != 2 || st.InFlight != 1 {
		t.Errorf("stats are %+v", st)
	}
	v.Clock.Advance(24 * time.Hour)
	if r := v.get("/jdy/v2/bd/store", ""); r.Status != 401 || r.Code != 1000202001 || r.Text != "JWT token has expired" {
		t.Errorf("expired: %d %s", r.Status, r.Body)
	}
}

func TestTheRateLimitAsItIs(t *testing.T) {
	v := start(t, func(s *Settings) { s.PerMinute = Default().PerMinute })
	for range 500 {
		if r := v.get("/jdy/v2/bd/department", ""); r.Code != 0 {
			t.Fatal(r.Body)
		}
	}
	if r := v.get("/jdy/v2/bd/department", ""); r.Status != 429 {
		t.Errorf("call 501: %d %s", r.Status, r.Body)
	}
}

func TestTokensEndByFaults(t *testing.T) {
	v := start(t, nil)
	for _, kind := range []faults.Kind{faults.ExpireToken, faults.RotateSecret} {
		v.strike(faults.Fault{Kind: kind})
		for range 2 {
			if r := v.get("/jdy/v2/bd/store", ""); r.Code != 1000202001 {
				t.Errorf("%s: %s", kind, r.Body)
			}
		}
		v.Clock.Advance(time.Minute)
		v.newToken()
		v.list("/jdy/v2/bd/store", "")
	}
}

func TestALostReplyLosesOnlySaves(t *testing.T) {
	v := start(t, nil)
	v.strike(faults.Fault{Kind: faults.LostReply})
	v.list("/jdy/v2/bd/store", "")
	v.refused(v.post(customerPath, `{"number":"1"}`), "名称")
	if r, err := v.tryPost(customerPath, `{"number":"1","name":"A"}`); !errors.Is(err, io.EOF) {
		t.Errorf("answer is %+v, %v, want a cut connection", r, err)
	}
	if all := v.server.Customers(); len(all) != 1 || all[0]["number"] != "1" {
		t.Errorf("customers are %v", all)
	}
	if st := v.server.Stats(); st.Changes != 1 || st.LostReplies != 1 {
		t.Errorf("stats are %+v", st)
	}
}

func TestAShareOfRepliesIsLost(t *testing.T) {
	v := start(t, func(s *Settings) { s.LostReplies = 0.2 })
	lost := 0
	for i := range 200 {
		if _, err := v.tryPost(customerPath, fmt.Sprintf(`{"number":"%d","name":"N%d"}`, i, i)); err != nil {
			lost++
		}
	}
	if st := v.server.Stats(); lost < 20 || lost > 60 || st.LostReplies != lost || st.Changes != 200 || len(v.server.Customers()) != 200 {
		t.Errorf("%d replies of 200 were lost, stats %+v", lost, st)
	}
}

func TestATimeoutAfterTheSave(t *testing.T) {
	v := start(t, nil)
	v.strike(faults.Fault{Kind: faults.TimeoutAfter, Path: customerPath})
	if r := v.post(customerPath, `{"number":"1","name":"A"}`); r.Status != 519 || r.Code != 5004 || len(v.server.Customers()) != 1 {
		t.Errorf("%d %s, customers %v", r.Status, r.Body, v.server.Customers())
	}
}

func TestRateLimitAsAFault(t *testing.T) {
	v := start(t, nil)
	v.strike(faults.Fault{Kind: faults.RateLimit})
	if r := v.post(customerPath, `{"number":"1","name":"A"}`); r.Status != 429 || len(v.server.Customers()) != 0 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestSavesSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "xingchen.journal")
	clock := gatewaytest.NewClock()
	v := startWith(t, file, clock, nil)
	v.saved(customerPath, `{"number":"1","name":"A","contact_persons":[{"contact_person":"甲","mobile":"13800000000","gender":1}],"custom_field":{"k":"v"}}`)
	gone := v.saved(gainPath, v.bill("audit", v.line(0, "1")))
	id := v.saved(gainPath, v.bill("audit", v.line(0, "1.50"), v.line(1, "1986543210987.0000000001")))
	v.operate("inv_check_gain_bill", "unaudit", gone)
	v.operate("inv_check_gain_bill", "delete", gone)
	before, customers := v.server.GainBills(), v.server.Customers()

	again := startWith(t, file, clock, nil)
	if got, want := text(t, again.server.GainBills()), text(t, before); got != want || !strings.Contains(got, "1986543210987.0000000001") {
		t.Errorf("bills after a restart are %s, before %s", got, want)
	}
	if got, want := text(t, again.server.Customers()), text(t, customers); got != want || !strings.Contains(got, "13800000000") {
		t.Errorf("customers after a restart are %s, before %s", got, want)
	}
	next := again.row(gainPath+"_detail", "id="+again.saved(gainPath, again.bill("", again.line(0, "1"))))
	if next["bill_no"] != "PYD-20251010-00003" || next["id"] == id || next["id"] == gone || strings.Contains(text(t, before), fmt.Sprint(next["id"])) {
		t.Errorf("the next bill is %v, before %v", next, before)
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

func TestCallsAtOnce(t *testing.T) {
	v := start(t, nil)
	requests := []gatewaytest.Request{}
	for i := range 20 {
		r := v.routed(gatewaytest.Request{Method: "POST", Path: customerPath, Body: fmt.Sprintf(`{"number":"same","name":"N%d"}`, i)})
		maps.Copy(r.Header, v.Signed(r))
		requests = append(requests, r)
	}
	var wg sync.WaitGroup
	replies := make([]gatewaytest.Reply, len(requests))
	for i, r := range requests {
		wg.Go(func() { replies[i] = v.Call(r) })
	}
	wg.Wait()
	done := 0
	for _, r := range replies {
		if r.Code == 0 {
			done++
		}
	}
	if done != 1 || len(v.server.Customers()) != 1 {
		t.Errorf("%d of 20 saves of one number succeeded", done)
	}
}

func TestPaths(t *testing.T) {
	paths := start(t, nil).server.Paths()
	for _, want := range []string{"/jdy/v2/bd/customer", "/jdy/v2/bd/material_detail", "/jdy/v2/scm/inv_other_in_detail", "/jdy/v2/sys/common_operate"} {
		if !strings.Contains(strings.Join(paths, " "), want) {
			t.Errorf("paths are %q, want %s among them", paths, want)
		}
	}
}

func TestSettings(t *testing.T) {
	err := Settings{PerMinute: -1, LostReplies: 2, AuditFailures: -1, ListLag: -1}.Check()
	for _, want := range []string{"limit", "lost replies", "audits that fail", "audit failure", "unknown fields", "types", "unnamed lines", "most lines", "enable", "lag"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not speak of %s", err, want)
		}
	}
	s := Default()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	Flags(flags, &s)
	args := []string{"--xingchen-lost-replies", "0.2", "--xingchen-audit-failure", "rollback", "--xingchen-per-minute", "10"}
	if err := errors.Join(flags.Parse(args), s.Check()); err != nil || s.LostReplies != 0.2 || s.AuditFailure != "rollback" || s.PerMinute != 10 {
		t.Errorf("settings are %+v, %v", s, err)
	}
}
