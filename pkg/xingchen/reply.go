package xingchen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// Saved is what a save answers.
type Saved struct {
	// IDs are those of the documents, text of digits.
	IDs []string
	// Numbers are their numbers or bill numbers by id, as far as the vendor said them.
	Numbers map[string]string
}

// DecodeSaved reads the data of a save or an operation: {"ids":[…],"id_number_map":{…}}, {"id":…}
// (currencies), or {"rows":[…]} of those (accounts, virtual bills) (documented). An answer without any
// id is an error.
func DecodeSaved(data json.RawMessage) (Saved, error) {
	s := Saved{Numbers: map[string]string{}}
	rows, err := s.add(data)
	for _, row := range rows {
		_, wrong := s.add(row)
		err = errors.Join(err, wrong)
	}
	if err != nil {
		return s, err
	}
	if len(s.IDs) == 0 {
		return s, errors.New("the answer names no id")
	}
	return s, nil
}

// add takes over the ids and numbers of an object, and returns its rows.
func (s *Saved) add(data json.RawMessage) (rows []json.RawMessage, err error) {
	fields, err := tolerant.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	ids, err := fields.List("ids")
	if err != nil {
		return nil, err
	}
	if id := fields.Raw("id"); id != nil {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if text := (tolerant.Object{"id": id}).Text("id"); text != "" {
			s.IDs = append(s.IDs, text)
		}
	}
	numbers, err := fields.Object("id_number_map")
	if err != nil {
		return nil, err
	}
	for id := range numbers {
		s.Numbers[id] = numbers.Text(id)
	}
	return fields.List("rows")
}

// Save is Post for a path that saves. An answer without ids is Busy, class answer, and Uncertain.
func (c *Client) Save(ctx context.Context, path string, body any) (Saved, error) {
	data, err := c.Post(ctx, path, body)
	if err != nil {
		return Saved{}, err
	}
	saved, err := DecodeSaved(data)
	if err != nil {
		return saved, kingdee.MarkUncertain(fault.Busy("answer", 0, fmt.Errorf("xingchen %s: %w", path, err)))
	}
	return saved, nil
}

// The operations of Operate.
const (
	Audit   = "audit"
	Unaudit = "unaudit"
	Delete  = "delete"
)

// Operate audits, unaudits or deletes one document (通用批量操作, documented; the names of operations
// were seen in use). One, because how the vendor reports that it carried out a part is not known. An
// answer that is no refusal is a success, whatever else it holds.
func (c *Client) Operate(ctx context.Context, entity, operation, id string) error {
	_, err := c.Post(ctx, "/jdy/v2/sys/common_operate", map[string]any{
		"entity_number": entity, "operate_type": operation, "ids": []string{id},
	})
	return err
}

// List is one page of a list.
type List struct {
	// Rows are the documents as the vendor said them, bytes untouched.
	Rows []json.RawMessage
	// Total is the number of matching documents and Pages that of pages; -1 = not given.
	Total, Pages int
	// Page counts from 1. Size is the page size in effect, which may be less than was asked for.
	// 0 = not given.
	Page, Size int
}

// HasNext reports whether another page follows. Where the vendor did not say how many pages there are,
// it is true until a page is empty (assumed).
func (l List) HasNext() bool {
	if l.Pages >= 0 && l.Page > 0 {
		return l.Page < l.Pages
	}
	return len(l.Rows) > 0
}

// DecodeList reads the data of a list. Numbers may be text: some lists have count as one, some as the
// other (documented).
func DecodeList(data json.RawMessage) (List, error) {
	fields, err := tolerant.Parse(data)
	if err != nil {
		return List{}, fmt.Errorf("data: %w", err)
	}
	list := List{Total: -1, Pages: -1}
	if list.Rows, err = fields.List("rows"); err != nil {
		return List{}, err
	}
	for name, into := range map[string]*int{
		"count": &list.Total, "total_page": &list.Pages, "page": &list.Page, "page_size": &list.Size,
	} {
		err = errors.Join(err, fields.IntInto(into, name))
	}
	return list, err
}
