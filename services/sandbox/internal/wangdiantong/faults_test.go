package wangdiantong

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

func (v *vendor) fault(f faults.Fault) {
	v.t.Helper()
	if _, err := v.plan.Add(f); err != nil {
		v.t.Fatal(err)
	}
}

func TestFaultsAtTheGateway(t *testing.T) {
	v := start(t, nil)
	post := func() (*http.Response, error) {
		params := v.topParams(fields{"method": "wdt.stockin.order.query", "sid": "demo2"}.with(gains(v)))
		return http.PostForm(v.http.URL+"/router/qm", params.values())
	}
	for kind, want := range map[faults.Kind]struct {
		status int
		body   string
	}{
		faults.HTTP500: {500, ""}, faults.HTML: {200, "<html>"}, faults.Truncated: {200, `{"response":{`},
	} {
		v.fault(faults.Fault{Kind: kind, Path: "wdt.stockin.order.query"})
		res, err := post()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want.status || !strings.HasPrefix(string(text), want.body) || json.Valid(text) {
			t.Errorf("%s: %s, %v, %.40s", kind, res.Status, err, text)
		}
	}
	for _, kind := range []faults.Kind{faults.CutBefore, faults.CutAfter} {
		v.fault(faults.Fault{Kind: kind})
		if res, err := post(); err == nil {
			res.Body.Close()
			t.Errorf("%s: %s, want no answer", kind, res.Status)
		}
	}
	if got := v.server.Stats().Answers["fault"]; got != 4 {
		t.Errorf("%d calls failed, want 4", got)
	}
	wantCode(t, "after the faults", v.qimen(gains(v)), 0)
}

func TestFaultsOfOneAPI(t *testing.T) {
	v := start(t, nil)
	v.fault(faults.Fault{Kind: faults.RateLimit, Path: "wdt.aftersales.refund.refund.search"})
	v.fault(faults.Fault{Kind: faults.RateLimit, Path: "/openapi2/stockin_order_query.php"})
	wantCode(t, "another API", v.qimen(gains(v)), 0)
	r := v.qimenFlagship(allRefunds(v, ""), `{"page_no":1,"page_size":50}`, nil)
	if r.Code != 100 || r.Message != tooOftenTexts[0] || r.Gateway {
		t.Errorf("flagship: %+v", r)
	}
	wantCode(t, "enterprise", v.enterprise("stockin_order_query", gains(v)), 1012)
	v.fault(faults.Fault{Kind: faults.RateLimit, Code: 7})
	if r := v.qimen(gains(v)); r.Code != 7 || !r.Gateway {
		t.Errorf("code 7: %+v", r)
	}
	if got := v.server.Stats().Accounts[0].RateViolations; got != 1 {
		t.Errorf("%d violations, want 1", got)
	}
}

func TestFaultsOfPages(t *testing.T) {
	v := start(t, nil)
	for door, page := range v.pagers() {
		list, _ := listOf(door)
		v.fault(faults.Fault{Kind: faults.NullRows})
		r := page(0, 10)
		if rows, there := r.Data[list]; !there || rows != nil || r.Data["total_count"] == nil {
			t.Errorf("%s, null rows: %v and total %v", door, rows, r.Data["total_count"])
		}
	}
	v.fault(faults.Fault{Kind: faults.WrongTotal, Rows: -5})
	if total := v.qimen(gains(v)).Data["total_count"]; total != 115.0 {
		t.Errorf("wrong total is %v, want 115", total)
	}
}

func TestSystemErrors(t *testing.T) {
	v := start(t, nil)
	for door, want := range map[string]int{"enterprise": 1020, "flagship": 99, "enterprise at Qimen": 15, "flagship at Qimen": 15} {
		v.fault(faults.Fault{Kind: faults.TimeoutAfter})
		if r := v.pagers()[door](0, 10); r.Code != want || r.Gateway != (want == 15) {
			t.Errorf("%s: %d %s, want code %d", door, r.Code, r.Message, want)
		}
	}
}

func TestDuplicateRows(t *testing.T) {
	v := start(t, func(s *Settings) { s.DuplicateRows = 2 })
	rows := ids(v.qimen(gains(v).with(fields{"page_size": "5"})).list("stockin_list"), "stockin_id")
	if len(rows) != 7 || rows[3] != rows[5] || rows[4] != rows[6] {
		t.Errorf("rows are %v, want the last two of five once more", rows)
	}
	if rows := v.qimen(gains(v).with(fields{"page_no": "99"})).list("stockin_list"); len(rows) != 0 {
		t.Errorf("an empty page has %d rows", len(rows))
	}
}
