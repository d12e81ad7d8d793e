package dataset

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// OtherReturn is the type (其它退货, other return) of the documents that the flow takes.
const OtherReturn = "其它退货"

// OtherIn is a document of goods that came in or went out for another reason than trade
// (其它出入库单).
type OtherIn struct {
	Head
	Type      string    `json:"type"`
	FStatus   *string   `json:"f_status"`
	Warehouse string    `json:"warehouse"`
	WhID      int64     `json:"wh_id"`
	WmsCoID   int64     `json:"wms_co_id"`
	Receiver  *Receiver `json:"receiver"`
	Remark    *string   `json:"remark"`
	Created   time.Time `json:"created"`
	Labels    *string   `json:"labels"`

	CreatorName      *string     `json:"creator_name"`
	WaveID           *int64      `json:"wave_id"`
	DrpCoName        *string     `json:"drp_co_name"`
	InoutUser        *string     `json:"inout_user"`
	LID              *string     `json:"l_id"`
	LcID             *string     `json:"lc_id"`
	LogisticsCompany *string     `json:"logistics_company"`
	LockWhID         *int64      `json:"lock_wh_id"`
	LockWhName       *string     `json:"lock_wh_name"`
	Items            []OtherLine `json:"items"`
	Batchs           []Batch     `json:"batchs"`
	Sns              []Serial    `json:"sns"`
}

// Receiver is the person that an OtherIn came from or went to, masked as the vendor does.
type Receiver struct {
	Name     string `json:"name"`
	Mobile   string `json:"mobile"`
	State    string `json:"state"`
	City     string `json:"city"`
	District string `json:"district"`
	Address  string `json:"address"`
}

// OtherLine is one line of an OtherIn. Its goods are those of the World.
type OtherLine struct {
	IOIID           int64    `json:"ioi_id"`
	SkuID           string   `json:"sku_id"`
	IID             string   `json:"i_id"`
	Name            string   `json:"name"`
	Unit            string   `json:"unit"`
	PropertiesValue *string  `json:"properties_value"`
	Qty             Quantity `json:"qty"` // whole, always
	CostPrice       Decimal  `json:"cost_price"`
	CostAmount      Decimal  `json:"cost_amount"`
	SalePrice       Decimal  `json:"sale_price"`
	SaleAmount      Decimal  `json:"sale_amount"`
	Remark          *string  `json:"remark"`
	// The last four are there only where a tenant keeps batches.
	BatchID        *string `json:"batch_id"`
	ProductDate    *string `json:"product_date"`
	SupplierID     *int64  `json:"supplier_id"`
	ExpirationDate *string `json:"expiration_date"`
}

// Taken tells whether the flow takes d: those are as many as there are Records.
func (o *OtherIn) Taken() bool { return o.Type == OtherReturn && o.Status == Confirmed }

// Lines yields the lines of o.
func (o *OtherIn) Lines() iter.Seq2[int64, Quantity] {
	return func(yield func(int64, Quantity) bool) {
		for _, l := range o.Items {
			if !yield(l.IOIID, l.Qty) {
				return
			}
		}
	}
}

// The smallest ids of these documents and of their lines, and what their chance differs by from
// that of purchase receipts.
const (
	firstOther     = 1_850_001
	firstOtherLine = 990_001
	chanceOfOthers = 0x6f74686572
)

// noiseShare is how many documents there are that the flow does not take, for each that it does.
const noiseShare = 0.15

// otherIns makes other-ins of the goods of a World.
type otherIns struct {
	Params
	goods  []world.Good
	houses []world.Warehouse
}

// OtherIns makes the documents of other goods movements of p. Records of them are confirmed other
// returns; about 15 in 100 more have another type or status, and stand between them.
func OtherIns(p Params, w *world.World) Kind[*OtherIn] {
	houses := slices.DeleteFunc(slices.Clone(w.Warehouses), func(h world.Warehouse) bool { return h.No == world.Excluded })
	o := otherIns{p.of(chanceOfOthers), w.Goods, houses}
	isNoise := o.noise()
	docs, heads := make([]*OtherIn, len(isNoise)), make([]*Head, len(isNoise))
	nextLine := int64(firstOtherLine)
	for i := range docs {
		docs[i] = o.document(i, len(docs), nextLine, isNoise[i])
		heads[i] = &docs[i].Head
		nextLine += int64(len(docs[i].Items))
	}
	o.settle(heads)
	for _, d := range docs {
		if d.Created.After(d.IODate) { // settled on an earlier second
			d.Created = d.IODate
		}
	}
	return Kind[*OtherIn]{Name: "otherins", Seed: o.Seed, Documents: docs, Edit: o.edit}
}

// noise tells of each document whether it is one that the flow does not take. Those are spread
// over all documents, each at a place by chance.
func (o otherIns) noise() []bool {
	n := int(float64(o.Records) * noiseShare)
	all, rng := make([]bool, o.Records+n), o.rand(choiceOfNoise, 0)
	for i := range n {
		from, to := i*len(all)/n, (i+1)*len(all)/n
		all[from+rng.IntN(to-from)] = true
	}
	return all
}

// document makes document number i of n, with line ids from nextLine on.
func (o otherIns) document(i, n int, nextLine int64, isNoise bool) *OtherIn {
	d := dice{o.rand(choiceOfDocument, uint64(i))}
	created, modified := o.times(d, i, n)
	place := d.IntN(len(o.houses))
	doc := &OtherIn{
		Head: Head{
			IOID: firstOther + int64(i), IODate: d.between(created, modified), Modified: modified,
			Status: Confirmed, SOID: d.text(0.7, fmt.Sprintf("QT%s%05d", created.Format("20060102"), i%100_000)),
		},
		Type:      OtherReturn,
		FStatus:   maybe(d, 0.98, pick(d, []string{"WaitConfirm", "WaitConfirm", Confirmed})),
		Warehouse: o.houses[place].Name,
		WhID:      pick(d, []int64{1, 1, 1, 2, 4}),
		WmsCoID:   10_012_345 + int64(place),
		Receiver:  maybe(d, 0.6, pick(d, receivers)),
		Remark:    d.text(0.5, pick(d, remarks)),
		Created:   created,
		Labels:    maybe(d, 0.2, pick(d, labels)),

		CreatorName: maybe(d, 0.97, pick(d, creators)),
		WaveID:      maybe(d, 0.9, int64(0)),
		DrpCoName:   d.text(0.1, "分销商甲"),
		InoutUser:   d.text(0.8, pick(d, creators)),
		LockWhID:    maybe(d, 0.8, int64(0)),
	}
	if isNoise {
		doc.refuse(d)
	}
	if carrier := pick(d, carriers); d.chance(0.4) {
		doc.LID = new(fmt.Sprintf("%s%013d", carrier.prefix, d.Int64N(10_000_000_000_000)))
		doc.LcID, doc.LogisticsCompany = &carrier.prefix, &carrier.company
	}
	o.fill(d, doc, nextLine)
	return doc
}

// refuse makes o one that the flow does not take: of another type, or not in effect.
func (o *OtherIn) refuse(d dice) {
	if d.chance(0.5) {
		o.Status = pick(d, []string{"WaitConfirm", "OuterConfirming", "Cancelled", "Delete"})
		return
	}
	o.Type = pick(d, []string{"其它出库", "其它进仓"})
	if d.chance(0.2) {
		o.Status = "WaitConfirm"
	}
}

// fill adds lines, batches and serial numbers to doc.
func (o otherIns) fill(d dice, doc *OtherIn, nextLine int64) {
	for n := range 1 + d.IntN(5) {
		doc.Items = append(doc.Items, o.line(d, nextLine+int64(n)))
	}
	if d.chance(0.5) {
		doc.Batchs, doc.Sns = []Batch{}, []Serial{}
	}
	first := &doc.Items[0]
	if d.chance(0.1) {
		from, made := pick(d, suppliers), doc.IODate.AddDate(0, -1, 0).Format(time.DateOnly)+" 00:00:00"
		first.BatchID, first.ProductDate, first.SupplierID = new("B"+doc.IODate.Format("20060102")), &made, &from.id
		doc.Batchs = append(doc.Batchs, Batch{
			BatchNo: *first.BatchID, SkuID: first.SkuID, Qty: first.Qty, ProductDate: &made,
			SupplierID: from.id, SupplierName: from.name,
		})
	}
	if d.chance(0.05) {
		doc.Sns = append(doc.Sns, Serial{SkuID: first.SkuID, SN: fmt.Sprintf("SN%09d", first.IOIID)})
	}
}

// line makes a line of one of the goods.
func (o otherIns) line(d dice, id int64) OtherLine {
	g := pick(d, o.goods)
	l := OtherLine{
		IOIID: id, SkuID: g.SKU, IID: g.GoodsNo, Name: g.Name, Unit: g.Unit.Name,
		PropertiesValue: d.text(0.95, g.Spec),
		Qty:             Quantity{Value: int64(1+d.IntN(20)) * unit},
		CostPrice:       Decimal(g.Price),
		Remark:          d.text(0.1, pick(d, remarks)),
	}
	l.CostAmount = amount(l.Qty, l.CostPrice)
	return l
}

// edit returns a changed copy of doc: another quantity of one line and another remark, where the
// change says nothing else.
func (o otherIns) edit(doc *OtherIn, e Edit) (*OtherIn, error) {
	d := dice{o.rand(choiceOfEdit, e.Number)}
	c := *doc
	if err := c.edited(e); err != nil {
		return nil, err
	}
	c.Remark = new(fmt.Sprintf("%s (改单 %d)", pick(d, remarks), e.Number))
	c.Items = slices.Clone(doc.Items)
	if e.AddLine || e.RemoveLine {
		c.Items = editedLines(d, c.Items, e, o.line)
	}
	l := &c.Items[d.IntN(len(c.Items))]
	l.Qty.Value = int64(1+d.IntN(20)) * unit
	l.CostAmount = amount(l.Qty, l.CostPrice)
	return &c, nil
}
