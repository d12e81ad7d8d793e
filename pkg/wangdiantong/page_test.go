package wangdiantong_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

// rows returns a list of n documents.
func rows(n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(`{"id":1},`, n), ",") + "]"
}

func TestPages(t *testing.T) {
	tests := []struct {
		name    string
		page    int
		fields  string
		rows    string
		n       int
		total   int
		size    int
		hasNext bool
	}{
		{"whole", 0, `"total_count":2,`, rows(2), 2, 2, 50, false},
		{"total as text", 0, `"total_count":"210",`, rows(50), 50, 210, 50, true},
		{"nothing", 0, `"total_count":0,`, "[]", 0, 0, 50, false},
		{"nothing, as null", 0, `"total_count":"0",`, "null", 0, 0, 50, false},
		{"not counted", 0, `"total_count":-1,`, rows(3), 3, -1, 50, true},
		{"not counted, by another number", 0, `"total_count":"-9",`, rows(3), 3, -1, 50, true},
		{"no count", 0, "", rows(3), 3, -1, 50, true},
		{"no count and nothing", 0, "", "[]", 0, -1, 50, false},
		{"empty count", 0, `"total_count":"",`, rows(50), 50, -1, 50, true},
		{"page size cut by the vendor", 0, `"total_count":100,`, rows(40), 40, 100, 40, true},
		{"count below the rows", 0, `"total_count":1,`, rows(2), 2, 1, 50, false},
		{"further page", 1, "", rows(50), 50, -1, 50, true},
		{"short further page", 1, "", rows(9), 9, -1, 50, true},
		{"behind the last page", 2, "", "[]", 0, -1, 50, false},
		{"count on a further page means nothing", 1, `"total_count":0,`, rows(9), 9, -1, 50, true},
	}
	for _, a := range accounts {
		for _, tt := range tests {
			v := newVendor(t, a, 200, a.ok(tt.fields, tt.rows))
			got, err := v.client(nil).Page(t.Context(), a.call(tt.page))
			if err != nil {
				t.Errorf("%s %s: %v", a, tt.name, err)
				continue
			}
			if len(got.Rows) != tt.n || got.Total != tt.total || got.Size != tt.size || got.HasNext != tt.hasNext {
				t.Errorf("%s %s: %d rows, %+v", a, tt.name, len(got.Rows), got)
			}
			if a.transport == wangdiantong.Qimen && got.RequestID != "r-1" {
				t.Errorf("%s: request id %q", a, got.RequestID)
			}
		}
	}
}

// Numbers and white space of documents come through as they were sent.
func TestRowsAreUntouched(t *testing.T) {
	const row = `{ "stockin_id":90071992547409931234, "amount":89.90, "price":1.10e2, "name":"\u4e2d<&>" }`
	for _, a := range accounts {
		v := newVendor(t, a, 200, a.ok(`"total_count":1,`, "[ "+row+" ]"))
		got, err := v.client(nil).Page(t.Context(), a.call(0))
		if err != nil || string(got.Rows[0]) != row {
			t.Errorf("%s: %s, %v", a, got.Rows, err)
		}
	}
}

// The envelopes as they were seen, and their variants.
func TestEnvelopes(t *testing.T) {
	tests := []struct {
		account account
		body    string
		rows    int
		class   string // of the error, "" for none
		text    string
	}{
		{enterpriseDirect, "\xef\xbb\xbf" + `{"code":"0","message":"OK","total_count":"1","stockin_list":[{}]}`, 1, "", ""},
		{enterpriseDirect, `{"code":0,"message":"","total_count":"0"}`, 0, "", ""},
		{enterpriseQimen, `{"response":{"errorcode":"0","total_count":1,"stockin_list":[{}]}}`, 1, "", ""},
		{enterpriseQimen, `{"wdt_stockin_order_query_response":{"errorcode":0,"stockin_list":[{}]}}`, 1, "", ""},
		{enterpriseQimen, `{"response":{"flag":"success","code":0,"stockin_list":[{}]}}`, 1, "", ""},
		{flagshipDirect, `{"status":0,"message":"OK","data":{"total_count":0}}`, 0, "", ""},
		{flagshipDirect, `{"status":0,"data":null}`, 0, "", ""},
		{flagshipDirect, `{"status":0}`, 0, "", ""},
		{flagshipQimen, `{"response":{"status":"0","data":{"order":[{}],"total_count":"1"},"request_id":"x"}}`, 1, "", ""},

		{enterpriseDirect, `{"code":0,"total_count":"3"}`, 0, "answer", "counts 3 documents and has no list stockin_list"},
		{enterpriseDirect, `{"code":0,"stockout_list":[{}]}`, 0, "answer", "a list stockout_list"},
		{enterpriseDirect, `{"code":0,"stockin_list":{}}`, 0, "answer", "stockin_list is no array"},
		{enterpriseDirect, `{"code":0,"total_count":"1.5","stockin_list":[]}`, 0, "answer", "total_count is no whole number"},
		{enterpriseDirect, `{"code":"zero"}`, 0, "answer", "code is no whole number"},
		{enterpriseDirect, `{"stockin_list":[]}`, 0, "answer", "no code"},
		{enterpriseDirect, `[]`, 0, "answer", "a JSON array"},
		{enterpriseDirect, `null`, 0, "answer", "null"},
		{enterpriseDirect, ``, 0, "answer", "empty"},
		{enterpriseDirect, `{"code":0,"stockin_list":[{"receiver_name":"`, 0, "answer", "not JSON"},
		{enterpriseQimen, `{"errorcode":0,"stockin_list":[]}`, 0, "answer", "no response"},
		{enterpriseQimen, `{"response":null}`, 0, "answer", "response: null"},
		{enterpriseQimen, `{"response":"x"}`, 0, "answer", "a JSON string"},
		{flagshipDirect, `{"status":0,"data":"x"}`, 0, "answer", "data: "},
		{flagshipDirect, `{"code":0,"data":{}}`, 0, "answer", "no status"},
		{flagshipDirect, "<html><title>维护中</title></html>", 0, "answer", "维护中"},
	}
	for _, tt := range tests {
		v := newVendor(t, tt.account, 200, tt.body)
		got, err := v.client(func(cfg *wangdiantong.Config) { cfg.Attempts = 1 }).Page(t.Context(), tt.account.call(0))
		if tt.class == "" {
			if err != nil || len(got.Rows) != tt.rows {
				t.Errorf("%s %s: %d rows, %v", tt.account, tt.body, len(got.Rows), err)
			}
			continue
		}
		if fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s %s: err = %v, want %q", tt.account, tt.body, err, tt.text)
		}
	}
}

// A vendor that answers "nothing found" as an error has an empty page.
func TestNothingFound(t *testing.T) {
	for _, a := range []account{flagshipDirect, flagshipQimen} {
		v := newVendor(t, a, 200, a.refusal(100, "未找到符合条件的订单"))
		c := v.client(nil)
		for page, total := range map[int]int{0: 0, 1: -1} {
			got, err := c.Page(t.Context(), a.call(page))
			if err != nil || len(got.Rows) > 0 || got.Total != total || got.HasNext {
				t.Errorf("%s page %d: %+v, %v", a, page, got, err)
			}
		}
	}
}

// The clock of the vendor, in the forms that it may have.
func TestNow(t *testing.T) {
	for data, want := range map[string]string{
		`"2024-06-03 15:33:20"`:         "",
		`1717400000`:                    "",
		`1717400000000`:                 "",
		`392052800`:                     "",
		`{"now":392052800}`:             "",
		`{"now":"2024-06-03 15:33:20"}`: "",
		`"soon"`:                        "clock's answer",
		`{}`:                            "clock's answer",
	} {
		for _, a := range []account{flagshipDirect, flagshipQimen} {
			body := `{"status":0,"data":` + data + `}`
			if a == flagshipQimen {
				body = `{"response":` + body + `}`
			}
			v := newVendor(t, a, 200, body)
			got, err := v.client(nil).Now(t.Context())
			if want == "" && (err != nil || !got.Equal(vectorTime) || got.Location() != wangdiantong.Location) {
				t.Errorf("%s %s: %v, %v", a, data, got, err)
			}
			if want != "" && (fault.ClassOf(err) != "answer" || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s %s: err = %v", a, data, err)
			}
			sent := v.seen()[0]
			if a == flagshipDirect && (sent.body != "[]" || sent.all()["sign"] == "" || sent.all()["page_no"] != "" || sent.all()["calc_total"] != "") {
				t.Errorf("sent %s with %v", sent.body, sent.query)
			}
			if a == flagshipQimen && sent.all()["method"] != "wdt.system.core.now" {
				t.Errorf("sent %v", sent.form)
			}
		}
	}
	v := newVendor(t, flagshipDirect, 200, flagshipDirect.refusal(6, "ip限制"))
	if _, err := v.client(nil).Now(t.Context()); fault.ClassOf(err) != "ip" {
		t.Errorf("refused: err = %v", err)
	}
	v = newVendor(t, enterpriseDirect, 200, "")
	if _, err := v.client(nil).Now(t.Context()); !fault.IsPermanent(err) || len(v.seen()) > 0 {
		t.Errorf("enterprise: err = %v", err)
	}
}

// TestClockVector compares the time probe with the signed example.
func TestClockVector(t *testing.T) {
	v := newVendor(t, flagshipDirect, 200, `{"status":0,"data":1717400000}`)
	if _, err := v.client(nil).Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.seen()[0].query.Get("sign"); got != "36a04b4a666b947ac0ff553aab2b3e63" {
		t.Errorf("sign = %s", got)
	}
}

// Reading all pages of a result as a poller does, from the last to the first, brings every
// document once.
func TestAllPagesAreReached(t *testing.T) {
	for _, a := range accounts {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, a, 200, "")
			v.answer = func(got arrival, _ int) (int, string) { return 200, a.ok(serve(t, got, a)) }
			c := v.client(nil)
			first, err := c.Page(t.Context(), a.call(0))
			if err != nil || first.Total != 120 || !first.HasNext {
				t.Fatalf("%s: %+v, %v", a, first, err)
			}
			seen := map[string]int{}
			for n := (first.Total+first.Size-1)/first.Size - 1; n >= 0; n-- {
				page, err := c.Page(t.Context(), a.call(n))
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range page.Rows {
					seen[string(row)]++
				}
			}
			if len(seen) != 120 {
				t.Errorf("%s: %d documents of 120", a, len(seen))
			}
		})
	}
}

// serve answers one page of 120 documents, the vendor's way.
func serve(t *testing.T, got arrival, a account) (fields, list string) {
	text, format := got.all()["page_no"], "%d"
	if a == flagshipQimen {
		text, format = got.all()["pager"], `{"page_size":50,"page_no":%d}`
	}
	var page int
	if _, err := fmt.Sscanf(text, format, &page); err != nil {
		t.Errorf("%s: page %q: %v", a, text, err)
	}
	if a == flagshipQimen {
		page--
	}
	if page == 0 {
		fields = `"total_count":120,`
	}
	var documents []string
	for id := page * 50; id < min(page*50+50, 120); id++ {
		documents = append(documents, fmt.Sprintf(`{"id":%d}`, id))
	}
	return fields, "[" + strings.Join(documents, ",") + "]"
}
