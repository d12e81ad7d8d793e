package wangdiantong

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flaw is one thing that is wrong with a call, and the code that it is refused with.
type flaw struct {
	name    string
	wrong   fields
	code    int
	message string
	gateway bool
}

// checkOrder makes calls in which all flaws from the n-th on are there: the n-th decides.
func checkOrder(t *testing.T, flaws []flaw, call func(fields) reply) {
	t.Helper()
	for n, first := range flaws {
		params := fields{}
		for _, f := range flaws[n:] {
			for key, value := range f.wrong {
				if _, there := params[key]; !there {
					params[key] = value
				}
			}
		}
		r := call(params)
		if r.Code != first.code || r.Gateway != first.gateway || !strings.Contains(r.Message, first.message) {
			t.Errorf("%s: %d %q (gateway %v), want %d %q", first.name, r.Code, r.Message, r.Gateway, first.code, first.message)
		}
	}
	if r := call(fields{}); r.Code != 0 {
		t.Errorf("no flaw: %d %s", r.Code, r.Message)
	}
}

func TestOrderOfChecksEnterprise(t *testing.T) {
	v := start(t, func(s *Settings) {
		s.Codes = Codes{Sid: 1, AppKey: 2, Timestamp: 3, Sign: 4, Rate: 5, Parameter: 6, Window: 7, Internal: 8}
	})
	checkOrder(t, []flaw{
		{name: "no sid", wrong: fields{"sid": remove}, code: 1},
		{name: "sid", wrong: fields{"sid": "demo3"}, code: 1},
		{name: "appkey", wrong: fields{"appkey": "other"}, code: 2},
		{name: "timestamp is no number", wrong: fields{"timestamp": "now"}, code: 3},
		{name: "timestamp in milliseconds", wrong: fields{"timestamp": "1738296000000"}, code: 3},
		{name: "timestamp too old", wrong: fields{"timestamp": strconv.FormatInt(v.clock.Now().Add(-5*time.Minute-time.Second).Unix(), 10)}, code: 3},
		{name: "sign", wrong: fields{"sign": "0123456789abcdef0123456789abcdef"}, code: 4},
		{name: "page_no", wrong: fields{"page_no": "-1"}, code: 6, message: "page_no"},
		{name: "page_size", wrong: fields{"page_size": "0"}, code: 6, message: "page_size"},
		{name: "order_type", wrong: fields{"order_type": "4,6"}, code: 6, message: "order_type"},
		{name: "no time", wrong: fields{"start_time": remove, "end_time": remove}, code: 6, message: "start_time"},
		{name: "time without seconds", wrong: fields{"start_time": "2025-01-30 10:00"}, code: 6, message: "start_time"},
		{name: "end first", wrong: fields{"end_time": "2024-11-01 00:00:00"}, code: 6, message: "end_time"},
		{name: "window", wrong: fields{"start_time": "2024-12-01 00:00:00"}, code: 7},
	}, func(wrong fields) reply { return v.enterprise("stockin_order_query", gains(v).with(wrong)) })
}

func TestEnterpriseLimitComesAfterTheSignature(t *testing.T) {
	v := start(t, func(s *Settings) { s.PerMinute = 1 })
	wantCode(t, "bad sign", v.enterprise("stockin_order_query", gains(v).with(fields{"sign": "x"})), 2100)
	wantCode(t, "first call", v.enterprise("stockin_order_query", gains(v)), 0)
	wantCode(t, "second call, with a bad window", v.enterprise("stockin_order_query", nil), 1012)
	wantCode(t, "second call, to what there is not", v.enterprise("nonsense_query", nil), 1012)
	v.clock.Advance(time.Minute)
	wantCode(t, "what there is not", v.enterprise("nonsense_query", nil), 2060)
}

func TestEnterpriseWantsAForm(t *testing.T) {
	v := start(t, nil)
	params := v.enterpriseParams(gains(v)).values()
	wantCode(t, "GET", v.read(http.Get(v.http.URL+"/openapi2/stockin_order_query.php?"+params.Encode())), 2104)
	wantCode(t, "JSON", v.read(http.Post(v.http.URL+"/openapi2/stockin_order_query.php", "application/json", strings.NewReader("{}"))), 2104)
	inURL := v.read(http.Post(v.http.URL+"/openapi2/stockin_order_query.php?"+params.Encode(), "application/x-www-form-urlencoded", nil))
	wantCode(t, "parameters in the URL", inURL, 2030)
}

func TestOrderOfChecksFlagship(t *testing.T) {
	v := start(t, nil)
	stamp := func(at time.Time) string { return strconv.FormatInt(at.Unix()-1325347200, 10) }
	const body = "body" // not a parameter: what is sent as the body
	checkOrder(t, []flaw{
		{name: "v", wrong: fields{"v": "2.0"}, code: 8, message: "版本错误"},
		{name: "sid", wrong: fields{"sid": "demo2"}, code: 1, message: "sid is not exists"},
		{name: "key", wrong: fields{"key": "other"}, code: 1, message: "验证失败"},
		{name: "salt", wrong: fields{"salt": "other"}, code: 1, message: "验证失败"},
		{name: "timestamp in milliseconds", wrong: fields{"timestamp": "1738296000000"}, code: 1, message: `For input string: "1738296000000"`},
		{name: "timestamp of Unix", wrong: fields{"timestamp": strconv.FormatInt(v.clock.Now().Unix(), 10)}, code: 7, message: "时间戳错误"},
		{name: "timestamp too old", wrong: fields{"timestamp": stamp(v.clock.Now().Add(-121 * time.Second))}, code: 7},
		{name: "sign", wrong: fields{"sign": "x"}, code: 1, message: "验证失败"},
		{name: "method", wrong: fields{"method": "aftersales.refund.refund.search"}, code: 100, message: "aftersales.refund.refund.search"},
		{name: "page_no", wrong: fields{"page_no": remove}, code: 100, message: "此方法仅支持分页查询：aftersales.refund.Refund.search"},
		{name: "page_size", wrong: fields{"page_size": "many"}, code: 1, message: "参数错误"},
		{name: "body", wrong: fields{body: "{}"}, code: 1, message: "参数错误"},
		{name: "arguments", wrong: fields{body: "[]"}, code: 1, message: "invalid argument count"},
		{name: "argument", wrong: fields{body: "[1]"}, code: 1, message: "argument type mismatch"},
		{name: "unknown field", wrong: fields{body: `[{"modified_form":"x"}]`}, code: 2, message: "modified_form"},
		{name: "no time", wrong: fields{body: "[{}]"}, code: 100, message: "参数中必须包含起止时间"},
	}, func(wrong fields) reply {
		text := "[" + allRefunds(v, "") + "]"
		if given, ok := wrong[body]; ok {
			text = given
		}
		return v.flagship(wrong.with(fields{body: remove}), text)
	})
}

func TestFlagshipLimitComesBeforeTheMethod(t *testing.T) {
	v := start(t, func(s *Settings) { s.PerMinute = 1 })
	query := "[" + allRefunds(v, "") + "]"
	wantCode(t, "bad sign", v.flagship(fields{"sign": "x"}, query), 1)
	wantCode(t, "first call", v.flagship(nil, query), 0)
	for _, comma := range []string{"，", ",", "，"} {
		r := v.flagship(fields{"method": "nonsense"}, query)
		if want := "超过每分钟最大调用频率限制" + comma + "请稍后重试"; r.Code != 100 || r.Message != want {
			t.Errorf("limit: %d %s, want 100 %s", r.Code, r.Message, want)
		}
	}
}

func TestFlagshipArguments(t *testing.T) {
	v := start(t, nil)
	at := func(t time.Time) string { return t.Format(time.DateTime) }
	window := func(from, to time.Time) string {
		return `"modified_from":"` + at(from) + `","modified_to":"` + at(to) + `"`
	}
	for args, want := range map[string]string{
		window(begin, begin.AddDate(0, 0, 30)):                                        "0 ",
		window(begin, begin.AddDate(0, 0, 30).Add(time.Second)):                       "100 您的查询时间过宽,查询时间不能大于30天",
		window(anchor, begin):                                                         "100 结束时间不能早于开始时间",
		`"modified_from":"` + at(begin) + `"`:                                         "100 参数中必须包含起止时间",
		`"settle_from":"` + at(begin) + `","settle_to":"` + at(anchor) + `"`:          "0 ",
		window(begin, anchor) + `,"settle_from":"` + at(begin) + `"`:                  "100 参数中必须包含起止时间",
		`"modified_from":"2025-01-30","modified_to":"2025-01-31"`:                     `100 Unparseable date: "2025-01-30"`,
		`"modified_from":["x"],"modified_to":"y"`:                                     "1 argument type mismatch",
		window(begin, anchor) + `,"status":"many"`:                                    "1 argument type mismatch",
		window(begin, anchor) + `,"fuzzy_query":"perhaps"`:                            "1 argument type mismatch",
		window(begin, anchor) + `,"order_type":2`:                                     "1 argument type mismatch",
		window(begin, anchor) + `,"shop_nos":"S999,S998"`:                             "100 传入店铺编号全部错误",
		window(begin, anchor) + `,"shop_nos":"S999,S001"`:                             "0 ",
		window(begin, anchor) + `,"status":null,"tid":"","need_gov_subsidy_info":"1"`: "0 ",
		`"refund_no":"TK1"`:                                                           "0 ",
		`"raw_refund_nos":"R1"`:                                                       "0 ",
		`"buyer_nick":"nobody"`:                                                       "100 参数中必须包含起止时间",
		window(begin, anchor) + `,"refund_no":"TK","fuzzy_query":true`:                "100 模糊查询到多条单据",
		window(begin, anchor) + `,"return_mask_manual_intercept":true`:                "0 ",
	} {
		r := v.flagship(nil, "[{"+args+"}]")
		if got := fmt.Sprintf("%d %s", r.Code, r.Message); got != want {
			t.Errorf("{%s}: %s, want %s", args, got, want)
		}
	}
}

func TestFlagshipRefusesForms(t *testing.T) {
	v := start(t, nil)
	query := v.flagshipQuery(nil, "a=b").values()
	wantCode(t, "form", v.read(http.Post(v.http.URL+"/openapi?"+query.Encode(), "application/x-www-form-urlencoded", strings.NewReader("a=b"))), 1)
	wantCode(t, "GET", v.read(http.Get(v.http.URL+"/openapi?"+query.Encode())), 1)
}

func TestFlagshipMethodsForQimenOnly(t *testing.T) {
	v := start(t, nil)
	r := v.flagship(fields{"method": "wms.stockin.PreStockin.search"}, "[{}]")
	if r.Code != 100 || r.Message != "The API used internal only: wms.stockin.PreStockin.search" {
		t.Errorf("direct: %d %s", r.Code, r.Message)
	}
	wantCode(t, "Qimen", v.qimenFlagship("{}", `{"page_no":1,"page_size":10}`, fields{"method": "wdt.wms.stockin.prestockin.search"}), 0)
}

// gatewayFlaws are those that Qimen itself finds.
func gatewayFlaws(v *vendor) []flaw {
	return []flaw{
		{name: "no method", wrong: fields{"method": remove}, code: 21, gateway: true},
		{name: "method", wrong: fields{"method": "wdt.nonsense.query"}, code: 22, gateway: true},
		{name: "method without wdt", wrong: fields{"method": "taobao.time.get"}, code: 22, gateway: true},
		{name: "no app key", wrong: fields{"app_key": remove}, code: 28, gateway: true},
		{name: "app key", wrong: fields{"app_key": "1"}, code: 29, gateway: true},
		{name: "no timestamp", wrong: fields{"timestamp": remove}, code: 30, gateway: true},
		{name: "timestamp of Unix", wrong: fields{"timestamp": "1738296000"}, code: 31, gateway: true},
		{name: "timestamp too new", wrong: fields{"timestamp": v.clock.Now().Add(10*time.Minute + time.Second).Format(time.DateTime)}, code: 31, gateway: true},
		{name: "no sign_method", wrong: fields{"sign_method": remove}, code: 40, message: "sign_method", gateway: true},
		{name: "sign_method", wrong: fields{"sign_method": "sha1"}, code: 41, message: "sign_method", gateway: true},
		{name: "no sign", wrong: fields{"sign": remove}, code: 24, gateway: true},
		{name: "sign", wrong: fields{"sign": "WRONG"}, code: 25, gateway: true},
		{name: "no target", wrong: fields{"target_app_key": remove}, code: 40, message: "target_app_key", gateway: true},
		{name: "target", wrong: fields{"target_app_key": "1"}, code: 41, message: "target_app_key", gateway: true},
		{name: "format", wrong: fields{"format": "xml"}, code: 23, gateway: true},
		{name: "no v", wrong: fields{"v": remove}, code: 32, gateway: true},
		{name: "v", wrong: fields{"v": "1.0"}, code: 33, gateway: true},
	}
}

func TestOrderOfChecksEnterpriseAtQimen(t *testing.T) {
	for _, style := range []string{"response", "error_response"} {
		v := start(t, func(s *Settings) { s.GatewayErrors = style })
		checkOrder(t, append(gatewayFlaws(v),
			flaw{name: "no sid", wrong: fields{"sid": remove}, code: 2030},
			flaw{name: "sid", wrong: fields{"sid": "wdtdemo3"}, code: 2030},
			flaw{name: "page_no", wrong: fields{"page_no": "x"}, code: 2104},
			flaw{name: "window", wrong: fields{"start_time": "2024-12-01 00:00:00"}, code: 2104},
		), func(wrong fields) reply {
			return v.qimen(gains(v).with(wrong))
		})
	}
}

func TestOrderOfChecksFlagshipAtQimen(t *testing.T) {
	v := start(t, nil)
	checkOrder(t, append(gatewayFlaws(v),
		flaw{name: "sid", wrong: fields{"wdt3_customer_id": "other"}, code: 1, message: "sid is not exists"},
		flaw{name: "key", wrong: fields{"wdt_appkey": "other"}, code: 1, message: "验证失败"},
		flaw{name: "salt", wrong: fields{"wdt_salt": "other"}, code: 1, message: "验证失败"},
		flaw{name: "wdt_sign", wrong: fields{"wdt_sign": "x"}, code: 1, message: "验证失败"},
		flaw{name: "no datetime", wrong: fields{"datetime": remove}, code: 7},
		flaw{name: "datetime too old", wrong: fields{"datetime": v.clock.Now().Add(-10*time.Minute - time.Second).Format(time.DateTime)}, code: 7},
		flaw{name: "no pager", wrong: fields{"pager": remove}, code: 100, message: "此方法仅支持分页查询：aftersales.refund.refund.search"},
		flaw{name: "pager without size", wrong: fields{"pager": `{"page_no":1}`}, code: 100, message: "此方法仅支持分页查询"},
		flaw{name: "page counted from 0", wrong: fields{"pager": `{"page_no":0,"page_size":50}`}, code: 1, message: "参数错误"},
		flaw{name: "params", wrong: fields{"params": "[]"}, code: 1, message: "参数错误"},
		flaw{name: "unknown field", wrong: fields{"params": `{"x":1}`}, code: 2, message: "x"},
		flaw{name: "no time", wrong: fields{"params": `{}`}, code: 100, message: "参数中必须包含起止时间"},
	), func(wrong fields) reply {
		return v.qimenFlagship(allRefunds(v, ""), `{"page_no":1,"page_size":50}`, wrong)
	})
}

func TestWhereQimenLooksForParameters(t *testing.T) {
	v := start(t, nil)
	enterprise := v.topParams(fields{"method": "wdt.stockin.order.query", "sid": "demo2"}.with(gains(v)))
	flagship := v.qimenFlagshipParams(allRefunds(v, ""), `{"page_no":1,"page_size":50}`, nil)
	for product, params := range map[string]fields{"enterprise": enterprise, "flagship": flagship} {
		system, business := fields{}, fields{}
		for key, value := range params {
			if slices.Contains(gatewayParams, key) {
				system[key] = value
			} else {
				business[key] = value
			}
		}
		for _, path := range []string{"/router/qm", "/router/qmtest"} {
			url := v.http.URL + path + "?"
			wantCode(t, product+" in the query of GET", v.read(http.Get(url+params.values().Encode())), 0)
			wantCode(t, product+" in the form", v.read(http.PostForm(url, params.values())), 0)
			wantCode(t, product+" in both", v.read(http.PostForm(url+system.values().Encode(), business.values())), 0)
		}
	}
	wantCode(t, "JSON", v.read(http.Post(v.http.URL+"/router/qm?"+enterprise.values().Encode(), "application/json", strings.NewReader("{}"))), 41)
}

func TestQimenTakesMethodsWithTheirScene(t *testing.T) {
	v := start(t, nil)
	wantCode(t, "enterprise", v.qimen(gains(v).with(fields{"method": "hu3cgwt0tc.wdt.stockin.order.query"})), 0)
	wantCode(t, "flagship", v.qimenFlagship(allRefunds(v, ""), `{"page_no":1,"page_size":50}`, fields{"method": "3ldsmu02o9.wdt.aftersales.refund.refund.search"}), 0)
}

func TestQimenSignMethods(t *testing.T) {
	v := start(t, nil)
	for _, method := range []string{"md5", "hmac", "hmac-sha256"} {
		wantCode(t, method, v.qimen(gains(v).with(fields{"sign_method": method})), 0)
	}
	md5 := v.topParams(fields{"method": "wdt.stockin.order.query", "sid": "demo2"}.with(gains(v)))
	md5["sign_method"] = "hmac"
	wantCode(t, "signed by another method", v.qimenForm(md5), 25)
}

func TestClockOffset(t *testing.T) {
	v := start(t, func(s *Settings) { s.ClockOffset = 3 * time.Minute })
	wantCode(t, "flagship", v.flagship(nil, "["+allRefunds(v, "")+"]"), 7)
	wantCode(t, "enterprise", v.enterprise("stockin_order_query", gains(v)), 0)
	v = start(t, func(s *Settings) { s.ClockOffset = -11 * time.Minute })
	wantCode(t, "enterprise", v.enterprise("stockin_order_query", gains(v)), 2100)
	wantCode(t, "Qimen", v.qimen(gains(v)), 31)
}

func TestLenientSignatures(t *testing.T) {
	for mode, want := range map[string]int{"strict": 2100, "lenient": 0} {
		v := start(t, func(s *Settings) { s.SignLength = mode })
		params := v.enterpriseParams(gains(v).with(fields{"warehouse_no": "上海一仓", "sign": "later"}))
		params["sign"] = enterpriseSign("b7c1e0f2a4d6", params, inBytes)
		wantCode(t, mode, v.enterpriseForm("stockin_order_query", params), want)
		if got := v.server.Stats().Signatures["bytes"]; (got == 1) != (want == 0) {
			t.Errorf("%s: %d signatures counted bytes", mode, got)
		}
	}
}
