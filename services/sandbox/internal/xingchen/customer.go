package xingchen

import (
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// texts declares fields of type text.
func texts(names ...string) shape.Fields {
	fields := shape.Fields{}
	for _, name := range names {
		fields[name] = shape.Field{Kind: shape.Text}
	}
	return fields
}

// with returns f and further fields.
func with(f, further shape.Fields) shape.Fields {
	f = maps.Clone(f)
	maps.Copy(f, further)
	return f
}

// customerFields are the fields of a save. Documented.
func customerFields() shape.Fields {
	contact := with(texts("id", "contact_person", "birthday", "mobile", "phone", "email", "qq", "wechat", "contact_country_id",
		"contact_province_id", "contact_city_id", "contact_district_id", "contact_address"), shape.Fields{
		"gender": {Kind: shape.Integer}, "is_default_linkman": {Kind: shape.Boolean},
	})
	return with(texts("id", "number", "name", "group_id", "group_number", "c_level_id", "sale_dept_id", "sale_dept_number", "saler_id",
		"saler_number", "rate", "invoice_name", "taxpayer_no", "bank_account", "bank", "account_open_addr", "country_id", "province_id",
		"city_id", "district_id", "addr", "remark"), shape.Fields{
		"mul_label":    {Kind: shape.List, Fields: texts("id", "number", "name")},
		"invoice_type": {Kind: shape.Integer}, "ignore_warn": {Kind: shape.Boolean}, "custom_field": {Kind: shape.Map},
		"contact_persons": {Kind: shape.List, Fields: contact},
	})
}

// maxNumber is the length of numbers in characters. Documented; the text is assumed.
const maxNumber = 30

// saveCustomer creates a customer, or changes the one with the id that is given. Fields that an
// update does not give stay as they are: an assumption.
func (s *Server) saveCustomer(c *gateway.Call) (any, error) {
	fields, err := s.read(c, customerFields())
	if err != nil {
		return nil, err
	}
	if err := s.checkCustomerRefs(fields); err != nil {
		return nil, err
	}
	s.books.mu.Lock()
	defer s.books.mu.Unlock()
	r, err := s.begin(kindCustomer, fields.Text("id"), c.Now)
	if err != nil {
		return nil, err
	}
	number := fields.Text("number")
	maps.Copy(r.Fields, fields)
	for _, name := range []string{"id", "number", "ignore_warn"} {
		delete(r.Fields, name)
	}
	if number == "" && r.ID == "" && s.settings.CodingRule {
		number = s.books.newNumber(kindCustomer, "KH-"+c.Now.Format("20060102"))
	}
	r.Number = number
	if err := s.checkCustomer(r); err != nil {
		return nil, err
	}
	return s.commit(c, r)
}

// begin returns a new record without an id, or a copy of the one with the id to change.
func (s *Server) begin(kind, id string, now time.Time) (*record, error) {
	if id == "" {
		return &record{Kind: kind, Created: now, Modified: now, Fields: shape.Object{}}, nil
	}
	old, found := s.books.find(kind, id, "")
	if !found {
		return nil, errNoData
	}
	r := old.copy()
	r.Modified = now
	return r, nil
}

// checkCustomer holds r against the other customers. 已存在 was seen in use, the rest of the texts is
// assumed.
func (s *Server) checkCustomer(r *record) error {
	name := r.Fields.Text("name")
	switch {
	case name == "":
		return refuse("名称不能为空")
	case r.Number == "":
		return refuse("编码不能为空")
	case utf8.RuneCountInString(r.Number) > maxNumber:
		return refuse("编码长度不能超过%d", maxNumber)
	}
	if id, taken := s.books.numbers[kindCustomer][r.Number]; taken && id != r.ID {
		return refuse("编码[%s]已存在", r.Number)
	}
	if id, taken := s.books.names[name]; taken && id != r.ID {
		return refuse("名称[%s]已存在", name)
	}
	return nil
}

// checkCustomerRefs refuses master data that there is not.
func (s *Server) checkCustomerRefs(fields shape.Object) error {
	for _, ref := range []struct {
		kind       baseKind
		id, number string
	}{
		{departments, "sale_dept_id", "sale_dept_number"}, {employees, "saler_id", "saler_number"},
	} {
		if err := s.checkRef(ref.kind, ref.id, fields.Text(ref.id), ""); err != nil {
			return err
		}
		if err := s.checkRef(ref.kind, ref.number, "", fields.Text(ref.number)); err != nil {
			return err
		}
	}
	if id := fields.Text("group_id"); id != "" && id != "1" {
		return refuse("参数group_id[%s]不存在", id)
	}
	if number := fields.Text("group_number"); number != "" && number != "001" {
		return refuse("参数group_number[%s]不存在", number)
	}
	return nil
}

// checkRef refuses an id or number, if there is one, that a kind of master data does not have. The
// text was seen in use for numbers.
func (s *Server) checkRef(kind baseKind, field, id, number string) error {
	if id == "" && number == "" {
		return nil
	}
	if e, found := s.base.find(kind, id, number); !found || !e.enabled {
		return refuse("参数%s[%s]不存在", field, id+number)
	}
	return nil
}

// commit gives new records and lines their ids, keeps r, and returns the reply of a save.
func (s *Server) commit(c *gateway.Call, r *record) (any, error) {
	if r.ID == "" {
		r.ID = s.books.newID()
	}
	for i := range r.Lines {
		if r.Lines[i].ID == "" {
			r.Lines[i].ID = s.books.newID()
		}
	}
	if err := s.books.put(r); err != nil {
		return nil, err
	}
	c.Changed = true
	return s.saved(r), nil
}

// saved is the reply of a save. Documented.
func (s *Server) saved(records ...*record) Row {
	ids, numbers := []string{}, map[string]string{}
	for _, r := range records {
		ids = append(ids, r.ID)
		if s.settings.NumberMap {
			numbers[r.ID] = r.Number
		}
	}
	return Row{"ids": ids, "id_number_map": numbers}
}

// listCustomers answers the list of customers.
func (s *Server) listCustomers(c *gateway.Call) (any, error) {
	f, err := readFilters(c)
	if err != nil {
		return nil, err
	}
	seen, err := s.changes(f, c.Now)
	if err != nil {
		return nil, err
	}
	enabled, err := s.enabled(f)
	if err != nil {
		return nil, err
	}
	groups := f.list("group")
	found := slices.DeleteFunc(s.books.all(kindCustomer), func(r *record) bool {
		return !seen(r.Created, r.Modified) || !enabled(true) || !contains(f.text("search"), r.Number, r.Fields.Text("name")) ||
			len(groups) > 0 && !slices.Contains(groups, "1") // all are in one group
	})
	return page(f, countText, found, func(r *record) Row {
		return Row{
			"id": r.ID, "number": r.Number, "name": r.Fields.Text("name"), "group_name": "默认分组",
			"c_level_id": r.Fields.Text("c_level_id"), "remark": r.Fields.Text("remark"), "enable": "1",
		}
	})
}

// customerDetail answers one customer, by id or number.
func (s *Server) customerDetail(c *gateway.Call) (any, error) {
	f, err := readFilters(c)
	if err != nil {
		return nil, err
	}
	s.books.mu.Lock()
	r, found := s.books.find(kindCustomer, f.text("id"), f.text("number"))
	s.books.mu.Unlock()
	if !found {
		return nil, errNoData
	}
	return s.customerRow(r, s.settings.EncryptPersonal)
}

// customerRow returns a customer as the detail has it. Contacts are called bomentity there.
func (s *Server) customerRow(r *record, encrypt bool) (Row, error) {
	row := Row{
		"group_id": "1", "group_number": "001", "group_name": "默认分组",
		"creater_field_name": creatorName, //nolint:misspell // the vendor's spelling
		"id":                 r.ID, "number": r.Number, "enable": "1", "create_time": clock(r.Created), "modify_time": clock(r.Modified),
	}
	maps.Copy(row, r.Fields)
	delete(row, "contact_persons")
	if err := s.personal(row, encrypt, "addr", "bank_account"); err != nil {
		return nil, err
	}
	contacts := []Row{}
	list, _ := r.Fields["contact_persons"].([]any)
	for i, one := range list {
		contact := Row{"seq": i + 1}
		maps.Copy(contact, object(one))
		if err := s.personal(contact, encrypt, "birthday", "mobile", "phone", "email", "contact_address"); err != nil {
			return nil, err
		}
		contacts = append(contacts, contact)
	}
	row["bomentity"] = contacts
	return row, nil
}

// object returns a nested object, whether it was just saved or comes from the journal.
func object(v any) Row {
	if o, ok := v.(shape.Object); ok {
		return o
	}
	row, _ := v.(Row)
	return row
}

// personal encrypts fields of row in place.
func (s *Server) personal(row Row, encrypt bool, names ...string) error {
	for _, name := range names {
		text, ok := row[name].(string)
		if !encrypt || !ok {
			continue
		}
		sealed, err := s.gateway.Personal(text)
		if err != nil {
			return err
		}
		row[name] = sealed
	}
	return nil
}

// Customers returns all customers as they are now, personal fields in plain text.
func (s *Server) Customers() []Row {
	rows := []Row{}
	for _, r := range s.books.all(kindCustomer) {
		row, err := s.customerRow(r, false)
		if err != nil {
			row = Row{"id": r.ID, "error": err.Error()}
		}
		rows = append(rows, row)
	}
	return rows
}
