package control

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
)

var noon = time.Date(2025, 1, 31, 12, 0, 0, 0, dataset.Shanghai)

type rig struct {
	t       *testing.T
	handler http.Handler
	store   *dataset.Store
	plan    *faults.Plan
}

func newRig(t *testing.T) rig {
	t.Helper()
	params := dataset.Params{Records: 100, Seed: 1, Days: 5, Anchor: noon.Add(-12 * time.Hour), Unconfirmed: 0.2}
	r := rig{t: t, store: dataset.New(params), plan: faults.NewPlan(1)}
	log := slog.New(slog.DiscardHandler)
	vendor, err := jushuitan.New(jushuitan.Config{Settings: jushuitan.Default(), Store: r.store, Faults: r.plan, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	r.handler = New(Config{Jushuitan: vendor, Store: r.store, Params: params, Faults: r.plan, Now: func() time.Time { return noon }, Log: log})
	return r
}

// do sends an order and reads the answer into the given value.
func (r rig) do(method, path, body string, wantStatus int, into any) {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != wantStatus {
		r.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, w.Code, wantStatus, w.Body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		r.t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
	}
}

func TestEveryLinkOfTheIndexIsThere(t *testing.T) {
	r := newRig(t)
	var index struct {
		Links   []link `json:"links"`
		Vendors map[string]struct {
			Paths []string `json:"paths"`
		} `json:"vendors"`
	}
	r.do("GET", "/_sandbox/", "", 200, &index)
	if len(index.Links) != 8 || len(index.Vendors["jushuitan"].Paths) != 6 {
		t.Errorf("index is %+v", index)
	}
	for _, l := range index.Links {
		want := map[string]int{"GET": 200, "DELETE": 200, "POST": 400}[l.Method] // an empty order is bad
		r.do(l.Method, l.Path, "", want, nil)
	}
	r.do("GET", "/_sandbox/nothing", "", 404, nil)
}

func TestReceiptsAndChecksum(t *testing.T) {
	r := newRig(t)
	confirmed := 0
	for _, d := range r.store.Receipts() {
		if d.Status == dataset.Confirmed {
			confirmed++
		}
	}
	for query, want := range map[string]int{"": 100, "?status=Confirmed": confirmed, "?status=none": 0} {
		var list struct {
			Datas []struct {
				TS    any               `json:"ts"`
				Items []json.RawMessage `json:"items"`
			} `json:"datas"`
		}
		var sum dataset.Checksum
		r.do("GET", "/_sandbox/jushuitan/purchasein"+query, "", 200, &list)
		r.do("GET", "/_sandbox/jushuitan/purchasein/checksum"+query, "", 200, &sum)
		lines := 0
		for _, d := range list.Datas {
			lines += len(d.Items)
		}
		if len(list.Datas) != want || sum.Documents != want || sum.Lines != lines || len(sum.Sum) != 64 {
			t.Errorf("%s: %d receipts with %d lines, checksum %+v, want %d", query, len(list.Datas), lines, sum, want)
		}
	}
}

func TestReceiptsAsANewerPathHasThem(t *testing.T) {
	r := newRig(t)
	var list struct {
		Datas []map[string]any `json:"datas"`
	}
	r.do("GET", "/_sandbox/jushuitan/purchasein?path="+jushuitan.PurchaseInNewer, "", 200, &list)
	if _, isText := list.Datas[0]["ts"].(string); !isText {
		t.Errorf("ts is %v, want text", list.Datas[0]["ts"])
	}
	r.do("GET", "/_sandbox/jushuitan/purchasein?path=/open/other", "", 400, nil)
}

func TestEdit(t *testing.T) {
	r := newRig(t)
	var answer struct {
		Edited []edited `json:"edited"`
	}
	lines := len(r.store.Receipts()[4].Items)
	r.do("POST", "/_sandbox/jushuitan/edit", `{"io_ids":[2204005],"add_line":true,"status":"Archive","modified_ago_s":60}`, 200, &answer)
	got := r.store.Receipts()[4]
	if len(answer.Edited) != 1 || answer.Edited[0] != (edited{2204005, got.TS, "2025-01-31 11:59:00", lines + 1}) || got.Status != "Archive" {
		t.Errorf("answer %+v, receipt %+v", answer, got)
	}
	r.do("POST", "/_sandbox/jushuitan/edit", `{"count":7,"remove_line":true}`, 200, &answer)
	if n := r.store.Edits()[dataset.Control]; n != 8 || len(answer.Edited) != 7 {
		t.Errorf("%d edits, want 8", n)
	}
	for _, bad := range []string{`{}`, `{"count":-1}`, `{"io_ids":[1],"count":1}`, `{"io_ids":[1]}`, `{"count":1,"modified_ago_s":-1}`, `{"remove_lines":true}`, `[`} {
		r.do("POST", "/_sandbox/jushuitan/edit", bad, 400, nil)
	}
}

func TestFaults(t *testing.T) {
	r := newRig(t)
	var added faults.Fault
	r.do("POST", "/_sandbox/jushuitan/faults", `{"kind":"slow","count":3,"delay_ms":250,"path":"/open/purchasein/query","probability":0.5}`, 201, &added)
	if want := (faults.Fault{ID: 1, Kind: faults.Slow, Count: 3, DelayMS: 250, Path: "/open/purchasein/query", Probability: 0.5}); added != want {
		t.Errorf("added %+v, want %+v", added, want)
	}
	var list struct {
		Faults []faults.Fault `json:"faults"`
	}
	r.do("GET", "/_sandbox/jushuitan/faults", "", 200, &list)
	if len(list.Faults) != 1 || list.Faults[0] != added {
		t.Errorf("faults are %+v", list.Faults)
	}
	r.do("POST", "/_sandbox/jushuitan/faults", `{"kind":"flood"}`, 400, nil)
	var removed map[string]int
	r.do("DELETE", "/_sandbox/jushuitan/faults", "", 200, &removed)
	if removed["removed"] != 1 || len(r.plan.List()) != 0 {
		t.Errorf("removed %v, left %v", removed, r.plan.List())
	}
}

func TestStats(t *testing.T) {
	r := newRig(t)
	var st jushuitan.Stats
	r.do("GET", "/_sandbox/jushuitan/stats", "", 200, &st)
	if st.EditsRemaining != 0 || st.Edits["control"] != 0 || st.Calls == nil {
		t.Errorf("stats are %+v", st)
	}
}

func TestWebPagesMayNotPullLevers(t *testing.T) {
	r := newRig(t)
	req := httptest.NewRequest(http.MethodDelete, "/_sandbox/jushuitan/faults", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	if w.Code != http.StatusForbidden {
		body, _ := io.ReadAll(w.Body)
		t.Errorf("status %d: %s", w.Code, body)
	}
}
