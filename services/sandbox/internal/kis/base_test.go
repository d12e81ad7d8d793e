package kis

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// ids returns the FItemID of rows with blanks between.
func ids(all []Row) string {
	out := []string{}
	for _, row := range all {
		out = append(out, fmt.Sprint(row["FItemID"]))
	}
	return strings.Join(out, " ")
}

// leaves returns all materials that are no groups, page by page.
func (v *vendor) leaves() []Row {
	v.T.Helper()
	all := []Row{}
	for page := 1; ; page++ {
		data := v.data(materialPath, fmt.Sprintf(`{"CurrentPage":%d,"ItemsOfPage":"100","ParentId":0,"Detail":true,"SearchKey":"","Ids":[],"StartDate":"","EndDate":""}`, page))
		all = append(all, rows(data["List"])...)
		if data["HasNextPage"] != true {
			if data["TotalItems"] != json.Number(fmt.Sprint(len(all))) || data["TotalPages"] != json.Number(fmt.Sprint(page)) {
				v.T.Errorf("%d rows on %d pages, answer %v of %v", len(all), page, data["TotalItems"], data["TotalPages"])
			}
			return all
		}
	}
}

// details returns the details of rows, by chunks.
func (v *vendor) details(all []Row) []Row {
	v.T.Helper()
	found := []Row{}
	for chunk := range slices.Chunk(all, 20) {
		found = append(found, v.rows("/koas/APP006992/api/Material/GetListDetails", `{"ItemIds":[`+strings.ReplaceAll(ids(chunk), " ", ",")+`]}`)...)
	}
	return found
}

func TestEachGoodIsAMaterialWithItsSKU(t *testing.T) {
	v := start(t, nil)
	listed := v.leaves()
	bySKU, without := map[string]Row{}, 0
	for _, row := range v.details(listed) {
		if sku, ok := row["F_103"].(string); ok {
			bySKU[sku] = row
			continue
		}
		without++
	}
	if _, there := listed[0]["F_103"]; there || without != 3 || len(bySKU) != len(listed)-3 {
		t.Errorf("%d of %d materials have a SKU, %d none; a listed row is %v", len(bySKU), len(listed), without, listed[0])
	}
	for _, g := range v.world.Goods {
		row, found := bySKU[g.SKU]
		if found == g.Late {
			t.Errorf("good %+v: %v", g, row)
			continue
		}
		if g.Late {
			continue
		}
		unit := v.server.base.units[g.Unit.Name]
		if row["FShortNumber"] != g.GoodsNo || row["FUnitID"] != json.Number(fmt.Sprint(unit.id)) || row["FDetail"] != true || row["FModel"] != g.Spec {
			t.Errorf("good %+v: %v", g, row)
		}
	}
}

func TestFiltersOfMaterials(t *testing.T) {
	v := start(t, nil)
	i := slices.IndexFunc(v.world.Goods, func(g world.Good) bool { return !g.Late })
	first := fmt.Sprint(firstMaterial + i + 1)
	for _, test := range []struct{ body, want string }{
		{`{"Detail":false}`, "20001 20002"},
		{`{"ItemsOfPage":2}`, "20001 20002"},
		{`{"Detail":true,"ParentId":20002}`, "22001 22002 22003"},
		{`{"ParentId":"20002","SearchKey":"PKG-003"}`, "22003"},
		{`{"Ids":[22002,` + first + `]}`, first + " 22002"},
		{`{"ParentId":20002,"StartDate":"2025-01-01 09:00:00","EndDate":"2025-01-01 09:00:00"}`, "22001 22002 22003"},
		{`{"ParentId":20002,"EndDate":"2025-01-01"}`, ""},
		{`{"ParentId":20002,"CurrentPage":2,"ItemsOfPage":2}`, "22003"},
		{`{"ParentId":20002,"CurrentPage":9}`, ""},
	} {
		if got := ids(v.rows(materialPath, test.body)); got != test.want {
			t.Errorf("%s: %s, want %s", test.body, got, test.want)
		}
	}
	if n := len(v.rows(materialPath, `{"ItemsOfPage":1000}`)); n != 100 {
		t.Errorf("a page has %d rows, want 100", n)
	}
	for _, body := range []string{`{"StartDate":"yesterday"}`, `{"EndDate":5}`, `{"Detail":"true"}`} {
		v.refused(v.post(materialPath, body), "202-")
	}
}

func TestLateGoodsComeWhenTheyAreReleased(t *testing.T) {
	v := start(t, nil)
	before := len(v.leaves())
	i := slices.IndexFunc(v.world.Goods, func(g world.Good) bool { return g.Late })
	get := fmt.Sprintf(`{"ItemId":%d}`, firstMaterial+i+1)
	v.refused(v.post("/koas/APP006992/api/Material/Get", get), "不存在")
	v.Clock.Advance(time.Minute)
	v.world.Release(v.Clock.Now())
	row := v.data("/koas/APP006992/api/Material/GetDetail", get)
	if row["F_103"] != v.world.Goods[i].SKU || row["FModifyTime"] != "2025-10-10T09:01:00" {
		t.Errorf("row is %v", row)
	}
	if n := len(v.leaves()); n != len(v.world.Goods)+3 || n == before {
		t.Errorf("%d materials, %d before", n, before)
	}
	if changed := v.rows(materialPath, `{"StartDate":"2025-10-10 09:01:00","ItemsOfPage":100}`); len(changed) != len(v.world.Goods)+3-before {
		t.Errorf("%d materials changed", len(changed))
	}
}

func TestDetailsAtOnce(t *testing.T) {
	v := start(t, nil)
	const path = "/koas/APP006992/api/Material/GetListDetails"
	all := strings.Repeat("22001,", 20) + `"22002"`
	v.refused(v.post(path, `{"ItemIds":[`+all+`]}`), "20")
	if got := ids(v.rows(path, `{"ItemIds":["22002",5,22001]}`)); got != "22002 22001" {
		t.Errorf("details are of %s", got)
	}
	unlimited := start(t, func(s *Settings) { s.DetailsAtOnce = 0 })
	if n := len(unlimited.rows(path, `{"ItemIds":[`+all+`]}`)); n != 21 {
		t.Errorf("%d details, want 21", n)
	}
}

func TestNullAndMissingSKUs(t *testing.T) {
	v := start(t, nil)
	for id, want := range map[string]bool{"22001": false, "22002": true} {
		row := v.data("/koas/APP006992/api/Material/GetDetail", `{"ItemId":`+id+`}`)
		if sku, there := row["F_103"]; there != want || sku != nil {
			t.Errorf("material %s: %v", id, row)
		}
	}
}

func TestDuplicateSKUs(t *testing.T) {
	v := start(t, func(s *Settings) { s.DuplicateSKUs = 2 })
	v.world.Release(v.Clock.Now())
	count := map[any]int{}
	for _, row := range v.server.Materials() {
		count[row["F_103"]]++
	}
	if count[v.world.Goods[0].SKU] != 2 || count[v.world.Goods[1].SKU] != 2 || count[v.world.Goods[2].SKU] != 1 {
		t.Errorf("SKUs are %v", count)
	}
}

func TestUnits(t *testing.T) {
	v := start(t, nil)
	const path = "/koas/APP006992/api/MeasureUnit/"
	all := v.rows(path+"List", `{"CurrentPage":1,"ItemsOfPage":100}`)
	got := ""
	for _, row := range all {
		got += fmt.Sprint(row["FName"], row["FCoefficient"], "/", row["FUnitGroupID"], " ")
	}
	if got != "个1/200 件1/201 套1/202 箱12/200 双2/200 " {
		t.Errorf("units are %s", got)
	}
	if got := ids(v.rows(path+"List", `{"FUnitGroupID":200}`)); got != "257 260 261" {
		t.Errorf("units of the first group are %s", got)
	}
	groups := v.rows(path+"UnitGroupList", "{}")
	if len(groups) != 3 || groups[0]["FDefaultUnitID"] != json.Number("257") {
		t.Errorf("groups are %v", groups)
	}
	if row := v.data(path+"GetDetail", `{"FItemID":260}`); row["FName"] != "箱" || row["FMeasureUnitID"] != json.Number("260") {
		t.Errorf("row is %v", row)
	}
	if n := len(v.server.Units()); n != 5 {
		t.Errorf("the control page shows %d units", n)
	}
}

func TestFurtherMasterData(t *testing.T) {
	v := start(t, nil)
	for path, want := range map[string]string{
		"Stock/List": "1320 1321 1322", "Department/List": "769", "Employee/List": "3286 3287", "User/List": "16394", "Customer/List": "", "Vendor/List": "",
	} {
		if got := ids(v.rows("/koas/APP006992/api/"+path, `{"CurrentPage":1,"ItemsOfPage":10,"FItemClassID":2}`)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	stocks := v.data("/koas/APP006992/api/Stock/List", "{}")
	if _, there := stocks["TotalPages"]; there || stocks["TotalPage"] != json.Number("1") || stocks["HasNextPage"] != false {
		t.Errorf("stocks are %v", stocks)
	}
	if row := v.data("/koas/APP006992/api/Employee/Get", `{"ItemId":"3286"}`); row["FItemClassID"] != json.Number("3") {
		t.Errorf("row is %v", row)
	}
	v.refused(v.post("/koas/APP006992/api/Customer/GetDetail", `{"ItemId":3286}`), "3286")
	if shown := v.server.Stocks(); len(shown) != 3 || shown[0]["FNumber"] != "WH01" {
		t.Errorf("stocks are %v", shown)
	}
}
