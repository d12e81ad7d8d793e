package jushuitan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// otherPage returns a page of other goods movements.
func (v *vendor) otherPage(biz string) pageReply { return v.pageOf(OtherInOut, biz) }

// theFlow is what the flow of the demo asks for, all numbers as text.
const theFlow = allDays + `,"status":"Confirmed","page_index":"1","page_size":"30","date_type":"0","types":["其它退货"]`

func TestTheFlowTakesItsRecords(t *testing.T) {
	v := start(t, nil)
	p := v.otherPage("{" + theFlow + "}")
	if *p.DataCount != 120 || *p.PageCount != 4 || len(p.Datas) != 30 || !p.HasNext {
		t.Errorf("%d documents on %d pages, %d on this one, want 120, 4 and 30", *p.DataCount, *p.PageCount, len(p.Datas))
	}
	if n := len(v.others.Documents()); n != 138 {
		t.Errorf("%d documents in all, want 138", n)
	}
}

func TestRowsOfOtherInsAreSorted(t *testing.T) {
	v := start(t, nil)
	last := ""
	for index := 1; index <= 3; index++ {
		for _, row := range v.otherPage(fmt.Sprintf(`{%s,"page_index":%d,"page_size":50}`, allDays, index)).Datas {
			if key := fmt.Sprint(row.Modified, " ", row.IOID); key <= last {
				t.Errorf("%s comes after %s", key, last)
			} else {
				last = key
			}
		}
	}
}

func TestFiltersOfOtherIns(t *testing.T) {
	v := start(t, nil)
	count := func(keep func(*dataset.OtherIn) bool) int {
		n := 0
		for _, o := range v.others.Documents() {
			if keep(o) {
				n++
			}
		}
		return n
	}
	first := v.others.Documents()[0]
	for biz, want := range map[string]int{
		`{` + allDays + `}`:                                        138, // without a status all of them
		`{` + allDays + `,"status":"Confirmed"}`:                   count(func(o *dataset.OtherIn) bool { return o.Status == "Confirmed" }),
		`{` + allDays + `,"status":"Cancelled"}`:                   count(func(o *dataset.OtherIn) bool { return o.Status == "Cancelled" }),
		`{` + allDays + `,"status":"never heard of"}`:              0,
		`{` + allDays + `,"types":["其它退货"]}`:                       count(func(o *dataset.OtherIn) bool { return o.Type == "其它退货" }),
		`{` + allDays + `,"types":["其它进仓","其它出库"]}`:                count(func(o *dataset.OtherIn) bool { return o.Type != "其它退货" }),
		`{` + allDays + `,"types":["其他退货"]}`:                       0, // another character
		`{` + allDays + `,"wms_co_id":"10012346"}`:                 count(func(o *dataset.OtherIn) bool { return o.WmsCoID == 10012346 }),
		fmt.Sprintf(`{"io_ids":["%d",%d]}`, first.IOID, 1850002):   2,
		`{"so_ids":["none such"]}`:                                 0,
		fmt.Sprintf(`{"io_ids":[%d],"status":"x"}`, first.IOID):    0,
		fmt.Sprintf(`{%s,"io_ids":[%d]}`, allDays, first.IOID):     1,
		fmt.Sprintf(`{%s,"so_ids":["QT2024123456"]}`, allDays):     0,
		`{` + allDays + `,"date_type":2,"types":null,"status":""}`: 138,
	} {
		if p := v.otherPage(biz); *p.DataCount != want {
			t.Errorf("%s: %d documents, want %d", biz, *p.DataCount, want)
		}
	}
	for _, o := range v.others.Documents() {
		if o.SOID != nil && *o.SOID != "" {
			if p := v.otherPage(fmt.Sprintf(`{"so_ids":[%q]}`, *o.SOID)); len(p.Datas) != 1 || p.Datas[0].IOID != o.IOID {
				t.Errorf("document %d by its external number: %+v", o.IOID, p)
			}
			return
		}
	}
	t.Error("no document has an external number")
}

func TestRulesOfOtherInQueries(t *testing.T) {
	v := start(t, nil)
	ids := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"1850001",`, n), ",") + "]" }
	for biz, want := range map[string]int{
		`{}`:                     130,
		`{"types":["其它退货"]}`:     130,
		`{"status":"Confirmed"}`: 130,
		`{"modified_begin":"2025-01-30 00:00:00"}`:                                      130,
		`{"modified_begin":"2025-01-20 00:00:00","modified_end":"2025-01-27 00:00:01"}`: 140,
		`{"modified_begin":"2025-01-20 00:00:00","modified_end":"2025-01-27 00:00:00"}`: 0,
		`{"so_ids":` + ids(50) + `}`:                                                    0,
		`{"so_ids":` + ids(51) + `}`:                                                    140,
		`{"io_ids":` + ids(50) + `}`:                                                    0,
		`{"io_ids":` + ids(51) + `}`:                                                    140,
		`{"io_ids":["x"]}`:                                                              140,
		`{` + allDays + `,"types":"其它退货"}`:                                              140,
		`{` + allDays + `,"status":["Confirmed"]}`:                                      140,
		`{` + allDays + `,"wms_co_id":"x"}`:                                             140,
		`{` + allDays + `,"date_type":1}`:                                               140,
		`{` + allDays + `,"is_get_total":"maybe"}`:                                      140,
		`{"start_ts":1}`:                                                                0,
		`{"start_ts":"1","page_index":"2","is_get_total":"false"}`:                      0,
		`{"start_ts":1,"status":"Confirmed"}`:                                           140,
		`{"start_ts":-1}`:                                                               140,
	} {
		if r := v.query(OtherInOut, biz); r.Code != want {
			t.Errorf("%s: %d %s, want %d", biz, r.Code, r.Msg, want)
		}
	}
}

func TestOtherInsByRowVersion(t *testing.T) {
	for _, emit := range []bool{false, true} {
		v := start(t, func(s *Settings) { s.EmitTS = emit })
		docs := v.others.Documents()
		slices.SortFunc(docs, func(a, b *dataset.OtherIn) int { return cmp.Compare(a.TS, b.TS) })
		var page struct {
			DataCount *int `json:"data_count"`
			Datas     []struct {
				IOID int64  `json:"io_id"`
				TS   *int64 `json:"ts"`
			} `json:"datas"`
		}
		r := v.query(OtherInOut, fmt.Sprintf(`{"start_ts":%d,"is_get_total":false,"page_size":50}`, docs[100].TS))
		if err := json.Unmarshal(r.Data, &page); err != nil {
			t.Fatal(err)
		}
		if page.DataCount != nil || len(page.Datas) != 38 {
			t.Fatalf("%d documents, total %v, want 38 and none", len(page.Datas), page.DataCount)
		}
		for i, row := range page.Datas {
			if row.IOID != docs[100+i].IOID || (row.TS != nil) != emit || emit && *row.TS != docs[100+i].TS {
				t.Errorf("row %d is %+v, want document %d with ts: %v", i, row, docs[100+i].IOID, emit)
			}
		}
	}
}

func TestOtherInRowsGolden(t *testing.T) {
	v := start(t, nil)
	got := list(t, v.others.Documents()[:12], v.server.OtherInRow)
	golden(t, "other-inout-query.golden.json", got)
}

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("rows differ from %s:\n%s", path, got)
	}
}

// Other goods movements leave a window as purchase receipts do.
func TestAForwardReaderLosesOtherInsThatShift(t *testing.T) {
	v := start(t, nil)
	if _, err := v.plan.Add(faults.Fault{Kind: faults.Shift, Rows: 3, Path: OtherInOut}); err != nil {
		t.Fatal(err)
	}
	const window = `"modified_begin":"2025-01-26 00:00:00","modified_end":"2025-01-31 11:59:59"`
	under, after := v.readOnOf(OtherInOut, window), v.readOnOf(OtherInOut, window)
	lost := slices.DeleteFunc(slices.Clone(after), func(id int64) bool { return slices.Contains(under, id) })
	if len(after) != 135 || len(lost) != 3 {
		t.Errorf("%d documents are in the window, and %v were not read; want 135 and 3 of them", len(after), lost)
	}
	if got := v.others.Edits()[dataset.Fault]; got != 3 {
		t.Errorf("%d edits, want 3", got)
	}
}

func TestOnlyTheNamedFeedsAreEdited(t *testing.T) {
	for _, feeds := range [][]string{nil, {FeedOtherIn}, {FeedPurchaseIn, FeedShops}} {
		v := start(t, func(s *Settings) { s.EditOnPage, s.Edits, s.EditFeeds = 1, 2, feeds })
		if n := v.server.EditsRemaining(); n != 2*len(feeds) {
			t.Errorf("%v: %d edits to come, want %d", feeds, n, 2*len(feeds))
		}
		v.page("{" + allDays + "}")
		v.otherPage("{" + allDays + "}")
		v.pageOf(ShopsQuery, "{}")
		made := map[string]int{
			FeedPurchaseIn: v.store.Edits()[dataset.Stream], FeedOtherIn: v.others.Edits()[dataset.Stream], FeedShops: v.shops.Edits()[dataset.Stream],
		}
		for _, feed := range Feeds {
			if want := map[bool]int{true: 1}[slices.Contains(feeds, feed)]; made[feed] != want {
				t.Errorf("%v: %d edits of %s, want %d", feeds, made[feed], feed, want)
			}
		}
		if st := v.server.Stats(); st.EditsRemaining != len(feeds) || st.Edits["stream"] != len(feeds) {
			t.Errorf("%v: stats say %d made, %d to come", feeds, st.Edits["stream"], st.EditsRemaining)
		}
	}
}
