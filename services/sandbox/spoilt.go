package main

import (
	"iter"
	"net/url"
	"strconv"

	"github.com/erpstream/erpstream/services/sandbox/internal/control"
	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
)

// spoilt is a document that must end as a dead letter.
type spoilt struct {
	Feed string `json:"feed"`
	// Key is the record's.
	Key string `json:"key"`
	Why string `json:"why"`
}

// spoiltOf yields those of the documents of a feed that are spoilt when they are shown.
func spoiltOf[D dataset.Document](feed string, docs []D, show func(D) (D, string)) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, d := range docs {
			_, why := show(d)
			if why != "" && !yield(spoilt{feed, strconv.FormatInt(d.Key(), 10), why}) {
				return
			}
		}
	}
}

// poisonList is the list of the documents of a vendor that are spoilt.
func poisonList(feeds func() []iter.Seq[any]) control.List {
	return control.List{
		Name: "poison", About: "the documents that can't be mapped or that the target of their flow refuses: feed, key and why",
		Rows: func(url.Values) (iter.Seq[any], error) {
			return func(yield func(any) bool) {
				for _, feed := range feeds() {
					for row := range feed {
						if !yield(row) {
							return
						}
					}
				}
			}, nil
		},
	}
}

func (v *vendors) spoiltOfJushuitan() []iter.Seq[any] {
	return []iter.Seq[any]{
		spoiltOf(jushuitan.FeedPurchaseIn, v.receipts.Documents(), v.poison.Receipt),
		spoiltOf(jushuitan.FeedOtherIn, v.otherIns.Documents(), v.poison.OtherIn),
		spoiltOf(jushuitan.FeedShops, v.jushuitan.VisibleShops(), v.poison.Shop),
	}
}

func (v *vendors) spoiltOfWangdiantong() []iter.Seq[any] {
	return []iter.Seq[any]{
		spoiltOf(feedStockIn, v.wangdiantong.StockIns.Documents(), v.poison.StockIn),
		spoiltOf(feedRefund, v.wangdiantong.Refunds.Documents(), v.poison.Refund),
	}
}
