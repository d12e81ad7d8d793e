package wangdiantong_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

// Whole requests at the time of the signed examples: every parameter, and the examples' signatures.
func TestRequests(t *testing.T) {
	top := map[string]string{
		"app_key": "12345678", "target_app_key": "21363512", "timestamp": "2024-06-03 15:33:20", "format": "json", "v": "2.0", "sign_method": "md5",
	}
	tests := map[account]struct {
		path, contentType, body string
		params                  map[string]string
	}{
		enterpriseDirect: {"/openapi2/stockin_order_query.php", "application/x-www-form-urlencoded; charset=UTF-8", "", with(window(),
			"order_type", "4", "status", "80", "page_no", "0", "page_size", "50", "sid", "demo2", "appkey", "demo2-test",
			"timestamp", "1717400000", "sign", "2faadf740775d60e0e70718adc98d09a")},
		enterpriseQimen: {"/router/qm", "application/x-www-form-urlencoded; charset=UTF-8", "", with(merged(top, window()),
			"order_type", "4", "status", "80", "page_no", "0", "page_size", "50", "sid", "demo2",
			"method", "wdt.stockin.order.query", "sign", "8C55BD6836A39BFDADA8FC4ABAD48AAB")},
		flagshipDirect: {"/openapi", "application/json; charset=UTF-8", `[{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59"}]`, map[string]string{
			"sid": "wdtdemo3", "key": "demo3-test", "salt": "n4cl", "method": "aftersales.refund.Refund.search", "v": "1.0", "timestamp": "392052800",
			"page_no": "0", "page_size": "50", "calc_total": "1", "sign": "dadcf67fe6c07b171a8c75ea9e19c66a"}},
		flagshipQimen: {"/router/qm", "application/x-www-form-urlencoded; charset=UTF-8", "", with(top,
			"method", "wdt.aftersales.refund.refund.search", "params", `{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59"}`,
			"pager", `{"page_size":50,"page_no":1}`, "datetime", "2024-06-03 15:33:20", "wdt_appkey", "demo3-test", "wdt_salt", "n4cl",
			"wdt3_customer_id", "wdtdemo3", "wdt_sign", "a409560b8994b4f01a9ed208d37b827b", "sign", "19E673C33B52CA42D75AD67C339EFBCE")},
	}
	for a, tt := range tests {
		v := newVendor(t, a, 200, a.ok(`"total_count":0,`, "[]"))
		if _, err := v.client(nil).Page(t.Context(), a.call(0)); err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		got := v.seen()[0]
		if got.path != tt.path || got.contentType != tt.contentType || tt.body != "" && got.body != tt.body {
			t.Errorf("%s: POST %s (%s) %s", a, got.path, got.contentType, got.body)
		}
		if !maps.Equal(got.all(), tt.params) {
			t.Errorf("%s: parameters\n%v, want\n%v", a, got.all(), tt.params)
		}
	}
}

func merged(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// The pages of a caller count from 0; on the wire Flagship through Qimen counts from 1. Only the
// first page is counted.
func TestPageOrigins(t *testing.T) {
	tests := map[account][2]string{
		enterpriseDirect: {"page_no=0", "page_no=3"},
		enterpriseQimen:  {"page_no=0", "page_no=3"},
		flagshipDirect:   {"calc_total=1 page_no=0", "calc_total=0 page_no=3"},
		flagshipQimen:    {`pager={"page_size":50,"page_no":1}`, `pager={"page_size":50,"page_no":4}`},
	}
	for a, want := range tests {
		v := newVendor(t, a, 200, a.ok(`"total_count":7,`, "[{}]"))
		c := v.client(nil)
		for i, page := range []int{0, 3} {
			if _, err := c.Page(t.Context(), a.call(page)); err != nil {
				t.Fatalf("%s: %v", a, err)
			}
			sent := v.seen()[i].all()
			for pair := range strings.SplitSeq(want[i], " ") {
				key, value, _ := strings.Cut(pair, "=")
				if sent[key] != value {
					t.Errorf("%s page %d: %s = %q, want %q", a, page, key, sent[key], value)
				}
			}
		}
	}
}

// What the settings change on the wire.
func TestVariants(t *testing.T) {
	chinese := enterpriseDirect.call(0)
	chinese.Size, chinese.Params = 40, map[string]any{"start_time": "2024-06-03 14:00:00", "end_time": "2024-06-03 14:59:59", "warehouse_no": "上海一仓"}
	sent := func(a account, call wangdiantong.Call, change func(*wangdiantong.Config)) map[string]string {
		v := newVendor(t, a, 200, a.ok("", "[]"))
		v.unsigned = true // the examples are compared below
		if _, err := v.client(change).Page(t.Context(), call); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		return v.seen()[0].all()
	}
	if got := sent(enterpriseDirect, chinese, nil)["sign"]; got != "ae4e7610031a26a48b1599e5b2418dd9" {
		t.Errorf("characters: sign = %s", got)
	}
	if got := sent(enterpriseDirect, chinese, func(c *wangdiantong.Config) { c.CountBytes = true })["sign"]; got != "e4e69090939554ae9de6dcd66e89cdc5" {
		t.Errorf("bytes: sign = %s", got)
	}
	hmac := sent(enterpriseQimen, enterpriseQimen.call(0), func(c *wangdiantong.Config) { c.SignMethod = wangdiantong.HMACSHA256 })
	if hmac["sign_method"] != "hmac-sha256" || hmac["sign"] != "BEA883A886F1BBD6981AE5CC2187D2B706D40C77E7010D7F2D4CC78516E80C87" {
		t.Errorf("hmac-sha256: %v", hmac)
	}
}

func TestMethodNames(t *testing.T) {
	tests := []struct {
		account      account
		method, want string
	}{
		{enterpriseDirect, "wdt.stockin.order.query", "/openapi2/stockin_order_query.php"},
		{enterpriseDirect, "vip_stock_query_all", "/openapi2/vip_stock_query_all.php"},
		{enterpriseDirect, "wdt.shop.query", "/openapi2/shop.php"},
		{enterpriseDirect, "shop", "/openapi2/shop.php"},
		{enterpriseQimen, "stockin_order_query_refund", "wdt.stockin.order.query.refund"},
		{enterpriseQimen, "wdt.warehouse.query", "wdt.warehouse.query"},
		{enterpriseQimen, "shop", "wdt.shop.query"},
		{flagshipDirect, "wms.StockPd.queryStockPdInDetail", "wms.StockPd.queryStockPdInDetail"},
		{flagshipQimen, "wms.StockPd.queryStockPdInDetail", "wdt.wms.stockpd.querystockpdindetail"},
		{flagshipQimen, "wdt.wms.stockpd.querystockpdindetail", "wdt.wms.stockpd.querystockpdindetail"},
	}
	for _, tt := range tests {
		v := newVendor(t, tt.account, 200, tt.account.ok("", "[]"))
		call := tt.account.call(0)
		call.Method = tt.method
		if _, err := v.client(nil).Page(t.Context(), call); err != nil {
			t.Errorf("%s %s: %v", tt.account, tt.method, err)
			continue
		}
		got := v.seen()[0]
		if got.all()["method"] != tt.want && got.path != tt.want {
			t.Errorf("%s %s: sent %s to %s, want %s", tt.account, tt.method, got.all()["method"], got.path, tt.want)
		}
	}
}

// Nothing empty is sent, and nothing whose text would be signed in two forms.
func TestParameters(t *testing.T) {
	params := map[string]any{
		"text": "a&b=<c> 张", "n": 7, "big": uint64(18446744073709551615), "minus": int64(-3), "flag": true, "off": false, "literal": json.Number("9007199254740993"),
		"list": []any{"x", nil, 2}, "names": []string{"p", ""}, "object": map[string]any{"b": "2", "a": 1, "gone": nil},
		"null": nil, "empty": "", "no list": []any{}, "no names": []string{""}, "no object": map[string]any{"x": ""},
	}
	flat := map[string]string{
		"text": "a&b=<c> 张", "n": "7", "big": "18446744073709551615", "minus": "-3", "flag": "1", "off": "0", "literal": "9007199254740993",
		"list": `["x",2]`, "names": `["p"]`, "object": `{"a":1,"b":"2"}`,
	}
	const object = `{"big":18446744073709551615,"flag":true,"list":["x",2],"literal":9007199254740993,"minus":-3,"n":7,"names":["p"],"object":{"a":1,"b":"2"},"off":false,"text":"a&b=<c> 张"}`
	for _, a := range accounts {
		v := newVendor(t, a, 200, a.ok("", "[]"))
		v.unsigned = true // the fake does not unfold lists
		call := a.call(0)
		call.Params = params
		if _, err := v.client(nil).Page(t.Context(), call); err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		got := v.seen()[0]
		switch a {
		case flagshipDirect:
			if got.body != "["+object+"]" {
				t.Errorf("%s: body %s", a, got.body)
			}
		case flagshipQimen:
			if got.all()["params"] != object {
				t.Errorf("%s: params %s", a, got.all()["params"])
			}
		default:
			for key := range params {
				if got.all()[key] != flat[key] {
					t.Errorf("%s: %s = %q, want %q", a, key, got.all()[key], flat[key])
				}
			}
		}
	}
}

// Requests that can't be right are refused before anything is sent.
func TestWrongRequests(t *testing.T) {
	params := func(name string, value any) func(*wangdiantong.Call) {
		return func(c *wangdiantong.Call) { c.Params = map[string]any{name: value} }
	}
	tests := []struct {
		account account
		change  func(*wangdiantong.Call)
		want    string
	}{
		{enterpriseDirect, params("rate", 1.5), "parameter rate: is 1.5, a floating-point number"},
		{flagshipQimen, params("rates", []any{1, float32(2)}), "element 2"},
		{flagshipQimen, params("filter", map[string]any{"x": json.Number("1.50")}), "parameter x: is 1.50, no whole number"},
		{flagshipDirect, params("when", struct{}{}), "struct {}"},
		{enterpriseDirect, params("sid", "other"), "parameter sid is set by the client"},
		{enterpriseDirect, params("sign", "x"), "parameter sign is set by the client"},
		{enterpriseQimen, params("page_no", 3), "parameter page_no is set by the client"},
		{enterpriseDirect, func(c *wangdiantong.Call) { c.Method = "../stockin" }, "method's name"},
		{enterpriseDirect, func(c *wangdiantong.Call) { c.Method = "" }, "method's name"},
		{flagshipDirect, func(c *wangdiantong.Call) { c.Method = "wdt.aftersales.refund.refund.search" }, "Qimen's name"},
		{flagshipDirect, func(c *wangdiantong.Call) { c.Rows = "" }, "name of the list"},
		{flagshipDirect, func(c *wangdiantong.Call) { c.Page = -1 }, "page -1"},
		{flagshipDirect, func(c *wangdiantong.Call) { c.Size = 0 }, "size 0"},
	}
	for _, tt := range tests {
		v := newVendor(t, tt.account, 200, tt.account.ok("", "[]"))
		call := tt.account.call(0)
		tt.change(&call)
		_, err := v.client(nil).Page(t.Context(), call)
		if !fault.IsPermanent(err) || fault.ClassOf(err) != "request" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v (%s), want %q", tt.account, err, fault.ClassOf(err), tt.want)
		}
		if len(v.seen()) > 0 {
			t.Errorf("%s: %q was sent all the same", tt.account, tt.want)
		}
	}
}

// A secret that is missing or of the wrong form stops the account, without a call.
func TestSecretsThatAreMissing(t *testing.T) {
	tests := []struct {
		account     account
		field, text string
		want        string
	}{
		{enterpriseDirect, "app_secret", "", "app_secret"},
		{enterpriseQimen, "top_app_secret", "", "top_app_secret"},
		{flagshipDirect, "app_secret", "", "app_secret"},
		{flagshipDirect, "app_secret", "without-a-salt", "secret:salt"},
		{flagshipDirect, "app_secret", ":salt", "secret:salt"},
		{flagshipDirect, "app_secret", "secret:", "secret:salt"},
		{flagshipQimen, "top_app_secret", " ", "top_app_secret is missing"},
	}
	for _, tt := range tests {
		v := newVendor(t, tt.account, 200, "")
		delete(v.secrets, tt.field)
		if tt.text != "" {
			v.secrets[tt.field] = tt.text
		}
		_, err := v.client(nil).Page(t.Context(), tt.account.call(0))
		if fault.KindOf(err) != fault.DownKind || fault.ClassOf(err) != "secret" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s without %s: err = %v", tt.account, tt.field, err)
		}
		if strings.Contains(err.Error(), "without-a-salt") || len(v.seen()) > 0 {
			t.Errorf("%s without %s: %d calls, err = %v", tt.account, tt.field, len(v.seen()), err)
		}
	}
}

// A secret that was changed counts with the next call.
func TestRotatedSecret(t *testing.T) {
	v := newVendor(t, enterpriseDirect, 200, enterpriseDirect.ok("", "[]"))
	c := v.client(nil)
	for _, secret := range []string{enterpriseSecret, "another-secret"} {
		v.secrets["app_secret"] = secret
		if _, err := c.Page(t.Context(), enterpriseDirect.call(0)); err != nil {
			t.Error(err)
		}
	}
}
