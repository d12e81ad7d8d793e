package jushuitan

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// The two paths that purchase receipts are read from, and their limits.
const (
	PurchaseIn      = "/open/purchasein/query"
	PurchaseInNewer = "/open/webapi/wmsapi/purchasein/purchaseinquery"

	purchaseInPageSize    = 30
	purchaseInMaxPageSize = 50
	purchaseInMaxIDs      = 30
)

// receiptQuery is which receipts a call asks for. Empty lists mean any.
type receiptQuery struct {
	startTS    int64 // 0: none
	window     bool
	begin, end time.Time
	byIODate   bool
	ioIDs      []int64
	poIDs      []int64
	soIDs      []string
	sellers    []int64
	statuses   []string // empty: all
}

// purchaseIn serves both paths. Rows are sorted afresh for every call, so an edit between two
// pages moves rows from one to the other: a client that just reads on misses some.
func (s *Server) purchaseIn(c *call) (any, error) {
	paging, err := s.settings.paging(c.biz, purchaseInPageSize, purchaseInMaxPageSize)
	if err != nil {
		return nil, err
	}
	query, err := s.receiptQuery(c)
	if err != nil {
		return nil, err
	}
	matching := s.settings.matching(s.store.Receipts(), query)
	served := slice(paging, matching)
	rows := make([]any, len(served))
	for i, r := range served {
		rows[i] = s.settings.row(c.path, r)
	}
	data := s.settings.page(paging, len(matching), rows, c.struck)
	return data, s.editAfter(c, served)
}

// receiptQuery reads what c asks for.
func (s *Server) receiptQuery(c *call) (receiptQuery, error) {
	if c.biz.has("start_ts") {
		return s.settings.tsQuery(c.biz)
	}
	q := receiptQuery{statuses: []string{dataset.Confirmed}}
	if err := s.settings.readWindow(c.biz, &q); err != nil {
		return q, err
	}
	if err := readIDs(c.biz, &q); err != nil {
		return q, err
	}
	if c.path == PurchaseInNewer {
		sellers, err := c.biz.integers("seller_ids", 0)
		if err != nil || sellers != nil && !q.window {
			return q, badParameter("seller_ids")
		}
		q.sellers = sellers
	}
	if !q.window && q.ioIDs == nil && q.poIDs == nil && q.soIDs == nil {
		return q, missing("modified_begin,modified_end")
	}
	statuses, err := c.biz.texts("statuss", 0)
	if statuses != nil {
		q.statuses = statuses
	}
	return q, err
}

// tsQuery reads a query by row version, next to which only paging is allowed.
func (s Settings) tsQuery(b biz) (receiptQuery, error) {
	from, err := b.integer("start_ts", 0)
	if err != nil || from < 0 || !b.only("start_ts", "page_index", "page_size", "is_get_total") {
		return receiptQuery{}, badParameter("start_ts")
	}
	q := receiptQuery{startTS: max(from, 1), statuses: []string{dataset.Confirmed}}
	if s.StartTSStatuses == "all" {
		q.statuses = nil
	}
	return q, nil
}

// readWindow reads the window of time, if there is one.
func (s Settings) readWindow(b biz, q *receiptQuery) error {
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

// readIDs reads the lists of ids, if there are any.
func readIDs(b biz, q *receiptQuery) (err error) {
	if q.ioIDs, err = b.integers("io_ids", purchaseInMaxIDs); err != nil {
		return err
	}
	if q.poIDs, err = b.integers("po_ids", purchaseInMaxIDs); err != nil {
		return err
	}
	q.soIDs, err = b.texts("so_ids", 0)
	return err
}

// matching returns the receipts that q asks for: by ascending row version for queries by row
// version, else by time of modification and id.
func (s Settings) matching(receipts []*dataset.Receipt, q receiptQuery) []*dataset.Receipt {
	rows := slices.DeleteFunc(receipts, func(r *dataset.Receipt) bool { return !s.matches(r, q) })
	slices.SortFunc(rows, func(a, b *dataset.Receipt) int {
		if q.startTS > 0 {
			return cmp.Compare(a.TS, b.TS)
		}
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.IOID, b.IOID))
	})
	return rows
}

func (s Settings) matches(r *dataset.Receipt, q receiptQuery) bool {
	return r.TS >= q.startTS &&
		(!q.window || s.inWindow(r, q)) &&
		among(q.statuses, r.Status) &&
		among(q.ioIDs, r.IOID) &&
		(q.poIDs == nil || r.POID != nil && among(q.poIDs, *r.POID)) &&
		(q.soIDs == nil || r.SOID != nil && among(q.soIDs, *r.SOID)) &&
		among(q.sellers, r.SupplierID)
}

func (s Settings) inWindow(r *dataset.Receipt, q receiptQuery) bool {
	t := r.Modified
	if q.byIODate {
		t = r.IODate
	}
	return !t.Before(q.begin) && (t.Before(q.end) || s.WindowBounds == "closed" && t.Equal(q.end))
}

// among tells whether v is in list; a nil list holds everything.
func among[T comparable](list []T, v T) bool { return list == nil || slices.Contains(list, v) }

// editAfter makes the edits that follow a page: those of the settings and those of faults.
func (s *Server) editAfter(c *call, served []*dataset.Receipt) error {
	s.stats.page()
	if f, ok := c.struck[faults.Shift]; ok {
		var ids []int64
		for _, r := range served[:min(f.Rows, len(served))] {
			ids = append(ids, r.IOID)
		}
		if _, err := s.store.Edit(ids, dataset.Change{}, dataset.Fault, c.now); err != nil {
			return err
		}
	}
	return s.editSome(s.settings.EditOnPage, c.now)
}

// rowTime is how the vendor writes times.
func rowTime(t time.Time) string { return t.In(dataset.Shanghai).Format(time.DateTime) }

// rowTS returns a row version as the path has it: the newer one writes it as text.
func (s Settings) rowTS(path string, ts int64) any {
	if path == PurchaseInNewer && s.NewerTSText {
		return strconv.FormatInt(ts, 10)
	}
	return ts
}
