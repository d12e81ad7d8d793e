package jushuitan

import (
	"slices"
	"strconv"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
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
	query
	poIDs   []int64
	sellers []int64
}

// purchaseIn serves both paths. Rows are sorted afresh for every call, so an edit between two
// pages moves rows from one to the other: a client that just reads on misses some.
func (s *Server) purchaseIn(c *call) (any, error) {
	p, err := s.settings.paging(c.biz, purchaseInPageSize, purchaseInMaxPageSize)
	if err != nil {
		return nil, err
	}
	q, err := s.receiptQuery(c)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(s.receipts.store.Documents(), func(r *dataset.Receipt) bool { return !s.asked(r, q) })
	slices.SortFunc(rows, func(a, b *dataset.Receipt) int { return q.inOrder(&a.Head, &b.Head) })
	return servePage(s, c, s.receipts, p, rows, func(r *dataset.Receipt) any { return s.ReceiptRow(c.path, r) })
}

// receiptQuery reads what c asks for.
func (s *Server) receiptQuery(c *call) (receiptQuery, error) {
	if q, found, err := readTS(c.biz); found {
		if s.settings.StartTSStatuses == "default" {
			q.statuses = []string{dataset.Confirmed}
		}
		return receiptQuery{query: q}, err
	}
	base, err := s.settings.readQuery(c.biz, purchaseInMaxIDs, 0)
	if err != nil {
		return receiptQuery{}, err
	}
	q := receiptQuery{query: base}
	q.statuses = []string{dataset.Confirmed}
	if q.poIDs, err = c.biz.integers("po_ids", purchaseInMaxIDs); err != nil {
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

// asked tells whether q asks for r.
func (s *Server) asked(r *dataset.Receipt, q receiptQuery) bool {
	return s.settings.matches(&r.Head, q.query) &&
		(q.poIDs == nil || r.POID != nil && among(q.poIDs, *r.POID)) &&
		among(q.sellers, r.SupplierID)
}

// rowTS returns a row version as the path has it: the newer one writes it as text.
func (s Settings) rowTS(path string, ts int64) any {
	if path == PurchaseInNewer && s.NewerTSText {
		return strconv.FormatInt(ts, 10)
	}
	return ts
}
