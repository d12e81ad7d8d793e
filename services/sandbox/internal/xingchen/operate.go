package xingchen

import (
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// operate serves common_operate, which does one thing to several records: to all or to none, an
// assumption, as are all of its refusals.
func (s *Server) operate(c *gateway.Call) (any, error) {
	fields, err := s.read(c, with(texts("entity_number", "operate_type"), shape.Fields{
		"ids": {Kind: shape.Texts}, "numbers": {Kind: shape.Texts}, "ignore_warn": {Kind: shape.Boolean},
	}))
	if err != nil {
		return nil, err
	}
	kind, known := entityKind(fields.Text("entity_number"))
	if !known {
		return nil, refuse("参数entity_number[%s]不存在", fields.Text("entity_number"))
	}
	s.books.mu.Lock()
	defer s.books.mu.Unlock()
	var changed []*record
	for _, r := range s.named(kind, fields) {
		if r == nil {
			return nil, errNoData
		}
		r = r.copy()
		if err := r.operate(fields.Text("operate_type"), c.Now); err != nil {
			return nil, err
		}
		changed = append(changed, r)
	}
	if changed == nil {
		return nil, refuse("参数ids和numbers不能同时为空")
	}
	if fields.Text("operate_type") == "audit" {
		if fails, _ := s.door.AuditFails(c); fails {
			return nil, s.failAudit(c, changed[0], true)
		}
	}
	if err := s.books.put(changed...); err != nil {
		return nil, err
	}
	c.Changed = true
	return s.saved(changed...), nil
}

// entityKind returns the kind of records that common_operate means by a name.
func entityKind(entity string) (string, bool) {
	if entity == "bd_customer" {
		return kindCustomer, true
	}
	for _, kind := range billKinds() {
		if kind.entity == entity {
			return kind.kind, true
		}
	}
	return "", false
}

// named returns the records that a call names, each once; nil for one that there is not.
func (s *Server) named(kind string, fields shape.Object) []*record {
	var all []*record
	seen := map[*record]bool{}
	add := func(r *record, _ bool) {
		if !seen[r] {
			all = append(all, r)
		}
		seen[r] = true
	}
	for _, id := range fields.Texts("ids") {
		add(s.books.records[kind][id], true)
	}
	for _, number := range fields.Texts("numbers") {
		add(s.books.find(kind, "", number))
	}
	return all
}

// operate changes r.
func (r *record) operate(operation string, now time.Time) error {
	r.Modified = now
	isBill := r.Kind != kindCustomer
	switch {
	case operation == "delete" && r.Status == audited:
		return refuse("单据[%s]已审核，不允许删除", r.Number)
	case operation == "delete":
		r.Deleted = true
	case operation == "audit" && isBill && r.Status == audited:
		return refuse("单据[%s]已审核，不能重复审核", r.Number)
	case operation == "audit" && isBill:
		r.Status, r.Audited = audited, now
	case operation == "unaudit" && isBill && r.Status != audited:
		return refuse("单据[%s]未审核", r.Number)
	case operation == "unaudit" && isBill:
		r.Status, r.Audited = draft, time.Time{}
	default:
		return refuse("参数operate_type[%s]不支持", operation)
	}
	return nil
}
