package kis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// The classes of master data. Seen in use.
const (
	classDepartment = 2
	classEmployee   = 3
	classMaterial   = 4
	classStock      = 5
	classUnit       = 7
)

// item is one row of master data.
type item struct {
	id, parent    int64
	number, short string
	name          string
	class         int
	// leaf is false for groups.
	leaf bool
	// further are the fields that lists have beside the usual ones, detail those of details alone.
	further, detail Row
	// unitGroup is that of a material or a unit, coefficient how many base units a unit is.
	unitGroup   int64
	coefficient int
	// good is what a material is in the world; nil if it is not there.
	good *world.Good
}

// base is the master data. It is made from the world and never changes, but that late goods are seen
// once they are released.
type base struct {
	world *world.World
	items map[int][]*item // by class
	byID  map[int64]*item
	units map[string]*item // by name
}

// founded is when the account set was filled.
var founded = time.Date(2025, 1, 1, 9, 0, 0, 0, dataset.Shanghai)

// Where the ids of master data begin: no two kinds have one in common.
const (
	firstGroup     = 200
	firstUnit      = 257
	departmentID   = 769
	firstStock     = 1320
	firstEmployee  = 3286
	userID         = 16394
	goodsGroup     = 20001
	packagingGroup = 20002
	firstPackaging = 22001
	firstMaterial  = 23000
	firstDuplicate = 40_000_000
)

func newBase(w *world.World, duplicates int) *base {
	b := &base{world: w, items: map[int][]*item{}, byID: map[int64]*item{}, units: map[string]*item{}}
	b.addUnits(w)
	b.add(&item{id: departmentID, number: "01", name: "仓储部", class: classDepartment, leaf: true})
	b.add(&item{id: firstEmployee, number: "001", name: "示例验收", class: classEmployee, leaf: true, further: Row{"FDepartmentID": departmentID}})
	b.add(&item{id: firstEmployee + 1, number: "002", name: "示例保管", class: classEmployee, leaf: true, further: Row{"FDepartmentID": departmentID}})
	for i, house := range w.Warehouses {
		if house.No != world.Excluded {
			b.add(&item{id: int64(firstStock + i), number: house.No, name: house.Name, class: classStock, leaf: true, further: Row{"FIsStockMgr": false}})
		}
	}
	b.addMaterials(w, duplicates)
	return b
}

func (b *base) add(i *item) {
	if i.short == "" {
		i.short = i.number
	}
	b.items[i.class] = append(b.items[i.class], i)
	b.byID[i.id] = i
}

// addUnits gives each base unit a group of its own; units with a coefficient are in the first.
func (b *base) addUnits(w *world.World) {
	group := int64(firstGroup)
	for i, u := range w.Units {
		in := int64(firstGroup)
		if u.Coefficient == 1 {
			in, group = group, group+1
		}
		unit := &item{
			id: int64(firstUnit + i), parent: in, number: fmt.Sprintf("U%02d", i+1), name: u.Name, class: classUnit, leaf: true,
			unitGroup: in, coefficient: u.Coefficient,
			further: Row{"FUnitGroupID": in, "FMeasureUnitID": firstUnit + i, "FCoefficient": u.Coefficient},
		}
		b.add(unit)
		b.units[u.Name] = unit
	}
}

// addMaterials makes each good a material of the first group. The second group has packaging that
// nobody sells, whose F_103 is null or not there, and the duplicates.
func (b *base) addMaterials(w *world.World, duplicates int) {
	b.add(&item{id: goodsGroup, number: "01", name: "成品", class: classMaterial})
	b.add(&item{id: packagingGroup, number: "02", name: "包材", class: classMaterial})
	for i := range w.Goods {
		good := &w.Goods[i]
		b.addMaterial(int64(firstMaterial+i+1), goodsGroup, *good, good)
	}
	for i := range 3 {
		g := world.Good{GoodsNo: fmt.Sprintf("PKG-%03d", i+1), Name: "包装箱", Spec: "通用", Unit: w.Units[0]}
		packaging := b.addMaterial(int64(firstPackaging+i), packagingGroup, g, nil)
		packaging.detail["F_103"] = nil
		if i == 0 {
			delete(packaging.detail, "F_103")
		}
	}
	for i := range min(duplicates, len(w.Goods)) {
		g := w.Goods[i]
		g.GoodsNo = "DUP-" + g.GoodsNo
		b.addMaterial(int64(firstDuplicate+i), packagingGroup, g, &w.Goods[i])
	}
}

func (b *base) addMaterial(id, group int64, g world.Good, good *world.Good) *item {
	unit := b.units[g.Unit.Name]
	i := &item{
		id: id, parent: group, number: fmt.Sprintf("%02d.%s", group-goodsGroup+1, g.GoodsNo), short: g.GoodsNo, name: g.Name,
		class: classMaterial, leaf: true, unitGroup: unit.unitGroup, good: good,
		detail: Row{
			"FModel": g.Spec, "FUnitID": unit.id, "FUnitGroupID": unit.unitGroup, "FErpClsID": 1, "FBatchManager": false, "FISKFPeriod": false,
			"FKFPeriod": 0, "FDefaultLoc": firstStock, "FSPID": 0, "F_101": "", "F_102": nil, "F_103": g.SKU,
		},
	}
	b.add(i)
	return i
}

// known reports whether the vendor has i by now.
func (b *base) known(i *item) bool { return i.good == nil || b.world.Known(*i.good) }

// find returns the item of a class with an id.
func (b *base) find(class int, id int64) (*item, bool) {
	i, found := b.byID[id]
	return i, found && i.class == class && b.known(i)
}

// modified returns when i was last changed: a late good when it was released.
func (b *base) modified(i *item) time.Time {
	if i.good == nil || !i.good.Late {
		return founded
	}
	return b.world.Released()
}

// row returns i as lists have it. Most of the shape was seen in use.
func (b *base) row(i *item) Row {
	level := 1
	if i.parent != 0 && i.class != classUnit {
		level = 2
	}
	row := Row{
		"FDetail": i.leaf, "FFullName": i.name, "FFullNumber": i.number, "FItemClassID": i.class, "FItemID": i.id, "FLevel": level,
		"FModifyTime": wall(b.modified(i)), "FName": i.name, "FNumber": i.number, "FParentID": i.parent, "FShortNumber": i.short,
		"UUID": fmt.Sprintf("00000000-0000-4000-8000-%012d", i.id),
	}
	maps.Copy(row, i.further)
	return row
}

// detailRow returns i as details have it.
func (b *base) detailRow(i *item) Row {
	row := b.row(i)
	maps.Copy(row, i.detail)
	return row
}

// wall returns a time as replies have it.
func wall(t time.Time) string { return t.In(dataset.Shanghai).Format("2006-01-02T15:04:05") }

// shown returns the items of a class that the vendor has by now.
func (b *base) shown(class int) []*item {
	return slices.DeleteFunc(slices.Clone(b.items[class]), func(i *item) bool { return !b.known(i) })
}

// baseCalls are the calls for master data. Paths were seen in use.
func (s *Server) baseCalls() map[string]func(*gateway.Call, shape.Object) (any, error) {
	calls := map[string]func(*gateway.Call, shape.Object) (any, error){
		"Material/List": s.listItems(classMaterial, "TotalPages"), "Material/GetListDetails": s.listDetails,
		"Stock/List":       s.listItems(classStock, "TotalPage"), // some lists spell it so
		"MeasureUnit/List": s.listItems(classUnit, "TotalPages"), "MeasureUnit/UnitGroupList": s.listUnitGroups,
		"MeasureUnit/GetDetail": s.detail(classUnit, "FItemID"),
		"Department/List":       s.listItems(classDepartment, "TotalPages"),
		"Employee/List":         s.listItems(classEmployee, "TotalPages"),
		"User/List":             s.listUsers,
		"Customer/List":         s.listItems(1, "TotalPages"),
		"Vendor/List":           s.listItems(8, "TotalPages"),
	}
	for name, class := range map[string]int{"Material": classMaterial, "Employee": classEmployee, "Customer": 1, "Vendor": 8} {
		calls[name+"/Get"], calls[name+"/GetDetail"] = s.detail(class, "ItemId"), s.detail(class, "ItemId")
	}
	return calls
}

// itemFilters are the filters of lists of master data. Seen in use; fields that are not among them do
// nothing.
func itemFilters() shape.Fields {
	return shape.Fields{
		"ParentId": {Kind: shape.ID}, "Detail": {Kind: shape.Boolean}, "SearchKey": {Kind: shape.Text},
		"StartDate": {Kind: shape.Text}, "EndDate": {Kind: shape.Text}, "FUnitGroupID": {Kind: shape.ID},
	}
}

// listItems answers the list of a class. pages is its name for the number of pages.
func (s *Server) listItems(class int, pages string) func(*gateway.Call, shape.Object) (any, error) {
	return func(_ *gateway.Call, body shape.Object) (any, error) {
		keep, err := s.filter(body)
		if err != nil {
			return nil, err
		}
		found := slices.DeleteFunc(s.base.shown(class), func(i *item) bool { return !keep(i) })
		reply, err := listReply(body, found, s.base.row)
		if err != nil {
			return nil, err
		}
		count := reply["TotalPages"]
		delete(reply, "TotalPages")
		reply[pages] = count
		return reply, nil
	}
}

// filter returns what is true for the items that body asks for.
func (s *Server) filter(body shape.Object) (func(*item) bool, error) {
	read, err := shape.Rules{IgnoreUnknown: true}.Read(body, itemFilters())
	if err != nil {
		return nil, refuse("请求参数不正确：%v", err)
	}
	from, err := bound(read.Text("StartDate"))
	if err != nil {
		return nil, err
	}
	to, err := bound(read.Text("EndDate"))
	if err != nil {
		return nil, err
	}
	detail, asked := read["Detail"].(bool)
	parent, group, key := whole(read["ParentId"]), whole(read["FUnitGroupID"]), read.Text("SearchKey")
	ids := wholes(body["Ids"])
	return func(i *item) bool {
		at := s.base.modified(i)
		return (!asked || i.leaf == detail) && (parent == 0 || i.parent == parent) && (group == 0 || i.unitGroup == group) &&
			(strings.Contains(i.number, key) || strings.Contains(i.name, key)) && (len(ids) == 0 || slices.Contains(ids, i.id)) &&
			(from.IsZero() || !at.Before(from)) && (to.IsZero() || !at.After(to))
	}, nil
}

// bound reads a time of a filter; empty is none. The format is assumed.
func bound(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, format := range []string{time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(format, text, dataset.Shanghai); err == nil {
			return t, nil
		}
	}
	return time.Time{}, refuse("日期[%s]格式不正确", text)
}

// wholes returns the whole numbers of a decoded list.
func wholes(v any) []int64 {
	list, _ := v.([]any)
	var all []int64
	for _, one := range list {
		all = append(all, whole(one))
	}
	return all
}

// listDetails serves GetListDetails. Ids that there are not are left out: an assumption.
func (s *Server) listDetails(_ *gateway.Call, body shape.Object) (any, error) {
	ids := wholes(body["ItemIds"])
	if most := s.settings.DetailsAtOnce; most > 0 && len(ids) > most {
		return nil, refuse("ItemIds不能超过%d个", most)
	}
	rows := []Row{}
	for _, id := range ids {
		if i, found := s.base.find(classMaterial, id); found {
			rows = append(rows, s.base.detailRow(i))
		}
	}
	return Row{"List": rows}, nil
}

// detail answers the detail of one item of a class, whose id is in a field.
func (s *Server) detail(class int, field string) func(*gateway.Call, shape.Object) (any, error) {
	return func(_ *gateway.Call, body shape.Object) (any, error) {
		i, found := s.base.find(class, whole(body[field]))
		if !found {
			return nil, refuse("基础资料[%s]不存在", shape.Scalar(body[field]))
		}
		return s.base.detailRow(i), nil
	}
}

// listUnitGroups serves the groups of units of measure: each has the name of its base unit.
func (s *Server) listUnitGroups(_ *gateway.Call, body shape.Object) (any, error) {
	groups := slices.DeleteFunc(s.base.shown(classUnit), func(i *item) bool { return i.coefficient != 1 })
	return listReply(body, groups, func(i *item) Row {
		return Row{"FUnitGroupID": i.unitGroup, "FName": i.name + "组", "FDefaultUnitID": i.id}
	})
}

// listUsers serves the users of the account set: there is one.
func (s *Server) listUsers(_ *gateway.Call, body shape.Object) (any, error) {
	return listReply(body, []int{userID}, func(id int) Row { return Row{"FUserID": id, "FItemID": id, "FName": "接口用户"} })
}

// Materials returns all materials and their groups, with the fields of their details.
func (s *Server) Materials() []Row { return s.allShown(classMaterial) }

// Stocks returns all warehouses.
func (s *Server) Stocks() []Row { return s.allShown(classStock) }

// Units returns all units of measure.
func (s *Server) Units() []Row { return s.allShown(classUnit) }

func (s *Server) allShown(class int) []Row {
	rows := []Row{}
	for _, i := range s.base.shown(class) {
		rows = append(rows, s.base.detailRow(i))
	}
	return rows
}
