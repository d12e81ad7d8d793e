package jushuitan

import (
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// page is the data of an answer with rows.
type page struct {
	PageSize  int  `json:"page_size"`
	PageIndex int  `json:"page_index"`
	DataCount any  `json:"data_count,omitempty"`
	PageCount any  `json:"page_count,omitempty"`
	HasNext   bool `json:"has_next"`
	Datas     any  `json:"datas"`
}

// paging is which page a call asks for.
type paging struct {
	index, size int
	totals      totals
}

// totals says whether a page has its totals: if the call wants them, or never on feeds that have
// none.
type totals int

const (
	unwanted totals = iota
	wanted
	never
)

// paging reads the page asked for.
func (s Settings) paging(b biz, size, maxSize int64) (paging, error) {
	index, err := b.integer("page_index", 1)
	if err != nil || index < 1 {
		return paging{}, badParameter("page_index")
	}
	size, err = b.integer("page_size", size)
	if err != nil || size < 1 || size > maxSize && s.PageSizeAboveMax == "strict" {
		return paging{}, badParameter("page_size")
	}
	// No page so far away holds rows, and its place still fits an int.
	p := paging{index: int(min(index, 1<<40)), size: int(min(size, maxSize))}
	total, err := b.boolean("is_get_total", true)
	if total {
		p.totals = wanted
	}
	return p, err
}

// slice returns the part of the rows that is on page p.
func slice[T any](p paging, rows []T) []T {
	from := min((p.index-1)*p.size, len(rows))
	return rows[from:min(from+p.size, len(rows))]
}

// page puts rows, which are page p of count matching ones, into their frame.
func (s Settings) page(p paging, count int, rows []any, struck faults.Struck) page {
	data := page{PageIndex: p.index, PageSize: p.size, HasNext: p.index*p.size < count, Datas: rows}
	if len(rows) == 0 {
		data.Datas = []any{}
		if s.EmptyDatas == "null" {
			data.Datas = nil
		}
	}
	if f, ok := struck[faults.WrongTotal]; ok {
		count = max(0, count+f.Rows)
	}
	switch {
	case p.totals == never:
	case p.totals == wanted:
		data.DataCount, data.PageCount = count, (count+p.size-1)/p.size
	case s.TotalsWithout == "zero":
		data.DataCount, data.PageCount = 0, 0
	case s.TotalsWithout == "null":
		data.DataCount, data.PageCount = (*int)(nil), (*int)(nil)
	}
	if _, ok := struck[faults.EndlessHasNext]; ok {
		data.HasNext = true
	}
	if _, ok := struck[faults.NullRows]; ok {
		data.Datas = nil
	}
	return data
}
