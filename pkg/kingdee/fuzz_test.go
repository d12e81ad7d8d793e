package kingdee

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// Whatever comes as an answer, what it means has a kind, no error shows what is secret, and an answer
// that is none of the gateway's leaves open what became of a write, but where a status says it.
func FuzzAnswer(f *testing.F) {
	const secret = "s3cr3t-0f-the-app"
	for _, seed := range []struct {
		status      int
		body, after string
	}{
		{200, `{"errcode":0,"description":"success","data":{"rows":[]}}`, ""}, {200, `{"code":200,"data":[1]}`, ""},
		{200, `{"errcode":"2000002001","description_cn":"名称[` + secret + `]已存在"}`, ""}, {401, `{"errcode":0}`, ""},
		{429, ``, "3"}, {502, "<html>" + secret, "1e9"}, {200, `{"errcode":5003}`, ""}, {200, `{"errcode":1,"msg":"{\"a\":1}"}`, ""},
		{200, `{"data":1}`, ""}, {408, `x`, "-1"}, {404, `{"errcode":0,"data":null}`, ""}, {200, `{"errcode":0.5}`, "NaN"},
	} {
		f.Add(seed.status, []byte(seed.body), seed.after)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		answer := httpcall.Answer{Status: status, ContentType: "application/json", Header: http.Header{"Retry-After": {after}}, Body: body}
		data, uncertain, err := read(Request{Path: "/x", Write: true, Hidden: []string{secret}}, answer)
		switch {
		case err == nil && (uncertain || !answer.OK() || data != nil && !json.Valid(data)):
			t.Errorf("success with status %d is uncertain: %v: %q", status, uncertain, data)
		case err != nil && (fault.KindOf(err) == fault.Unknown || strings.Contains(err.Error(), secret)):
			t.Errorf("%v", err)
		case err != nil && !uncertain && answer.OK() && !json.Valid(body) && !strings.HasPrefix(string(body), "\xef\xbb\xbf"):
			t.Errorf("%q is taken for a no: %v", body, err)
		}
		if wait := retryAfter(answer); wait < 0 || wait > 2*time.Minute {
			t.Errorf("wait %v of %q", wait, after)
		}
	})
}
