package jushuitan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/clocktest"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/traffic"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

func upper(s string) string { return strings.ToUpper(s) }

// stores are the documents of a Server.
type stores struct {
	store  *dataset.Store[*dataset.Receipt]
	others *dataset.Store[*dataset.OtherIn]
	shops  *dataset.Store[*dataset.Shop]
}

func newStores(data dataset.Params) stores {
	w := world.New(data.World())
	return stores{dataset.New(dataset.Receipts(data)), dataset.New(dataset.OtherIns(data, w)), dataset.New(dataset.Shops(data, w))}
}

func (s stores) config(settings Settings) Config {
	return Config{
		Settings: settings, Receipts: s.store, OtherIns: s.others, Shops: s.shops,
		Faults: faults.NewPlan(1), Log: slog.New(slog.DiscardHandler),
	}
}

// vendor is a Server with a client that has the right credentials.
type vendor struct {
	t      *testing.T
	server *Server
	http   *httptest.Server
	clock  *clocktest.Clock
	stores
	plan  *faults.Plan
	token string
}

// anchor is where the data of the tests ends; their clock starts 12 hours later.
var anchor = time.Date(2025, 1, 31, 0, 0, 0, 0, dataset.Shanghai)

func smallData() dataset.Params {
	return dataset.Params{Records: 120, Seed: 1, Days: 5, Anchor: anchor, Goods: 40, Shops: 120, QuotedQty: 0.05, FractionalQty: 0.1}
}

// start returns a vendor without limits, changed as set says, and holding a token.
func start(t *testing.T, set func(*Settings)) *vendor {
	t.Helper()
	return startWith(t, smallData(), set)
}

func startWith(t *testing.T, data dataset.Params, set func(*Settings)) *vendor {
	t.Helper()
	settings := Default()
	settings.PerSecond, settings.PerMinute = 0, 0
	if set != nil {
		set(&settings)
	}
	v := &vendor{t: t, clock: clocktest.At(anchor.Add(12 * time.Hour)), stores: newStores(data)}
	config := v.config(settings)
	config.Now, v.plan = v.clock.Now, config.Faults
	var err error
	v.server, err = New(config)
	if err != nil {
		t.Fatal(err)
	}
	v.http = httptest.NewServer(v.server)
	t.Cleanup(v.http.Close)
	if settings.AppKind == "self" {
		v.token = v.newToken().AccessToken
	}
	return v
}

// reply is an answer as a client sees it.
type reply struct {
	Code int             `json:"code"`
	Msg  string          `json:"msg"`
	Data json.RawMessage `json:"data"`
}

// form returns signed parameters; of those that all calls have, fields may change or, with an
// empty value, remove some.
func (v *vendor) form(fields map[string]string) url.Values {
	params := map[string]string{
		"app_key": "sandbox-app-key-0001", "charset": "utf-8", "timestamp": strconv.FormatInt(v.clock.Now().Unix(), 10),
	}
	maps.Copy(params, fields)
	maps.DeleteFunc(params, func(_, value string) bool { return value == "" })
	form := url.Values{}
	for key, value := range params {
		form.Set(key, value)
	}
	form.Set("sign", sign("sandbox-secret-0001", params, false))
	return form
}

func (v *vendor) post(path string, form url.Values) reply {
	v.t.Helper()
	res, err := http.PostForm(v.http.URL+path, form)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.read(res)
}

func (v *vendor) read(res *http.Response) reply {
	v.t.Helper()
	defer res.Body.Close()
	var r reply
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		v.t.Fatalf("%s: %v", res.Status, err)
	}
	return r
}

func (v *vendor) newToken() tokenData {
	v.t.Helper()
	return v.tokenCall("/openWeb/auth/getInitToken", map[string]string{"grant_type": "authorization_code", "code": "a1B2c3"}, 0)
}

func (v *vendor) tokenCall(path string, fields map[string]string, wantCode int) tokenData {
	v.t.Helper()
	r := v.post(path, v.form(fields))
	if r.Code != wantCode {
		v.t.Fatalf("%s: %d %s, want code %d", path, r.Code, r.Msg, wantCode)
	}
	var data tokenData
	if wantCode == 0 {
		if err := json.Unmarshal(r.Data, &data); err != nil {
			v.t.Fatal(err)
		}
	}
	return data
}

func (v *vendor) business(biz string) map[string]string {
	return map[string]string{"access_token": v.token, "version": "2", "biz": biz}
}

func (v *vendor) query(path, biz string) reply {
	v.t.Helper()
	return v.post(path, v.form(v.business(biz)))
}

// pageReply is the data of a page as a client sees it.
type pageReply struct {
	PageIndex int  `json:"page_index"`
	PageSize  int  `json:"page_size"`
	DataCount *int `json:"data_count"`
	PageCount *int `json:"page_count"`
	HasNext   bool `json:"has_next"`
	Datas     []struct {
		IOID     int64  `json:"io_id"`
		Modified string `json:"modified"`
		Status   string `json:"status"`
	} `json:"datas"`
}

func (v *vendor) page(biz string) pageReply { return v.pageOf(PurchaseIn, biz) }

func (v *vendor) pageOf(path, biz string) pageReply {
	v.t.Helper()
	r := v.query(path, biz)
	if r.Code != 0 {
		v.t.Fatalf("query %s: %d %s", biz, r.Code, r.Msg)
	}
	var p pageReply
	if err := json.Unmarshal(r.Data, &p); err != nil {
		v.t.Fatal(err)
	}
	return p
}

// fields of a query for all of smallData.
const allDays = `"modified_begin":"2025-01-26 00:00:00","modified_end":"2025-01-31 23:59:59"`

func TestChecksComeInOrder(t *testing.T) {
	v := start(t, func(s *Settings) {
		s.PerSecond = 1
		s.DenyPaths = []string{PurchaseInNewer}
	})
	bad := func(path string, fields map[string]string, spoil func(url.Values)) reply {
		form := v.form(fields)
		if spoil != nil {
			spoil(form)
		}
		return v.post(path, form)
	}
	// Each step mends what the step before was refused for and leaves all later faults in.
	fields := map[string]string{"app_key": "", "access_token": "", "timestamp": "1", "version": "2", "biz": "{"}
	breakSign := func(f url.Values) { f.Set("sign", "0123") }
	steps := []struct {
		name     string
		path     string
		mend     func()
		spoil    func(url.Values)
		wantCode int
		wantMsg  string
	}{
		{"unknown path", "/open/nothing/query", func() {}, breakSign, 140, "接口不存在"},
		{"app_key missing", PurchaseInNewer, func() {}, breakSign, 130, "入参缺少app_key"},
		{"access_token missing", PurchaseInNewer, func() { fields["app_key"] = "sandbox-app-key-0001" }, breakSign, 130, "入参缺少access_token"},
		{"timestamp old", PurchaseInNewer, func() { fields["access_token"] = "wrong" }, breakSign, 140, "无效的timestamp，请求最大时间误差15分钟"},
		{"sign wrong", PurchaseInNewer, func() { delete(fields, "timestamp") }, breakSign, 10, "验证失败！无效签名"},
		{"token wrong", PurchaseInNewer, func() {}, nil, 100, "access_token已过期"},
		{"no permission", PurchaseInNewer, func() { fields["access_token"] = v.token }, nil, 190, "无API权限"},
		{"biz not JSON", PurchaseIn, func() {}, nil, 140, "biz"},
		{"too many", PurchaseIn, func() {}, nil, 199, "调用太频繁"},
		{"biz rules", PurchaseIn, func() { v.clock.Advance(time.Second); fields["biz"] = "{}" }, nil, 130, "modified_begin"},
		{"all right", PurchaseIn, func() { v.clock.Advance(time.Second); fields["biz"] = "{" + allDays + "}" }, nil, 0, "执行成功"},
	}
	for _, step := range steps {
		step.mend()
		if r := bad(step.path, fields, step.spoil); r.Code != step.wantCode || !strings.Contains(r.Msg, step.wantMsg) {
			t.Errorf("%s: %d %s, want %d and %q", step.name, r.Code, r.Msg, step.wantCode, step.wantMsg)
		}
	}
}

func TestEachCommonFieldIsRequired(t *testing.T) {
	v := start(t, nil)
	for _, field := range []string{"app_key", "access_token", "timestamp", "charset", "version", "biz", "sign"} {
		form := v.form(v.business("{" + allDays + "}"))
		form.Set(field, "")
		if r := v.post(PurchaseIn, form); r.Code != 130 || r.Msg != "入参缺少"+field {
			t.Errorf("without %s: %d %s", field, r.Code, r.Msg)
		}
	}
}

func TestTimestampSkew(t *testing.T) {
	v := start(t, nil)
	for offset, want := range map[time.Duration]int{
		15 * time.Minute: 0, -15 * time.Minute: 0, 15*time.Minute + time.Second: 140, -15*time.Minute - time.Second: 140,
	} {
		fields := v.business("{" + allDays + "}")
		fields["timestamp"] = strconv.FormatInt(v.clock.Now().Add(offset).Unix(), 10)
		if r := v.post(PurchaseIn, v.form(fields)); r.Code != want {
			t.Errorf("off by %v: %d %s, want %d", offset, r.Code, r.Msg, want)
		}
	}
	fields := v.business("{}")
	fields["timestamp"] = strconv.FormatInt(v.clock.Now().UnixMilli(), 10)
	if r := v.post(PurchaseIn, v.form(fields)); r.Code != 140 {
		t.Errorf("in milliseconds: %d %s", r.Code, r.Msg)
	}
}

func TestCodesOfTheOlderNumbering(t *testing.T) {
	v := start(t, func(s *Settings) { s.BadSignCode, s.BadTimeCode = 120, 180 })
	form := v.form(v.business("{}"))
	form.Set("sign", "x")
	if r := v.post(PurchaseIn, form); r.Code != 120 {
		t.Errorf("bad sign: %d", r.Code)
	}
	form.Set("timestamp", "1")
	if r := v.post(PurchaseIn, form); r.Code != 180 {
		t.Errorf("bad timestamp: %d", r.Code)
	}
}

func TestTransport(t *testing.T) {
	v := start(t, nil)
	form := v.form(v.business("{" + allDays + "}")).Encode()
	for _, test := range []struct {
		name, method, path, contentType, body string
		wantStatus, wantCode                  int
	}{
		{"form", "POST", PurchaseIn, "application/x-www-form-urlencoded", form, 200, 0},
		{"form with charset", "POST", PurchaseIn, "application/x-www-form-urlencoded;charset=UTF-8", form, 200, 0},
		{"no type", "POST", PurchaseIn, "", form, 200, 0},
		{"JSON", "POST", PurchaseIn, "application/json", `{"app_key":"x"}`, 200, 130},
		{"GET", "GET", PurchaseIn + "?" + form, "", "", 200, 130},
		{"parameters in the URL", "POST", PurchaseIn + "?" + form, "application/x-www-form-urlencoded", "", 200, 130},
		{"not a form", "POST", PurchaseIn, "", "a=%zz", 200, 140},
		{"too large", "POST", PurchaseIn, "", "biz=" + strings.Repeat("x", maxBody), 200, 140},
		{"slash at the end", "POST", PurchaseIn + "/", "", form, 404, 140},
		{"upper case", "POST", "/Open/purchasein/query", "", form, 404, 140},
	} {
		req, err := http.NewRequest(test.method, v.http.URL+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.contentType != "" {
			req.Header.Set("Content-Type", test.contentType)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		kind := res.Header.Get("Content-Type")
		if r := v.read(res); res.StatusCode != test.wantStatus || r.Code != test.wantCode || kind != "application/json; charset=utf-8" {
			t.Errorf("%s: status %d, code %d %s, type %s", test.name, res.StatusCode, r.Code, r.Msg, kind)
		}
	}
}

func TestVectorsAreAccepted(t *testing.T) {
	v := start(t, nil)
	v.clock.Set(time.Unix(1735689600, 0))
	for _, vec := range vectors()[4:] {
		form := url.Values{"sign": {vec.sign}}
		for key, value := range vec.params {
			form.Set(key, value)
		}
		path, want := PurchaseIn, 100 // the signature is right, the token is not
		switch vec.params["grant_type"] {
		case "authorization_code":
			path, want = "/openWeb/auth/getInitToken", 0
		case "refresh_token":
			path = "/openWeb/auth/refreshToken"
		}
		if r := v.post(path, form); r.Code != want {
			t.Errorf("%s: %d %s, want %d", vec.name, r.Code, r.Msg, want)
		}
	}
}

func TestAllowList(t *testing.T) {
	v := start(t, func(s *Settings) { s.AllowIPs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	if r := v.query(PurchaseIn, "{}"); r.Code != 110 || !strings.HasSuffix(r.Msg, "127.0.0.1") {
		t.Errorf("%d %s", r.Code, r.Msg)
	}
	v = start(t, func(s *Settings) { s.AllowIPs = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	v.page("{" + allDays + "}")
}

func TestLimitsOverHTTP(t *testing.T) {
	v := start(t, func(s *Settings) { s.PerSecond, s.PerMinute = 5, 100 })
	codes := ""
	for range 6 {
		codes += fmt.Sprint(v.query(PurchaseIn, "{"+allDays+"}").Code, " ")
	}
	if codes != "0 0 0 0 0 199 " {
		t.Errorf("codes are %s", codes)
	}
	st := v.server.Stats()
	if st.All != (traffic.Peak{PerSecond: 6, PerMinute: 6}) || st.Accepted != (traffic.Peak{PerSecond: 5, PerMinute: 5}) || st.Rejections["199"] != 1 || st.Pages != 5 || st.Calls[PurchaseIn] != 6 {
		t.Errorf("stats are %+v", st)
	}
}

func TestFaults(t *testing.T) {
	v := start(t, nil)
	strike := func(f faults.Fault) {
		t.Helper()
		if _, err := v.plan.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	get := func() (*http.Response, error) {
		return http.PostForm(v.http.URL+PurchaseIn, v.form(v.business("{"+allDays+"}")))
	}
	for kind, want := range map[faults.Kind]int{faults.HTTP500: 500, faults.HTML: 200} {
		strike(faults.Fault{Kind: kind})
		res, err := get()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if isPage := strings.HasPrefix(string(body), "<!DOCTYPE html>"); err != nil || res.StatusCode != want || isPage != (kind == faults.HTML) {
			t.Errorf("%s: %s, %q, %v", kind, res.Status, body, err)
		}
		res.Body.Close()
	}
	for _, kind := range []faults.Kind{faults.CutBefore, faults.CutAfter} {
		strike(faults.Fault{Kind: kind})
		if res, err := get(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, %v, want a cut connection", kind, res, err)
		}
	}
	if got := v.server.Stats().Pages; got != 1 {
		t.Errorf("%d pages were made, want 1: the one cut off after", got)
	}
	for code := range map[int]bool{199: true, 200: true} {
		strike(faults.Fault{Kind: faults.RateLimit, Code: code})
		if r := v.query(PurchaseIn, "{}"); r.Code != code {
			t.Errorf("rate limit: %d %s, want %d", r.Code, r.Msg, code)
		}
	}
	strike(faults.Fault{Kind: faults.ExpireToken})
	for range 2 {
		if r := v.query(PurchaseIn, "{"+allDays+"}"); r.Code != 100 {
			t.Errorf("expired: %d %s", r.Code, r.Msg)
		}
	}
	v.token = v.newToken().AccessToken
	if p := v.page("{" + allDays + "}"); len(p.Datas) == 0 {
		t.Error("no rows with the new token")
	}
}

func TestFaultsOfPages(t *testing.T) {
	v := start(t, nil)
	const last = `{` + allDays + `,"page_index":3,"page_size":50}`
	for _, test := range []struct {
		fault faults.Fault
		want  func(p pageReply) bool
	}{
		{faults.Fault{Kind: faults.WrongTotal, Rows: 7}, func(p pageReply) bool { return *p.DataCount == 127 && len(p.Datas) == 20 && !p.HasNext }},
		{faults.Fault{Kind: faults.WrongTotal, Rows: -3}, func(p pageReply) bool { return *p.DataCount == 117 }},
		{faults.Fault{Kind: faults.EndlessHasNext}, func(p pageReply) bool { return p.HasNext && len(p.Datas) == 20 }},
		{faults.Fault{Kind: faults.NullRows}, func(p pageReply) bool { return p.Datas == nil && *p.DataCount == 120 }},
	} {
		if _, err := v.plan.Add(test.fault); err != nil {
			t.Fatal(err)
		}
		if p := v.page(last); !test.want(p) {
			t.Errorf("%s: %+v", test.fault.Kind, p)
		}
	}
}

func TestASlowAnswerEndsWithItsReader(t *testing.T) {
	v := start(t, nil)
	if _, err := v.plan.Add(faults.Fault{Kind: faults.Slow, DelayMS: 600_000}); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 50 * time.Millisecond}
	if res, err := client.PostForm(v.http.URL+PurchaseIn, v.form(v.business("{}"))); err == nil {
		t.Errorf("answered: %s", res.Status)
	}
}

func TestSettingsCheckNamesAllFaults(t *testing.T) {
	err := Settings{PerSecond: -1, EditFeeds: []string{"refund"}}.Check()
	for _, want := range []string{"app key", "app secret", "app kind", "limits", "refresh mode", "empty datas", "window bounds", "feed to edit"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not speak of %s", err, want)
		}
	}
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
}
