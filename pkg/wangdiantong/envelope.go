package wangdiantong

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// read returns the object with the vendor's code in an answer, or what the answer means. The
// vendor's refusals come with HTTP 200 (seen in use); under another status only a code that is
// known counts as one.
func (c *Client) read(a httpcall.Answer, q query, hidden httpcall.Hidden) (tolerant.Object, error) {
	o, refusal, err := c.open(a.Body)
	if refusal != nil {
		refusal.Method, refusal.Edition = q.method, c.cfg.Edition
		refusal.mask(hidden)
		if _, known := refusal.meaning(); known || a.OK() {
			return nil, refusal.classified()
		}
	}
	switch {
	case !a.OK():
		return nil, fault.Busy("http", 0, fmt.Errorf("wangdiantong %s: HTTP %d: %s", q.method, a.Status, a.Describe(hidden)))
	case err != nil:
		return nil, fault.Busy("answer", 0, fmt.Errorf("wangdiantong %s: %s: %w", q.method, a.Describe(hidden), err))
	}
	return o, nil
}

// mask hides secrets in what the other side said.
func (e *Error) mask(hidden httpcall.Hidden) {
	for _, text := range []*string{&e.Code, &e.SubCode, &e.RequestID} {
		*text = httpcall.Cut(hidden.Mask(*text), 100)
	}
	for _, text := range []*string{&e.Msg, &e.SubMsg} {
		*text = httpcall.Cut(hidden.Mask(*text), 1000)
	}
}

// open returns the object that carries the vendor's code, or the refusal in it. Exactly one of the
// three results is set.
func (c *Client) open(body []byte) (tolerant.Object, *Error, error) {
	o, err := tolerant.Parse(body)
	if err != nil {
		return nil, nil, err
	}
	if c.cfg.Transport == Qimen {
		var name string
		if o, name, err = unwrap(o); err != nil {
			return nil, nil, err
		}
		if name == "error_response" || strings.EqualFold(o.Text("flag"), "failure") {
			return nil, gatewayRefusal(o), nil
		}
	}
	// Through Qimen the enterprise edition says errorcode (seen in use).
	names := []string{"code", "errorcode"}
	if c.cfg.Edition == Flagship {
		names = []string{"status"}
	}
	for _, name := range names {
		code, given, err := o.Int(name)
		if err != nil {
			return nil, nil, err
		}
		if given && code != 0 {
			return nil, &Error{Code: fmt.Sprint(code), Msg: o.Text("message"), RequestID: o.Text("request_id")}, nil
		}
		if given {
			return o, nil, nil
		}
	}
	return nil, nil, errors.New("no " + strings.Join(names, " or "))
}

// unwrap returns the object inside an answer of Qimen and its name: response (seen in use), or
// error_response and <method>_response, as Taobao has them elsewhere (documented there).
func unwrap(o tolerant.Object) (tolerant.Object, string, error) {
	for name := range o {
		if name == "response" || strings.HasSuffix(name, "_response") {
			inner, err := o.Object(name)
			if err == nil && inner == nil {
				err = fmt.Errorf("%s: null", name)
			}
			return inner, name, err
		}
	}
	return nil, "", errors.New("no response")
}

// gatewayRefusal returns the refusal of the gateway, in either of its two shapes: which one Qimen
// uses where is not known.
func gatewayRefusal(o tolerant.Object) *Error {
	return &Error{
		Gateway: true, Code: o.Text("code"), Msg: cmp.Or(o.Text("message"), o.Text("msg")),
		SubCode: o.Text("sub_code"), SubMsg: cmp.Or(o.Text("sub_message"), o.Text("sub_msg")),
		RequestID: o.Text("request_id"),
	}
}

// Page is one page of a query.
type Page struct {
	// Rows are the documents as the vendor said them, bytes untouched.
	Rows []json.RawMessage
	// Total is the number of documents in all pages. -1 = not said: the vendor counts for the
	// first page alone (documented), and some methods never do.
	Total int
	// Size is the page size in effect: what was asked for, or less where the first page shows that
	// the vendor serves less.
	Size int
	// HasNext says that another page may follow. The vendor has no such flag: it follows from
	// Total on the first page, and else is true until a page is empty, for a page that is not full
	// may be one that the vendor cut.
	HasNext bool
	// RequestID is the gateway's name for the call, "" when it gave none.
	RequestID string
}

// page reads one page of a query from the object with the vendor's code.
func (c *Client) page(o tolerant.Object, q query) (Page, error) {
	id := o.Text("request_id")
	if c.cfg.Edition == Flagship {
		var err error
		if o, err = o.Object("data"); err != nil {
			return Page{}, err
		}
	}
	rows, err := o.List(q.rows)
	if err != nil {
		return Page{}, err
	}
	total := -1
	if q.first() {
		if err := o.IntInto(&total, "total_count"); err != nil {
			return Page{}, err
		}
		total = max(total, -1)
	}
	if _, given := o[q.rows]; !given {
		if err := missing(o, q.rows, total); err != nil {
			return Page{}, err
		}
	}
	return newPage(rows, total, q, id), nil
}

// missing refuses an answer without the list, unless it has nothing to list: an empty result may
// leave the list out (seen in use), a list of another name would be an empty result for ever.
func missing(o tolerant.Object, rows string, total int) error {
	if total > 0 {
		return fmt.Errorf("counts %d documents and has no list %s", total, rows)
	}
	for name := range o {
		if list, err := o.List(name); err == nil && len(list) > 0 {
			return fmt.Errorf("has no list %s, but a list %s", rows, name)
		}
	}
	return nil
}

// newPage says what the vendor leaves to be concluded. A page size that is too large may be cut
// without a word (assumed): then the first page is short although there is more.
func newPage(rows []json.RawMessage, total int, q query, id string) Page {
	p := Page{Rows: rows, Total: total, Size: q.pager.size, HasNext: len(rows) > 0, RequestID: id}
	if total >= 0 {
		p.HasNext = len(rows) > 0 && len(rows) < total
		if p.HasNext {
			p.Size = min(p.Size, len(rows))
		}
	}
	return p
}
