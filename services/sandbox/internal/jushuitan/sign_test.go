package jushuitan

import (
	"maps"
	"testing"
)

// vector is a signature known from outside: V1 to V4 were published, the others computed by
// another program.
type vector struct {
	name, secret string
	params       map[string]string
	sign         string
}

func business(biz string, also map[string]string) map[string]string {
	params := map[string]string{
		"app_key": "sandbox-app-key-0001", "access_token": "sandbox-access-token-0001",
		"timestamp": "1735689600", "charset": "utf-8", "version": "2", "biz": biz,
	}
	maps.Copy(params, also)
	return params
}

func token(params map[string]string) map[string]string {
	maps.Copy(params, map[string]string{"app_key": "sandbox-app-key-0001", "timestamp": "1735689600", "charset": "utf-8"})
	return params
}

func vectors() []vector {
	const vendor, ours = "e9c5ca33fecb404b8e6cdbd0ef4a6d25", "sandbox-secret-0001"
	return []vector{
		{"V1", vendor, map[string]string{
			"app_key": "5b53060f23d84ddf9703056e84fa5a2d", "timestamp": "1639128407",
			"grant_type": "authorization_code", "charset": "utf-8", "code": "123456",
		}, "05e3a51e19e0883afd1882ccd309e0b9"},
		{"V2", vendor, map[string]string{
			"app_key": "5b53060f23d84ddf9703056e84fa5a2d", "access_token": "d7b01bf0842a4742a9450e21ffd95f60",
			"timestamp": "1639128407", "charset": "utf-8", "version": "2",
			"biz": `{"page_index":"1","page_size":"100","nicks":["老板"]}`,
		}, "395f5a78b446be465ac03a02491296c7"},
		{"V3", "secret", map[string]string{
			"access_token": "token", "app_key": "app", "biz": `{"page_index":1,"page_size":50}`,
			"charset": "utf-8", "timestamp": "1785312000", "version": "2", "empty": "",
		}, "63b407c8cb9317b230c24ec1536f4fa2"},
		{"V4", "secret", map[string]string{"timestamp": "100", "app_key": "app", "charset": "utf-8"}, "706427ca94e342781ac36d501151cb10"},
		{"V5", ours, business(`{"page_index":1,"page_size":100}`, nil), "f286376c5927537a3e1134c46b9e6493"},
		{"V6", ours, business(`{}`, nil), "ef7c7e28b8ddd25763d793501574a2e2"},
		{"V7", ours, business(`{"modified_begin":"2025-01-01 00:00:00","modified_end":"2025-01-02 00:00:00","types":["其它退货","其它进仓"],"status":"Confirmed","page_index":1,"page_size":50,"date_type":0}`, nil), "5ffbd90c464e62c8f465776d36e9ea16"},
		{"V8", ours, business(`{"start_ts":9007199254740993,"is_get_total":false,"page_index":1,"page_size":50}`, nil), "6ff6b6b9764e10d07c92874e99aadb13"},
		{"V9", ours, business(`{"types":["\u5176\u5b83\u9000\u8d27"],"page_index":1,"page_size":30}`, nil), "2368cb24a50d2bd7fc52342e154d4666"},
		{"V10", ours, token(map[string]string{"grant_type": "authorization_code", "code": "a1B2c3"}), "a59593d126e1196dfdd5465e96403e35"},
		{"V11", ours, token(map[string]string{"grant_type": "refresh_token", "refresh_token": "sandbox-refresh-token-0001", "scope": "all"}), "bc590e324fb576e5d96cc6a447fc63c9"},
		{"V12", ours, business(`{"so_ids":["A+B&C=D%20 E"],"page_index":1,"page_size":30}`, nil), "840acb0ecc19d147787869a4a2a0a9fb"},
		{"V13", ours, business(`{}`, map[string]string{"charset": "UTF-8"}), "10b5792b1867bbc13d2308052f00ad26"},
	}
}

func TestSign(t *testing.T) {
	for _, v := range vectors() {
		if got := sign(v.secret, v.params, false); got != v.sign {
			t.Errorf("%s: sign = %s, want %s", v.name, got, v.sign)
		}
		v.params["sign"] = "not part of itself"
		if got := sign(v.secret, v.params, false); got != v.sign {
			t.Errorf("%s with sign among the parameters: sign = %s, want %s", v.name, got, v.sign)
		}
	}
}

func TestSigned(t *testing.T) {
	with := func(sign string) map[string]string { return map[string]string{"a": "1", "empty": "", "sign": sign} }
	skip, keep := sign("s", with(""), false), sign("s", with(""), true)
	if skip == keep {
		t.Fatal("empty parameters make no difference")
	}
	for _, test := range []struct {
		signEmpty string
		anyCase   bool
		sign      string
		want      bool
	}{
		{"either", false, skip, true},
		{"either", false, keep, true},
		{"skip", false, skip, true},
		{"skip", false, keep, false},
		{"keep", false, skip, false},
		{"keep", false, keep, true},
		{"either", false, upper(skip), false},
		{"either", true, upper(skip), true},
		{"either", true, "", false},
	} {
		s := Settings{AppSecret: "s", SignEmpty: test.signEmpty, SignAnyCase: test.anyCase}
		if got := s.signed(with(test.sign)); got != test.want {
			t.Errorf("%+v: signed = %v", test, got)
		}
	}
}
