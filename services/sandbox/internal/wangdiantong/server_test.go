package wangdiantong

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/clocktest"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// anchor is where the data of the tests ends; their clock starts 12 hours later.
var anchor = time.Date(2025, 1, 31, 0, 0, 0, 0, dataset.Shanghai)

// begin is where it begins.
var begin = anchor.AddDate(0, 0, -5)

const records = 120

// vendor is a Server with a client that has the right credentials.
type vendor struct {
	t      *testing.T
	server *Server
	http   *httptest.Server
	clock  *clocktest.Clock
	plan   *faults.Plan
}

func testWorld() *world.World { return world.New(world.Params{Seed: 1, Goods: 40, Shops: 12}) }

// start returns a vendor without limits, changed as set says.
func start(t *testing.T, set func(*Settings)) *vendor {
	t.Helper()
	return startIn(t, nil, set)
}

func startIn(t *testing.T, dir *dataset.Dir, set func(*Settings)) *vendor {
	t.Helper()
	settings := Default()
	settings.PerMinute, settings.Concurrent = 0, 0
	if set != nil {
		set(&settings)
	}
	v := &vendor{t: t, clock: clocktest.At(anchor.Add(12 * time.Hour)), plan: faults.NewPlan(1)}
	var err error
	v.server, err = New(Config{
		Settings: settings, World: testWorld(), Data: documents.Params{Records: records, Seed: 1, Days: 5, Anchor: anchor}, Dir: dir,
		Faults: v.plan, Now: v.clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	v.http = httptest.NewServer(v.server)
	t.Cleanup(func() {
		v.http.Close()
		if err := v.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// reply is an answer as a client sees it, whatever the door was.
type reply struct {
	Code    int
	Message string
	// Gateway tells that Qimen itself refused.
	Gateway bool
	// Data holds the list and the total.
	Data map[string]any
}

// list returns the rows under name.
func (r reply) list(name string) []map[string]any {
	rows, _ := r.Data[name].([]any)
	all := make([]map[string]any, len(rows))
	for i, row := range rows {
		all[i] = row.(map[string]any)
	}
	return all
}

// fields are parameters of a call.
type fields map[string]string

func (f fields) with(more fields) fields {
	all := maps.Clone(f)
	maps.Copy(all, more)
	return all
}

// remove is the value of parameters that are to be left out.
const remove = "\x00"

// sent returns f without what is to be left out, signed by sign unless f has a signature under
// key, or is to have none.
func (f fields) sent(key string, sign func(map[string]string) string) fields {
	all := maps.Clone(f)
	maps.DeleteFunc(all, func(_, value string) bool { return value == remove })
	if f[key] == "" {
		all[key] = sign(all)
	}
	return all
}

func (f fields) values() url.Values {
	values := url.Values{}
	for key, value := range f {
		values.Set(key, value)
	}
	return values
}

// enterprise makes a direct call of the enterprise edition.
func (v *vendor) enterprise(name string, more fields) reply {
	v.t.Helper()
	return v.enterpriseForm(name, v.enterpriseParams(more))
}

// enterpriseParams are signed parameters; those in more replace the usual ones, and a sign among
// them the right one.
func (v *vendor) enterpriseParams(more fields) fields {
	params := fields{"sid": "demo2", "appkey": "demo2-test", "timestamp": strconv.FormatInt(v.clock.Now().Unix(), 10)}.with(more)
	return params.sent("sign", func(p map[string]string) string { return enterpriseSign("b7c1e0f2a4d6", p, inCharacters) })
}

func (v *vendor) enterpriseForm(name string, params fields) reply {
	v.t.Helper()
	return v.read(http.PostForm(v.http.URL+"/openapi2/"+name+".php", params.values()))
}

// flagship makes a direct call of the flagship edition.
func (v *vendor) flagship(more fields, body string) reply {
	v.t.Helper()
	query := v.flagshipQuery(more, body).values()
	return v.read(http.Post(v.http.URL+"/openapi?"+query.Encode(), "application/json", strings.NewReader(body)))
}

func (v *vendor) flagshipQuery(more fields, body string) fields {
	query := fields{
		"sid": "wdtdemo3", "key": "demo3-test", "salt": "n4cl", "v": "1.0", "method": "aftersales.refund.Refund.search",
		"timestamp": strconv.FormatInt(v.clock.Now().Unix()-1325347200, 10), "page_no": "0", "page_size": "50", "calc_total": "1",
	}.with(more)
	return query.sent("sign", func(q map[string]string) string { return flagshipSign("f1e2d3c4b5a6", q, body) })
}

// topParams are the parameters that Qimen wants, signed together with more.
func (v *vendor) topParams(more fields) fields {
	params := fields{
		"app_key": "12345678", "target_app_key": "21363512", "timestamp": v.clock.Now().Format(time.DateTime),
		"format": "json", "v": "2.0", "sign_method": "md5",
	}.with(more)
	return params.sent("sign", func(p map[string]string) string { return topSign(p["sign_method"], "topsecret0123456789abcdef", p) })
}

// qimen calls the enterprise edition through Qimen.
func (v *vendor) qimen(more fields) reply {
	v.t.Helper()
	return v.qimenForm(v.topParams(fields{"method": "wdt.stockin.order.query", "sid": "demo2"}.with(more)))
}

func (v *vendor) qimenForm(params fields) reply {
	v.t.Helper()
	return v.read(http.PostForm(v.http.URL+"/router/qm", params.values()))
}

// qimenFlagship calls the flagship edition through Qimen.
func (v *vendor) qimenFlagship(params, pager string, more fields) reply {
	v.t.Helper()
	return v.qimenForm(v.qimenFlagshipParams(params, pager, more))
}

func (v *vendor) qimenFlagshipParams(params, pager string, more fields) fields {
	all := fields{
		"method": "wdt.aftersales.refund.refund.search", "params": params, "pager": pager,
		"datetime": v.clock.Now().Format(time.DateTime), "wdt_appkey": "demo3-test", "wdt_salt": "n4cl", "wdt3_customer_id": "wdtdemo3",
	}.with(more)
	if all["wdt_sign"] == "" {
		all["wdt_sign"] = all.sent("wdt_sign", func(p map[string]string) string { return wdtSign("f1e2d3c4b5a6", p) })["wdt_sign"]
	}
	return v.topParams(all)
}

// read reads an answer, which has HTTP status 200 whatever it says.
func (v *vendor) read(res *http.Response, err error) reply {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil || res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %v in %s", res.Status, err, text)
	}
	if kind := res.Header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		v.t.Errorf("content type is %q", kind)
	}
	return parseReply(body)
}

func parseReply(body map[string]any) reply {
	if refused, ok := body["error_response"].(map[string]any); ok {
		return reply{Code: int(refused["code"].(float64)), Message: refused["msg"].(string), Gateway: true}
	}
	if inner, ok := body["response"].(map[string]any); ok {
		body = inner
	}
	r := reply{Data: body}
	r.Message, _ = body["message"].(string)
	for _, key := range []string{"code", "errorcode", "status"} {
		if code, ok := body[key]; ok {
			r.Code, _ = strconv.Atoi(fmt.Sprint(code))
		}
	}
	r.Gateway = body["flag"] == "failure"
	if data, ok := body["data"].(map[string]any); ok {
		r.Data = data
	}
	return r
}

// allTime is the window that holds all data, and edits made since.
func allTime(v *vendor) fields {
	return fields{"start_time": begin.Format(time.DateTime), "end_time": v.clock.Now().Format(time.DateTime)}
}

// gains asks for what the demo flow asks for.
func gains(v *vendor) fields {
	return allTime(v).with(fields{"order_type": "4", "status": "80", "page_size": "50"})
}

// allRefunds asks for all refunds, with more fields in front of the window.
func allRefunds(v *vendor, more string) string {
	return `{` + more + `"modified_from":"` + begin.Format(time.DateTime) + `","modified_to":"` + v.clock.Now().Format(time.DateTime) + `"}`
}

func wantCode(t *testing.T, what string, r reply, code int) {
	t.Helper()
	if r.Code != code {
		t.Errorf("%s: %d %s, want code %d", what, r.Code, r.Message, code)
	}
}

// ids returns the values under key.
func ids(rows []map[string]any, key string) []string {
	all := make([]string, len(rows))
	for i, row := range rows {
		all[i] = fmt.Sprint(row[key])
	}
	return all
}

func TestPaths(t *testing.T) {
	v := start(t, nil)
	paths := strings.Join(v.server.Paths(), " ")
	for _, want := range []string{
		"/openapi2/stockin_order_query.php", "wdt.stockin.order.query", "aftersales.refund.Refund.search", "wdt.aftersales.refund.refund.search",
	} {
		if !strings.Contains(" "+paths+" ", " "+want+" ") {
			t.Errorf("%s is not among the paths %s", want, paths)
		}
	}
	res, err := http.Get(v.http.URL + "/openapi2/x")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("a path that there is not: %s", res.Status)
	}
}

func TestStats(t *testing.T) {
	v := start(t, func(s *Settings) { s.PerMinute = 2; s.RefundEdits = 3 })
	for range 4 {
		v.enterprise("stockin_order_query", gains(v))
	}
	v.clock.Advance(30 * time.Second)
	v.qimen(gains(v).with(fields{"sign": "WRONG"}))
	v.flagship(fields{"sid": "made up"}, "[]")
	st := v.server.Stats()
	want := []AccountStats{
		{Account: "enterprise demo2 demo2-test", Calls: 4, Accepted: 2, PerSecond: 4, PerMinute: 4, Concurrent: 1, RateViolations: 2},
		{Account: "enterprise demo2 qimen 12345678", Calls: 1, PerSecond: 1, PerMinute: 1, Concurrent: 1},
	}
	if fmt.Sprint(st.Accounts) != fmt.Sprint(want) {
		t.Errorf("accounts\n%+v, want\n%+v", st.Accounts, want)
	}
	if got, want := fmt.Sprint(st.Rejections), "map[enterprise 1012:2 flagship 1:1 gateway 25:1]"; got != want {
		t.Errorf("rejections %s, want %s", got, want)
	}
	if st.Calls["/openapi2/stockin_order_query.php"] != 4 || st.Answers[answeredOK] != 2 || st.Pages != 2 || st.Signatures["characters"] != 4 || st.EditsRemaining != 3 {
		t.Errorf("stats %+v", st)
	}
}

// readJSON reads a file of JSON.
func readJSON(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
