package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// house is the sandbox without its listeners.
type house struct {
	t       *testing.T
	vendors *vendors
	handler http.Handler
}

func newHouse(t *testing.T, args ...string) house {
	t.Helper()
	c, err := readConfig(append([]string{"--records", "60", "--anchor", "2025-01-31T00:00:00+08:00"}, args...), now, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	v, err := openVendors(c, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return house{t, v, v.handler(c, log)}
}

// do makes a call and reads the answer into the given value.
func (h house) do(method, path, body string, wantStatus int, into any) {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != wantStatus {
		h.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, w.Code, wantStatus, w.Body)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			h.t.Fatalf("%s %s: %v: %.200s", method, path, err, w.Body)
		}
	}
}

// list is a list of the control endpoints.
type list struct {
	Datas []map[string]any `json:"datas"`
}

func (h house) list(path string) list {
	h.t.Helper()
	var l list
	h.do("GET", "/_sandbox/"+path, "", 200, &l)
	return l
}

func TestEveryLinkOfTheIndexIsThere(t *testing.T) {
	h := newHouse(t)
	var index struct {
		Links []struct{ Method, Path string } `json:"links"`
	}
	h.do("GET", "/_sandbox/", "", 200, &index)
	paths := []string{}
	for _, l := range index.Links {
		paths = append(paths, l.Path)
		want := map[string]int{"GET": 200, "DELETE": 200, "POST": 400}[l.Method] // an empty order is bad
		if l.Path == "/_sandbox/world/release" {
			want = 200
		}
		h.do(l.Method, l.Path, "", want, nil)
	}
	for vendor, names := range map[string]string{
		"jushuitan":    "purchasein otherin shops poison purchasein/checksum otherin/checksum stats edit faults",
		"wangdiantong": "stockin refund poison stockin/checksum refund/checksum stats edit faults",
		"gateway":      "stats rotate faults",
		"xingchen":     "customers gain-bills loss-bills other-in-bills materials stores units stats faults",
		"kis":          "receipts materials stocks units stats faults",
	} {
		for name := range strings.FieldsSeq(names) {
			if want := "/_sandbox/" + vendor + "/" + name; !slices.Contains(paths, want) {
				t.Errorf("the index lacks %s", want)
			}
		}
	}
}

func TestEachVendorHasItsPaths(t *testing.T) {
	h := newHouse(t)
	calls := func() map[string]int {
		var all struct {
			Vendors map[string]struct {
				Calls map[string]int `json:"calls"`
			} `json:"vendors"`
		}
		h.do("GET", "/_sandbox/stats", "", 200, &all)
		n := map[string]int{}
		for name, v := range all.Vendors {
			for _, calls := range v.Calls {
				n[name] += calls
			}
		}
		return n
	}
	for path, vendor := range map[string]string{
		"/open/shops/query":                 "jushuitan",
		"/openWeb/auth/getInitToken":        "jushuitan",
		"/no/such/path":                     "jushuitan",
		"/openapi2/stockin_order_query.php": "wangdiantong",
		"/openapi":                          "wangdiantong",
		"/router/qm":                        "wangdiantong",
		"/router/qmtest":                    "wangdiantong",
		"/jdyconnector/app_management/push_app_authorize":    "gateway",
		"/jdy/v2/bd/customer":                                "xingchen",
		"/koas/APP006992/api/Material/List":                  "kis",
		"/koas/user/get_service_gateway?access_token=a&pid=": "kis",
	} {
		before := calls()
		h.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, strings.NewReader("{}")))
		for name, n := range calls() {
			if want := before[name] + map[bool]int{true: 1}[name == vendor]; n != want {
				t.Errorf("%s: %s counts %d calls, want %d", path, name, n, want)
			}
		}
	}
}

func TestRecordsAreWhatTheFlowsTake(t *testing.T) {
	h := newHouse(t, "--goods", "50", "--late-share", "0.2")
	if n := len(h.list("jushuitan/purchasein?status=Confirmed").Datas); n != 60 {
		t.Errorf("%d purchase receipts, want 60", n)
	}
	if n := len(h.list("jushuitan/otherin?status=Confirmed&type=其它退货").Datas); n != 60 {
		t.Errorf("%d other returns, want 60", n)
	}
	if n := len(h.list("jushuitan/otherin").Datas); n != 69 {
		t.Errorf("%d other goods movements, want 69", n)
	}
	if n := len(h.list("jushuitan/shops").Datas); n != 21 {
		t.Errorf("%d shops, want 20 and the pseudo shop", n)
	}
	if n := len(h.list("wangdiantong/refund").Datas); n != 60 {
		t.Errorf("%d refunds, want 60", n)
	}
	if n := len(h.list("wangdiantong/stockin").Datas); n <= 60 {
		t.Errorf("%d stock-ins, want more than the 60 that the flow takes", n)
	}
	before := len(h.list("xingchen/materials").Datas)
	h.do("POST", "/_sandbox/world/release", "", 200, nil)
	late := 0
	for _, g := range h.vendors.late.world.Goods {
		if g.Late {
			late++
		}
	}
	if after := len(h.list("xingchen/materials").Datas); late == 0 || after-before != late {
		t.Errorf("%d materials before the release and %d after, want the %d late ones more", before, after, late)
	}
}

func TestListsAndChecksumsAgree(t *testing.T) {
	h := newHouse(t, "--unconfirmed-share", "0.3")
	for path, rows := range map[string]string{
		"jushuitan/purchasein": "items", "jushuitan/purchasein?status=Confirmed": "items", "jushuitan/otherin?type=其它退货": "items",
	} {
		documents, lines := h.list(path), 0
		for _, d := range documents.Datas {
			lines += len(d[rows].([]any))
		}
		var sum dataset.Checksum
		name, query, _ := strings.Cut(path, "?")
		h.do("GET", "/_sandbox/"+name+"/checksum?"+query, "", 200, &sum)
		if sum.Documents != len(documents.Datas) || sum.Documents == 0 || sum.Lines != lines || len(sum.Sum) != 64 {
			t.Errorf("%s: %d documents with %d lines, checksum %+v", path, len(documents.Datas), lines, sum)
		}
	}
	for _, bad := range []string{"jushuitan/purchasein?path=/open/other", "jushuitan/shops?name=x", "kis/units?status=x"} {
		h.do("GET", "/_sandbox/"+bad, "", 400, nil)
	}
	newer := h.list("jushuitan/purchasein?path=" + jushuitan.PurchaseInNewer).Datas[0]
	if _, isText := newer["ts"].(string); !isText {
		t.Errorf("ts is %v, want text", newer["ts"])
	}
}

func TestEditsOfJushuitan(t *testing.T) {
	h := newHouse(t)
	var answer struct {
		Edited []struct {
			edited
			editedShop
		} `json:"edited"`
	}
	order := func(body string) {
		t.Helper()
		answer.Edited = nil
		h.do("POST", "/_sandbox/jushuitan/edit", body, 200, &answer)
	}
	lines := len(h.vendors.receipts.Documents()[4].Items)
	order(`{"io_ids":[2204005],"add_line":true,"status":"Archive","modified_ago_s":60}`)
	r := h.vendors.receipts.Documents()[4]
	if len(answer.Edited) != 1 || answer.Edited[0].IOID != 2204005 || answer.Edited[0].TS != r.TS || answer.Edited[0].Lines != lines+1 || r.Status != "Archive" {
		t.Errorf("answer %+v, receipt %+v", answer, r)
	}
	if order(`{"count":7,"remove_line":true}`); len(answer.Edited) != 7 || h.vendors.receipts.Edits()[dataset.Control] != 8 {
		t.Errorf("%d edited, want 7", len(answer.Edited))
	}
	if order(`{"feed":"otherin","io_ids":[1850003],"status":"Cancelled"}`); answer.Edited[0].IOID != 1850003 || h.vendors.otherIns.Documents()[2].Status != "Cancelled" {
		t.Errorf("answer %+v, document %+v", answer, h.vendors.otherIns.Documents()[2])
	}
	order(`{"feed":"shops","shop_ids":[10394002],"name":"改名店","status":"disabled"}`)
	if got := answer.Edited[0].editedShop; got != (editedShop{10394002, "改名店", "disabled"}) || len(h.list("jushuitan/shops?status=disabled").Datas) != 1 {
		t.Errorf("shop is %+v", got)
	}
	order(`{"feed":"shops","shop_ids":[10394002],"status":"enabled"}`)
	for _, bad := range []string{
		`{}`, `{"count":-1}`, `{"io_ids":[1],"count":1}`, `{"io_ids":[1]}`, `{"count":1,"modified_ago_s":-1}`, `{"remove_lines":true}`, `[`,
		`{"feed":"shop","count":1}`, `{"feed":"shops","io_ids":[10394002]}`, `{"shop_ids":[2204005]}`, `{"count":1,"name":"x"}`,
		`{"feed":"shops","count":1,"status":"Confirmed"}`, `{"feed":"shops","count":1,"add_line":true}`,
	} {
		h.do("POST", "/_sandbox/jushuitan/edit", bad, 400, nil)
	}
}

func TestEditsOfWangdiantong(t *testing.T) {
	h := newHouse(t)
	for _, feed := range []string{"stockin", "refund"} {
		var answer struct {
			Edited []editedID `json:"edited"`
		}
		h.do("POST", "/_sandbox/wangdiantong/edit", fmt.Sprintf(`{"feed":%q,"count":3}`, feed), 200, &answer)
		if len(answer.Edited) != 3 || answer.Edited[0].ID == 0 || answer.Edited[0].Modified == "" || answer.Edited[0].Lines == 0 {
			t.Errorf("%s: %+v", feed, answer)
		}
		h.do("POST", "/_sandbox/wangdiantong/edit", fmt.Sprintf(`{"feed":%q,"ids":[%d]}`, feed, answer.Edited[0].ID), 200, &answer)
	}
	for _, bad := range []string{`{"count":1}`, `{"feed":"refund","ids":[1]}`, `{"feed":"stockin"}`} {
		h.do("POST", "/_sandbox/wangdiantong/edit", bad, 400, nil)
	}
}

func TestRotationOfSecrets(t *testing.T) {
	h := newHouse(t)
	for _, system := range []string{"xingchen", "kis"} {
		h.do("POST", "/_sandbox/gateway/rotate", fmt.Sprintf(`{"system":%q}`, system), 200, nil)
	}
	h.do("POST", "/_sandbox/gateway/rotate", `{"system":"jushuitan"}`, 400, nil)
}

func TestEditsRemainingIsTheSumOfAllVendors(t *testing.T) {
	for feeds, want := range map[string]int{
		"": 0, "stockin": 5, "purchasein,stockin,refund": 15, "purchasein,otherin,shops,stockin,refund": 25,
	} {
		h := newHouse(t, "--edits", "5", "--edit-feeds", feeds)
		var stats struct {
			EditsRemaining int `json:"edits_remaining"`
		}
		if h.do("GET", "/_sandbox/stats", "", 200, &stats); stats.EditsRemaining != want {
			t.Errorf("%q: %d edits to come, want %d", feeds, stats.EditsRemaining, want)
		}
	}
}

// A fault of one vendor strikes no other one.
func TestFaultsBelongToOneVendor(t *testing.T) {
	h := newHouse(t)
	h.do("POST", "/_sandbox/kis/faults", `{"kind":"http_500"}`, 201, nil)
	for _, vendor := range []string{"jushuitan", "wangdiantong", "gateway", "xingchen"} {
		var plan struct {
			Faults []any `json:"faults"`
		}
		if h.do("GET", "/_sandbox/"+vendor+"/faults", "", 200, &plan); len(plan.Faults) != 0 {
			t.Errorf("%s has faults %v", vendor, plan.Faults)
		}
	}
}

func TestTheWorldIsShown(t *testing.T) {
	h := newHouse(t, "--goods", "40", "--shops", "7")
	var w struct {
		Goods      []world.Good      `json:"goods"`
		Shops      []world.Shop      `json:"shops"`
		Warehouses []world.Warehouse `json:"warehouses"`
	}
	h.do("GET", "/_sandbox/world", "", 200, &w)
	if len(w.Goods) != 40 || len(w.Shops) != 7 || len(w.Warehouses) == 0 || w.Goods[3] != h.vendors.late.world.Goods[3] {
		t.Errorf("world is %+v", w)
	}
}
