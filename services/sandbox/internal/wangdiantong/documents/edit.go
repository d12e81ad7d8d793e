package documents

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Key is the id of the document.
func (d *StockIn) Key() int64 { return d.ID }

// Version is the time of modification in milliseconds: the vendor has no other.
func (d *StockIn) Version() int64 { return d.Modified.UnixMilli() }

// Lines yields the id of each line and what came in with it.
func (d *StockIn) Lines() iter.Seq2[int64, dataset.Quantity] {
	return func(yield func(int64, dataset.Quantity) bool) {
		for _, l := range d.Items {
			if !yield(l.ID, dataset.Quantity{Value: int64(l.Count)}) {
				return
			}
		}
	}
}

// Key is the id of the refund.
func (d *Refund) Key() int64 { return d.ID }

// Version is the time of modification in milliseconds: the vendor has no other.
func (d *Refund) Version() int64 { return d.Modified.UnixMilli() }

// Lines yields the id of each line and how many go back.
func (d *Refund) Lines() iter.Seq2[int64, dataset.Quantity] {
	return func(yield func(int64, dataset.Quantity) bool) {
		for _, l := range d.Items {
			if !yield(l.ID, dataset.Quantity{Value: int64(l.Count)}) {
				return
			}
		}
	}
}

// StockIns returns the stock-in documents of p, made of the goods and warehouses of w.
func (p Params) StockIns(w *world.World) dataset.Kind[*StockIn] {
	m := stockInMaker{goods: w.Goods, houses: Warehouses(w), nextLine: firstStockInLine}
	return dataset.Kind[*StockIn]{
		Name: "wangdiantong-stockin", Seed: p.Seed, Documents: m.all(p),
		Edit: func(d *StockIn, e dataset.Edit) (*StockIn, error) {
			maker := stockInMaker{goods: m.goods, houses: m.houses, nextLine: e.Line}
			return maker.edit(p.rand(forStockInEdits, e.Number), d, e)
		},
	}
}

// Refunds returns the refunds of p, made of the goods, warehouses and shops of w.
func (p Params) Refunds(w *world.World) dataset.Kind[*Refund] {
	m := refundMaker{goods: w.Goods, houses: Warehouses(w), shops: Shops(w), types: p.Types, nextLine: firstRefundLine}
	if m.types == nil {
		m.types = RefundTypes
	}
	return dataset.Kind[*Refund]{
		Name: "wangdiantong-refund", Seed: p.Seed, Documents: m.all(p),
		Edit: func(d *Refund, e dataset.Edit) (*Refund, error) {
			maker := refundMaker{goods: m.goods, nextLine: e.Line}
			return maker.edit(p.rand(forRefundEdits, e.Number), d, e)
		},
	}
}

// edit returns d with another quantity and remark, and what else e asks for.
func (m *stockInMaker) edit(rng *rand.Rand, d *StockIn, e dataset.Edit) (*StockIn, error) {
	c := *d
	c.Modified = e.Modified(d.Modified)
	if err := editStatus(&c.Status, e); err != nil {
		return nil, err
	}
	if c.Status == Done {
		c.Checked = c.Modified
	}
	c.Remark = fmt.Sprintf("%s (改单 %d)", pick(rng, remarks), e.Number)
	c.Items = editLines(rng, d.Items, e, func() StockInLine { return m.line(rng, &c) })
	l := &c.Items[rng.IntN(len(c.Items))]
	l.Count = other(quantity(rng), l.Count)
	l.Expected, l.Modified = l.Count, c.Modified
	return &c, nil
}

// edit returns d with another quantity and remark, and what else e asks for.
func (m *refundMaker) edit(rng *rand.Rand, d *Refund, e dataset.Edit) (*Refund, error) {
	c := *d
	c.Modified = e.Modified(d.Modified)
	if err := editStatus(&c.Status, e); err != nil {
		return nil, err
	}
	c.Remark = fmt.Sprintf("%s (改单 %d)", pick(rng, refundRemarks), e.Number)
	c.Items = editLines(rng, d.Items, e, func() RefundLine { return m.line(rng, &c, len(d.Items)+1) })
	l := &c.Items[rng.IntN(len(c.Items))]
	l.Count = other(quantity(rng), l.Count)
	l.Ordered = max(l.Ordered, l.Count)
	return &c, nil
}

// editStatus sets the status that e asks for. Documents have no name that it could change.
func editStatus(status *int, e dataset.Edit) error {
	if e.Name != "" {
		return fmt.Errorf("%w: a name", dataset.ErrChange)
	}
	if e.Status == "" {
		return nil
	}
	n, err := strconv.Atoi(e.Status)
	if err != nil {
		return fmt.Errorf("%w: status %q is not a number", dataset.ErrChange, e.Status)
	}
	*status = n
	return nil
}

// editLines returns a copy of lines with one more or one less if e asks for it, or now and then
// if it does not say. There is always one left.
func editLines[L any](rng *rand.Rand, lines []L, e dataset.Edit, line func() L) []L {
	adds, removes := e.AddLine, e.RemoveLine
	if !adds && !removes {
		adds, removes = rng.Float64() < 0.15, rng.Float64() < 0.15
	}
	edited := slices.Clone(lines)
	if removes && len(edited) > 1 {
		edited = edited[:len(edited)-1]
	}
	if adds {
		edited = append(edited, line())
	}
	return edited
}

// other returns a quantity that is not the old one: every edit shows.
func other(quantity, old dataset.Decimal) dataset.Decimal {
	if quantity == old {
		return quantity + unit
	}
	return quantity
}
