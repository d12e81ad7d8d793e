// Package poison spoils a share of the documents that the imitated vendors show, in ways that the
// flows of the demo can't map or that their targets refuse, and knows which ones: those, and no
// others, must end as dead letters.
//
// A document is spoilt when it is shown, not when it is stored: whether it is depends on its key
// alone, so an edit does not heal it.
package poison

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Plan chooses documents by chance. The zero Plan spoils none.
type Plan struct {
	// Share (0 to 1) of the documents is spoilt; Seed chooses which.
	Share float64
	Seed  uint64
}

// What is wrong with a document; "" is nothing.
const (
	LongText  = "a text is longer than its column or field"
	LineTwice = "two lines have the same id"
	NoLines   = "there are no lines"
	NoGoods   = "the quantity of a line is 0, which the target refuses"
)

// longText is longer than any field takes that it is put in.
var longText = strings.Repeat("长", 2000)

// choose throws the dice for a document: whether it is spoilt, and in the second way of two.
func (p Plan) choose(feed string, key int64) (spoilt, second bool) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.Seed)
	binary.BigEndian.PutUint64(b[8:], uint64(key))
	h := fnv.New64a()
	_, _ = h.Write([]byte(feed))
	_, _ = h.Write(b[:])
	dice := mix(h.Sum64())
	return float64(dice>>1) < p.Share*float64(math.MaxInt64), dice&1 == 1
}

// mix spreads a hash over all its bits: that of neighbours differs in few.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Receipt returns a purchase receipt as it is shown, and what is wrong with it. One without lines
// stays: it has no rows that could be refused.
func (p Plan) Receipt(r *dataset.Receipt) (*dataset.Receipt, string) {
	spoilt, second := p.choose("purchasein", r.Key())
	if !spoilt || len(r.Items) == 0 {
		return r, ""
	}
	c := *r
	c.Items = slices.Clone(r.Items)
	if second {
		c.Items = append(c.Items, c.Items[0])
		return &c, LineTwice
	}
	c.Items[0].Name = longText
	return &c, LongText
}

// OtherIn returns a goods movement as it is shown, and what is wrong with it. Those that the demo
// does not take stay.
func (p Plan) OtherIn(o *dataset.OtherIn) (*dataset.OtherIn, string) {
	spoilt, second := p.choose("otherin", o.Key())
	if !spoilt || o.Type != dataset.OtherReturn || o.Status != dataset.Confirmed {
		return o, ""
	}
	c := *o
	if second || len(o.Items) == 0 {
		c.Items = nil
		return &c, NoLines
	}
	c.Items = slices.Clone(o.Items)
	c.Items[0].Qty.Value = 0
	return &c, NoGoods
}

// Shop returns a shop as it is shown, and what is wrong with it. The pseudo shop 0 stays.
func (p Plan) Shop(s *dataset.Shop) (*dataset.Shop, string) {
	if spoilt, _ := p.choose("shops", s.Key()); !spoilt || s.Key() == 0 {
		return s, ""
	}
	c := *s
	c.Name = longText
	return &c, LongText
}

// StockIn returns a stock-in document as it is shown, and what is wrong with it. Those that the demo
// does not take stay.
func (p Plan) StockIn(d *documents.StockIn) (*documents.StockIn, string) {
	spoilt, second := p.choose("stockin", d.Key())
	taken := d.OrderType == documents.StockGain && d.Status == documents.Done && d.Warehouse.No != world.Excluded
	if !spoilt || !taken {
		return d, ""
	}
	c := *d
	if second || len(d.Items) == 0 {
		c.Items = nil
		return &c, NoLines
	}
	c.Items = slices.Clone(d.Items)
	c.Items[0].Count = 0
	return &c, NoGoods
}

// Refund returns a refund as it is shown, and what is wrong with it.
func (p Plan) Refund(d *documents.Refund) (*documents.Refund, string) {
	if spoilt, _ := p.choose("refund", d.Key()); !spoilt {
		return d, ""
	}
	c := *d
	c.Remark = longText
	return &c, LongText
}
