package wangdiantong

import (
	"maps"
	"testing"
)

// The credentials of the vectors that were computed by another program.
const (
	vectorSecret   = "b7c1e0f2a4d6"
	vectorTop      = "topsecret0123456789abcdef"
	vectorFlagship = "f1e2d3c4b5a6"
)

func enterpriseVector(more map[string]string) map[string]string {
	params := map[string]string{"sid": "demo2", "appkey": "demo2-test", "timestamp": "1717400000"}
	maps.Copy(params, more)
	return params
}

func hour(more map[string]string) map[string]string {
	params := map[string]string{"start_time": "2024-06-03 14:00:00", "end_time": "2024-06-03 14:59:59"}
	maps.Copy(params, more)
	return params
}

// The first of these was published by the vendor.
func TestEnterpriseSign(t *testing.T) {
	for _, v := range []struct {
		name, secret string
		params       map[string]string
		count        length
		packed, sign string
	}{
		{"published", "12345", map[string]string{
			"appkey": "test2-xx", "page_no": "0", "end_time": "2016-08-01 13:00:00", "start_time": "2016-08-01 12:00:00",
			"page_size": "40", "sid": "test2", "timestamp": "1470042310",
		}, inCharacters, "06-appkey:0008-test2-xx;08-end_time:0019-2016-08-01 13:00:00;07-page_no:0001-0;09-page_size:0002-40;03-sid:0005-test2;10-start_time:0019-2016-08-01 12:00:00;09-timestamp:0010-1470042310", "ad4e6fe037ea6e3ba4768317be9d1309"},
		{"E1", vectorSecret, enterpriseVector(hour(map[string]string{"order_type": "4", "status": "80", "page_no": "0", "page_size": "50"})), inCharacters,
			"06-appkey:0010-demo2-test;08-end_time:0019-2024-06-03 14:59:59;10-order_type:0001-4;07-page_no:0001-0;09-page_size:0002-50;03-sid:0005-demo2;10-start_time:0019-2024-06-03 14:00:00;06-status:0002-80;09-timestamp:0010-1717400000", "2faadf740775d60e0e70718adc98d09a"},
		{"E2", vectorSecret, enterpriseVector(hour(map[string]string{"page_no": "1", "page_size": "100", "warehouse_no": "WH2024052601"})), inCharacters,
			"06-appkey:0010-demo2-test;08-end_time:0019-2024-06-03 14:59:59;07-page_no:0001-1;09-page_size:0003-100;03-sid:0005-demo2;10-start_time:0019-2024-06-03 14:00:00;09-timestamp:0010-1717400000;12-warehouse_no:0012-WH2024052601", "2667c5735c770cdc69bdc24124d188c2"},
		{"E3", vectorSecret, enterpriseVector(map[string]string{"stockin_no": "RK2406030001"}), inCharacters,
			"06-appkey:0010-demo2-test;03-sid:0005-demo2;10-stockin_no:0012-RK2406030001;09-timestamp:0010-1717400000", "011d9baa93bfb6558de7b5eb6b3356ba"},
		{"E4", vectorSecret, enterpriseVector(hour(map[string]string{"page_no": "0", "page_size": "40", "warehouse_no": "上海一仓"})), inCharacters, "", "ae4e7610031a26a48b1599e5b2418dd9"},
		{"E4b", vectorSecret, enterpriseVector(hour(map[string]string{"page_no": "0", "page_size": "40", "warehouse_no": "上海一仓"})), inBytes, "", "e4e69090939554ae9de6dcd66e89cdc5"},
	} {
		v.params["sign"] = "not part of itself"
		if got := packed(v.params, v.count); v.packed != "" && got != v.packed {
			t.Errorf("%s: packed\n%s, want\n%s", v.name, got, v.packed)
		}
		if got := enterpriseSign(v.secret, v.params, v.count); got != v.sign {
			t.Errorf("%s: sign = %s, want %s", v.name, got, v.sign)
		}
	}
}

func TestEmptyValuesArePacked(t *testing.T) {
	if got, want := packed(map[string]string{"page_size": ""}, inCharacters), "09-page_size:0000-"; got != want {
		t.Errorf("packed %q, want %q", got, want)
	}
}

func TestWhichEnterpriseSignaturesAreRight(t *testing.T) {
	params := func(warehouse string, signed map[string]string, count length) map[string]string {
		p := map[string]string{"warehouse_no": warehouse, "outer_no": ""}
		p["sign"] = enterpriseSign("s", signed, count)
		return p
	}
	ascii, chinese := map[string]string{"warehouse_no": "WH01", "outer_no": ""}, map[string]string{"warehouse_no": "上海一仓", "outer_no": ""}
	short := map[string]string{"warehouse_no": "上海一仓"}
	for _, test := range []struct {
		name            string
		params          map[string]string
		strict, lenient string
	}{
		{"ASCII", params("WH01", ascii, inBytes), "characters", "characters"},
		{"Chinese in characters", params("上海一仓", chinese, inCharacters), "characters", "characters"},
		{"Chinese in bytes", params("上海一仓", chinese, inBytes), "", "bytes"},
		{"without empty values", params("上海一仓", short, inCharacters), "", "characters, without empty values"},
		{"without empty values, in bytes", params("上海一仓", short, inBytes), "", "bytes, without empty values"},
		{"another secret", map[string]string{"sign": enterpriseSign("other", nil, inCharacters)}, "", ""},
	} {
		for mode, want := range map[string]string{"strict": test.strict, "lenient": test.lenient} {
			s := Settings{AppSecret: "s", SignLength: mode}
			if got := s.enterpriseSigned(test.params); got != want {
				t.Errorf("%s, %s: matched %q, want %q", test.name, mode, got, want)
			}
		}
	}
}

func TestTopSign(t *testing.T) {
	params := func(more map[string]string) map[string]string {
		p := hour(map[string]string{
			"app_key": "12345678", "target_app_key": "21363512", "timestamp": "2024-06-03 15:33:20", "format": "json", "v": "2.0",
			"sid": "demo2", "method": "wdt.stockin.order.query", "page_no": "0", "page_size": "50", "sign_method": "md5",
		})
		maps.Copy(p, more)
		return p
	}
	gain := func(more map[string]string) map[string]string {
		p := params(map[string]string{"order_type": "4", "status": "80"})
		maps.Copy(p, more)
		return p
	}
	for _, v := range []struct {
		name   string
		params map[string]string
		joined string
		sign   string
	}{
		{"Q1", gain(nil), "app_key12345678end_time2024-06-03 14:59:59formatjsonmethodwdt.stockin.order.queryorder_type4page_no0page_size50siddemo2sign_methodmd5start_time2024-06-03 14:00:00status80target_app_key21363512timestamp2024-06-03 15:33:20v2.0", "8C55BD6836A39BFDADA8FC4ABAD48AAB"},
		{"Q2", gain(map[string]string{"sign_method": "hmac"}), "", "EBF9E26FF40CBF1AA6BBCECE6FCF0C2B"},
		{"Q3", gain(map[string]string{"sign_method": "hmac-sha256"}), "", "BEA883A886F1BBD6981AE5CC2187D2B706D40C77E7010D7F2D4CC78516E80C87"},
		{"Q4", gain(map[string]string{"method": "hu3cgwt0tc.wdt.stockin.order.query", "page_no": "1", "partner_id": "top-sdk-php-20151012"}), "app_key12345678end_time2024-06-03 14:59:59formatjsonmethodhu3cgwt0tc.wdt.stockin.order.queryorder_type4page_no1page_size50partner_idtop-sdk-php-20151012siddemo2sign_methodmd5start_time2024-06-03 14:00:00status80target_app_key21363512timestamp2024-06-03 15:33:20v2.0", "6AAEFCF862BF39596A29BAE7BDE9351F"},
		{"Q5", params(map[string]string{"warehouse_no": "上海一仓"}), "app_key12345678end_time2024-06-03 14:59:59formatjsonmethodwdt.stockin.order.querypage_no0page_size50siddemo2sign_methodmd5start_time2024-06-03 14:00:00target_app_key21363512timestamp2024-06-03 15:33:20v2.0warehouse_no上海一仓", "614CD8124D29B1F98679F6328573E594"},
	} {
		if got := joined(v.params); v.joined != "" && got != v.joined {
			t.Errorf("%s: joined\n%s, want\n%s", v.name, got, v.joined)
		}
		v.params["sign"], v.params["empty"] = "not part of itself", ""
		if got := topSign(v.params["sign_method"], vectorTop, v.params); got != v.sign {
			t.Errorf("%s: sign = %s, want %s", v.name, got, v.sign)
		}
	}
}

// The first three of these were published.
func TestFlagshipSign(t *testing.T) {
	ours := func(more map[string]string) map[string]string {
		p := map[string]string{"sid": "wdtdemo3", "key": "demo3-test", "salt": "n4cl", "v": "1.0", "timestamp": "392052800", "method": "aftersales.refund.Refund.search"}
		maps.Copy(p, more)
		return p
	}
	const hourOf = `"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59"`
	for _, v := range []struct {
		name, secret string
		query        map[string]string
		body, sign   string
	}{
		{"vendor's document", "693f9fed686bfe13441385da98b436b6", map[string]string{
			"salt": "dd488d0802b1e431e4c72cd355847853", "sid": "wdterp30", "key": "czhc", "method": "wms.stockout.Sales.weighingExt", "timestamp": "232623153", "v": "1.0",
		}, `["xc109393939393939","",1.2,0,false]`, "20f557aaf9190797c581bbceeb6d5a5c"},
		{"system.Core.now", "aa", map[string]string{"salt": "dd", "sid": "wdtapi3", "key": "wdt_test", "method": "system.Core.now", "timestamp": "100", "v": "1.0"}, `[]`, "b5745bf1f4721a0d16e9a68cb7513032"},
		{"goods", "secret", map[string]string{"salt": "salt", "sid": "wdtapi3", "key": "appkey", "method": "goods.Goods.queryWithSpec", "timestamp": "100", "v": "1.0"}, `[{"goods_no":"G001"}]`, "703b2c4b5b16565883e6b58d18e254a2"},
		{"F1", vectorFlagship, ours(map[string]string{"page_size": "50", "page_no": "0", "calc_total": "1"}), `[{` + hourOf + `}]`, "dadcf67fe6c07b171a8c75ea9e19c66a"},
		{"F2", vectorFlagship, ours(map[string]string{"page_size": "50", "page_no": "1", "calc_total": "0"}), `[{` + hourOf + `,"shop_nos":"S001,S002","status":90}]`, "80629f7605292aa09566be8181ef6a88"},
		{"F3", vectorFlagship, ours(map[string]string{"page_size": "50", "page_no": "0", "calc_total": "1"}), `[{` + hourOf + `,"buyer_nick":"张三"}]`, "2bbc701b14287d686004f3e9c47ddf8e"},
		{"F4", vectorFlagship, ours(map[string]string{"method": "system.Core.now"}), `[]`, "36a04b4a666b947ac0ff553aab2b3e63"},
	} {
		v.query["sign"] = "not part of itself"
		if got := flagshipSign(v.secret, v.query, v.body); got != v.sign {
			t.Errorf("%s: sign = %s, want %s", v.name, got, v.sign)
		}
	}
	if got := lowerMD5("s" + joined(map[string]string{"b": "2", "a": "1"}) + "s"); got != "5ee29085af57d942f21f1c5ba3c2a90a" {
		t.Errorf("a and b: sign = %s", got)
	}
}

// The first of these was published; its null is left out.
func TestWdtSign(t *testing.T) {
	ours := func(more map[string]string) map[string]string {
		p := map[string]string{
			"datetime": "2024-06-03 15:33:20", "timestamp": "2024-06-03 15:33:20", "wdt_appkey": "demo3-test", "wdt_salt": "n4cl", "wdt3_customer_id": "wdtdemo3",
			"app_key": "12345678", "target_app_key": "21363512", "format": "json", "v": "2.0", "sign_method": "md5", "method": "wdt.aftersales.refund.refund.search",
			"pager": `{"page_size":50,"page_no":1}`,
		}
		maps.Copy(p, more)
		return p
	}
	for _, v := range []struct {
		name, secret string
		params       map[string]string
		wdt, top     string
	}{
		{"published", "secret", map[string]string{
			"method": "3ldsmu02o9.wdt.wms.stockspec.querychangehistory", "datetime": "2020-09-17 19:22:26", "wdt_salt": "salt", "wdt3_customer_id": "wdtapi3",
			"pager": `{"page_no":1,"page_size":10}`, "wdt_appkey": "wdt_appkey",
			"params": `{"end_date":"2020-09-20 00:00:00","spec_no":null,"start_date":"2020-08-23 00:00:00","warehouse_no":"1001"}`,
		}, "1f5e87bbbc8bc68f4f0af70f79620b7d", ""},
		{"X1", vectorFlagship, ours(map[string]string{"params": `{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59"}`}),
			"a409560b8994b4f01a9ed208d37b827b", "19E673C33B52CA42D75AD67C339EFBCE"},
		{"X2", vectorFlagship, ours(map[string]string{
			"method": "3ldsmu02o9.wdt.aftersales.refund.refund.search", "pager": `{"page_no":2,"page_size":50}`,
			"params": `{"modified_from":"2024-06-03 14:00:00","modified_to":"2024-06-03 14:59:59","shop_nos":"S001,S002","status":90,"need_gov_subsidy_info":true}`,
		}), "a748f8568cef124933561b5f589de9c9", "D3506052F18004F190D2030370CBAAEF"},
		{"X3", vectorFlagship, ours(map[string]string{
			"pager": `{"page_size": 50, "page_no": 1}`, "params": `{"modified_from": "2024-06-03 14:00:00", "modified_to": "2024-06-03 14:59:59", "buyer_nick": "张三"}`,
		}), "39a816f48120369dad9f1529c99cf22a", "D7BFEA972A6E03FD571E236610BE876F"},
	} {
		v.params["wdt_sign"], v.params["sign"] = v.wdt, "part of neither"
		if got := wdtSign(v.secret, v.params); got != v.wdt {
			t.Errorf("%s: wdt_sign = %s, want %s", v.name, got, v.wdt)
		}
		if got := topSign("md5", vectorTop, v.params); v.top != "" && got != v.top {
			t.Errorf("%s: sign = %s, want %s", v.name, got, v.top)
		}
	}
}

func TestWdtSignLooksIntoNestedTexts(t *testing.T) {
	nested := wdtSign("s", map[string]string{"method": "wdt.x", "params": `{"b":[1,{"d":true,"c":2.50}],"a":"[\"x\",\"y\"]"}`})
	if flat := lowerMD5("s" + "methodwdt.x" + "params" + "axy" + "b1" + "c2.50dtrue" + "s"); nested != flat {
		t.Errorf("wdt_sign = %s, want %s", nested, flat)
	}
	if broken := wdtSign("s", map[string]string{"method": "wdt.x", "remark": "[not JSON"}); broken != lowerMD5("smethodwdt.xremark[not JSONs") {
		t.Error("a text that only looks like JSON is signed as something else than itself")
	}
}
