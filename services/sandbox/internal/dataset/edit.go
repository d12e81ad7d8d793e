package dataset

import (
	"fmt"
	"math"
	"time"
)

// Change says how to edit a receipt. The zero Change does what a clerk would do: another
// quantity, remark and price, now and then a line more or a line less.
type Change struct {
	// AddLine adds a line, RemoveLine removes the last one where there is more than one.
	AddLine, RemoveLine bool
	// Status is the status to give; none if empty.
	Status string
	// ModifiedAgo dates the edit back, as if its transaction had committed late.
	ModifiedAgo time.Duration
}

// The shares of undirected edits that add or remove a line.
const (
	addShare    = 0.15
	removeShare = 0.15
)

// edit returns a changed copy of r with the row version ts. nextLine is the first free line id;
// number tells edits apart, and the same number makes the same edit.
func (p Params) edit(r *Receipt, c Change, number uint64, ts, nextLine int64, now time.Time) (*Receipt, error) {
	if ts > math.MaxInt32 || nextLine > math.MaxInt32 {
		return nil, fmt.Errorf("edit receipt %d: ids would not fit 32 bits any more", r.IOID)
	}
	d := dice{p.rand(3, number)}
	e := r.clone()
	e.TS = ts
	e.Modified = now.Add(-c.ModifiedAgo).In(Shanghai).Truncate(time.Second)
	e.Remark = new(fmt.Sprintf("%s (改单 %d)", pick(d, remarks), number))
	if c.Status != "" {
		e.Status = c.Status
	}
	p.editLines(d, e, c, nextLine)
	return e, nil
}

func (p Params) editLines(d dice, e *Receipt, c Change, nextLine int64) {
	undirected := !c.AddLine && !c.RemoveLine
	adds, removes := undirected && d.chance(addShare), undirected && d.chance(removeShare)
	if c.RemoveLine || removes {
		if n := len(e.Items); n > 1 {
			e.Items = e.Items[:n-1]
		}
	}
	if c.AddLine || adds {
		e.Items = append(e.Items, p.line(d, nextLine))
	}
	if len(e.Items) == 0 {
		return
	}
	l := &e.Items[d.IntN(len(e.Items))]
	l.Qty.Value = int64(1+d.IntN(200)) * unit
	l.CostPrice += Decimal(d.IntN(unit))
	l.price()
}
