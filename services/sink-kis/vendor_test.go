package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// vendor plays KIS: 其他入库单 with create, list and getdetail. It takes any session that it gave.
type vendor struct {
	*httptest.Server

	mu      sync.Mutex
	last    int
	bills   []*stored // in the order of their creation
	creates []string  // bodies as they came

	lose       func() bool // loses the answer to a create after it was carried out
	refuse     string      // what is said to a create instead of carrying it out
	unsorted   bool        // the list ignores OrderBy
	duplicates bool        // a number can be there twice
}

// stored is a bill.
type stored struct {
	id     int
	number string
	head   map[string]any
	entry  []any
}

func newVendor(t testing.TB) *vendor {
	v := &vendor{lose: func() bool { return false }}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	data, err := v.answer(r)
	if strings.HasSuffix(r.URL.Path, "/create") && v.lose() {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	}
	reply := map[string]any{"errcode": 0, "description": "success", "data": data}
	if err != nil {
		reply = map[string]any{"errcode": 10201, "description": "业务接口返回失败结果，失败原因：" + err.Error(), "data": nil}
	}
	_ = json.NewEncoder(w).Encode(reply)
}

func (v *vendor) answer(r *http.Request) (any, error) {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/push_app_authorize"):
		return []any{map[string]any{"appKey": "kIs7Yx2Q", "appSecret": "secret", "domain": "https://kis-gw.example", "status": 1}}, nil
	case strings.HasSuffix(path, "/kingdee_auth_token"):
		return map[string]any{"app-token": "token", "access_token": "access", "auth_data": "data"}, nil
	case r.Method != http.MethodPost || r.URL.Query().Get("access_token") != "access" || r.Header.Get("KIS-AuthData") != "data":
		return nil, fmt.Errorf("no session")
	}
	var body map[string]any
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		return nil, err
	}
	switch path {
	case "/koas/app007104/api/miscellaneousreceipt/create":
		return v.create(body)
	case "/koas/app007104/api/miscellaneousreceipt/list":
		return v.list(body), nil
	case "/koas/app007104/api/miscellaneousreceipt/getdetail":
		return v.detail(body)
	default:
		return nil, fmt.Errorf("404 %s", path)
	}
}

func (v *vendor) create(body map[string]any) (any, error) {
	text, _ := json.Marshal(body)
	v.creates = append(v.creates, string(text))
	if v.refuse != "" {
		return nil, fmt.Errorf("%s", v.refuse)
	}
	head, entry, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	number := fmt.Sprint(head["FBillNo"])
	if !v.duplicates && slices.ContainsFunc(v.bills, func(b *stored) bool { return b.number == number }) {
		return nil, fmt.Errorf("202-单据编号[%s]已存在", number)
	}
	return v.add(number, head, entry), nil
}

// unwrap returns head and lines of a bill in either form.
func unwrap(body map[string]any) (head map[string]any, entry []any, err error) {
	if object, ok := body["Object"].(map[string]any); ok {
		head, _ = object["Head"].(map[string]any)
		entry, _ = object["Entry"].([]any)
	} else {
		head = body
		entry, _ = body["Entry"].([]any)
	}
	if head == nil || len(entry) == 0 {
		return nil, nil, fmt.Errorf("403-ParseRequestContent:请求参数转换成JSON对象异常")
	}
	return head, entry, nil
}

func (v *vendor) add(number string, head map[string]any, entry []any) any {
	v.last++
	v.bills = append(v.bills, &stored{30_000 + v.last, number, head, entry})
	return map[string]any{"FID": 30_000 + v.last, "FBillNo": number}
}

func (v *vendor) list(body map[string]any) any {
	bills := slices.Clone(v.bills)
	if !v.unsorted {
		slices.Reverse(bills)
	}
	var page, size int
	_, _ = fmt.Sscan(fmt.Sprint(body["CurrentPage"]), &page)
	_, _ = fmt.Sscan(fmt.Sprint(body["ItemsOfPage"]), &size)
	from := min((page-1)*size, len(bills))
	to := min(from+size, len(bills))
	rows := []any{}
	for _, b := range bills[from:to] {
		rows = append(rows, map[string]any{
			"Head":  map[string]any{"FInterID": b.id, "FBillNo": b.number, "Fdate": b.head["Fdate"], "FCheckDate": nil},
			"Entry": b.entry,
		})
	}
	return map[string]any{"List": rows, "TotalItems": len(bills), "TotalPages": (len(bills) + size - 1) / size, "HasNextPage": to < len(bills)}
}

func (v *vendor) detail(body map[string]any) (any, error) {
	for _, b := range v.bills {
		if fmt.Sprint(b.id) == fmt.Sprint(body["Id"]) {
			return map[string]any{"Head": map[string]any{"FInterID": b.id, "FBillNo": b.number}, "Entry": b.entry}, nil
		}
	}
	return nil, fmt.Errorf("202-数据不存在")
}

// set changes how the vendor behaves.
func (v *vendor) set(change func(*vendor)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}

// fill adds bills that others made.
func (v *vendor) fill(n int, date string) {
	v.set(func(v *vendor) {
		for i := range n {
			v.add(fmt.Sprintf("OLD%06d", v.last+i), map[string]any{"Fdate": date + "T00:00:00"}, []any{map[string]any{"FItemID": 1, "Fauxqty": 1}})
		}
	})
}

// numbers counts the bills by number.
func (v *vendor) numbers() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	count := map[string]int{}
	for _, b := range v.bills {
		count[b.number]++
	}
	return count
}
