package dataset

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Receipt is a purchase receipt (采购入库单).
type Receipt struct {
	Head
	Warehouse        string   `json:"warehouse"`
	POID             *int64   `json:"po_id"`
	SupplierID       int64    `json:"supplier_id"`
	SupplierName     string   `json:"supplier_name"`
	OutIOID          *string  `json:"out_io_id"`
	WhID             string   `json:"wh_id"`
	WmsCoID          int64    `json:"wms_co_id"`
	Remark           *string  `json:"remark"`
	TaxRate          *Decimal `json:"tax_rate"`
	Labels           *string  `json:"labels"`
	Archived         *string  `json:"archived"`
	MergeSOID        *string  `json:"merge_so_id"`
	Type             string   `json:"type"`
	CreatorName      *string  `json:"creator_name"`
	FStatus          string   `json:"f_status"`
	LID              *string  `json:"l_id"`
	LockWhID         *int64   `json:"lock_wh_id"`
	LockWhName       *string  `json:"lock_wh_name"`
	LogisticsCompany *string  `json:"logistics_company"`
	ExtendRemark     *string  `json:"extend_remark"`
	Items            []Line   `json:"items"`
	Batchs           []Batch  `json:"batchs"`
	Sns              []Serial `json:"sns"`
}

// Line is one line of a Receipt.
type Line struct {
	IOIID           int64    `json:"ioi_id"`
	SkuID           string   `json:"sku_id"`
	IID             *string  `json:"i_id"`
	Unit            *string  `json:"unit"`
	Name            string   `json:"name"`
	PropertiesValue *string  `json:"properties_value"`
	Qty             Quantity `json:"qty"`
	CostPrice       Decimal  `json:"cost_price"`
	CostAmount      Decimal  `json:"cost_amount"`
	Remark          *string  `json:"remark"`
	BatchNo         *string  `json:"batch_no"`
	TaxRate         *int64   `json:"tax_rate"`
}

// Batch is a production batch that a document moved.
type Batch struct {
	BatchNo        string   `json:"batch_no"`
	SkuID          string   `json:"sku_id"`
	Qty            Quantity `json:"qty"`
	ProductDate    *string  `json:"product_date"`
	SupplierID     int64    `json:"supplier_id"`
	SupplierName   string   `json:"supplier_name"`
	ExpirationDate *string  `json:"expiration_date"`
}

// Serial is one numbered piece that a document moved.
type Serial struct {
	SkuID string `json:"sku_id"`
	SN    string `json:"sn"`
}

// Lines yields the lines of r.
func (r *Receipt) Lines() iter.Seq2[int64, Quantity] {
	return func(yield func(int64, Quantity) bool) {
		for _, l := range r.Items {
			if !yield(l.IOIID, l.Qty) {
				return
			}
		}
	}
}

// The smallest ids of purchase receipts and their lines. All ids stay far below 2^31: some clients
// keep them in 32 bits.
const (
	firstReceipt     = 2_204_001
	firstReceiptLine = 7_700_001
)

// Receipts makes the purchase receipts of p, each with one to five lines.
func Receipts(p Params) Kind[*Receipt] {
	receipts, heads := make([]*Receipt, p.Records), make([]*Head, p.Records)
	nextLine := int64(firstReceiptLine)
	for i := range receipts {
		receipts[i] = p.receipt(i, nextLine)
		heads[i] = &receipts[i].Head
		nextLine += int64(len(receipts[i].Items))
	}
	p.settle(heads)
	return Kind[*Receipt]{Name: "receipts", Seed: p.Seed, Documents: receipts, Edit: p.editReceipt}
}

// receipt makes the receipt number i, with line ids from nextLine on and without a row version.
func (p Params) receipt(i int, nextLine int64) *Receipt {
	d := dice{p.rand(choiceOfDocument, uint64(i))}
	created, modified := p.times(d, i, p.Records)
	house, from := pick(d, warehouses), pick(d, suppliers)
	carrier := pick(d, carriers)
	poID := maybe(d, 0.95, 604_000+int64(d.IntN(90_000)))
	soID := d.text(0.7, fmt.Sprintf("EXT-PO-%d", 1+i))
	outIOID := maybe(d, 0.1, fmt.Sprintf("OUT%08d", d.IntN(100_000_000)))
	r := &Receipt{
		Head: Head{
			IOID: firstReceipt + int64(i), SOID: soID, Status: p.status(d),
			IODate: d.between(created, modified), Modified: modified,
		},
		Warehouse:    house.name,
		POID:         poID,
		SupplierID:   from.id,
		SupplierName: from.name,
		OutIOID:      outIOID,
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
	l.CostAmount = amount(l.Qty, l.CostPrice)
	return l
}

// editReceipt returns a changed copy of r.
func (p Params) editReceipt(r *Receipt, e Edit) (*Receipt, error) {
	d := dice{p.rand(choiceOfEdit, e.Number)}
	c := *r
	if err := c.edited(e); err != nil {
		return nil, err
	}
	c.Remark = new(fmt.Sprintf("%s (改单 %d)", pick(d, remarks), e.Number))
	c.Items = editedLines(d, slices.Clone(r.Items), e, p.line)
	if len(c.Items) > 0 {
		l := &c.Items[d.IntN(len(c.Items))]
		l.Qty.Value = int64(1+d.IntN(200)) * unit
		l.CostPrice += Decimal(d.IntN(unit))
		l.CostAmount = amount(l.Qty, l.CostPrice)
	}
	return &c, nil
}
