package jushuitan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
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
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	o, err := object(body)
	if err != nil {
		return envelope{}, err
	}
	data := o.raw("data")
	if data == nil && o.raw("has_next") != nil {
		data = body
	}
	code, given, err := o.int("code")
	if err == nil && !given {
		err = errors.New("no code")
	}
	success, said, flagErr := o.bool("issuccess")
	return envelope{
		code:      code,
		msg:       o.text("msg"),
		requestID: o.text("request_id"),
		data:      data,
		denied:    said && !success,
	}, errors.Join(err, flagErr)
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
	o, err := object(data)
	if err != nil {
		return Page{}, fmt.Errorf("data: %w", err)
	}
	page := Page{Total: -1, Pages: -1}
	err = errors.Join(
		o.intInto(&page.Index, "page_index"),
		o.intInto(&page.Size, "page_size"),
		o.intInto(&page.Total, "data_count"),
		o.intInto(&page.Pages, "page_count"),
	)
	if err != nil {
		return Page{}, err
	}
	if page.Rows, err = o.rows(rowsKeys); err != nil {
		return Page{}, err
	}
	next, said, err := o.bool("has_next")
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

// fields is a JSON object whose values are read with tolerance. Keys are exact.
type fields map[string]json.RawMessage

func object(text []byte) (fields, error) {
	var o fields
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("empty")
	}
	if err := json.Unmarshal(text, &o); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("a JSON %s, not an object", wrong.Value)
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if o == nil {
		return nil, errors.New("null")
	}
	return o, nil
}

// raw returns the value under key, nil for null.
func (o fields) raw(key string) json.RawMessage {
	if v := o[key]; string(v) != "null" {
		return v
	}
	return nil
}

// text returns the string under key; a number or anything else as it is written.
func (o fields) text(key string) string {
	raw := o.raw(key)
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// int returns the whole number under key, which may be quoted and may have zero decimals.
// null, "" and nothing are not given.
func (o fields) int(key string) (n int, given bool, err error) {
	s := strings.TrimSpace(o.text(key))
	if s == "" {
		return 0, false, nil
	}
	if n, err = strconv.Atoi(s); err == nil {
		return n, true, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false, fmt.Errorf("%s is no whole number", key)
	}
	return int(f), true, nil
}

// intInto sets n to the number under key, and leaves it alone when that is not given.
func (o fields) intInto(n *int, key string) error {
	v, given, err := o.int(key)
	if given {
		*n = v
	}
	return err
}

// bool returns the flag under key: true, 1, "true", "1" and so on.
func (o fields) bool(key string) (value, given bool, err error) {
	s := strings.TrimSpace(o.text(key))
	if s == "" {
		return false, false, nil
	}
	value, err = strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		return false, false, fmt.Errorf("%s is no flag", key)
	}
	return value, true, nil
}

// rows returns the array under the first of keys that is not null.
func (o fields) rows(keys []string) ([]json.RawMessage, error) {
	if len(keys) == 0 {
		keys = []string{"datas", "orders", "inventorys", "shops"}
	}
	for _, key := range keys {
		raw := o.raw(key)
		if raw == nil {
			continue
		}
		var rows []json.RawMessage
		if err := json.Unmarshal(raw, &rows); err != nil {
			return nil, fmt.Errorf("%s is no array", key)
		}
		return rows, nil
	}
	return nil, nil
}
