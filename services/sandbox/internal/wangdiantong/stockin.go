package wangdiantong

import (
	"cmp"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// stockInQuery is which stock-in documents a call asks for. Empty texts and a nil window mean any.
type stockInQuery struct {
	window             *window
	orderType          int64 // 0: any
	status             int64
	house              string
	no, srcNo, outerNo string
}

// stockInQuery serves stockin_order_query.php. Rows are sorted afresh for every call, so an edit
// between two pages moves rows from one to the other: a client that just reads on misses some.
func (s *Server) stockInQuery(c *call) (any, error) {
	q, err := s.readStockInQuery(c)
	if err != nil {
		return nil, err
	}
	matching := slices.DeleteFunc(s.StockIns.Documents(), func(d *documents.StockIn) bool {
		return !s.visible(d.Modified, c.now) || !q.matches(d)
	})
	slices.SortFunc(matching, func(a, b *documents.StockIn) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.ID, b.ID))
	})
	served := slice(c.paging, matching)
	rows := make([]any, len(served))
	for i, d := range served {
		rows[i] = s.StockInRow(d)
	}
	return s.page(c, "stockin_list", rows, len(matching)), s.stockInFeed.afterPage(c, served, s.settings.EditOnPage)
}

// readStockInQuery reads what c asks for. Without a status only finished documents are meant: so
// the vendor has it in sibling queries.
func (s *Server) readStockInQuery(c *call) (q stockInQuery, err error) {
	q.house, q.no, q.srcNo, q.outerNo = c.params["warehouse_no"], c.params["stockin_no"], c.params["src_order_no"], c.params["outer_no"]
	if q.orderType, err = number(c.params["order_type"], 0); err != nil {
		return q, s.settings.errParameter("order_type")
	}
	if q.status, err = number(c.params["status"], documents.Done); err != nil {
		return q, s.settings.errParameter("status")
	}
	q.window, err = s.readWindow(c.params, q.no+q.srcNo+q.outerNo != "")
	return q, err
}

// readWindow reads the window of an enterprise query, which may be left out where optional.
func (s *Server) readWindow(params map[string]string, optional bool) (*window, error) {
	if optional && params["start_time"] == "" && params["end_time"] == "" {
		return nil, nil
	}
	from, err := wallClock(params["start_time"])
	if err != nil {
		return nil, s.settings.errParameter("start_time")
	}
	to, err := wallClock(params["end_time"])
	if err != nil || to.Before(from) {
		return nil, s.settings.errParameter("end_time")
	}
	if to.Sub(from) > maxWindow {
		return nil, s.settings.errWindow()
	}
	return &window{from, to}, nil
}

func (q stockInQuery) matches(d *documents.StockIn) bool {
	return (q.window == nil || q.window.holds(d.Modified)) &&
		(q.orderType == 0 || q.orderType == int64(d.OrderType)) &&
		q.status == int64(d.Status) &&
		among(q.house, d.Warehouse.No) && among(q.no, d.No) && among(q.srcNo, d.SrcNo) && among(q.outerNo, d.OuterNo)
}

// among tells whether v is what was asked for; nothing asks for everything.
func among(asked, v string) bool { return asked == "" || asked == v }

// orderTypes are the names of the types of stock-in documents.
var orderTypes = strings.Fields("- 采购入库 调拨入库 退货入库 盘盈入库 生产入库 其他入库 保修入库 纠错入库 初始化入库 预入库 JIT退货入库 委外入库")
