package wangdiantong

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// Whatever comes as an answer, by whichever door, what it means has a kind, no error shows what is
// secret, and every row is JSON that was in the answer.
func FuzzAnswer(f *testing.F) {
	const secret = "s3cr3t-0f-the-app"
	for _, seed := range []string{
		`{"code":0,"message":"OK","total_count":"2","stockin_list":[{"a":1},{"a":2}]}`, `{"code":0,"total_count":3,"list":[1]}`,
		`{"status":0,"data":{"total_count":1,"order":[{"a":1}]}}`, `{"status":100,"message":"` + secret + `"}`, `{"status":0,"data":null}`,
		`{"response":{"flag":"success","status":0,"data":{"total_count":0,"order":[]}}}`, `{"response":{"errorcode":0,"stockin_list":null}}`,
		`{"error_response":{"code":7,"sub_code":"isv.` + secret + `","sub_msg":"x"}}`, `{"response":{"flag":"failure","code":"50"}}`,
		`{"x_response":null}`, `{"response":{}, "error_response":{}}`, `{"code":0,"total_count":-5}`, `<html>` + secret, ``, `{"code":1e400}`,
	} {
		f.Add(200, []byte(seed), uint8(len(seed)))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, way uint8) {
		c := &Client{cfg: Config{Edition: Enterprise}}
		q := query{method: "stockin_order_query", rows: "stockin_list"}
		if way&1 == 1 {
			c.cfg.Edition, q.rows = Flagship, "order"
		}
		if way&2 == 2 {
			c.cfg.Transport = Qimen
		}
		q.pager = &pager{size: 50}
		o, err := c.read(httpcall.Answer{Status: status, ContentType: "application/json", Body: body}, q, httpcall.Hide(secret))
		if err != nil {
			if fault.KindOf(err) == fault.Unknown || strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
			return
		}
		page, err := c.page(o, q)
		for _, row := range page.Rows {
			if !json.Valid(row) || !bytes.Contains(body, row) {
				t.Errorf("row %q is not JSON out of %q", row, body)
			}
		}
		if err == nil && page.HasNext && len(page.Rows) == 0 {
			t.Error("an empty page has a next one")
		}
	})
}
