package wangdiantong

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// maxBody bounds the body of a call.
const maxBody = 4 << 20

// call is a call as the checks and endpoints see it.
type call struct {
	// api is what Stats and faults know the call by.
	api      string
	door     *door
	endpoint endpoint
	// account is whose calls are counted; empty if nobody has the credentials that were named.
	account string
	now     time.Time
	// params are those of the query and of the form; body is that of a call with JSON, args the
	// object in it.
	params map[string]string
	body   string
	args   arguments
	paging paging
	struck faults.Struck
	// number stands for the call in request ids.
	number int64
}

// door is one of the ways in: an edition, called directly or through Qimen.
type door struct {
	// checks are made in this order; the first that refuses ends the call.
	checks  []func(*call) error
	success func(*call, any) any
	refuse  func(*call, refusal) any
	// internal is the refusal where something went wrong inside, tooLate where that took too long.
	internal, tooLate refusal
	edition           string
	qimen             bool
}

// endpoint is what answers calls of one API.
type endpoint struct {
	serve func(*call) (any, error)
	// business calls read documents or master data; others are probes.
	business bool
	// paged ones want to be told which page.
	paged bool
	// qimenOnly endpoints refuse direct calls.
	qimenOnly bool
}

// refusedBy names a refusal in Stats.
func refusedBy(c *call, r refusal) string {
	if r.sub != "" {
		return "gateway " + strconv.Itoa(r.code)
	}
	return c.door.edition + " " + strconv.Itoa(r.code)
}

// readCall reads what r sends and finds the door and endpoint that it is for. A call without a
// door is for nobody. The error is the vendor's refusal of what can't be read.
func (s *Server) readCall(w http.ResponseWriter, r *http.Request) (*call, error) {
	c := &call{params: map[string]string{}, number: s.requests.Add(1)}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	add(c.params, r.URL.Query())
	name, isPHP := strings.CutSuffix(r.URL.Path, ".php")
	name, isEnterprise := strings.CutPrefix(name, "/openapi2/")
	switch {
	case isPHP && isEnterprise:
		c.params = map[string]string{} // all of them are in the body
		err = errors.Join(err, readForm(c.params, r, body))
		return c, s.enterDirect(c, name, r, err)
	case r.URL.Path == "/openapi":
		c.body = string(body)
		return c, s.enterFlagship(c, r, err)
	case r.URL.Path == "/router/qm" || r.URL.Path == "/router/qmtest":
		err = errors.Join(err, readForm(c.params, r, body))
		return c, s.enterQimen(c, err)
	default:
		return c, nil
	}
}

// readForm adds the parameters in the body of r to params.
func readForm(params map[string]string, r *http.Request, body []byte) error {
	if r.Method == http.MethodGet {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return errors.New("body is not a form")
	}
	form, err := url.ParseQuery(string(body))
	add(params, form)
	return err
}

// add puts values into params that are not there yet.
func add(params map[string]string, values url.Values) {
	for key := range values {
		if _, there := params[key]; !there {
			params[key] = values.Get(key)
		}
	}
}

// wallClock reads a time as the vendor writes it.
func wallClock(text string) (time.Time, error) {
	if len(text) != len(time.DateTime) {
		return time.Time{}, errors.New("not a time: " + text)
	}
	return time.ParseInLocation(time.DateTime, text, dataset.Shanghai)
}

// written writes a time as the vendor does; a zero one as nothing.
func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(dataset.Shanghai).Format(time.DateTime)
}

// paging is which page a call asks for. The index counts from 0, whatever the caller counts from.
type paging struct {
	index, size int
	total       bool
}

// slice returns the part of the rows that is on page p.
func slice[T any](p paging, rows []T) []T {
	from := min(p.index*p.size, len(rows))
	return rows[from:min(from+p.size, len(rows))]
}

// maxPage is so far away that no page beyond it holds rows, and its place still fits an int.
const maxPage = 1 << 40

// pageSize returns the size of the pages where asked is what the caller wants, and whether the
// vendor takes it.
func (s Settings) pageSize(asked, limit int64) (size int, ok bool) {
	if asked < 1 || asked > limit && s.PageSizeAboveMax == "reject" {
		return 0, false
	}
	return int(min(asked, limit)), true
}

// page returns what a query answers: rows, which are the page that c asks for of total matching
// ones, under the name list.
func (s *Server) page(c *call, list string, rows []any, total int) map[string]any {
	s.stats.page()
	data := map[string]any{}
	if n := min(s.settings.DuplicateRows, len(rows)); n > 0 {
		rows = append(rows, rows[len(rows)-n:]...)
	}
	_, null := c.struck[faults.NullRows]
	switch {
	case null:
		data[list] = nil
	case len(rows) > 0:
		data[list] = rows
	case s.settings.EmptyList == "array":
		data[list] = []any{}
	}
	if f, ok := c.struck[faults.WrongTotal]; ok {
		total = max(0, total+f.Rows)
	}
	if c.paging.total {
		data["total_count"] = total
	}
	if c.paging.total && c.door.edition == enterprise && !c.door.qimen && s.settings.TotalCount == "string" {
		data["total_count"] = strconv.Itoa(total)
	}
	return data
}

// The editions.
const (
	enterprise = "enterprise"
	flagship   = "flagship"
)

// window is a closed slice of time.
type window struct{ from, to time.Time }

func (w window) holds(t time.Time) bool { return !t.Before(w.from) && !t.After(w.to) }

// maxWindow is the widest window of the queries served here.
const maxWindow = 30 * 24 * time.Hour

// visible tells whether a document that was modified at t can be read by now. One that was edited
// is not seen at all until then, and so leaves its old window a little early.
func (s *Server) visible(t, now time.Time) bool { return !t.Add(s.settings.VisibleAfter).After(now) }

// with returns fields and those of more.
func with(fields, more map[string]any) map[string]any {
	all := maps.Clone(fields)
	maps.Copy(all, more)
	return all
}
