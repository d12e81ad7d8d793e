package jushuitan

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// readOn reads all pages forward, as a simple client does, and returns the distinct ids.
func (v *vendor) readOn(fields string) []int64 { return v.readOnOf(PurchaseIn, fields) }

func (v *vendor) readOnOf(path, fields string) []int64 {
	v.t.Helper()
	var ids []int64
	for index := 1; ; index++ {
		p := v.pageOf(path, fmt.Sprintf(`{%s,"page_index":%d,"page_size":50}`, fields, index))
		for _, row := range p.Datas {
			ids = append(ids, row.IOID)
		}
		if !p.HasNext {
			slices.Sort(ids)
			return slices.Compact(ids)
		}
	}
}

func TestPaging(t *testing.T) {
	v := start(t, nil)
	for _, test := range []struct {
		fields                         string
		rows, index, size, pages, from int
		next                           bool
	}{
		{``, 30, 1, 30, 4, 0, true},
		{`,"page_index":4`, 30, 4, 30, 4, 90, false},
		{`,"page_index":"2","page_size":"50"`, 50, 2, 50, 3, 50, true},
		{`,"page_index":3,"page_size":50`, 20, 3, 50, 3, 100, false},
		{`,"page_size":100`, 50, 1, 50, 3, 0, true},
		{`,"page_index":9,"page_size":50`, 0, 9, 50, 3, 120, false},
		{`,"page_index":900000000000,"page_size":50`, 0, 900000000000, 50, 3, 120, false},
	} {
		p := v.page("{" + allDays + test.fields + "}")
		if len(p.Datas) != test.rows || p.PageIndex != test.index || p.PageSize != test.size || *p.DataCount != 120 || *p.PageCount != test.pages || p.HasNext != test.next {
			t.Errorf("%s: %d rows, page %d of %d with %d, %d in all, next %v", test.fields, len(p.Datas), p.PageIndex, *p.PageCount, p.PageSize, *p.DataCount, p.HasNext)
		}
	}
	if ids := v.readOn(allDays); len(ids) != 120 {
		t.Errorf("all pages hold %d receipts, want 120", len(ids))
	}
}

func TestRowsAreSorted(t *testing.T) {
	v := start(t, nil)
	last := ""
	for index := 1; index <= 3; index++ {
		for _, row := range v.page(fmt.Sprintf(`{%s,"page_index":%d,"page_size":50}`, allDays, index)).Datas {
			if key := fmt.Sprint(row.Modified, " ", row.IOID); key <= last {
				t.Errorf("%s comes after %s", key, last)
			} else {
				last = key
			}
		}
	}
}

func TestSwitchesOfPages(t *testing.T) {
	const empty = `"modified_begin":"2020-01-01 00:00:00","modified_end":"2020-01-02 00:00:00"`
	for _, test := range []struct {
		name, biz string
		set       func(*Settings)
		want      string
	}{
		{"no rows", "{" + empty + "}", func(s *Settings) {},
			`{"page_size":30,"page_index":1,"data_count":0,"page_count":0,"has_next":false,"datas":[]}`},
		{"no rows, null", "{" + empty + "}", func(s *Settings) { s.EmptyDatas = "null" },
			`{"page_size":30,"page_index":1,"data_count":0,"page_count":0,"has_next":false,"datas":null}`},
		{"no totals", "{" + empty + `,"is_get_total":false}`, func(s *Settings) {},
			`{"page_size":30,"page_index":1,"has_next":false,"datas":[]}`},
		{"no totals, null", "{" + empty + `,"is_get_total":"false"}`, func(s *Settings) { s.TotalsWithout = "null" },
			`{"page_size":30,"page_index":1,"data_count":null,"page_count":null,"has_next":false,"datas":[]}`},
		{"no totals, zero", "{" + empty + `,"is_get_total":0}`, func(s *Settings) { s.TotalsWithout = "zero" },
			`{"page_size":30,"page_index":1,"data_count":0,"page_count":0,"has_next":false,"datas":[]}`},
	} {
		v := start(t, test.set)
		if r := v.query(PurchaseIn, test.biz); string(r.Data) != test.want {
			t.Errorf("%s: %d %s %s, want %s", test.name, r.Code, r.Msg, r.Data, test.want)
		}
	}
	strict := start(t, func(s *Settings) { s.PageSizeAboveMax = "strict" })
	if r := strict.query(PurchaseIn, "{"+allDays+`,"page_size":51}`); r.Code != 140 {
		t.Errorf("page size 51, strict: %d %s", r.Code, r.Msg)
	}
}

func TestRulesOfTheQuery(t *testing.T) {
	v := start(t, nil)
	ids := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("2204001,", n), ",") + "]" }
	for _, test := range []struct {
		biz  string
		code int
	}{
		{`{}`, 130},
		{`{"modified_begin":"2025-01-30 00:00:00"}`, 130},
		{`{"modified_end":"2025-01-30 00:00:00"}`, 130},
		{`{"modified_begin":"2025-01-30 00:00:00","modified_end":""}`, 130},
		{`{"modified_begin":"2025-01-20 00:00:00","modified_end":"2025-01-27 00:00:00"}`, 0},
		{`{"modified_begin":"2025-01-20 00:00:00","modified_end":"2025-01-27 00:00:01"}`, 140},
		{`{"modified_begin":"2025-01-27 00:00:00","modified_end":"2025-01-26 00:00:00"}`, 140},
		{`{"modified_begin":"2025-01-27","modified_end":"2025-01-28 00:00:00"}`, 140},
		{`{"modified_begin":"2025-01-27T00:00:00","modified_end":"2025-01-28 00:00:00"}`, 140},
		{`{"modified_begin":"2025-01-27 00:00:00.123","modified_end":"2025-01-28 00:00:00"}`, 140},
		{`{` + allDays + `,"page_index":0}`, 140},
		{`{` + allDays + `,"page_index":1.5}`, 140},
		{`{` + allDays + `,"page_size":0}`, 140},
		{`{` + allDays + `,"page_size":"many"}`, 140},
		{`{` + allDays + `,"page_size":null,"page_index":""}`, 0},
		{`{` + allDays + `,"is_get_total":"maybe"}`, 140},
		{`{` + allDays + `,"date_type":1}`, 140},
		{`{` + allDays + `,"date_type":"2"}`, 0},
		{`{` + allDays + `,"statuss":"Confirmed"}`, 140},
		{`{` + allDays + `,"statuss":[]}`, 0},
		{`{` + allDays + `,"statuss":["never heard of"]}`, 0},
		{`{` + allDays + `,"never_heard_of":1}`, 0},
		{`{"io_ids":[2204001]}`, 0},
		{`{"io_ids":["2204001"]}`, 0},
		{`{"io_ids":["x"]}`, 140},
		{`{"io_ids":[[1]]}`, 140},
		{`{"io_ids":[]}`, 130},
		{`{"io_ids":` + ids(30) + `}`, 0},
		{`{"io_ids":` + ids(31) + `}`, 140},
		{`{"po_ids":` + ids(31) + `}`, 140},
		{`{"so_ids":` + ids(31) + `}`, 0},
		{`{"start_ts":1}`, 0},
		{`{"start_ts":"1","page_index":1,"page_size":50,"is_get_total":false}`, 0},
		{`{"start_ts":1,"statuss":["Confirmed"]}`, 140},
		{`{"start_ts":1,` + allDays + `}`, 140},
		{`{"start_ts":-1}`, 140},
		{`[]`, 140},
		{`null`, 140},
		{`{} {}`, 140},
		{`{`, 140},
	} {
		if r := v.query(PurchaseIn, test.biz); r.Code != test.code {
			t.Errorf("%s: %d %s, want %d", test.biz, r.Code, r.Msg, test.code)
		}
	}
}

func TestWindowBounds(t *testing.T) {
	for _, test := range []struct {
		bounds string
		want   int
	}{{"closed", 1}, {"half-open", 0}} {
		v := start(t, func(s *Settings) { s.WindowBounds = test.bounds })
		at := rowTime(v.store.Documents()[50].Modified)
		for _, field := range []string{"modified", "io_date"} {
			kind := 0
			if field == "io_date" {
				at, kind = rowTime(v.store.Documents()[50].IODate), 2
			}
			begin := v.page(fmt.Sprintf(`{"modified_begin":%q,"modified_end":"2025-01-31 23:59:59","io_ids":[2204051],"date_type":%d}`, at, kind))
			end := v.page(fmt.Sprintf(`{"modified_begin":"2025-01-25 00:00:00","modified_end":%q,"io_ids":[2204051],"date_type":%d}`, at, kind))
			if *begin.DataCount != 1 || *end.DataCount != test.want {
				t.Errorf("%s, %s: %d rows from the begin, %d up to the end, want 1 and %d", test.bounds, field, *begin.DataCount, *end.DataCount, test.want)
			}
		}
	}
}

func TestStatusOmittedMeansConfirmed(t *testing.T) {
	v := start(t, nil)
	id := v.store.Documents()[0].IOID
	if _, err := v.store.Edit([]int64{id}, dataset.Change{Status: "Cancelled"}, dataset.Control, v.clock.Now()); err != nil {
		t.Fatal(err)
	}
	window := `"modified_begin":"2025-01-26 00:00:00","modified_end":"2025-02-01 00:00:00"`
	for biz, want := range map[string]int{
		`{` + window + `}`:                                         119,
		`{` + window + `,"statuss":["Cancelled"]}`:                 1,
		`{` + window + `,"statuss":["Cancelled","Confirmed"]}`:     120,
		fmt.Sprintf(`{"io_ids":[%d]}`, id):                         0,
		fmt.Sprintf(`{"io_ids":[%d],"statuss":["Cancelled"]}`, id): 1,
		fmt.Sprintf(`{"io_ids":[%d,%d]}`, id, id+1):                1,
		`{"so_ids":["EXT-PO-999999"]}`:                             0,
		`{"po_ids":[1]}`:                                           0,
	} {
		if p := v.page(biz); *p.DataCount != want {
			t.Errorf("%s: %d rows, want %d", biz, *p.DataCount, want)
		}
	}
}

func TestQueriesByOtherIDs(t *testing.T) {
	v := start(t, nil)
	for _, r := range v.store.Documents() {
		if r.POID != nil && r.SOID != nil && *r.SOID != "" {
			p := v.page(fmt.Sprintf(`{"po_ids":["%d"],"so_ids":[%q]}`, *r.POID, *r.SOID))
			if len(p.Datas) != 1 || p.Datas[0].IOID != r.IOID {
				t.Errorf("receipt %d by its other ids: %+v", r.IOID, p)
			}
			return
		}
	}
	t.Error("no receipt has other ids")
}

func TestSellersOnTheNewerPath(t *testing.T) {
	v := start(t, nil)
	seller := v.store.Documents()[0].SupplierID
	want := 0
	for _, r := range v.store.Documents() {
		if r.SupplierID == seller {
			want++
		}
	}
	var p struct {
		DataCount int `json:"data_count"`
	}
	r := v.query(PurchaseInNewer, fmt.Sprintf(`{%s,"seller_ids":[%d]}`, allDays, seller))
	if err := json.Unmarshal(r.Data, &p); err != nil || p.DataCount != want {
		t.Errorf("%d rows of seller %d, %v, want %d", p.DataCount, seller, err, want)
	}
	if r := v.query(PurchaseInNewer, `{"io_ids":[2204001],"seller_ids":[1]}`); r.Code != 140 {
		t.Errorf("sellers without a window: %d %s", r.Code, r.Msg)
	}
}

func TestQueryByRowVersion(t *testing.T) {
	data := smallData()
	data.Unconfirmed = 0.5
	for statuses, all := range map[string]bool{"default": false, "all": true} {
		v := startWith(t, data, func(s *Settings) { s.StartTSStatuses = statuses })
		receipts := v.store.Documents()
		slices.SortFunc(receipts, func(a, b *dataset.Receipt) int { return int(a.TS - b.TS) })
		from, want := receipts[100].TS, []int64{}
		for _, r := range receipts[100:] {
			if all || r.Status == dataset.Confirmed {
				want = append(want, r.IOID)
			}
		}
		var got []int64
		for _, row := range v.page(fmt.Sprintf(`{"start_ts":%d,"page_size":50}`, from)).Datas {
			got = append(got, row.IOID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", statuses, got, want)
		}
	}
}

func TestRowsGolden(t *testing.T) {
	data := smallData()
	data.NullItems = 0.1
	v := startWith(t, data, nil)
	for _, path := range []string{PurchaseIn, PurchaseInNewer} {
		got := list(t, v.store.Documents()[:12], func(r *dataset.Receipt) any { return v.server.ReceiptRow(path, r) })
		golden(t, filepath.Base(filepath.Dir(path))+"-"+filepath.Base(path)+".golden.json", got)
	}
}

// list returns documents as JSON, one a line.
func list[D any](t *testing.T, docs []D, row func(D) any) []byte {
	t.Helper()
	var all [][]byte
	for _, d := range docs {
		var text bytes.Buffer
		if err := encoder(&text).Encode(row(d)); err != nil {
			t.Fatal(err)
		}
		all = append(all, text.Bytes())
	}
	return slices.Concat([]byte("[\n"), bytes.Join(all, []byte(",")), []byte("]"))
}

// Pages have to hold the very rows that the control endpoints list.
func TestPagesHoldTheRowsOfDocuments(t *testing.T) {
	v := start(t, nil)
	for _, test := range []struct {
		path, biz string
		want      []byte
	}{
		{PurchaseIn, `{"io_ids":[2204007]}`, list(t, v.store.Documents()[6:7], func(r *dataset.Receipt) any { return v.server.ReceiptRow(PurchaseIn, r) })},
		{OtherInOut, `{"io_ids":["1850007"]}`, list(t, v.others.Documents()[6:7], v.server.OtherInRow)},
		{ShopsQuery, `{"page_size":100}`, list(t, v.server.VisibleShops()[:100], v.server.ShopRow)},
	} {
		var page struct {
			Datas json.RawMessage `json:"datas"`
		}
		if err := json.Unmarshal(v.query(test.path, test.biz).Data, &page); err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(string(test.want), "\n", ""); want != string(page.Datas) {
			t.Errorf("%s: page has %s, want %s", test.path, page.Datas, want)
		}
	}
}

// The known defect: whoever just reads on while receipts are edited misses some. The window ends
// before the edits, so that edited receipts leave it.
func TestAForwardReaderLosesRowsThatShift(t *testing.T) {
	v := start(t, nil)
	if _, err := v.plan.Add(faults.Fault{Kind: faults.Shift, Rows: 3}); err != nil {
		t.Fatal(err)
	}
	const window = `"modified_begin":"2025-01-26 00:00:00","modified_end":"2025-01-31 11:59:59"`
	under, after := v.readOn(window), v.readOn(window)
	lost := slices.DeleteFunc(slices.Clone(after), func(id int64) bool { return slices.Contains(under, id) })
	if len(after) != 117 || len(lost) != 3 {
		t.Errorf("%d receipts are in the window, and %v were not read; want 117 and 3 of them", len(after), lost)
	}
	if got := v.store.Edits()[dataset.Fault]; got != 3 {
		t.Errorf("%d edits, want 3", got)
	}
}

func TestEditsOnPages(t *testing.T) {
	v := start(t, func(s *Settings) { s.EditOnPage, s.Edits = 4, 10 })
	for _, want := range []int{4, 8, 10, 10} {
		v.page("{" + allDays + "}")
		if st := v.server.Stats(); st.Edits["stream"] != want || st.EditsRemaining != 10-want {
			t.Errorf("edits %v, remaining %d, want %d made", st.Edits, st.EditsRemaining, want)
		}
	}
}

func TestRunEditsOnceItIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Default()
		s.Edits, s.EditRate = 6, 2
		stores := newStores(smallData())
		store := stores.store
		server, err := New(stores.config(s))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- server.Run(context.Background()) }()
		time.Sleep(time.Minute)
		if n := store.Edits()[dataset.Stream]; n != 0 {
			t.Errorf("%d edits before the first query", n)
		}
		close(server.polled)
		time.Sleep(2*time.Second + time.Millisecond)
		if n := store.Edits()[dataset.Stream]; n != 4 {
			t.Errorf("%d edits in 2 s, want 4", n)
		}
		if err := <-done; err != nil || store.Edits()[dataset.Stream] != 6 {
			t.Errorf("ended with %d edits, %v, want 6", store.Edits()[dataset.Stream], err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := Default()
	s.Edits, s.EditRate = 6, 2
	server, err := New(newStores(smallData()).config(s))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := server.Run(ctx); err != nil {
		t.Error(err)
	}
}
