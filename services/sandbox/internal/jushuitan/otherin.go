package jushuitan

import (
	"slices"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// OtherInOut is the path that documents of other goods movements are read from; its limits follow.
const (
	OtherInOut = "/open/other/inout/query"

	otherInOutPageSize    = 30
	otherInOutMaxPageSize = 50
	otherInOutMaxIDs      = 50
)

// otherInQuery is which other-ins a call asks for. Empty lists mean any.
type otherInQuery struct {
	query
	types   []string
	wmsCoID int64 // 0: any
}

// otherInOut serves other-ins.
func (s *Server) otherInOut(c *call) (any, error) {
	p, err := s.settings.paging(c.biz, otherInOutPageSize, otherInOutMaxPageSize)
	if err != nil {
		return nil, err
	}
	q, err := s.otherInQuery(c.biz)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(s.otherIns.store.Documents(), func(o *dataset.OtherIn) bool {
		return !s.settings.matches(&o.Head, q.query) || !among(q.types, o.Type) || q.wmsCoID != 0 && o.WmsCoID != q.wmsCoID
	})
	slices.SortFunc(rows, func(a, b *dataset.OtherIn) int { return q.inOrder(&a.Head, &b.Head) })
	return servePage(s, c, s.otherIns, p, rows, s.OtherInRow)
}

// otherInQuery reads what b asks for. Without a status all statuses are meant, unlike with purchase
// receipts (assumed).
func (s *Server) otherInQuery(b biz) (otherInQuery, error) {
	if q, found, err := readTS(b); found {
		return otherInQuery{query: q}, err
	}
	base, err := s.settings.readQuery(b, otherInOutMaxIDs, otherInOutMaxIDs)
	if err != nil {
		return otherInQuery{}, err
	}
	q := otherInQuery{query: base}
	if !q.window && q.ioIDs == nil && q.soIDs == nil {
		return q, missing("modified_begin,modified_end")
	}
	if q.types, err = b.texts("types", 0); err != nil {
		return q, err
	}
	if q.wmsCoID, err = b.integer("wms_co_id", 0); err != nil {
		return q, err
	}
	if v, ok := b["status"]; ok {
		status, isText := v.(string)
		if !isText {
			return q, badParameter("status")
		}
		q.statuses = []string{status}
	}
	return q, nil
}
