package kis

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/amount"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// declare returns fields of one kind.
func declare(kind shape.Kind, names ...string) shape.Fields {
	fields := shape.Fields{}
	for _, name := range names {
		fields[name] = shape.Field{Kind: kind}
	}
	return fields
}

// headFields are the fields of the head of a bill, in the letter case seen in use.
func headFields() shape.Fields {
	fields := declare(shape.ID, "FTranType", "FROB", "FDCStockID", "FDeptID", "FEmpID", "FFManagerID", "FSManagerID", "FManagerID", "FBillerID",
		"FSupplyID", "FCheckerID", "FPosterID", "FManageType", "FPurposeID")
	maps.Copy(fields, declare(shape.Text, "FBillNo", "Fdate", "FCheckDate", "FMultiCheckStatus", "Fuse", "Fnote", "FExplanation", "FSettleDate"))
	return fields
}

// entryFields are the fields of a line, in the letter case seen in use.
func entryFields() shape.Fields {
	fields := declare(shape.ID, "FItemID", "FUnitID", "FDCStockID", "FDCSPID", "FPlanMode", "FAuxPropID", "FEntryID", "FKFPeriod", "FSourceInterId",
		"FSourceEntryID", "FSourceTranType", "FOrderInterID", "FOrderEntryID")
	maps.Copy(fields, declare(shape.Number, "Fauxqty", "FAuxQtyMust", "FQty", "FQtyMust", "FAuxPrice", "Famount", "FSecQty", "FSecCoefficient"))
	maps.Copy(fields, declare(shape.Text, "FBatchNo", "FKFDate", "FPeriodDate", "FMTONo", "Fnote", "FSourceBillNo", "FOrderBillNo"))
	fields["FSnList"] = shape.Field{Kind: shape.List, Fields: declare(shape.Text, "FSerialNum", "FSerialDesc")}
	return fields
}

// custom reports whether a field is one that customers define themselves.
func custom(name string) bool {
	return strings.HasPrefix(name, "FHeadSelf") || strings.HasPrefix(name, "FEntrySelf")
}

// billCalls are the calls for 其他入库单. create, list and getdetail were seen in use, the others are
// guesses by their like.
func (s *Server) billCalls() map[string]func(*gateway.Call, shape.Object) (any, error) {
	calls := map[string]func(*gateway.Call, shape.Object) (any, error){"create": s.create, "list": s.list, "getdetail": s.getDetail}
	if s.settings.ChangeBills {
		calls["update"], calls["delete"] = s.update, s.remove
	}
	return calls
}

// create serves create: a bill whose number there is not yet.
func (s *Server) create(c *gateway.Call, body shape.Object) (any, error) {
	r, err := s.readBill(body)
	if err != nil {
		return nil, err
	}
	s.books.booking.Lock()
	defer s.books.booking.Unlock()
	r.ID, r.Created = s.books.newID(), c.Now
	return s.book(c, r)
}

// update serves update: the bill with the Id is as if it had been created so.
func (s *Server) update(c *gateway.Call, body shape.Object) (any, error) {
	id := whole(body["Id"])
	delete(body, "Id")
	r, err := s.readBill(body)
	if err != nil {
		return nil, err
	}
	s.books.booking.Lock()
	defer s.books.booking.Unlock()
	old, found := s.books.find(id)
	if !found {
		return nil, refuse("单据[%d]不存在", id)
	}
	r.ID, r.Created, r.Number = old.ID, old.Created, cmp.Or(r.Number, old.Number)
	return s.book(c, r)
}

// book keeps r, whose number has to be its own.
func (s *Server) book(c *gateway.Call, r *receipt) (any, error) {
	other, taken := s.books.numbered(r.Number)
	if s.settings.UniqueNumbers && taken && other.ID != r.ID {
		return nil, refuse("单据编号[%s]已存在", r.Number)
	}
	if r.Number == "" {
		r.Number = s.newNumber(r.ID - firstID)
	}
	r.Head["FBillNo"] = r.Number
	if err := s.books.keep(entry{Receipt: r}); err != nil {
		return nil, err
	}
	c.Changed = true
	return Row{"FID": r.ID, "FBillNo": r.Number}, nil
}

// newNumber returns a number that no bill has, n or above.
func (s *Server) newNumber(n int64) string {
	for ; ; n++ {
		number := fmt.Sprintf("QIN%06d", n)
		if _, taken := s.books.numbered(number); !taken {
			return number
		}
	}
}

// remove serves delete.
func (s *Server) remove(c *gateway.Call, body shape.Object) (any, error) {
	s.books.booking.Lock()
	defer s.books.booking.Unlock()
	r, found := s.books.find(whole(body["Id"]))
	if !found {
		return nil, refuse("单据[%d]不存在", whole(body["Id"]))
	}
	if err := s.books.keep(entry{Receipt: &receipt{ID: r.ID, Deleted: true}}); err != nil {
		return nil, err
	}
	c.Changed = true
	return Row{"FID": r.ID, "FBillNo": r.Number}, nil
}

// readBill reads and checks a bill, all but its number. All texts are assumed.
func (s *Server) readBill(body shape.Object) (*receipt, error) {
	if _, wrapped := body["Object"]; !wrapped && s.settings.FlatForm {
		head := maps.Clone(body)
		delete(head, "Entry")
		body = shape.Object{"Object": map[string]any{"Head": map[string]any(head), "Entry": body["Entry"]}}
	}
	read, err := s.rules().Read(body, shape.Fields{"Object": {Kind: shape.Nested, Fields: shape.Fields{
		"Head": {Kind: shape.Nested, Fields: headFields()}, "Entry": {Kind: shape.List, Fields: entryFields()},
	}}})
	if err != nil {
		return nil, refuse("%s", wrong(err))
	}
	object, _ := read["Object"].(shape.Object)
	head, ok := object["Head"].(shape.Object)
	if !ok {
		return nil, refuse("参数Object.Head不能为空")
	}
	if err := s.checkHead(head); err != nil {
		return nil, err
	}
	lines, _ := object.Objects("Entry")
	if len(lines) == 0 || len(lines) > s.settings.MaxLines {
		return nil, refuse("单据分录为%d行，应为1至%d行", len(lines), s.settings.MaxLines)
	}
	for i, line := range lines {
		if err := s.checkLine(head, line, i+1); err != nil {
			return nil, err
		}
	}
	return &receipt{Number: head.Text("FBillNo"), Head: head, Entry: lines}, nil
}

func (s *Server) rules() shape.Rules {
	rules := shape.Rules{IgnoreUnknown: s.settings.UnknownFields == "ignore", Allow: custom}
	if s.settings.AnyCase {
		rules.Rename = func(name string, fields shape.Fields) string {
			for declared := range fields {
				if strings.EqualFold(declared, name) {
					return declared
				}
			}
			return name
		}
	}
	return rules
}

// wrong says what is wrong with a field.
func wrong(err error) string {
	mistake, ok := errors.AsType[*shape.Mistake](err)
	switch {
	case !ok:
		return err.Error()
	case mistake.Unknown:
		return fmt.Sprintf("字段[%s]不存在", mistake.Field)
	default:
		return fmt.Sprintf("字段[%s]的值%s不正确", mistake.Field, mistake.Value)
	}
}

// checkHead checks the head of a bill, and fills in what KIS fills in.
func (s *Server) checkHead(head shape.Object) error {
	for _, name := range s.settings.Mandatory {
		if text := head.Text(name); text == "" || text == "0" {
			return refuse("字段[%s]不能为空", name)
		}
	}
	if _, err := time.Parse("2006-01-02T15:04:05", head.Text("Fdate")); err != nil {
		return refuse("日期[%s]格式不正确", head.Text("Fdate"))
	}
	for name, byDefault := range map[string]string{"FTranType": "10", "FROB": "1", "FBillerID": fmt.Sprint(userID), "FCheckerID": "0"} {
		if head.Text(name) == "" {
			head[name] = exact(byDefault)
		}
	}
	if kind := head.Text("FTranType"); kind != "10" {
		return refuse("单据类型[%s]不正确", kind)
	}
	if colour := head.Text("FROB"); colour != "1" && colour != "-1" {
		return refuse("红蓝字[%s]不正确", colour)
	}
	if biller := whole(head["FBillerID"]); biller != userID {
		return refuse("制单人[%d]不存在", biller)
	}
	if supplier := whole(head["FSupplyID"]); supplier != 0 { // there are none
		return refuse("供应商[%d]不存在", supplier)
	}
	return s.checkItems(head, map[string]int{
		"FDCStockID": classStock, "FDeptID": classDepartment, "FEmpID": classEmployee, "FFManagerID": classEmployee, "FSManagerID": classEmployee,
		"FManagerID": classEmployee,
	})
}

// checkItems refuses master data that there is not. 0 stands for none.
func (s *Server) checkItems(fields shape.Object, classes map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		id := whole(fields[name])
		if i, found := s.base.find(classes[name], id); id != 0 && (!found || !i.leaf) {
			return refuse("字段[%s]的基础资料[%d]不存在", name, id)
		}
	}
	return nil
}

// checkLine checks the n-th line of a bill.
func (s *Server) checkLine(head, line shape.Object, n int) error {
	material, found := s.base.find(classMaterial, whole(line["FItemID"]))
	if !found {
		return refuse("第%d行物料[%s]不存在", n, line.Text("FItemID"))
	}
	if !material.leaf {
		return refuse("第%d行物料[%s]不是明细物料", n, line.Text("FItemID"))
	}
	unit, found := s.base.find(classUnit, whole(line["FUnitID"]))
	if !found || unit.unitGroup != material.unitGroup {
		return refuse("第%d行计量单位与物料不匹配", n)
	}
	if line.Text("FDCStockID") == "" {
		line["FDCStockID"] = head["FDCStockID"]
	}
	if whole(line["FDCStockID"]) == 0 {
		return refuse("第%d行收货仓库不能为空", n)
	}
	if err := s.checkItems(line, map[string]int{"FDCStockID": classStock}); err != nil {
		return err
	}
	return checkQuantities(head, line, unit, n)
}

// checkQuantities demands that FQty is Fauxqty in base units, to the last decimal.
func checkQuantities(head, line shape.Object, unit *item, n int) error {
	qty, err := amount.Parse(line.Text("Fauxqty"))
	if err != nil || qty.Sign() == 0 || qty.Sign() < 0 && head.Text("FROB") == "1" {
		return refuse("第%d行数量[%s]不正确", n, line.Text("Fauxqty"))
	}
	baseQty, err := amount.Parse(line.Text("FQty"))
	if err != nil || !baseQty.Equals(qty.Times(amount.Whole(unit.coefficient))) {
		return refuse("第%d行基本单位数量[%s]与数量[%s]不一致", n, line.Text("FQty"), line.Text("Fauxqty"))
	}
	return nil
}

// list serves list. Rows are by ascending FInterID where no order is asked for: an assumption.
func (s *Server) list(_ *gateway.Call, body shape.Object) (any, error) {
	all := s.books.all()
	order, err := shape.Rules{IgnoreUnknown: true}.Read(body, shape.Fields{"OrderBy": {Kind: shape.Nested, Fields: declare(shape.Text, "Property", "Type")}})
	if err != nil {
		return nil, refuse("%s", wrong(err))
	}
	by, _ := order["OrderBy"].(shape.Object)
	switch property := by.Text("Property"); property {
	case "", "FInterID", "FCheckDate": // no bill has been checked
	case "Fdate", "FBillNo":
		slices.SortStableFunc(all, func(x, y *receipt) int { return cmp.Compare(x.Head.Text(property), y.Head.Text(property)) })
	default:
		return nil, refuse("排序字段[%s]不存在", property)
	}
	if strings.EqualFold(by.Text("Type"), "desc") {
		slices.Reverse(all)
	}
	return listReply(body, all, (*receipt).row)
}

// getDetail serves getdetail.
func (s *Server) getDetail(_ *gateway.Call, body shape.Object) (any, error) {
	r, found := s.books.find(whole(body["Id"]))
	if !found {
		return nil, refuse("单据[%s]不存在", shape.Scalar(body["Id"]))
	}
	return r.row(), nil
}

// row returns a bill as lists and details have it. Its date has no time of day any more, and no API
// checks bills.
func (r *receipt) row() Row {
	head := maps.Clone(r.Head)
	date, _, _ := strings.Cut(r.Head.Text("Fdate"), "T")
	maps.Copy(head, shape.Object{"FInterID": r.ID, "Fdate": date + "T00:00:00", "FCheckDate": nil})
	entries := []shape.Object{}
	for i, line := range r.Entry {
		line = maps.Clone(line)
		line["FEntryID"] = i + 1
		for _, name := range []string{"FBatchNo", "Fnote"} {
			line[name] = line.Text(name)
		}
		for _, name := range []string{"Fauxqty", "FQty"} {
			if a, err := amount.Parse(line.Text(name)); err == nil {
				line[name] = exact(a.String())
			}
		}
		entries = append(entries, line)
	}
	return Row{"Head": head, "Entry": entries}
}

// Receipts returns all bills as they are now.
func (s *Server) Receipts() []Row {
	rows := []Row{}
	for _, r := range s.books.all() {
		rows = append(rows, r.row())
	}
	return rows
}
