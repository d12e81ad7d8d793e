package control

import (
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// row is what the lists of the tests hold.
type row struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

type rig struct {
	t       *testing.T
	handler http.Handler
	plan    *faults.Plan
	world   *world.World
}

// newRig returns the control endpoints of two small vendors.
func newRig(t *testing.T) rig {
	t.Helper()
	r := rig{t: t, plan: faults.NewPlan(1), world: world.New(world.Params{Seed: 1, Goods: 50, Shops: 3, LateShare: 0.3})}
	shop := Vendor{
		Name: "shop", Paths: []string{"/shop/query"}, Faults: r.plan,
		Stats: func() any { return map[string]int{"calls": 7} }, EditsRemaining: func() int { return 3 },
		Lists: []List{
			{Name: "rows", About: "all rows; ?text=a", Filters: []string{"text"}, Rows: textRows, Checksum: textSum},
			{Name: "none", About: "nothing", Rows: All(func() []row { return nil })},
		},
		Orders: []Order{{Name: "add", About: `{"number":1}`, Do: double}},
	}
	bank := Vendor{Name: "bank", Stats: func() any { return map[string]int{"calls": 1} }, EditsRemaining: func() int { return 4 }}
	plain := Vendor{Name: "plain", Stats: func() any { return nil }}
	r.handler = New(Config{
		Vendors: []Vendor{shop, bank, plain}, Params: map[string]int{"records": 9}, Log: slog.New(slog.DiscardHandler),
		World: World{World: r.world, Release: func() error { r.world.Release(time.Now()); return nil }},
	})
	return r
}

func textRows(q url.Values) (iter.Seq[any], error) {
	if q.Get("text") == "bad" {
		return nil, Refuse(errors.New("bad text"))
	}
	return All(func() []row {
		if q.Get("text") == "a" {
			return []row{{1, "a"}}
		}
		return []row{{1, "a"}, {2, "<b>"}}
	})(nil)
}

func textSum(q url.Values) (any, error) { return map[string]string{"sum": q.Get("text")}, nil }

func double(read func(any) error) (any, error) {
	var order row
	if err := read(&order); err != nil {
		return nil, err
	}
	switch {
	case order.Number < 0:
		return nil, Refuse(errors.New("number is negative"))
	case order.Number == 0:
		return nil, errors.New("out of order")
	}
	return row{2 * order.Number, order.Text}, nil
}

// do sends an order and reads the answer into the given value.
func (r rig) do(method, path, body string, wantStatus int, into any) string {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != wantStatus {
		r.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, w.Code, wantStatus, w.Body)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			r.t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
	return w.Body.String()
}

func TestEveryLinkOfTheIndexIsThere(t *testing.T) {
	r := newRig(t)
	var index struct {
		Links   []link `json:"links"`
		Vendors map[string]struct {
			Paths []string `json:"paths"`
		} `json:"vendors"`
		Dataset map[string]int `json:"dataset"`
	}
	r.do("GET", "/_sandbox/", "", 200, &index)
	if len(index.Links) != 14 || len(index.Vendors) != 3 || len(index.Vendors["shop"].Paths) != 1 || index.Dataset["records"] != 9 {
		t.Errorf("index is %+v", index)
	}
	for _, l := range index.Links {
		want := map[string]int{"GET": 200, "DELETE": 200, "POST": 400}[l.Method] // an empty order is bad
		if strings.HasSuffix(l.Path, "/release") {
			want = 200 // but here there is nothing to say
		}
		r.do(l.Method, l.Path, "", want, nil)
	}
	r.do("GET", "/_sandbox/nothing", "", 404, nil)
	r.do("GET", "/_sandbox/bank/faults", "", 404, nil)
	r.do("GET", "/_sandbox/shop/none/checksum", "", 404, nil)
}

func TestListsAndFilters(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]string{
		"rows":        "{\"datas\":[\n{\"number\":1,\"text\":\"a\"}\n,{\"number\":2,\"text\":\"<b>\"}\n]}\n",
		"rows?text=a": "{\"datas\":[\n{\"number\":1,\"text\":\"a\"}\n]}\n",
		"none":        "{\"datas\":[]}\n",
	} {
		if got := r.do("GET", "/_sandbox/shop/"+path, "", 200, nil); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, bad := range []string{"rows?text=bad", "rows?texts=a", "none?text=a", "rows/checksum?x=1"} {
		r.do("GET", "/_sandbox/shop/"+bad, "", 400, nil)
	}
	var sum map[string]string
	if r.do("GET", "/_sandbox/shop/rows/checksum?text=a", "", 200, &sum); sum["sum"] != "a" {
		t.Errorf("checksum is %v", sum)
	}
}

func TestOrders(t *testing.T) {
	r := newRig(t)
	var got row
	if r.do("POST", "/_sandbox/shop/add", `{"number":4}`, 200, &got); got.Number != 8 {
		t.Errorf("answer is %+v", got)
	}
	for body, want := range map[string]int{`{"number":-1}`: 400, `{"numbers":1}`: 400, `[`: 400, `{"number":0}`: 500} {
		r.do("POST", "/_sandbox/shop/add", body, want, nil)
	}
}

func TestStats(t *testing.T) {
	r := newRig(t)
	var all struct {
		EditsRemaining int                       `json:"edits_remaining"`
		Vendors        map[string]map[string]int `json:"vendors"`
	}
	r.do("GET", "/_sandbox/stats", "", 200, &all)
	if all.EditsRemaining != 7 || len(all.Vendors) != 3 || all.Vendors["shop"]["calls"] != 7 {
		t.Errorf("stats are %+v", all)
	}
	var one map[string]int
	if r.do("GET", "/_sandbox/bank/stats", "", 200, &one); one["calls"] != 1 {
		t.Errorf("stats of one are %v", one)
	}
}

func TestWorldAndRelease(t *testing.T) {
	r := newRig(t)
	var view worldView
	r.do("GET", "/_sandbox/world", "", 200, &view)
	if len(view.Goods) != 50 || len(view.Shops) != 3 || len(view.Warehouses) == 0 || len(view.Units) == 0 || view.Late == 0 || view.Released != nil {
		t.Errorf("world is %+v", view)
	}
	for range 2 {
		r.do("POST", "/_sandbox/world/release", "", 200, nil)
	}
	r.do("GET", "/_sandbox/world", "", 200, &view)
	if view.Released == nil || !view.Released.Equal(r.world.Released()) || !r.world.Known(world.Good{Late: true}) {
		t.Errorf("released at %v", view.Released)
	}
}

func TestFaults(t *testing.T) {
	r := newRig(t)
	var added faults.Fault
	r.do("POST", "/_sandbox/shop/faults", `{"kind":"slow","count":3,"delay_ms":250,"path":"/open/purchasein/query","probability":0.5}`, 201, &added)
	if want := (faults.Fault{ID: 1, Kind: faults.Slow, Count: 3, DelayMS: 250, Path: "/open/purchasein/query", Probability: 0.5}); added != want {
		t.Errorf("added %+v, want %+v", added, want)
	}
	var list struct {
		Faults []faults.Fault `json:"faults"`
	}
	r.do("GET", "/_sandbox/shop/faults", "", 200, &list)
	if len(list.Faults) != 1 || list.Faults[0] != added {
		t.Errorf("faults are %+v", list.Faults)
	}
	r.do("POST", "/_sandbox/shop/faults", `{"kind":"flood"}`, 400, nil)
	var removed map[string]int
	r.do("DELETE", "/_sandbox/shop/faults", "", 200, &removed)
	if removed["removed"] != 1 || len(r.plan.List()) != 0 {
		t.Errorf("removed %v, left %v", removed, r.plan.List())
	}
}

func TestWebPagesMayNotPullLevers(t *testing.T) {
	r := newRig(t)
	req := httptest.NewRequest(http.MethodDelete, "/_sandbox/shop/faults", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	if w.Code != http.StatusForbidden {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
