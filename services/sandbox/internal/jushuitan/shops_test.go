package jushuitan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// shopPage is a page of shops as a client sees it.
type shopPage struct {
	PageIndex int                          `json:"page_index"`
	PageSize  int                          `json:"page_size"`
	HasNext   bool                         `json:"has_next"`
	Datas     []map[string]json.RawMessage `json:"datas"`
}

func (v *vendor) shopPage(biz string) shopPage {
	v.t.Helper()
	r := v.query(ShopsQuery, biz)
	var p shopPage
	if err := json.Unmarshal(r.Data, &p); r.Code != 0 || err != nil {
		v.t.Fatalf("query %s: %d %s, %v", biz, r.Code, r.Msg, err)
	}
	return p
}

func (p shopPage) ids() []string {
	var ids []string
	for _, shop := range p.Datas {
		ids = append(ids, string(shop["shop_id"]))
	}
	return ids
}

func TestShopsArePagedWithoutTotals(t *testing.T) {
	v := start(t, nil) // 120 shops, and the pseudo shop
	for _, test := range []struct {
		biz               string
		index, size, rows int
		next              bool
	}{
		{`{}`, 1, 100, 100, true},
		{`{"page_index":"2"}`, 2, 100, 21, false},
		{`{"page_index":1,"page_size":121}`, 1, 100, 100, true},
		{`{"page_index":3,"page_size":60}`, 3, 60, 1, false},
		{`{"page_index":9,"page_size":10,"is_get_total":true}`, 9, 10, 10, true},
		{`{"page_index":99}`, 99, 100, 0, false},
	} {
		p := v.shopPage(test.biz)
		if p.PageIndex != test.index || p.PageSize != test.size || len(p.Datas) != test.rows || p.HasNext != test.next {
			t.Errorf("%s: page %d of %d with %d, next %v", test.biz, p.PageIndex, p.PageSize, len(p.Datas), p.HasNext)
		}
	}
	for _, without := range []string{"omit", "null", "zero"} {
		v := start(t, func(s *Settings) { s.TotalsWithout = without })
		for _, total := range []bool{true, false} {
			text := string(v.query(ShopsQuery, fmt.Sprintf(`{"is_get_total":%v}`, total)).Data)
			if strings.Contains(text, "data_count") || strings.Contains(text, "page_count") {
				t.Errorf("%s: the page has totals: %.80s", without, text)
			}
		}
	}
}

func TestThePseudoShopComesFirst(t *testing.T) {
	v := start(t, nil)
	shops := v.shopPage(`{"page_size":50}`).Datas
	const want = `{"nick":null,"shop_id":0,"session_expired":null,"created":null,"shop_url":"","organization":null,"co_id":0,"session_uid":null,"short_name":null,"shop_site":null,"shop_name":"{线下}"}`
	if text := string(v.query(ShopsQuery, `{"page_size":1}`).Data); !strings.Contains(text, `"datas":[`+want+`]`) {
		t.Errorf("the first page is %s, want the pseudo shop", text)
	}
	last := ""
	for _, shop := range shops[1:] {
		if id := string(shop["shop_id"]); id <= last || len(id) != 8 {
			t.Errorf("shop %s comes after %s", id, last)
		} else {
			last = id
		}
	}
}

func TestShopRowsGolden(t *testing.T) {
	v := start(t, nil)
	golden(t, "shops-query.golden.json", list(t, v.server.VisibleShops()[:12], v.server.ShopRow))
}

func TestFiltersOfShops(t *testing.T) {
	v := start(t, nil)
	shops := v.shops.Documents()
	withShortName := slices.IndexFunc(shops, func(s *dataset.Shop) bool { return s.ShortName != nil && *s.ShortName != "" })
	for biz, want := range map[string][]string{
		`{"shop_ids":[10394003,"10394001",1]}`:                                          {"10394001", "10394003"},
		`{"shop_ids":[0]}`:                                                              {"0"},
		fmt.Sprintf(`{"nicks":[%q]}`, shops[4].Nick):                                    {"10394005"},
		fmt.Sprintf(`{"nicks":[%q,"老板"]}`, *shops[withShortName].ShortName):             {fmt.Sprint(shops[withShortName].ShopID)},
		fmt.Sprintf(`{"nicks":[%q],"shop_ids":[10394001]}`, shops[4].Nick):              nil,
		fmt.Sprintf(`{"nicks":[%q],"page_size":"100"}`, strings.ToUpper(shops[4].Nick)): nil,
	} {
		if got := v.shopPage(biz).ids(); !slices.Equal(got, want) {
			t.Errorf("%s: shops %v, want %v", biz, got, want)
		}
	}
	for _, bad := range []string{`{"shop_ids":["x"]}`, `{"shop_ids":1}`, `{"nicks":"x"}`, `{"page_size":0}`} {
		if r := v.query(ShopsQuery, bad); r.Code != 140 {
			t.Errorf("%s: %d %s, want 140", bad, r.Code, r.Msg)
		}
	}
}

func TestADisabledShopDisappears(t *testing.T) {
	v := start(t, nil)
	const biz = `{"shop_ids":[10394007]}`
	before := v.shopPage(biz)
	change := func(c dataset.Change) {
		t.Helper()
		if _, err := v.shops.Edit([]int64{10394007}, c, dataset.Control, v.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	change(dataset.Change{Status: dataset.Disabled, Name: "改名店"})
	if p := v.shopPage(biz); len(p.Datas) != 0 {
		t.Errorf("disabled: %+v", p)
	}
	change(dataset.Change{Status: dataset.Enabled})
	after := v.shopPage(biz)
	if len(after.Datas) != 1 || string(after.Datas[0]["shop_name"]) != `"改名店"` || string(after.Datas[0]["nick"]) != string(before.Datas[0]["nick"]) {
		t.Errorf("enabled again: %s, was %s", after.Datas, before.Datas)
	}
}

// Shops leave a list that is being read only by being disabled; the pseudo shop never does.
func TestShopsThatShift(t *testing.T) {
	v := start(t, nil)
	if _, err := v.plan.Add(faults.Fault{Kind: faults.Shift, Rows: 3, Path: ShopsQuery}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for index := 1; index <= 4; index++ {
		for _, id := range v.shopPage(fmt.Sprintf(`{"page_index":%d,"page_size":50}`, index)).ids() {
			seen[id] = true
		}
	}
	if n := v.shops.Edits()[dataset.Fault]; n != 2 || len(seen) != 119 {
		t.Errorf("%d shops were disabled and %d seen; want 2, and 119 with them", n, len(seen))
	}
}
