package jushuitan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// Whatever comes as an answer, what it means has a kind, and no error shows what is secret.
func FuzzAnswer(f *testing.F) {
	const secret = "s3cr3t-0f-the-app"
	for _, seed := range []struct {
		status int
		body   string
	}{
		{200, `{"code":0,"msg":"执行成功","data":{"page_index":1,"has_next":true,"datas":[{"io_id":1},{"io_id":2}]}}`},
		{200, `{"code":0,"has_next":false,"datas":[]}`}, {200, `{"code":"199","msg":"调用太频繁"}`}, {200, `{"code":100,"msg":"` + secret + `"}`},
		{502, "<html>" + secret}, {200, `{"code":0,"issuccess":"false"}`}, {200, `{"code":0`}, {429, ``}, {200, `{"code":-1,"request_id":{"a":1}}`},
	} {
		f.Add(seed.status, []byte(seed.body), false)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, auth bool) {
		r := request{path: "/open/x", auth: auth}
		env, err := r.read(httpcall.Answer{Status: status, ContentType: "application/json", Body: body}, httpcall.Hide(secret))
		if err != nil {
			if fault.KindOf(err) == fault.Unknown || strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
			return
		}
		page, err := decodePage(env.data, nil)
		if err != nil {
			return
		}
		for _, row := range page.Rows {
			if !json.Valid(row) || !bytes.Contains(body, row) {
				t.Errorf("row %q is not JSON out of %q", row, body)
			}
		}
	})
}
