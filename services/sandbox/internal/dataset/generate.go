package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// generation names the rules by which receipts are made. The same Params give the same receipts
// only within one generation.
const generation = 1

// The smallest ids. All ids stay far below 2^31: some clients keep them in 32 bits.
const (
	firstIOID  = 2_204_001
	firstIOIID = 7_700_001
	firstTS    = 1_000_000_001
)

// maxRecords keeps line ids and row versions within 32 bits, with room for edits.
const maxRecords = 5_000_000

// Params says what to make. Equal Params make equal receipts.
type Params struct {
	// Records is the number of receipts.
	Records int `json:"records"`
	// Seed chooses among all possible data sets.
	Seed uint64 `json:"seed"`
	// Days is the span that the receipts were modified in; it ends at Anchor.
	Days int `json:"days"`
	// Anchor is the time at which the data ends. Every receipt was modified before it.
	Anchor time.Time `json:"anchor"`
	// Burst is how many receipts share one second in the middle of the span.
	Burst int `json:"burst"`
	// Unconfirmed is the share (0 to 1) of receipts whose status is not Confirmed.
	Unconfirmed float64 `json:"unconfirmed"`
	// NullItems is the share of receipts whose items are null or empty.
	NullItems float64 `json:"null_items"`
	// QuotedQty is the share of lines whose quantity is text.
	QuotedQty float64 `json:"quoted_qty"`
	// FractionalQty is the share of lines whose quantity is not whole.
	FractionalQty float64 `json:"fractional_qty"`
}

// Check returns all that is wrong with p.
func (p Params) Check() error {
	var errs []error
	reject := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	reject(p.Records < 0 || p.Records > maxRecords, "records is %d, want 0 to %d", p.Records, maxRecords)
	reject(p.Days < 1, "days is %d, want at least 1", p.Days)
	reject(p.Burst < 0 || p.Burst > p.Records, "burst is %d, want 0 to the number of records, %d", p.Burst, p.Records)
	for _, share := range []struct {
		name  string
		value float64
	}{
		{"unconfirmed share", p.Unconfirmed}, {"null items share", p.NullItems},
		{"quoted quantity share", p.QuotedQty}, {"fractional quantity share", p.FractionalQty},
	} {
		reject(!(share.value >= 0 && share.value <= 1), "%s is %v, want 0 to 1", share.name, share.value)
	}
	return errors.Join(errs...)
}

// Generate makes the receipts of p, by ascending io_id. Each has one to five lines. Row versions
// ascend in the order in which the receipts were modified.
func Generate(p Params) []*Receipt {
	receipts := make([]*Receipt, p.Records)
	nextLine := int64(firstIOIID)
	for i := range receipts {
		receipts[i] = p.receipt(i, nextLine)
		nextLine += int64(len(receipts[i].Items))
	}
	byChange := slices.Clone(receipts)
	slices.SortFunc(byChange, func(a, b *Receipt) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.IOID, b.IOID))
	})
	p.shareSeconds(byChange)
	slices.SortFunc(byChange, func(a, b *Receipt) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.IOID, b.IOID))
	})
	ts, rng := int64(firstTS), p.rand(0, 1)
	for _, r := range byChange {
		r.TS = ts
		ts += 1 + rng.Int64N(9)
	}
	return receipts
}

// rand returns the source of chance for one purpose. Each receipt has one of its own, so that no
// receipt depends on how many there are.
func (p Params) rand(purpose, number uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.Seed, purpose<<48|number))
}

// shareSeconds puts about one receipt in a hundred into the same second as its neighbours, in
// groups of two to five, and Burst receipts into one second.
func (p Params) shareSeconds(byChange []*Receipt) {
	rng := p.rand(2, 0)
	if n := len(byChange); n >= 10 {
		for left := max(2, n/100); left >= 2; {
			size := min(left, 2+rng.IntN(4))
			join(byChange, rng.IntN(n-size+1), size)
			left -= size
		}
	}
	join(byChange, (len(byChange)-p.Burst)/2, p.Burst)
}

// join gives size receipts the modification time of the first of them.
func join(byChange []*Receipt, from, size int) {
	for i := range size {
		r := byChange[from+i]
		r.Modified = byChange[from].Modified
		if r.IODate.After(r.Modified) {
			r.IODate = r.Modified
		}
	}
}

// receipt makes the receipt number i, with line ids from nextLine on and without a row version.
func (p Params) receipt(i int, nextLine int64) *Receipt {
	d := dice{p.rand(1, uint64(i))}
	created, modified := p.times(d, i)
	house, from := pick(d, warehouses), pick(d, suppliers)
	carrier := pick(d, carriers)
	r := &Receipt{
		IOID:         firstIOID + int64(i),
		Warehouse:    house.name,
		POID:         maybe(d, 0.95, 604_000+int64(d.IntN(90_000))),
		SupplierID:   from.id,
		SupplierName: from.name,
		Modified:     modified,
		SOID:         d.text(0.7, fmt.Sprintf("EXT-PO-%d", 1+i)),
		OutIOID:      maybe(d, 0.1, fmt.Sprintf("OUT%08d", d.IntN(100_000_000))),
		Status:       p.status(d),
		IODate:       created.Add(time.Duration(float64(modified.Sub(created)) * d.Float64())).Truncate(time.Second),
		WhID:         house.whID,
		WmsCoID:      house.wmsCoID,
		Remark:       d.text(0.5, pick(d, remarks)),
		TaxRate:      maybe(d, 0.95, pick(d, []Decimal{13 * unit, 13 * unit, 6 * unit, 0})),
		Labels:       maybe(d, 0.2, pick(d, labels)),
		MergeSOID:    d.text(0.05, fmt.Sprintf("YY%07d", d.IntN(10_000_000))),
		Type:         pick(d, []string{"采购进仓", "采购进仓", "采购进仓", "采购进仓", "加工进仓"}),
		CreatorName:  maybe(d, 0.97, pick(d, creators)),
		FStatus:      pick(d, []string{"WaitConfirm", "WaitConfirm", Confirmed}),
		LID:          maybe(d, 0.3, fmt.Sprintf("%s%013d", carrier.prefix, d.Int64N(10_000_000_000_000))),
		LockWhID:     maybe(d, 0.8, int64(0)),
		ExtendRemark: d.text(0.1, pick(d, remarks)),
	}
	if r.LID != nil {
		r.LogisticsCompany = &carrier.company
	}
	if d.chance(0.02) {
		r.Archived = new(modified.Format(time.DateTime))
	}
	p.fill(d, r, nextLine)
	return r
}

// times returns when receipt number i came to be and when it was last modified. Receipts come
// evenly over the span; most are modified within minutes, some days later.
func (p Params) times(d dice, i int) (created, modified time.Time) {
	end := p.Anchor.In(Shanghai).Truncate(time.Second)
	span := time.Duration(p.Days) * 24 * time.Hour
	created = end.Add(-span).Add(time.Duration((float64(i) + d.Float64()) / float64(p.Records) * float64(span))).Truncate(time.Second)
	created = latest(created, end.Add(-time.Second))
	delay := pick(d, []time.Duration{10 * time.Minute, 10 * time.Minute, 10 * time.Minute, 6 * time.Hour, 72 * time.Hour})
	delay = min(delay, end.Add(-time.Second).Sub(created))
	modified = created.Add(time.Duration(d.Float64() * float64(delay))).Truncate(time.Second)
	return created, modified
}

func latest(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}

func (p Params) status(d dice) string {
	if !d.chance(p.Unconfirmed) {
		return Confirmed
	}
	return pick(d, []string{"WaitConfirm", "Cancelled", "Delete", "Archive", "OuterConfirming"})
}

// fill adds lines, batches and serial numbers to r.
func (p Params) fill(d dice, r *Receipt, nextLine int64) {
	if d.chance(p.NullItems) {
		if d.chance(0.5) {
			r.Items = []Line{}
		}
		return
	}
	for n := range 1 + d.IntN(5) {
		r.Items = append(r.Items, p.line(d, nextLine+int64(n)))
	}
	if d.chance(0.5) {
		r.Batchs, r.Sns = []Batch{}, []Serial{}
	}
	first := &r.Items[0]
	if d.chance(0.15) {
		first.BatchNo = new("B" + r.IODate.Format("20060102"))
		r.Batchs = append(r.Batchs, Batch{
			BatchNo: *first.BatchNo, SkuID: first.SkuID, Qty: first.Qty, SupplierID: r.SupplierID, SupplierName: r.SupplierName,
			ProductDate:    new(r.IODate.AddDate(0, -1, 0).Format(time.DateOnly) + " 00:00:00"),
			ExpirationDate: d.text(0.5, r.IODate.AddDate(1, 0, 0).Format(time.DateOnly)+" 00:00:00"),
		})
	}
	if d.chance(0.05) {
		r.Sns = append(r.Sns, Serial{SkuID: first.SkuID, SN: fmt.Sprintf("SN%09d", first.IOIID)})
	}
}

func (p Params) line(d dice, id int64) Line {
	a := pick(d, articles)
	l := Line{
		IOIID: id, SkuID: a.sku, IID: d.text(0.9, a.style), Unit: d.text(0.95, a.unit), Name: a.name,
		PropertiesValue: d.text(0.95, a.properties),
		Qty:             Quantity{Value: int64(1+d.IntN(200)) * unit, Quoted: d.chance(p.QuotedQty)},
		CostPrice:       a.price,
		Remark:          d.text(0.1, pick(d, remarks)),
		TaxRate:         maybe(d, 0.9, int64(13)),
	}
	if d.chance(p.FractionalQty) {
		l.Qty.Value += pick(d, []int64{5000, 2500, 1250, 3333})
	}
	l.price()
	return l
}

// dice is chance with a few shapes that the data needs.
type dice struct{ *rand.Rand }

func (d dice) chance(share float64) bool { return d.Float64() < share }

// text returns s with the given share, and otherwise one of the vendor's two ways to say nothing.
func (d dice) text(share float64, s string) *string {
	switch {
	case d.chance(share):
		return &s
	case d.chance(0.5):
		return new("")
	default:
		return nil
	}
}

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

func maybe[T any](d dice, share float64, v T) *T {
	if d.chance(share) {
		return &v
	}
	return nil
}
