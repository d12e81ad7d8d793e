package wangdiantong

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// refundQuery is which refunds a call asks for. What is nil, empty or zero means any.
type refundQuery struct {
	windows []refundWindow
	// exact are the filters by one text each, equal those by one number.
	exact  []refundText
	equal  []refundNumber
	shops  []string
	houses []string
	raw    []string
	fuzzy  bool
	// intercepted asks for refunds that were stopped or turned down: there are none.
	intercepted bool
	newestFirst bool
	subsidies   bool
}

type refundWindow struct {
	window
	of func(*documents.Refund) time.Time
}

type refundText struct {
	asked string
	of    func(*documents.Refund) string
}

type refundNumber struct {
	asked int64
	of    func(*documents.Refund) int
}

// refundWindows are the windows of time that a query can have.
var refundWindows = []struct {
	from, to string
	of       func(*documents.Refund) time.Time
}{
	{"modified_from", "modified_to", func(d *documents.Refund) time.Time { return d.Modified }},
	{"settle_from", "settle_to", func(d *documents.Refund) time.Time { return d.Settled }},
	{"agree_from", "agree_to", func(d *documents.Refund) time.Time { return d.Checked }},
	{"current_phase_timeout_from", "current_phase_timeout_to", func(d *documents.Refund) time.Time { return d.Phase }},
}

// refundTexts are the filters by text; a query by a number needs no window.
var refundTexts = []struct {
	key    string
	number bool
	of     func(*documents.Refund) string
}{
	{"refund_no", true, func(d *documents.Refund) string { return d.No }},
	{"tid", true, func(d *documents.Refund) string { return d.Tid }},
	{"trade_no", true, func(d *documents.Refund) string { return d.TradeNo }},
	{"return_logistics_no", true, func(d *documents.Refund) string { return d.Waybill }},
	{"buyer_nick", false, func(d *documents.Refund) string { return d.Nick }},
}

// refundNumbers are the filters by number.
var refundNumbers = []struct {
	key string
	of  func(*documents.Refund) int
}{
	{"status", func(d *documents.Refund) int { return d.Status }},
	{"stockin_status", func(d *documents.Refund) int { return d.StockIn }},
	{"type", func(d *documents.Refund) int { return d.Type }},
	{"rr_status", func(d *documents.Refund) int { return d.Platform }},
}

// refundKeys returns all parameters that there are.
func refundKeys() []string {
	keys := []string{
		"shop_nos", "raw_refund_nos", "return_warehouse_nos", "fuzzy_query", "return_mask_manual_intercept",
		"refund_mask_reject_return", "order_type", "need_gov_subsidy_info",
	}
	for _, w := range refundWindows {
		keys = append(keys, w.from, w.to)
	}
	for _, t := range refundTexts {
		keys = append(keys, t.key)
	}
	for _, n := range refundNumbers {
		keys = append(keys, n.key)
	}
	return keys
}

// refundQuery serves aftersales.refund.Refund.search. Rows are sorted afresh for every call.
func (s *Server) refundQuery(c *call) (any, error) {
	q, err := s.readRefundQuery(c.args)
	if err != nil {
		return nil, err
	}
	matching := slices.DeleteFunc(s.Refunds.Documents(), func(d *documents.Refund) bool {
		return !s.visible(d.Modified, c.now) || !s.shown(c, d) || !q.matches(d)
	})
	if q.fuzzy && len(matching) > 1 {
		return nil, errManyMatches
	}
	slices.SortFunc(matching, func(a, b *documents.Refund) int {
		if q.newestFirst {
			a, b = b, a
		}
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.ID, b.ID))
	})
	served := slice(c.paging, matching)
	rows := make([]any, len(served))
	for i, d := range served {
		if rows[i], err = s.atQimen(c, s.refundRow(d, q.subsidies, c.door.qimen)); err != nil {
			return nil, err
		}
	}
	return s.page(c, "order", rows, len(matching)), s.refundFeed.afterPage(c, served, s.settings.EditOnPage)
}

// shown tells whether c may see d: refunds of some platforms are for Qimen alone.
func (s *Server) shown(c *call, d *documents.Refund) bool {
	hidden := d.Shop.Platform == documents.Taobao || d.Shop.Platform == documents.Pinduoduo
	return c.door.qimen || !s.settings.HidePlatforms || !hidden
}

func (s *Server) readRefundQuery(a arguments) (q refundQuery, err error) {
	if err := a.only(refundKeys()); err != nil {
		return q, err
	}
	if err := readRefundTimes(a, &q); err != nil {
		return q, err
	}
	if err := readRefundNumbers(a, &q); err != nil {
		return q, err
	}
	if err := readRefundFlags(a, &q); err != nil {
		return q, err
	}
	return q, s.readRefundShops(a, &q)
}

// readRefundTimes reads the windows, and the numbers that make them unnecessary.
func readRefundTimes(a arguments, q *refundQuery) (err error) {
	numbered := false
	for _, t := range refundTexts {
		asked, err := a.text(t.key)
		if err != nil {
			return err
		}
		if asked != "" {
			q.exact = append(q.exact, refundText{asked, t.of})
			numbered = numbered || t.number
		}
	}
	if q.raw, err = a.list("raw_refund_nos"); err != nil {
		return err
	}
	for _, w := range refundWindows {
		asked, given, err := a.between(w.from, w.to)
		if err != nil {
			return err
		}
		if given {
			q.windows = append(q.windows, refundWindow{asked, w.of})
		}
	}
	if len(q.windows) == 0 && !numbered && q.raw == nil {
		return errNoTimes
	}
	return nil
}

func readRefundNumbers(a arguments, q *refundQuery) error {
	for _, n := range refundNumbers {
		if !a.has(n.key) {
			continue
		}
		asked, err := a.integer(n.key)
		if err != nil {
			return err
		}
		q.equal = append(q.equal, refundNumber{asked, n.of})
	}
	order, err := a.integer("order_type")
	if err != nil || order != 0 && order != 1 {
		return errFlagshipType
	}
	q.newestFirst = order == 1
	return nil
}

func readRefundFlags(a arguments, q *refundQuery) (err error) {
	if q.fuzzy, err = a.boolean("fuzzy_query"); err != nil {
		return err
	}
	if q.subsidies, err = a.boolean("need_gov_subsidy_info"); err != nil {
		return err
	}
	stopped, err := a.boolean("return_mask_manual_intercept")
	if err != nil {
		return err
	}
	turnedDown, err := a.boolean("refund_mask_reject_return")
	q.intercepted = stopped || turnedDown
	return err
}

// readRefundShops reads the shops and warehouses. Shops none of which there is are refused.
func (s *Server) readRefundShops(a arguments, q *refundQuery) (err error) {
	if q.shops, err = a.list("shop_nos"); err != nil {
		return err
	}
	there := func(shop documents.Shop) bool { return slices.Contains(q.shops, shop.No) }
	if q.shops != nil && !slices.ContainsFunc(documents.Shops(s.world), there) {
		return errNoShops
	}
	q.houses, err = a.list("return_warehouse_nos")
	return err
}

func (q refundQuery) matches(d *documents.Refund) bool {
	if q.intercepted || !in(q.shops, d.Shop.No) || !in(q.houses, d.Warehouse.No) || !in(q.raw, d.RawNo) {
		return false
	}
	for _, w := range q.windows {
		if !w.holds(w.of(d)) {
			return false
		}
	}
	for _, t := range q.exact {
		if t.asked != t.of(d) && !(q.fuzzy && strings.Contains(t.of(d), t.asked)) {
			return false
		}
	}
	return !slices.ContainsFunc(q.equal, func(n refundNumber) bool { return n.asked != int64(n.of(d)) })
}

// in tells whether v is in list; a nil list holds everything.
func in(list []string, v string) bool { return list == nil || slices.Contains(list, v) }
