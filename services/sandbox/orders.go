package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/control"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// jushuitanEdit is an order to edit documents or shops.
type jushuitanEdit struct {
	Feed    string  `json:"feed"`
	IOIDs   []int64 `json:"io_ids"`
	ShopIDs []int64 `json:"shop_ids"`
	change
}

// change is how to edit, in an order of any vendor.
type change struct {
	Count        int    `json:"count"`
	AddLine      bool   `json:"add_line"`
	RemoveLine   bool   `json:"remove_line"`
	Status       string `json:"status"`
	Name         string `json:"name"`
	ModifiedAgoS int    `json:"modified_ago_s"`
}

// edited is a document of Jushuitan after an edit.
type edited struct {
	IOID     int64  `json:"io_id"`
	TS       int64  `json:"ts"`
	Modified string `json:"modified"`
	Lines    int    `json:"lines"`
}

// editedShop is a shop of Jushuitan after an edit.
type editedShop struct {
	ShopID int64  `json:"shop_id"`
	Name   string `json:"shop_name"`
	Status string `json:"status"`
}

func (v *vendors) editJushuitan(read func(any) error) (any, error) {
	var order jushuitanEdit
	if err := read(&order); err != nil {
		return nil, err
	}
	if others := map[bool][]int64{true: order.IOIDs, false: order.ShopIDs}[order.Feed == jushuitan.FeedShops]; others != nil {
		return nil, control.Refuse(errors.New("edit: shops have shop_ids, documents io_ids"))
	}
	switch order.Feed {
	case "", jushuitan.FeedPurchaseIn:
		return edit(v.now, v.receipts, order.IOIDs, order.change, func(r *dataset.Receipt) edited {
			return edited{r.IOID, r.TS, r.Modified.Format(time.DateTime), len(r.Items)}
		})
	case jushuitan.FeedOtherIn:
		return edit(v.now, v.otherIns, order.IOIDs, order.change, func(o *dataset.OtherIn) edited {
			return edited{o.IOID, o.TS, o.Modified.Format(time.DateTime), len(o.Items)}
		})
	case jushuitan.FeedShops:
		return edit(v.now, v.shops, order.ShopIDs, order.change, func(s *dataset.Shop) editedShop {
			return editedShop{s.ShopID, s.Name, s.Status}
		})
	default:
		return nil, control.Refuse(fmt.Errorf("edit: feed is %q, want one of %q", order.Feed, jushuitan.Feeds))
	}
}

// edit changes the documents with the given keys, or so many by chance, and shows what they are now.
func edit[D dataset.Document, V any](clock func() time.Time, s *dataset.Store[D], keys []int64, c change, show func(D) V) (any, error) {
	if (len(keys) > 0) == (c.Count > 0) || c.Count < 0 || c.ModifiedAgoS < 0 {
		return nil, control.Refuse(errors.New("edit: want either ids or a count above 0, and modified_ago_s of 0 or more"))
	}
	how := dataset.Change{
		AddLine: c.AddLine, RemoveLine: c.RemoveLine, Status: c.Status, Name: c.Name,
		ModifiedAgo: time.Duration(c.ModifiedAgoS) * time.Second,
	}
	var changed []D
	var err error
	if c.Count > 0 {
		changed, err = s.EditAny(c.Count, how, dataset.Control, clock())
	} else {
		changed, err = s.Edit(keys, how, dataset.Control, clock())
	}
	if errors.Is(err, dataset.ErrUnknown) || errors.Is(err, dataset.ErrChange) {
		return nil, control.Refuse(err)
	}
	if err != nil {
		return nil, err
	}
	all := make([]V, len(changed))
	for i, d := range changed {
		all[i] = show(d)
	}
	return map[string][]V{"edited": all}, nil
}

// wangdiantongEdit is an order to edit documents of Wangdiantong.
type wangdiantongEdit struct {
	Feed string  `json:"feed"`
	IDs  []int64 `json:"ids"`
	change
}

// editedID is a document of Wangdiantong after an edit.
type editedID struct {
	ID       int64  `json:"id"`
	Modified string `json:"modified"`
	Lines    int    `json:"lines"`
}

// The feeds of Wangdiantong that can be edited.
const (
	feedStockIn = "stockin"
	feedRefund  = "refund"
)

func (v *vendors) editWangdiantong(read func(any) error) (any, error) {
	var order wangdiantongEdit
	if err := read(&order); err != nil {
		return nil, err
	}
	switch order.Feed {
	case feedStockIn:
		return edit(v.wangdiantong.Clock, v.wangdiantong.StockIns, order.IDs, order.change, func(d *documents.StockIn) editedID {
			return editedID{d.Key(), d.Modified.Format(time.DateTime), count(d)}
		})
	case feedRefund:
		return edit(v.wangdiantong.Clock, v.wangdiantong.Refunds, order.IDs, order.change, func(d *documents.Refund) editedID {
			return editedID{d.Key(), d.Modified.Format(time.DateTime), count(d)}
		})
	default:
		return nil, control.Refuse(fmt.Errorf("edit: feed is %q, want %s or %s", order.Feed, feedStockIn, feedRefund))
	}
}

// count returns how many lines d has.
func count[D dataset.Document](d D) int {
	n := 0
	for range d.Lines() {
		n++
	}
	return n
}

func (v *vendors) rotate(read func(any) error) (any, error) {
	var order struct {
		System string `json:"system"`
	}
	if err := read(&order); err != nil {
		return nil, err
	}
	if order.System != gateway.Xingchen && order.System != gateway.KIS {
		return nil, control.Refuse(fmt.Errorf("rotate: system is %q, want %s or %s", order.System, gateway.Xingchen, gateway.KIS))
	}
	if err := v.gateway.Rotate(order.System, v.now()); err != nil {
		return nil, err
	}
	return map[string]string{"rotated": order.System}, nil
}
