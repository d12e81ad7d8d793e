package xingchen

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// entity is one row of master data.
type entity struct {
	id, number, name string
	enabled          bool
	// created is when it was entered; for a late good, when it was released.
	created time.Time
	// fields are those of the list, detail the further ones of the detail call.
	fields, detail Row
	// units are those of a material, its base unit first.
	units []unit
	// good is what a material is in the world; nil if it is not there.
	good *world.Good
}

// unit is a unit of measure of a material.
type unit struct {
	id, name    string
	coefficient int
}

// baseKind is a kind of master data.
type baseKind struct {
	// name is its part of the path.
	name    string
	dialect dialect
	// group is the filter by group, parent the field that it looks at.
	group, parent string
}

var (
	materials    = baseKind{"material", countText, "parent", "parent_id"}
	stores       = baseKind{"store", countStore, "groupid", "group_id"}
	measureUnits = baseKind{"measure_unit", countText, "", ""}
	departments  = baseKind{"department", countText, "", ""}
	employees    = baseKind{"emp", countText, "", ""}

	baseKinds = []baseKind{materials, stores, measureUnits, departments, employees}
)

// base is the master data. It is made from the world and never changes, but that late goods are
// seen once they are released.
type base struct {
	world *world.World
	rows  map[string][]*entity // by name of the kind
	ids   map[string]map[string]*entity
}

// founded is when the account set was filled.
var founded = time.Date(2025, 1, 1, 9, 0, 0, 0, dataset.Shanghai)

// The ids of master data are far from each other, and too long for a double as those of the vendor.
const (
	firstMaterial = 1986543210000000000
	firstStore    = 1986543300000000000
	firstUnit     = 8
)

func newBase(w *world.World) *base {
	b := &base{world: w, rows: map[string][]*entity{}, ids: map[string]map[string]*entity{}}
	for _, kind := range baseKinds {
		b.ids[kind.name] = map[string]*entity{}
	}
	b.addUnits(w)
	b.addStores(w)
	b.addMaterials(w)
	b.add(departments, &entity{id: "1986543400000000001", number: "BM00001", name: "仓储部", enabled: true, created: founded})
	b.add(departments, &entity{id: "1986543400000000002", number: "BM00002", name: "销售部", enabled: true, created: founded})
	b.add(employees, &entity{id: "1986543500000000001", number: "YG00001", name: "示例员工", enabled: true, created: founded})
	return b
}

func (b *base) add(kind baseKind, e *entity) {
	b.rows[kind.name] = append(b.rows[kind.name], e)
	b.ids[kind.name][e.id] = e
}

func (b *base) addUnits(w *world.World) {
	for i, u := range w.Units {
		b.add(measureUnits, &entity{
			id: strconv.Itoa(firstUnit + i), number: u.Name, name: u.Name, enabled: true, created: founded,
			fields: Row{"precision": "4"},
		})
	}
}

// addStores makes the warehouses stores, but for the one that the finance system does not have, and
// adds one that is disabled.
func (b *base) addStores(w *world.World) {
	for i, house := range append(slices.Clone(w.Warehouses), world.Warehouse{No: "CK-STOP", Name: "停用仓"}) {
		if house.No == world.Excluded {
			continue
		}
		b.add(stores, &entity{
			id: strconv.Itoa(firstStore + i + 1), number: house.No, name: house.Name, enabled: house.No != "CK-STOP", created: founded,
			fields: Row{"group_id": "1", "group_number": "001", "group_name": "默认分组"},
			detail: Row{"is_allow_freight": false, "allow_negative": "false", "storekeeper_id": "", "storekeeper_name": ""},
		})
	}
}

// addMaterials makes each good a material, and adds one that is disabled.
func (b *base) addMaterials(w *world.World) {
	for i := range w.Goods {
		good := &w.Goods[i]
		b.add(materials, b.material(i+1, *good, good))
	}
	stopped := b.material(len(w.Goods)+1, world.Good{GoodsNo: "SPU-STOP", Name: "停用商品", Unit: w.Units[0]}, nil)
	stopped.enabled = false
	b.add(materials, stopped)
}

// everyFifth material can be counted in boxes, too.
const everyFifth = 5

func (b *base) material(n int, g world.Good, good *world.Good) *entity {
	box := slices.IndexFunc(b.world.Units, func(u world.Unit) bool { return u.Coefficient > 2 })
	units := []unit{b.unit(g.Unit.Name, 1)}
	if n%everyFifth == 0 && box >= 0 && g.Unit.Coefficient == 1 {
		units = append(units, b.unit(b.world.Units[box].Name, b.world.Units[box].Coefficient))
	}
	unitOf, multi := units[0], len(units) > 1
	detail := Row{
		"purchase_unit_id": unitOf.id, "sale_unit_id": unitOf.id, "store_unit_id": unitOf.id, "fix_unit_id1": "", "coefficient1": 0,
		"conversion_unit_id1": "", "cost_method": "1", "stock_id": "", "space_id": "",
	}
	if multi {
		detail["fix_unit_id1"], detail["coefficient1"], detail["conversion_unit_id1"] = units[1].id, units[1].coefficient, unitOf.id
	}
	return &entity{
		id: strconv.Itoa(firstMaterial + n), number: g.GoodsNo, name: g.Name, enabled: true, created: founded, good: good, units: units,
		fields: Row{
			"model": g.Spec, "barcode": g.Barcode, "base_unit_id": unitOf.id, "base_unit_number": unitOf.name, "base_unit_name": unitOf.name,
			"is_multi_unit": multi, "is_batch": false, "is_serial": false, "is_kf_period": false, "is_asst_attr": false, "is_weight": false,
			"check_type": "1", "parent_id": "1", "parent_number": "001", "parent_name": "默认分类", "brand_id": "", "brand_name": "", "help_code": "", "remark": "",
		},
		detail: detail,
	}
}

func (b *base) unit(name string, coefficient int) unit {
	i := slices.IndexFunc(b.world.Units, func(u world.Unit) bool { return u.Name == name })
	return unit{strconv.Itoa(firstUnit + i), name, coefficient}
}

// known reports whether the vendor has e by now.
func (b *base) known(e *entity) bool { return e.good == nil || b.world.Known(*e.good) }

// changed returns when e was last changed.
func (b *base) changed(e *entity) time.Time {
	if e.good == nil || !e.good.Late {
		return e.created
	}
	return b.world.Released()
}

// find returns the row with an id or, where that is empty, with a number.
func (b *base) find(kind baseKind, id, number string) (*entity, bool) {
	e, found := b.ids[kind.name][id]
	if id == "" && number != "" {
		i := slices.IndexFunc(b.rows[kind.name], func(e *entity) bool { return e.number == number })
		if found = i >= 0; found {
			e = b.rows[kind.name][i]
		}
	}
	if !found || !b.known(e) {
		return nil, false
	}
	return e, true
}

// row returns e as lists have it, with its units where they are asked for.
func (b *base) row(e *entity, withUnits bool) Row {
	at := clock(b.changed(e))
	row := Row{"id": e.id, "number": e.number, "name": e.name, "enable": enable(e.enabled), "create_time": at, "modify_time": at}
	maps.Copy(row, e.fields)
	if e.units == nil {
		return row
	}
	delete(row, "create_time") // lists of materials do not have them
	delete(row, "modify_time")
	if withUnits {
		units := []Row{}
		for i, u := range e.units {
			units = append(units, u.row(e, i))
		}
		row["units"] = units
	}
	return row
}

// row returns the i-th unit of a material.
func (u unit) row(e *entity, i int) Row {
	return Row{
		"id": unitRowID(e, i), "material_id": e.id, "unit_id": u.id, "unit_name": u.name,
		"conversion_unit_id": e.units[0].id, "coefficient": u.coefficient, "is_default": i == 0, "is_float": false, "index": i,
	}
}

// unitRowID makes the id of a unit of a material from that of the material: 19 digits, too.
func unitRowID(e *entity, i int) string { return e.id[1:] + strconv.Itoa(i) }

func enable(is bool) string {
	if is {
		return "1"
	}
	return "0"
}

// listBase answers the list of a kind of master data.
func (s *Server) listBase(kind baseKind) handler {
	return func(c *gateway.Call) (any, error) {
		f, err := readFilters(c)
		if err != nil {
			return nil, err
		}
		found, err := s.baseRows(kind, f, c.Now)
		if err != nil {
			return nil, err
		}
		withUnits := f.text("show_units") == "true"
		return page(f, kind.dialect, found, func(e *entity) Row { return s.base.row(e, withUnits) })
	}
}

func (s *Server) baseRows(kind baseKind, f filters, now time.Time) ([]*entity, error) {
	seen, err := s.changes(f, now)
	if err != nil {
		return nil, err
	}
	enabled, err := s.enabled(f)
	if err != nil {
		return nil, err
	}
	ids, groups := f.list("ids"), f.list(kind.group)
	var found []*entity
	for _, e := range s.base.rows[kind.name] {
		at := s.base.changed(e)
		group, _ := e.fields[kind.parent].(string)
		if s.base.known(e) && enabled(e.enabled) && seen(at, at) && contains(f.text("search"), e.number, e.name) &&
			(len(ids) == 0 || slices.Contains(ids, e.id)) && (len(groups) == 0 || slices.Contains(groups, group)) {
			found = append(found, e)
		}
	}
	return found, nil
}

// enabled returns what the filter enable lets pass: "1", "0", or "-1" for all, as seen in use.
func (s *Server) enabled(f filters) (func(bool) bool, error) {
	byDefault := "1"
	if s.settings.EnableDefault == "all" {
		byDefault = "-1"
	}
	switch want := cmp.Or(f.text("enable"), byDefault); want {
	case "-1":
		return func(bool) bool { return true }, nil
	case "0", "1":
		return func(is bool) bool { return enable(is) == want }, nil
	default:
		return nil, refuse("参数enable[%s]不正确", want)
	}
}

// baseDetail answers the detail of a row of master data.
func (s *Server) baseDetail(kind baseKind) handler {
	return func(c *gateway.Call) (any, error) {
		f, err := readFilters(c)
		if err != nil {
			return nil, err
		}
		e, found := s.base.find(kind, f.text("id"), f.text("number"))
		if !found {
			return nil, errNoData
		}
		row := s.base.row(e, true)
		maps.Copy(row, e.detail)
		return row, nil
	}
}

// materialUnit is one unit of a material as a row.
type materialUnit struct {
	material *entity
	index    int
}

func (s *Server) materialUnits() []materialUnit {
	var all []materialUnit
	for _, e := range s.base.rows[materials.name] {
		for i := range e.units {
			if s.base.known(e) {
				all = append(all, materialUnit{e, i})
			}
		}
	}
	return all
}

func (m materialUnit) row() Row { return m.material.units[m.index].row(m.material, m.index) }

// listMaterialUnits answers the list of the units of materials.
func (s *Server) listMaterialUnits(c *gateway.Call) (any, error) {
	f, err := readFilters(c)
	if err != nil {
		return nil, err
	}
	ids := f.list("material_id")
	all := slices.DeleteFunc(s.materialUnits(), func(m materialUnit) bool {
		name := m.material.units[m.index].name
		return len(ids) > 0 && !slices.Contains(ids, m.material.id) || !contains(f.text("search"), name)
	})
	return page(f, countText, all, materialUnit.row)
}

// materialUnitDetail answers one unit of a material.
func (s *Server) materialUnitDetail(c *gateway.Call) (any, error) {
	f, err := readFilters(c)
	if err != nil {
		return nil, err
	}
	all := s.materialUnits()
	i := slices.IndexFunc(all, func(m materialUnit) bool { return unitRowID(m.material, m.index) == f.text("id") })
	if i < 0 {
		return nil, errNoData
	}
	return all[i].row(), nil
}

// baseShown returns all rows of a kind that the vendor has by now.
func (s *Server) baseShown(kind baseKind) []Row {
	rows := []Row{}
	for _, e := range s.base.rows[kind.name] {
		if s.base.known(e) {
			rows = append(rows, s.base.row(e, true))
		}
	}
	return rows
}

// Materials returns all materials, those disabled too, with their units.
func (s *Server) Materials() []Row { return s.baseShown(materials) }

// Stores returns all stores, those disabled too.
func (s *Server) Stores() []Row { return s.baseShown(stores) }

// Units returns all units of measure.
func (s *Server) Units() []Row { return s.baseShown(measureUnits) }
