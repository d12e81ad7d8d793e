package xingchen

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/amount"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// billKind is a kind of stock bill.
type billKind struct {
	kind, path string
	// entity is what common_operate calls it.
	entity string
	// series begins the numbers that the vendor gives.
	series string
	fields shape.Fields
	// refs are the head fields that name master data.
	refs map[string]baseKind
	// byNumber lets lines name master data by number, too.
	byNumber bool
}

// billKinds are the bills there are. Paths and entities are documented, spelling and all, the series
// of 盘亏单 and 其他入库单 are assumed.
func billKinds() []billKind {
	head := with(texts("id", "bill_date", "remark", "operation_key"), shape.Fields{"custom_field": {Kind: shape.Map}})
	lines := lineFields()
	otherIn := with(head, texts("bill_no", "trans_type_id", "dept_id", "emp_id", "supplier_id", "customer_id", "currency_id", "contact_info"))
	numbered := with(lines, texts("material_number", "stock_number", "unit_number"))
	entries := func(f shape.Fields) shape.Fields {
		return shape.Fields{"material_entity": {Kind: shape.List, Fields: f}}
	}
	return []billKind{
		{kindGain, "/jdy/v2/scm/inv_check_gail_bill", "inv_check_gain_bill", "PYD", with(head, entries(lines)), nil, false},
		{kindLoss, "/jdy/v2/scm/inv_check_loss_bill", "inv_check_loss_bill", "PKD", with(head, entries(lines)), nil, false},
		{
			kindOtherIn, "/jdy/v2/scm/inv_other_in", "inv_other_bill_inbound", "QTRK", with(otherIn, entries(numbered)),
			map[string]baseKind{"dept_id": departments, "emp_id": employees}, true,
		},
	}
}

// lineFields are the fields of a line of a save. Documented.
func lineFields() shape.Fields {
	return with(texts("id", "material_id", "stock_id", "sp_id", "unit_id", "aux_prop_id", "aux_id1", "aux_id2", "aux_id3", "barcode",
		"batch_no", "pro_place", "pro_reg_no", "pro_license", "kf_date", "valid_date", "kf_type", "sn", "sn_list_id", "comment"), shape.Fields{
		"qty": {Kind: shape.Number}, "cost": {Kind: shape.Number}, "unit_cost": {Kind: shape.Number},
		"kf_period": {Kind: shape.Integer}, "custom_entity_field": {Kind: shape.Map},
	})
}

// saveBill answers the save of a kind of bill: it creates one, or changes the one with the id.
func (s *Server) saveBill(kind billKind) handler {
	return func(c *gateway.Call) (any, error) {
		fields, err := s.read(c, kind.fields)
		if err != nil {
			return nil, err
		}
		lines, given := fields.Objects("material_entity")
		delete(fields, "material_entity")
		s.books.mu.Lock()
		defer s.books.mu.Unlock()
		r, err := s.begin(kind.kind, fields.Text("id"), c.Now)
		if err != nil {
			return nil, err
		}
		if r.Status == audited {
			return nil, refuse("单据[%s]已审核，不允许修改", r.Number)
		}
		if err := s.setHead(kind, r, fields); err != nil {
			return nil, err
		}
		if given || r.ID == "" {
			if err := s.setLines(kind, r, lines); err != nil {
				return nil, err
			}
		}
		return s.finish(c, r, fields.Text("operation_key"))
	}
}

// setHead changes the head of r. Fields that an update does not give stay as they are: an assumption.
func (s *Server) setHead(kind billKind, r *record, fields shape.Object) error {
	if key := fields.Text("operation_key"); key != "" && key != "audit" {
		return refuse("参数operation_key[%s]不正确", key)
	}
	number := fields.Text("bill_no")
	maps.Copy(r.Fields, fields)
	for _, name := range []string{"id", "bill_no", "operation_key"} {
		delete(r.Fields, name)
	}
	date, err := time.Parse(time.DateOnly, r.Fields.Text("bill_date"))
	if err != nil {
		return refuse("单据日期[%s]不正确", r.Fields.Text("bill_date"))
	}
	if err := s.checkHeadRefs(kind, fields); err != nil {
		return err
	}
	switch id, taken := s.books.numbers[kind.kind][number]; {
	case number != "" && taken && id != r.ID:
		return refuse("组合值[%s]与其他表单重复", number)
	case number != "":
		r.Number = number
	case r.Number == "":
		r.Number = s.books.newNumber(kind.kind, kind.series+"-"+date.Format("20060102"))
	}
	r.Status = draft
	return nil
}

func (s *Server) checkHeadRefs(kind billKind, fields shape.Object) error {
	for _, name := range slices.Sorted(maps.Keys(kind.refs)) {
		if err := s.checkRef(kind.refs[name], name, fields.Text(name), ""); err != nil {
			return err
		}
	}
	if id := fields.Text("customer_id"); id != "" && s.books.records[kindCustomer][id] == nil {
		return refuse("参数customer_id[%s]不存在", id)
	}
	if id := fields.Text("supplier_id"); id != "" { // there are none
		return refuse("参数supplier_id[%s]不存在", id)
	}
	return nil
}

// setLines changes the lines of r: one with an id takes the place of the line with that id, one
// without is new. What becomes of lines that are not named is a setting.
func (s *Server) setLines(kind billKind, r *record, given []shape.Object) error {
	if len(given) == 0 {
		return refuse("商品分录不能为空")
	}
	old := map[string]line{}
	for _, l := range r.Lines {
		old[l.ID] = l
	}
	var lines []line
	for i, fields := range given {
		l := line{ID: fields.Text("id"), Fields: fields}
		if l.ID != "" {
			before, found := old[l.ID]
			if !found {
				return refuse("第%d行分录[%s]不存在", i+1, l.ID)
			}
			delete(old, l.ID)
			l.Fields = maps.Clone(before.Fields)
			maps.Copy(l.Fields, fields)
		}
		delete(l.Fields, "id")
		if err := s.checkLine(kind, l.Fields, i+1); err != nil {
			return err
		}
		lines = append(lines, l)
	}
	if s.settings.UnnamedLines == "keep" {
		kept := slices.DeleteFunc(slices.Clone(r.Lines), func(l line) bool { _, left := old[l.ID]; return !left })
		lines = append(kept, lines...)
	}
	if len(lines) > s.settings.MaxLines {
		return refuse("商品分录不能超过%d行", s.settings.MaxLines)
	}
	r.Lines = lines
	return nil
}

// checkLine checks the n-th line of a bill and fills in the ids of what it names by number. The text
// for the unit was seen in use, those like it are assumed.
func (s *Server) checkLine(kind billKind, fields shape.Object, n int) error {
	if kind.byNumber {
		if err := s.resolve(fields); err != nil {
			return err
		}
	}
	for _, ref := range []struct {
		kind  baseKind
		field string
	}{{materials, "material"}, {stores, "stock"}} {
		id := fields.Text(ref.field + "_id")
		if id == "" {
			return refuse(`第%d行基础资料"%s"字段不能为空`, n, ref.field)
		}
		if err := s.checkRef(ref.kind, ref.field+"_id", id, ""); err != nil {
			return err
		}
	}
	material, _ := s.base.find(materials, fields.Text("material_id"), "")
	if _, ok := material.unit(fields.Text("unit_id")); !ok {
		return refuse(`第%d行基础资料"unit"字段不能为空`, n)
	}
	qty, err := amount.Parse(fields.Text("qty"))
	if err != nil || qty.Sign() <= 0 {
		return refuse("第%d行数量必须大于0", n)
	}
	return nil
}

// resolve puts ids in the place of numbers.
func (s *Server) resolve(fields shape.Object) error {
	for name, kind := range map[string]baseKind{"material": materials, "stock": stores, "unit": measureUnits} {
		number := fields.Text(name + "_number")
		delete(fields, name+"_number")
		if number == "" {
			continue
		}
		e, found := s.base.find(kind, "", number)
		if !found {
			return refuse("参数number[%s]不存在", number)
		}
		fields[name+"_id"] = e.id
	}
	return nil
}

// unit returns the unit of a material with an id.
func (e *entity) unit(id string) (unit, bool) {
	i := slices.IndexFunc(e.units, func(u unit) bool { return u.id == id })
	if i < 0 {
		return unit{}, false
	}
	return e.units[i], true
}

// finish audits r where that is asked for, and keeps it. Whether a bill stays whose audit fails is
// not known: a fault decides.
func (s *Server) finish(c *gateway.Call, r *record, operation string) (any, error) {
	if operation == "audit" {
		if fails, rollback := s.door.AuditFails(c); fails {
			return nil, s.failAudit(c, r, rollback)
		}
		r.Status, r.Audited = audited, c.Now
	}
	return s.commit(c, r)
}

// failAudit returns why an audit fails, after r was kept as a draft or not.
func (s *Server) failAudit(c *gateway.Call, r *record, rollback bool) error {
	if !rollback {
		if _, err := s.commit(c, r); err != nil {
			return err
		}
	}
	return refuse("审核失败：单据[%s]所在期间已结账", r.Number)
}

// listBills answers the list of a kind of bill, the newest first: an assumption.
func (s *Server) listBills(kind billKind) handler {
	return func(c *gateway.Call) (any, error) {
		f, err := readFilters(c)
		if err != nil {
			return nil, err
		}
		seen, err := s.changes(f, c.Now)
		if err != nil {
			return nil, err
		}
		status, from, to := f.text("bill_status"), f.text("start_bill_date"), f.text("end_bill_date")
		found := slices.DeleteFunc(s.books.all(kind.kind), func(r *record) bool {
			date := r.Fields.Text("bill_date")
			return !seen(r.Created, r.Modified) || status != "" && status != r.Status || from != "" && date < from ||
				to != "" && date > to || !strings.Contains(r.Number, f.text("search"))
		})
		slices.Reverse(found)
		return page(f, countBill, found, billRow)
	}
}

// What the vendor says of who made a bill: there is one user.
const (
	creatorID     = "173000001"
	creatorName   = "管理员"
	creatorNumber = "admin"
)

// billRow returns a bill as lists have it.
func billRow(r *record) Row {
	row := Row{
		"id": r.ID, "bill_no": r.Number, "bill_date": r.Fields.Text("bill_date"), "bill_status": r.Status, "remark": r.Fields.Text("remark"),
		"create_time": clock(r.Created), "audit_time": clock(r.Audited), "creator_id": creatorID, "creator_name": creatorName,
		"creator_number": creatorNumber, "auditor_id": "", "auditor_name": "", "auditor_number": "",
	}
	if r.Status == audited {
		row["auditor_id"], row["auditor_name"], row["auditor_number"] = creatorID, creatorName, creatorNumber
	}
	return row
}

// billDetail answers one bill of a kind, by id or number.
func (s *Server) billDetail(kind billKind) handler {
	return func(c *gateway.Call) (any, error) {
		f, err := readFilters(c)
		if err != nil {
			return nil, err
		}
		s.books.mu.Lock()
		r, found := s.books.find(kind.kind, f.text("id"), f.text("number"))
		s.books.mu.Unlock()
		if !found {
			return nil, errNoData
		}
		return s.billDetailRow(r), nil
	}
}

func (s *Server) billDetailRow(r *record) Row {
	row := billRow(r)
	maps.Copy(row, r.Fields)
	maps.Copy(row, Row{
		"modify_time": clock(r.Modified), "modifier_id": creatorID, "modifier_name": creatorName, "modifier_number": creatorNumber,
		"voucher_id": "", "voucher_no": "", "voucher_period": "",
	})
	lines := []Row{}
	for i, l := range r.Lines {
		lines = append(lines, s.lineRow(l, i+1))
	}
	row["material_entity"] = lines
	return row
}

// lineRow returns the n-th line of a bill as the detail has it. A line was checked when it was
// saved, so what it names is there.
func (s *Server) lineRow(l line, n int) Row {
	row := Row{"seq": n, "id": l.ID, "batch_no": "", "sp_id": "", "src_bill_no": "", "comment": "", "stock_is_allow_freight": false}
	maps.Copy(row, l.Fields)
	material, known := s.base.ids[materials.name][l.Fields.Text("material_id")]
	store, stored := s.base.ids[stores.name][l.Fields.Text("stock_id")]
	qty, err := amount.Parse(l.Fields.Text("qty"))
	if !known || !stored || err != nil { // the world is another one than when the bill was saved
		return row
	}
	u, _ := material.unit(l.Fields.Text("unit_id"))
	baseUnit := material.units[0]
	baseQty := json.Number(qty.Times(amount.Whole(u.coefficient)).String())
	maps.Copy(row, Row{
		"material_number": material.number, "material_name": material.name, "material_model": material.fields["model"],
		"material_is_multi_unit": len(material.units) > 1, "material_is_serial": false, "material_is_asst_attr": false,
		"material_is_kf_period": false, "material_is_batch": false,
		"stock_number": store.number, "stock_name": store.name,
		"unit_number": u.name, "unit_name": u.name, "base_unit_id": baseUnit.id, "base_unit_number": baseUnit.name, "base_unit_name": baseUnit.name,
		"qty": json.Number(qty.String()), "coefficient": u.coefficient, "base_qty": baseQty, "inv_base_qty": baseQty,
	})
	return row
}

// bills returns all bills of a kind as the detail has them.
func (s *Server) bills(kind string) []Row {
	rows := []Row{}
	for _, r := range s.books.all(kind) {
		rows = append(rows, s.billDetailRow(r))
	}
	return rows
}

// GainBills returns all 盘盈单 with their lines as they are now.
func (s *Server) GainBills() []Row { return s.bills(kindGain) }

// LossBills returns all 盘亏单 with their lines as they are now.
func (s *Server) LossBills() []Row { return s.bills(kindLoss) }

// OtherInBills returns all 其他入库单 with their lines as they are now.
func (s *Server) OtherInBills() []Row { return s.bills(kindOtherIn) }
