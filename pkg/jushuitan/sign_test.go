package jushuitan_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/jushuitan"
)

// business and auth return the parameters of the vectors that share most of them.
func business(biz string, more ...string) map[string]string {
	return with(map[string]string{"access_token": access, "app_key": appKey, "timestamp": "1735689600", "charset": "utf-8", "version": "2", "biz": biz}, more)
}

func auth(more ...string) map[string]string {
	return with(map[string]string{"app_key": appKey, "timestamp": "1735689600", "charset": "utf-8"}, more)
}

func with(m map[string]string, more []string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestSign(t *testing.T) {
	const example, exampleKey = "e9c5ca33fecb404b8e6cdbd0ef4a6d25", "5b53060f23d84ddf9703056e84fa5a2d"
	tests := []struct {
		name, secret string
		params       map[string]string
		want         string
	}{
		// V1 to V4 are public: the vendor's examples and two clients' tests.
		{"V1", example, map[string]string{"app_key": exampleKey, "timestamp": "1639128407", "grant_type": "authorization_code", "charset": "utf-8", "code": "123456"}, "05e3a51e19e0883afd1882ccd309e0b9"},
		{"V2", example, map[string]string{"app_key": exampleKey, "access_token": "d7b01bf0842a4742a9450e21ffd95f60", "timestamp": "1639128407", "charset": "utf-8", "version": "2", "biz": `{"page_index":"1","page_size":"100","nicks":["老板"]}`}, "395f5a78b446be465ac03a02491296c7"},
		{"V3", "secret", map[string]string{"access_token": "token", "app_key": "app", "biz": `{"page_index":1,"page_size":50}`, "charset": "utf-8", "timestamp": "1785312000", "version": "2", "empty": ""}, "63b407c8cb9317b230c24ec1536f4fa2"},
		{"V4", "secret", map[string]string{"timestamp": "100", "app_key": "app", "charset": "utf-8"}, "706427ca94e342781ac36d501151cb10"},
		{"V5", appSecret, business(`{"page_index":1,"page_size":100}`), "f286376c5927537a3e1134c46b9e6493"},
		{"V6", appSecret, business(`{}`), "ef7c7e28b8ddd25763d793501574a2e2"},
		{"V7", appSecret, business(`{"modified_begin":"2025-01-01 00:00:00","modified_end":"2025-01-02 00:00:00","types":["其它退货","其它进仓"],"status":"Confirmed","page_index":1,"page_size":50,"date_type":0}`), "5ffbd90c464e62c8f465776d36e9ea16"},
		{"V8", appSecret, business(`{"start_ts":9007199254740993,"is_get_total":false,"page_index":1,"page_size":50}`), "6ff6b6b9764e10d07c92874e99aadb13"},
		{"V9", appSecret, business(`{"types":["\u5176\u5b83\u9000\u8d27"],"page_index":1,"page_size":30}`), "2368cb24a50d2bd7fc52342e154d4666"},
		{"V10", appSecret, auth("grant_type", "authorization_code", "code", "a1B2c3"), "a59593d126e1196dfdd5465e96403e35"},
		{"V11", appSecret, auth("grant_type", "refresh_token", "refresh_token", refresh, "scope", "all"), "bc590e324fb576e5d96cc6a447fc63c9"},
		{"V12", appSecret, business(`{"so_ids":["A+B&C=D%20 E"],"page_index":1,"page_size":30}`), "840acb0ecc19d147787869a4a2a0a9fb"},
		{"V13", appSecret, business(`{}`, "charset", "UTF-8"), "10b5792b1867bbc13d2308052f00ad26"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := jushuitan.Sign(tt.secret, tt.params); got != tt.want {
				t.Errorf("sign = %s, want %s", got, tt.want)
			}
			tt.params["sign"] = "signed already"
			if got := jushuitan.Sign(tt.secret, tt.params); got != tt.want {
				t.Errorf("a parameter named sign counts: %s", got)
			}
		})
	}
}

// The client's own requests carry the signs of the vectors, and biz arrives as it was given.
func TestSignOnTheWire(t *testing.T) {
	tests := []struct {
		biz  any
		text string // as it arrives
		sign string
	}{
		{[]byte(`{"page_index":1,"page_size":100}`), `{"page_index":1,"page_size":100}`, "f286376c5927537a3e1134c46b9e6493"},
		{nil, `{}`, "ef7c7e28b8ddd25763d793501574a2e2"},
		{`{"types":["\u5176\u5b83\u9000\u8d27"],"page_index":1,"page_size":30}`, `{"types":["\u5176\u5b83\u9000\u8d27"],"page_index":1,"page_size":30}`, "2368cb24a50d2bd7fc52342e154d4666"},
		{struct {
			IDs   []string `json:"so_ids"`
			Index int      `json:"page_index"`
			Size  int      `json:"page_size"`
		}{[]string{"A+B&C=D%20 E"}, 1, 30}, `{"so_ids":["A+B&C=D%20 E"],"page_index":1,"page_size":30}`, "840acb0ecc19d147787869a4a2a0a9fb"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: always(200, emptyPage)}
			c := newClient(t, v, given(), nil)
			time.Sleep(time.Until(time.Unix(1735689600, 0)))
			if _, err := c.Call(t.Context(), shops, tt.biz); err != nil {
				t.Fatal(err)
			}
			form := v.seen("")[0].form
			if form.Get("biz") != tt.text || form.Get("sign") != tt.sign {
				t.Errorf("biz = %s, sign = %s, want %s and %s", form.Get("biz"), form.Get("sign"), tt.text, tt.sign)
			}
		})
	}
}
