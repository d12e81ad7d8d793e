package xingchen

import (
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// maxPage is the largest page_size; larger ones are cut down without a word. Both are assumed.
const maxPage = 100

// filters are what a list or detail call asks for. They come in the query, or in the JSON body of
// the GET, as the vendor's own SDK sends them.
type filters map[string][]string

func readFilters(c *gateway.Call) (filters, error) {
	f := filters{}
	for name, values := range c.URL.Query() {
		f.add(name, values...)
	}
	if len(c.Text) == 0 {
		return f, nil
	}
	body, err := shape.Decode(c.Text)
	if err != nil {
		return nil, refuse("proto: syntax error: %.80s", err)
	}
	for name, value := range body {
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		for _, one := range list {
			f.add(name, shape.Scalar(one))
		}
	}
	return f, nil
}

// add takes values in either spelling of a list: repeated, or with commas between.
func (f filters) add(name string, values ...string) {
	for _, value := range values {
		if value != "" {
			f[name] = append(f[name], value)
		}
	}
}

func (f filters) text(name string) string {
	if len(f[name]) == 0 {
		return ""
	}
	return f[name][0]
}

func (f filters) list(name string) []string {
	var all []string
	for _, value := range f[name] {
		all = append(all, strings.Split(value, ",")...)
	}
	return all
}

// number returns a whole number, or otherwise where there is none.
func (f filters) number(name string, otherwise int64) (int64, error) {
	text := f.text(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, refuse("proto: invalid value for int64 field %s: %.40s", name, text)
	}
	return n, nil
}

// within returns what is true for times between <name>_start_time and <name>_end_time, ends
// included; empty or -1 is no bound. That the ends are included is assumed.
func (f filters) within(name string) (func(time.Time) bool, error) {
	start, err := f.number(name+"_start_time", -1)
	if err != nil {
		return nil, err
	}
	end, err := f.number(name+"_end_time", -1)
	if err != nil {
		return nil, err
	}
	return func(t time.Time) bool {
		ms := t.UnixMilli()
		return (start < 0 || ms >= start) && (end < 0 || ms <= end)
	}, nil
}

// changes returns what is true for a row created and modified at the times that f asks for. A row
// that changed within the lag is not seen yet.
func (s *Server) changes(f filters, now time.Time) (func(created, modified time.Time) bool, error) {
	isCreated, err := f.within("create")
	if err != nil {
		return nil, err
	}
	isModified, err := f.within("modify")
	if err != nil {
		return nil, err
	}
	return func(created, modified time.Time) bool {
		return isCreated(created) && isModified(modified) && now.Sub(modified) >= s.settings.ListLag
	}, nil
}

// dialect is how the reply of a list looks, which differs by object. Documented.
type dialect int

const (
	countText  dialect = iota // count is text, and there is a current_page
	countStore                // count is a number, current_page_size is called cur_page_size
	countBill                 // count is a number
)

// page returns the page of rows that f asks for; row makes one of them.
func page[T any](f filters, d dialect, all []T, row func(T) Row) (Row, error) {
	number, err := f.number("page", 1)
	if err != nil {
		return nil, err
	}
	size, err := f.number("page_size", 10)
	if err != nil {
		return nil, err
	}
	number, size = max(number, 1), min(max(size, 1), maxPage)
	total := int64(len(all))
	rows, pages := gateway.Page(all, number, size, row)
	reply := Row{"count": total, "total_page": pages, "page": number, "page_size": size, "rows": rows}
	switch d {
	case countText:
		reply["count"], reply["current_page"] = strconv.FormatInt(total, 10), number
		reply["current_page_size"] = len(rows)
	case countStore:
		reply["current_page"], reply["cur_page_size"] = number, len(rows)
	case countBill:
		reply["current_page_size"] = len(rows)
	}
	return reply, nil
}

// clock returns a time as replies have it; empty for none.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(dataset.Shanghai).Format(time.DateTime)
}

// contains reports whether one of the texts has part in it; an empty part is in all.
func contains(part string, texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
