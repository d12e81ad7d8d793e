package wangdiantong_test

import (
	"maps"
	"testing"

	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

// with returns base and what the pairs of key and value change; an empty value takes a key away.
func with(base map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(base)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
		if pairs[i+1] == "" {
			delete(out, pairs[i])
		}
	}
	return out
}

func window() map[string]string {
	return map[string]string{"start_time": "2024-06-03 14:00:00", "end_time": "2024-06-03 14:59:59"}
}

func TestSignEnterprise(t *testing.T) {
	base := with(window(), "sid", "demo2", "appkey", "demo2-test", "timestamp", "1717400000")
	chinese := with(base, "page_no", "0", "page_size", "40", "warehouse_no", "上海一仓")
	tests := map[string]struct {
		secret string
		params map[string]string
		bytes  bool
		want   string
	}{
		"the vendor's example": {"12345", map[string]string{
			"appkey": "test2-xx", "page_no": "0", "end_time": "2016-08-01 13:00:00", "start_time": "2016-08-01 12:00:00",
			"page_size": "40", "sid": "test2", "timestamp": "1470042310",
		}, false, "ad4e6fe037ea6e3ba4768317be9d1309"},
		"stock-ins":   {enterpriseSecret, with(base, "order_type", "4", "status", "80", "page_no", "0", "page_size", "50"), false, "2faadf740775d60e0e70718adc98d09a"},
		"second page": {enterpriseSecret, with(base, "page_no", "1", "page_size", "100", "warehouse_no", "WH2024052601"), false, "2667c5735c770cdc69bdc24124d188c2"},
		"by number": {enterpriseSecret, with(base, "start_time", "", "end_time", "", "stockin_no", "RK2406030001"),
			false, "011d9baa93bfb6558de7b5eb6b3356ba"},
		"characters":            {enterpriseSecret, chinese, false, "ae4e7610031a26a48b1599e5b2418dd9"},
		"bytes":                 {enterpriseSecret, chinese, true, "e4e69090939554ae9de6dcd66e89cdc5"},
		"sign is no part of it": {enterpriseSecret, with(chinese, "sign", "x"), false, "ae4e7610031a26a48b1599e5b2418dd9"},
	}
	for name, tt := range tests {
		if got := wangdiantong.SignEnterprise(tt.secret, tt.params, tt.bytes); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestSignTop(t *testing.T) {
	base := with(window(), "method", "wdt.stockin.order.query", "app_key", "12345678", "target_app_key", "21363512",
		"timestamp", "2024-06-03 15:33:20", "format", "json", "v", "2.0", "sid", "demo2",
		"order_type", "4", "status", "80", "page_no", "0", "page_size", "50", "sign_method", "md5")
	tests := map[string]struct {
		method wangdiantong.SignMethod
		params map[string]string
		want   string
	}{
		"md5":         {wangdiantong.MD5, base, "8C55BD6836A39BFDADA8FC4ABAD48AAB"},
		"hmac":        {wangdiantong.HMAC, with(base, "sign_method", "hmac"), "EBF9E26FF40CBF1AA6BBCECE6FCF0C2B"},
		"hmac-sha256": {wangdiantong.HMACSHA256, with(base, "sign_method", "hmac-sha256"), "BEA883A886F1BBD6981AE5CC2187D2B706D40C77E7010D7F2D4CC78516E80C87"},
		"with scene": {wangdiantong.MD5, with(base, "method", "hu3cgwt0tc.wdt.stockin.order.query", "page_no", "1", "partner_id", "top-sdk-php-20151012"),
			"6AAEFCF862BF39596A29BAE7BDE9351F"},
		"chinese": {wangdiantong.MD5, with(base, "warehouse_no", "上海一仓", "order_type", "", "status", ""), "614CD8124D29B1F98679F6328573E594"},
	}
	for name, tt := range tests {
		if got := wangdiantong.SignTop(topSecret, tt.method, tt.params); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	odd := maps.Clone(base)
	odd["empty"], odd[""], odd["sign"] = "", "x", "y"
	if got := wangdiantong.SignTop(topSecret, wangdiantong.MD5, odd); got != "8C55BD6836A39BFDADA8FC4ABAD48AAB" {
		t.Errorf("what is empty and sign were signed: %s", got)
	}
}

func TestSignFlagship(t *testing.T) {
	base := map[string]string{"sid": "wdtdemo3", "key": "demo3-test", "salt": "n4cl", "v": "1.0", "timestamp": "392052800"}
	search := with(base, "method", "aftersales.refund.Refund.search", "page_size", "50", "page_no", "0", "calc_total", "1")
	tests := map[string]struct {
		secret string
		params map[string]string
		want   string
	}{
		"the vendor's example": {"693f9fed686bfe13441385da98b436b6", map[string]string{
			"salt": "dd488d0802b1e431e4c72cd355847853", "sid": "wdterp30", "key": "czhc", "method": "wms.stockout.Sales.weighingExt",
			"timestamp": "232623153", "v": "1.0", "body": `["xc109393939393939","",1.2,0,false]`,
		}, "20f557aaf9190797c581bbceeb6d5a5c"},
		"clock": {"aa", map[string]string{
			"salt": "dd", "sid": "wdtapi3", "key": "wdt_test", "method": "system.Core.now", "timestamp": "100", "v": "1.0", "body": "[]",
		}, "b5745bf1f4721a0d16e9a68cb7513032"},
		"goods": {"secret", map[string]string{
			"sid": "wdtapi3", "key": "appkey", "salt": "salt", "method": "goods.Goods.queryWithSpec", "timestamp": "100", "v": "1.0",
			"body": `[{"goods_no":"G001"}]`,
		}, "703b2c4b5b16565883e6b58d18e254a2"},
		"tiny": {"s", map[string]string{"a": "1", "b": "2", "sign": "x"}, "5ee29085af57d942f21f1c5ba3c2a90a"},
		"refunds": {flagshipSecret, with(search, "body", `[{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59"}]`),
			"dadcf67fe6c07b171a8c75ea9e19c66a"},
		"second page": {flagshipSecret, with(search, "page_no", "1", "calc_total", "0",
			"body", `[{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59","shop_nos":"S001,S002","status":90}]`),
			"80629f7605292aa09566be8181ef6a88"},
		"chinese": {flagshipSecret, with(search, "body", `[{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59","buyer_nick":"张三"}]`),
			"2bbc701b14287d686004f3e9c47ddf8e"},
		"no pager": {flagshipSecret, with(base, "method", "system.Core.now", "body", "[]"), "36a04b4a666b947ac0ff553aab2b3e63"},
	}
	for name, tt := range tests {
		if got := wangdiantong.SignFlagship(tt.secret, tt.params); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// A request through Qimen has two signatures: that of Wangdiantong and that of the gateway over it.
func TestSignQimen(t *testing.T) {
	base := map[string]string{"datetime": "2024-06-03 15:33:20", "wdt_appkey": "demo3-test", "wdt_salt": "n4cl"}
	top := map[string]string{
		"wdt3_customer_id": "wdtdemo3", "app_key": "12345678", "target_app_key": "21363512",
		"timestamp": "2024-06-03 15:33:20", "format": "json", "v": "2.0", "sign_method": "md5",
	}
	tests := map[string]struct {
		method, params, pager string
		want, gateway         string
	}{
		"refunds": {"wdt.aftersales.refund.refund.search",
			`{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59"}`, `{"page_size":50,"page_no":1}`,
			"a409560b8994b4f01a9ed208d37b827b", "19E673C33B52CA42D75AD67C339EFBCE"},
		"with scene": {"3ldsmu02o9.wdt.aftersales.refund.refund.search",
			`{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59","shop_nos":"S001,S002","status":90,"need_gov_subsidy_info":true}`, `{"page_no":2,"page_size":50}`,
			"a748f8568cef124933561b5f589de9c9", "D3506052F18004F190D2030370CBAAEF"},
		"spaces and chinese": {"wdt.aftersales.refund.refund.search",
			`{"modified_from": "2024-06-03 14:00:00", "modified_to": "2024-06-03 14:59:59", "buyer_nick": "张三"}`, `{"page_size": 50, "page_no": 1}`,
			"39a816f48120369dad9f1529c99cf22a", "D7BFEA972A6E03FD571E236610BE876F"},
	}
	for name, tt := range tests {
		params := with(base, "method", tt.method, "params", tt.params, "pager", tt.pager)
		got := wangdiantong.SignQimen(flagshipSecret, params)
		if got != tt.want {
			t.Errorf("%s: wdt_sign %s, want %s", name, got, tt.want)
		}
		maps.Copy(params, top)
		params["wdt_sign"] = got
		if again := wangdiantong.SignQimen(flagshipSecret, with(params, "app_key", "", "target_app_key", "", "timestamp", "", "format", "", "v", "", "sign_method", "")); again != got {
			t.Errorf("%s: wdt_sign and wdt3_customer_id were signed", name)
		}
		if got := wangdiantong.SignTop(topSecret, wangdiantong.MD5, params); got != tt.gateway {
			t.Errorf("%s: sign %s, want %s", name, got, tt.gateway)
		}
	}
}

// The vendor's reference: nulls are left out, the scene prefix too.
func TestSignQimenReference(t *testing.T) {
	got := wangdiantong.SignQimen("secret", map[string]string{
		"method": "3ldsmu02o9.wdt.wms.stockspec.querychangehistory", "datetime": "2020-09-17 19:22:26", "wdt_salt": "salt",
		"wdt3_customer_id": "wdtapi3", "wdt_appkey": "wdt_appkey", "pager": `{"page_no":1,"page_size":10}`,
		"params": `{"end_date":"2020-09-20 00:00:00","spec_no":null,"start_date":"2020-08-23 00:00:00","warehouse_no":"1001"}`,
	})
	if got != "1f5e87bbbc8bc68f4f0af70f79620b7d" {
		t.Errorf("wdt_sign = %s", got)
	}
}

// Lists are signed element by element, text that is JSON by its content, big numbers digit by digit.
func TestSignQimenNesting(t *testing.T) {
	flat := wangdiantong.SignQimen("s", map[string]string{"method": "wdt.x", "params": `{"a":"1","b":"90071992547409931.50","c":"xtruefalse"}`})
	nested := wangdiantong.SignQimen("s", map[string]string{"method": "wdt.x", "params": `{"c":["x",true,null,"[false]"],"b":90071992547409931.50,"a":1}`})
	if flat != nested {
		t.Errorf("%s and %s differ", flat, nested)
	}
}
