package jushuitan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// envelope is the outer object of every answer: {"code":0,"msg":"执行成功","data":{…}}. A few services
// have the fields of their page beside code and msg instead (documented); their data is all of it.
type envelope struct {
	code      int
	msg       string
	requestID string          // "" = not given
	data      json.RawMessage // nil = null or not given
	denied    bool            // issuccess is there and false
}

// failed reports whether the vendor refused. Success is code 0 alone: code 200 is a rate limit.
func (e envelope) failed() bool { return e.code != 0 || e.denied }

// decodeEnvelope reads an answer. Without a code it is none, whatever else it holds.
func decodeEnvelope(body []byte) (envelope, error) {
	o, err := tolerant.Parse(body)
	if err != nil {
		return envelope{}, err
	}
	data := o.Raw("data")
	if data == nil && o.Raw("has_next") != nil {
		data = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	}
	code, given, err := o.Int("code")
	if err == nil && !given {
		err = errors.New("no code")
	}
	success, said, flagErr := o.Bool("issuccess")
	return envelope{
		code:      int(code),
		msg:       o.Text("msg"),
		requestID: o.Text("request_id"),
		data:      data,
		denied:    said && !success,
	}, errors.Join(err, flagErr)
}

// read returns the envelope in an answer to r. The vendor's own refusals come with HTTP 200 (seen in
// use); under another status only a code that the table knows counts as one.
func (r request) read(a httpcall.Answer, hidden httpcall.Hidden) (envelope, error) {
	env, err := decodeEnvelope(a.Body)
	if err == nil && env.failed() {
		if _, known := lookUp(env.code, env.msg); known || a.OK() {
			return envelope{}, env.refusal(r.path, hidden).classified()
		}
	}
	switch {
	case !a.OK():
		return envelope{}, fault.Busy("http", 0, fmt.Errorf("jushuitan %s: HTTP %d: %s", r.path, a.Status, r.describe(a, hidden)))
	case err != nil:
		return envelope{}, fault.Busy("answer", 0, fmt.Errorf("jushuitan %s: %s: %w", r.path, r.describe(a, hidden), err))
	}
	return env, nil
}

// describe tells what came instead of an answer; of one that may hold tokens the size alone.
func (r request) describe(a httpcall.Answer, hidden httpcall.Hidden) string {
	if r.auth {
		return a.Size()
	}
	return a.Describe(hidden)
}

// refusal returns the vendor's refusal in e.
func (e envelope) refusal(path string, hidden httpcall.Hidden) *Error {
	return &Error{
		Code:      e.code,
		Msg:       httpcall.Cut(hidden.Mask(e.msg), 1000),
		Path:      path,
		RequestID: httpcall.Cut(hidden.Mask(e.requestID), 100),
	}
}

// Page is one page of a query.
type Page struct {
	// Rows are the documents as the vendor said them, bytes untouched.
	Rows []json.RawMessage
	// Index counts from 1, Size is the page size in effect, which may be less than was
	// asked for. 0 = not given.
	Index, Size int
	// Total is the number of matching documents (heads, not lines) and Pages that of
	// pages. -1 = not given: some endpoints never do, none with is_get_total false.
	Total, Pages int
	// HasNext says that another page follows (documented, for every page). Where the
	// vendor left it out, it follows from Pages, else it is true until a page is empty
	// (assumed). Stop at an empty page in any case, and bound the number of pages.
	HasNext bool
	// RequestID is the vendor's name for the call, "" when it gave none.
	RequestID string
}

// decodePage reads the page object in data.
func decodePage(data json.RawMessage, rowsKeys []string) (Page, error) {
	o, err := tolerant.Parse(data)
	if err != nil {
		return Page{}, fmt.Errorf("data: %w", err)
	}
	page := Page{Total: -1, Pages: -1}
	err = errors.Join(
		o.IntInto(&page.Index, "page_index"),
		o.IntInto(&page.Size, "page_size"),
		o.IntInto(&page.Total, "data_count"),
		o.IntInto(&page.Pages, "page_count"),
	)
	if err != nil {
		return Page{}, err
	}
	if page.Rows, err = rowsIn(o, rowsKeys); err != nil {
		return Page{}, err
	}
	next, said, err := o.Bool("has_next")
	page.HasNext = next || !said && page.mayHaveNext()
	return page, err
}

// mayHaveNext stands in for a missing has_next: rather one call too many than a lost row.
func (p Page) mayHaveNext() bool {
	if p.Pages >= 0 {
		return p.Index < p.Pages
	}
	return len(p.Rows) > 0
}

// rowsIn returns the array under the first of keys that is not null.
func rowsIn(o tolerant.Object, keys []string) ([]json.RawMessage, error) {
	if len(keys) == 0 {
		keys = []string{"datas", "orders", "inventorys", "shops"}
	}
	for _, key := range keys {
		if rows, err := o.List(key); rows != nil || err != nil {
			return rows, err
		}
	}
	return nil, nil
}
