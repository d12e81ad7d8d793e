package jushuitan

import (
	"cmp"
	"slices"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// query is what calls for documents of all kinds can ask for. Empty lists mean any.
type query struct {
	startTS    int64 // 0: none
	window     bool
	begin, end time.Time
	byIODate   bool
	ioIDs      []int64
	soIDs      []string
	statuses   []string
}

// readQuery reads what b asks for. ioIDs and soIDs are how many ids each list may have; 0: any.
func (s Settings) readQuery(b biz, ioIDs, soIDs int) (q query, err error) {
	if err := s.readWindow(b, &q); err != nil {
		return q, err
	}
	if q.ioIDs, err = b.integers("io_ids", ioIDs); err != nil {
		return q, err
	}
	q.soIDs, err = b.texts("so_ids", soIDs)
	return q, err
}

// readTS reads a query by row version, next to which only paging is allowed. Where there is one
// it is all of the query.
func readTS(b biz) (q query, found bool, err error) {
	if !b.has("start_ts") {
		return query{}, false, nil
	}
	from, err := b.integer("start_ts", 0)
	if err != nil || from < 0 || !b.only("start_ts", "page_index", "page_size", "is_get_total") {
		return query{}, true, badParameter("start_ts")
	}
	return query{startTS: max(from, 1)}, true, nil
}

// readWindow reads the window of time, if there is one.
func (s Settings) readWindow(b biz, q *query) error {
	kind, err := b.integer("date_type", 0)
	if err != nil || kind != 0 && kind != 2 {
		return badParameter("date_type")
	}
	q.byIODate = kind == 2
	hasBegin, hasEnd := b.has("modified_begin"), b.has("modified_end")
	switch {
	case !hasBegin && !hasEnd:
		return nil
	case !hasBegin:
		return missing("modified_begin")
	case !hasEnd:
		return missing("modified_end")
	}
	if q.begin, err = b.time("modified_begin"); err != nil {
		return err
	}
	if q.end, err = b.time("modified_end"); err != nil {
		return err
	}
	if q.end.Before(q.begin) || q.end.Sub(q.begin) > s.MaxWindow {
		return badParameter("modified_begin,modified_end")
	}
	q.window = true
	return nil
}

// matches tells whether q asks for the document h.
func (s Settings) matches(h *dataset.Head, q query) bool {
	return h.TS >= q.startTS &&
		(!q.window || s.inWindow(h, q)) &&
		among(q.statuses, h.Status) &&
		among(q.ioIDs, h.IOID) &&
		(q.soIDs == nil || h.SOID != nil && among(q.soIDs, *h.SOID))
}

func (s Settings) inWindow(h *dataset.Head, q query) bool {
	t := h.Modified
	if q.byIODate {
		t = h.IODate
	}
	return !t.Before(q.begin) && (t.Before(q.end) || s.WindowBounds == "closed" && t.Equal(q.end))
}

// among tells whether v is in list; a nil list holds everything.
func among[T comparable](list []T, v T) bool { return list == nil || slices.Contains(list, v) }

// inOrder is the order of rows: by ascending row version for queries by row version, else by time
// of modification and id.
func (q query) inOrder(a, b *dataset.Head) int {
	if q.startTS > 0 {
		return cmp.Compare(a.TS, b.TS)
	}
	return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.IOID, b.IOID))
}

// servePage answers c with the page that it asks for of rows, which are those of feed, and then
// makes the edits that follow a page: those of the settings and those of faults.
func servePage[D dataset.Document](s *Server, c *call, f feed[D], p paging, rows []D, row func(D) any) (any, error) {
	served := slice(p, rows)
	shown := make([]any, len(served))
	for i, d := range served {
		shown[i] = row(d)
	}
	s.pages.Add(1)
	if fault, ok := c.struck[faults.Shift]; ok {
		if err := f.shift(served[:min(fault.Rows, len(served))], c.now); err != nil {
			return nil, err
		}
	}
	return s.settings.page(p, len(rows), shown, c.struck), f.Some(s.settings.EditOnPage, c.now)
}

// rowTime is how the vendor writes times.
func rowTime(t time.Time) string { return t.In(dataset.Shanghai).Format(time.DateTime) }
