package xingchen

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

const materialPath = "/jdy/v2/bd/material"

func TestEachGoodIsAMaterial(t *testing.T) {
	v := start(t, nil)
	first := v.list(materialPath, "page_size=200")
	if first.PageSize != 100 || len(first.Rows) != 100 || first.TotalPage != 2 {
		t.Fatalf("page size %d, %d rows, %d pages", first.PageSize, len(first.Rows), first.TotalPage)
	}
	all := slices.Concat(first.Rows, v.list(materialPath, "page=2&page_size=100").Rows)
	want := []world.Good{}
	for _, g := range v.world.Goods {
		if !g.Late {
			want = append(want, g)
		}
	}
	if len(all) != len(want) || first.Count != strconv.Itoa(len(want)) || len(want) == len(v.world.Goods) {
		t.Fatalf("%d materials, count %v, want %d of %d goods", len(all), first.Count, len(want), len(v.world.Goods))
	}
	for i, g := range want {
		row := all[i]
		unit := v.row("/jdy/v2/bd/measure_unit_detail", "id="+row["base_unit_id"].(string))
		if id, _ := row["id"].(string); row["number"] != g.GoodsNo || row["model"] != g.Spec || len(id) != 19 || unit["name"] != g.Unit.Name ||
			row["base_unit_name"] != g.Unit.Name || row["units"] != nil {
			t.Fatalf("material %v of good %+v with unit %v", row, g, unit)
		}
	}
}

func TestUnitsOfMaterialsAreShownOnDemand(t *testing.T) {
	v := start(t, nil)
	multi := 0
	for _, row := range v.list(materialPath, "page_size=100&show_units=true").Rows {
		units, _ := row["units"].([]any)
		isMulti := row["is_multi_unit"] == true
		if isMulti {
			multi++
		}
		base, _ := units[0].(Row)
		if isMulti != (len(units) == 2) || base["unit_id"] != row["base_unit_id"] || base["coefficient"] != json.Number("1") {
			t.Errorf("units of %v", row)
		}
		listed := v.list("/jdy/v2/bd/material_unit", "material_id="+row["id"].(string))
		if len(listed.Rows) != len(units) || text(t, listed.Rows[0]) != text(t, base) {
			t.Errorf("listed units of %v are %v", row["number"], listed.Rows)
		}
		if one := v.row("/jdy/v2/bd/material_unit_detail", "id="+base["id"].(string)); text(t, one) != text(t, base) {
			t.Errorf("detail is %v, want %v", one, base)
		}
	}
	if multi == 0 {
		t.Error("no material has two units")
	}
}

func TestLateGoodsComeWhenTheyAreReleased(t *testing.T) {
	v := start(t, nil)
	i := slices.IndexFunc(v.world.Goods, func(g world.Good) bool { return g.Late })
	late := "number=" + v.world.Goods[i].GoodsNo
	v.refused(v.get(materialPath+"_detail", late), "数据不存在")
	before := len(v.server.Materials())
	since := "modify_start_time=" + strconv.FormatInt(v.Clock.Now().UnixMilli(), 10)
	if l := v.list(materialPath, since); len(l.Rows) != 0 {
		t.Errorf("changed: %v", l.Rows)
	}
	v.Clock.Advance(time.Minute)
	v.world.Release(v.Clock.Now())
	if row := v.row(materialPath+"_detail", late); row["purchase_unit_id"] != row["base_unit_id"] {
		t.Errorf("row is %v", row)
	}
	l := v.list(materialPath, since+"&page_size=100")
	if len(l.Rows) == 0 || len(v.server.Materials()) != before+len(l.Rows) || len(v.server.Materials()) != len(v.world.Goods)+1 {
		t.Errorf("%d materials came, %d before, %d after", len(l.Rows), before, len(v.server.Materials()))
	}
}

func TestStores(t *testing.T) {
	v := start(t, nil)
	l := v.list("/jdy/v2/bd/store", "")
	if numbers(l) != "WH01 WH02 WH03" || l.Count != json.Number("3") || l.Rows[0]["modify_time"] == "" {
		t.Errorf("stores are %+v", l)
	}
	r := v.get("/jdy/v2/bd/store", "enable=-1&page_size=2")
	if !strings.Contains(r.Body, `"cur_page_size":2`) || !strings.Contains(r.Body, `"count":4`) || strings.Contains(r.Body, world.Excluded) {
		t.Errorf("answer is %s", r.Body)
	}
	if got := numbers(v.list("/jdy/v2/bd/store", "enable=0")); got != "CK-STOP" {
		t.Errorf("disabled stores are %s", got)
	}
	row := v.row("/jdy/v2/bd/store_detail", "number=CK-STOP")
	if row["enable"] != "0" || row["is_allow_freight"] != false || row["allow_negative"] != "false" {
		t.Errorf("row is %v", row)
	}
	v.refused(v.get("/jdy/v2/bd/store_detail", "number="+world.Excluded), "数据不存在")
	if n := len(v.server.Stores()); n != 4 {
		t.Errorf("the control page shows %d stores, want 4", n)
	}
	all := start(t, func(s *Settings) { s.EnableDefault = "all" })
	if got := numbers(all.list("/jdy/v2/bd/store", "")); got != "WH01 WH02 WH03 CK-STOP" {
		t.Errorf("all stores are %s", got)
	}
}

func TestFiltersOfMasterData(t *testing.T) {
	v := start(t, nil)
	first, second := v.known(0), v.known(1)
	for _, test := range []struct{ query, want string }{
		{"search=" + first.number, first.number},
		{"ids=" + first.id + "," + second.id, first.number + " " + second.number},
		{"ids=" + first.id + "&ids=" + second.id, first.number + " " + second.number},
		{"parent=5", ""},
		{"parent=1&ids=" + first.id, first.number},
		{"enable=0", "SPU-STOP"},
	} {
		if got := numbers(v.list(materialPath, test.query)); got != test.want {
			t.Errorf("%s: %s, want %s", test.query, got, test.want)
		}
	}
}

func TestFurtherMasterData(t *testing.T) {
	v := start(t, nil)
	for path, want := range map[string]string{
		"/jdy/v2/bd/measure_unit": "个 件 套 箱 双", "/jdy/v2/bd/department": "BM00001 BM00002", "/jdy/v2/bd/emp": "YG00001",
	} {
		l := v.list(path, "")
		if got := numbers(l); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		id, _ := l.Rows[0]["id"].(string)
		if row := v.row(path+"_detail", "id="+id); row["number"] != l.Rows[0]["number"] {
			t.Errorf("%s: detail is %v", path, row)
		}
	}
	if units := v.server.Units(); len(units) != 5 || units[0]["id"] != "8" || units[0]["precision"] != "4" {
		t.Errorf("units are %v", units)
	}
}
