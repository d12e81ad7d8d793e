package main

import (
	"fmt"
	"iter"
	"net/url"
	"strconv"

	"github.com/erpstream/erpstream/services/sandbox/internal/control"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// shown describes the vendors to the control endpoints.
func (v *vendors) shown() []control.Vendor {
	return []control.Vendor{v.showJushuitan(), v.showWangdiantong(), v.showGateway(), v.showXingchen(), v.showKIS()}
}

func (v *vendors) showJushuitan() control.Vendor {
	receipts := func(q url.Values) func(*dataset.Receipt) bool {
		return func(r *dataset.Receipt) bool { return is(q, "status", r.Status) }
	}
	otherIns := func(q url.Values) func(*dataset.OtherIn) bool {
		return func(o *dataset.OtherIn) bool { return is(q, "status", o.Status) && is(q, "type", o.Type) }
	}
	return control.Vendor{
		Name: "jushuitan", Paths: v.jushuitan.Paths(), Faults: v.jushuitanFaults,
		Stats: func() any { return v.jushuitan.Stats() }, EditsRemaining: v.jushuitan.EditsRemaining,
		Lists: []control.List{
			{
				Name: "purchasein", Filters: []string{"status", "path"},
				About: "all purchase receipts as they are now; ?status=Confirmed, ?path=" + jushuitan.PurchaseInNewer,
				Rows: func(q url.Values) (iter.Seq[any], error) {
					path, err := receiptPath(q.Get("path"))
					return rows(v.receipts.Documents(), receipts(q), func(r *dataset.Receipt) any { return v.jushuitan.ReceiptRow(path, r) }), err
				},
				Checksum: checksum(v.receipts, receipts),
			},
			{
				Name: "otherin", Filters: []string{"status", "type"},
				About: "all other goods movements as they are now; ?status=Confirmed, ?type=" + dataset.OtherReturn,
				Rows: func(q url.Values) (iter.Seq[any], error) {
					return rows(v.otherIns.Documents(), otherIns(q), v.jushuitan.OtherInRow), nil
				},
				Checksum: checksum(v.otherIns, otherIns),
			},
			{
				Name: "shops", Filters: []string{"status"},
				About: "the shops that the vendor shows; ?status=" + dataset.Disabled + " for the others",
				Rows: func(q url.Values) (iter.Seq[any], error) {
					if q.Get("status") != dataset.Disabled {
						return rows(v.jushuitan.VisibleShops(), nil, v.jushuitan.ShopRow), nil
					}
					hidden := func(s *dataset.Shop) bool { return s.Status == dataset.Disabled }
					return rows(v.shops.Documents(), hidden, v.jushuitan.ShopRow), nil
				},
			},
			poisonList(v.spoiltOfJushuitan),
		},
		Orders: []control.Order{{
			Name: "edit", Do: v.editJushuitan,
			About: `edit documents: {"io_ids":[…]} or {"count":n}, with feed (purchasein, otherin), add_line, remove_line, status, modified_ago_s; ` +
				`or shops: {"feed":"shops","shop_ids":[…]}, with name, status (enabled, disabled)`,
		}},
	}
}

// is tells whether the filter name of q, if it is set, asks for value.
func is(q url.Values, name, value string) bool { return !q.Has(name) || q.Get(name) == value }

// rows yields the documents for which keep is true (nil: all), as row has them.
func rows[D any](docs []D, keep func(D) bool, row func(D) any) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, d := range docs {
			if (keep == nil || keep(d)) && !yield(row(d)) {
				return
			}
		}
	}
}

// checksum returns the Checksum of a list of documents.
func checksum[D dataset.Document](s *dataset.Store[D], keep func(url.Values) func(D) bool) func(url.Values) (any, error) {
	return func(q url.Values) (any, error) {
		var kept []D
		for _, d := range s.Documents() {
			if keep(q)(d) {
				kept = append(kept, d)
			}
		}
		return dataset.Sum(kept), nil
	}
}

// receiptPath returns the path whose rows are asked for.
func receiptPath(asked string) (string, error) {
	switch asked {
	case "", jushuitan.PurchaseIn:
		return jushuitan.PurchaseIn, nil
	case jushuitan.PurchaseInNewer:
		return asked, nil
	default:
		return "", control.Refuse(fmt.Errorf("path %q has no purchase receipts", asked))
	}
}

func (v *vendors) showWangdiantong() control.Vendor {
	stockIns := func(q url.Values) func(*documents.StockIn) bool {
		return func(d *documents.StockIn) bool {
			return is(q, "order_type", strconv.Itoa(d.OrderType)) && is(q, "status", strconv.Itoa(d.Status))
		}
	}
	refunds := func(q url.Values) func(*documents.Refund) bool {
		return func(d *documents.Refund) bool { return is(q, "status", strconv.Itoa(d.Status)) }
	}
	return control.Vendor{
		Name: "wangdiantong", Paths: v.wangdiantong.Paths(), Faults: v.wangdiantongFaults,
		Stats:          func() any { return v.wangdiantong.Stats() },
		EditsRemaining: func() int { return v.wangdiantong.Stats().EditsRemaining },
		Lists: []control.List{
			{
				Name: feedStockIn, Filters: []string{"order_type", "status"},
				About: "all stock-in documents as they are now; ?order_type=4, ?status=80",
				Rows: func(q url.Values) (iter.Seq[any], error) {
					return rows(v.wangdiantong.StockIns.Documents(), stockIns(q), v.wangdiantong.StockInRow), nil
				},
				Checksum: checksum(v.wangdiantong.StockIns, stockIns),
			},
			{
				Name: feedRefund, Filters: []string{"status"},
				About: "all refunds as they are now; ?status=…",
				Rows: func(q url.Values) (iter.Seq[any], error) {
					return rows(v.wangdiantong.Refunds.Documents(), refunds(q), v.wangdiantong.RefundRow), nil
				},
				Checksum: checksum(v.wangdiantong.Refunds, refunds),
			},
			poisonList(v.spoiltOfWangdiantong),
		},
		Orders: []control.Order{{
			Name: "edit", Do: v.editWangdiantong,
			About: `edit documents: {"feed":"stockin"} or {"feed":"refund"}, {"ids":[…]} or {"count":n}, with add_line, remove_line, status, modified_ago_s`,
		}},
	}
}

func (v *vendors) showGateway() control.Vendor {
	return control.Vendor{
		Name: "gateway", Paths: v.gateway.Paths(), Faults: v.gatewayFaults, Stats: func() any { return v.gateway.Stats() },
		Orders: []control.Order{{
			Name: "rotate", Do: v.rotate,
			About: `replace the app secret of an account set: {"system":"xingchen"} or {"system":"kis"}`,
		}},
	}
}

func (v *vendors) showXingchen() control.Vendor {
	return control.Vendor{
		Name: gateway.Xingchen, Paths: v.xingchen.Paths(), Faults: v.xingchenFaults, Stats: func() any { return v.xingchen.Stats() },
		Lists: []control.List{
			{Name: "customers", About: "all customers", Rows: control.All(v.xingchen.Customers)},
			{Name: "gain-bills", About: "all stock gain bills", Rows: control.All(v.xingchen.GainBills)},
			{Name: "loss-bills", About: "all stock loss bills", Rows: control.All(v.xingchen.LossBills)},
			{Name: "other-in-bills", About: "all other stock-in bills", Rows: control.All(v.xingchen.OtherInBills)},
			{Name: "materials", About: "the materials that are known by now", Rows: control.All(v.xingchen.Materials)},
			{Name: "stores", About: "all stores", Rows: control.All(v.xingchen.Stores)},
			{Name: "units", About: "all units of measure", Rows: control.All(v.xingchen.Units)},
		},
	}
}

func (v *vendors) showKIS() control.Vendor {
	return control.Vendor{
		Name: gateway.KIS, Paths: v.kis.Paths(), Faults: v.kisFaults, Stats: func() any { return v.kis.Stats() },
		Lists: []control.List{
			{Name: "receipts", About: "all other receipts (其他入库单)", Rows: control.All(v.kis.Receipts)},
			{Name: "materials", About: "the materials that are known by now", Rows: control.All(v.kis.Materials)},
			{Name: "stocks", About: "all warehouses", Rows: control.All(v.kis.Stocks)},
			{Name: "units", About: "all units of measure", Rows: control.All(v.kis.Units)},
		},
	}
}
