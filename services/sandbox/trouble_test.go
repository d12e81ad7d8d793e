package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// field returns a field of a row as text.
func field(row map[string]any, name string) string {
	if n, ok := row[name].(float64); ok {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return fmt.Sprint(row[name])
}

// wrongWith tells what a flow or its target would find wrong with a row of a list.
func wrongWith(list string, row map[string]any) string {
	items, _ := row[map[string]string{"stockin": "details_list"}[list]].([]any)
	if list == "purchasein" || list == "otherin" {
		items, _ = row["items"].([]any)
	}
	ids := map[string]bool{}
	for _, item := range items {
		line := item.(map[string]any)
		qty := strings.Trim(field(line, map[string]string{"stockin": "goods_count", "otherin": "qty"}[list]), ".0")
		switch {
		case len(field(line, "name")) > 1000:
			return "long"
		case list == "purchasein" && ids[field(line, "ioi_id")]:
			return "twice"
		case list != "purchasein" && qty == "":
			return "zero"
		}
		ids[field(line, "ioi_id")] = true
	}
	switch {
	case (list == "stockin" || list == "otherin") && len(items) == 0:
		return "empty"
	case len(field(row, "remark")) > 1000, len(field(row, "shop_name")) > 1000:
		return "long"
	}
	return ""
}

func TestPoisonIsListedAndStaysWhatItIs(t *testing.T) {
	h := newHouse(t, "--records", "1000", "--poison-share", "0.02", "--null-items-share", "0")
	lists := map[string]string{
		"purchasein": "jushuitan/purchasein", "otherin": "jushuitan/otherin?status=Confirmed&type=" + "%E5%85%B6%E5%AE%83%E9%80%80%E8%B4%A7",
		"shops": "jushuitan/shops", "stockin": "wangdiantong/stockin?order_type=4&status=80", "refund": "wangdiantong/refund",
	}
	keys := map[string]string{"purchasein": "io_id", "otherin": "io_id", "shops": "shop_id", "stockin": "stockin_id", "refund": "refund_id"}
	check := func() (ways map[string]int) {
		listed := map[string]string{}
		for _, vendor := range []string{"jushuitan", "wangdiantong"} {
			for _, row := range h.list(vendor + "/poison").Datas {
				listed[field(row, "feed")+" "+field(row, "key")] = field(row, "why")
			}
		}
		ways = map[string]int{}
		for name, path := range lists {
			for _, row := range h.list(path).Datas {
				key := name + " " + field(row, keys[name])
				wrong := wrongWith(name, row)
				if excluded := row["warehouse_no"] == "WH2024052601"; (wrong != "") != (listed[key] != "") && !excluded {
					t.Errorf("%s: wrong is %q, and the list says %q", key, wrong, listed[key])
				}
				if wrong != "" {
					ways[name+" "+wrong]++
				}
				delete(listed, key)
			}
		}
		if len(listed) > 0 {
			t.Errorf("listed, and not shown: %v", listed)
		}
		return ways
	}
	before := check()
	for _, way := range []string{"purchasein long", "purchasein twice", "otherin zero", "otherin empty", "stockin zero", "stockin empty", "refund long"} {
		if before[way] == 0 {
			t.Errorf("no document is spoilt in the way of %s: %v", way, before)
		}
	}
	if n := before["refund long"]; n < 8 || n > 35 {
		t.Errorf("%d of 1000 refunds are spoilt, want about 20", n)
	}
	for _, order := range []string{`jushuitan/edit {"count":1000}`, `wangdiantong/edit {"feed":"stockin","count":1000}`} {
		path, body, _ := strings.Cut(order, " ")
		h.do("POST", "/_sandbox/"+path, body, 200, nil)
	}
	for way, n := range check() {
		if before[way] != n {
			t.Errorf("%d documents are spoilt in the way of %s after the edits, %d before", n, way, before[way])
		}
	}
	if rows := newHouse(t).list("jushuitan/poison").Datas; len(rows) != 0 {
		t.Errorf("poison without being asked for: %v", rows)
	}
}

func TestTheClockOfAllVendorsIsOff(t *testing.T) {
	const off = -2 * time.Minute
	h := newHouse(t, "--clock-offset", off.String(), "--wdt-clock-offset", "30s")
	for path, want := range map[string]time.Duration{
		"/open/shops/query": off, "/openapi2/stockin_order_query.php": off + 30*time.Second, "/router/qm": off + 30*time.Second,
		"/jdyconnector/app_management/kingdee_auth_token": off, "/jdy/v2/bd/customer": off, "/koas/user/login": off,
	} {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		date, err := http.ParseTime(w.Header().Get("Date"))
		if got := time.Until(date) - want; err != nil || got.Abs() > 10*time.Second {
			t.Errorf("%s bears the time %v (%v), want it off by %v", path, date, err, want)
		}
	}
	h.do("POST", "/_sandbox/jushuitan/edit", `{"count":1}`, 200, nil)
	h.do("POST", "/_sandbox/wangdiantong/edit", `{"feed":"refund","count":1}`, 200, nil)
	newest := map[string]string{}
	for path, name := range map[string]string{"jushuitan/purchasein": "modified", "wangdiantong/refund": "modified_date"} {
		for _, row := range h.list(path).Datas {
			newest[path] = max(newest[path], field(row, name))
		}
		at, err := time.ParseInLocation(time.DateTime, newest[path], dataset.Shanghai)
		if behind := -time.Until(at); err != nil || behind < time.Minute || behind > 3*time.Minute {
			t.Errorf("%s: an edit of now bears the time %v, %v", path, at, err)
		}
	}
}

func TestFaultsOfAShareOfTheCalls(t *testing.T) {
	h := newHouse(t, "--fault", "jushuitan:http_500=0.25", "--fault", "kis:html=1")
	status := func(path string) int {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		return w.Code
	}
	failed := 0
	for range 400 {
		if status("/open/shops/query") == http.StatusInternalServerError {
			failed++
		}
	}
	if failed < 60 || failed > 140 {
		t.Errorf("%d of 400 calls failed, want about 100", failed)
	}
	c, err := readConfig([]string{"--fault", "sap:html=1"}, now, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openVendors(c, nil); err == nil || !strings.Contains(err.Error(), `"sap"`) {
		t.Errorf("err = %v, want one about a vendor that there is not", err)
	}
}
