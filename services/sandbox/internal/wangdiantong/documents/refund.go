package documents

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Exchange is the type of refunds that send other goods instead.
const Exchange = 3

// The smallest ids of refunds and their lines.
const (
	firstRefund     = 1_130_977
	firstRefundLine = 2_137_290
)

// Refund is a refund (退换单). One that a Store gave out is never changed; an edit puts a new one in
// its place.
type Refund struct {
	ID      int64  `json:"id"`
	No      string `json:"no"`
	Type    int    `json:"type"`
	Status  int    `json:"status"`
	Process int    `json:"process"`
	// Platform is the status that the platform gives it, StockIn how much of it came back.
	Platform int    `json:"platform"`
	StockIn  int    `json:"stockin"`
	From     int    `json:"from"`
	TradeID  int64  `json:"trade_id"`
	TradeNo  string `json:"trade_no"`
	// Tid is the number of the order at the shop, RawNo that of the refund there.
	Tid       string    `json:"tid"`
	RawNo     string    `json:"raw_no"`
	Shop      Shop      `json:"shop"`
	Warehouse Warehouse `json:"warehouse"`
	Remark    string    `json:"remark"`
	Notes     int       `json:"notes"`
	ReasonID  int64     `json:"reason_id"`
	Reason    string    `json:"reason"`
	// Why is what the buyer said; the field is absent where that is nothing.
	Why      string `json:"why"`
	Carrier  string `json:"carrier"`
	Waybill  string `json:"waybill"`
	Operator string `json:"operator"`
	// The buyer. Who may see this depends on the platform.
	CustomerID int64  `json:"customer_id"`
	Customer   string `json:"customer"`
	Nick       string `json:"nick"`
	Phone      string `json:"phone"`
	PayID      string `json:"pay_id"`
	// Distributor is the one who sold it; the field is absent where there is none.
	Distributor string    `json:"distributor"`
	Created     time.Time `json:"created"`
	Modified    time.Time `json:"modified"`
	// Zero times are written as empty texts.
	Refunded time.Time `json:"refunded"`
	Checked  time.Time `json:"checked"`
	Settled  time.Time `json:"settled"`
	Phase    time.Time `json:"phase"`
	// Direct is what the merchant pays beside the platform, Receive what the buyer pays to him.
	Direct  dataset.Decimal `json:"direct"`
	Receive dataset.Decimal `json:"receive"`
	Items   []RefundLine    `json:"items"`
	// Swap is the goods sent instead, nil but for exchanges.
	Swap *Swap `json:"swap"`
}

// RefundLine is one line of a Refund.
type RefundLine struct {
	ID      int64  `json:"id"`
	Oid     string `json:"oid"`
	SKU     string `json:"sku"`
	GoodsNo string `json:"goods_no"`
	Name    string `json:"name"`
	Spec    string `json:"spec"`
	Barcode string `json:"barcode"`
	Unit    string `json:"unit"`
	Goods   int64  `json:"goods"`
	// Ordered is how many were bought, Count how many go back, Arrived how many did.
	Ordered dataset.Decimal `json:"ordered"`
	Count   dataset.Decimal `json:"count"`
	Arrived dataset.Decimal `json:"arrived"`
	// List is the price before discounts, Price the one that was paid.
	List   dataset.Decimal `json:"list"`
	Price  dataset.Decimal `json:"price"`
	Remark string          `json:"remark"`
}

// Amount is what is paid back for the line.
func (l RefundLine) Amount() dataset.Decimal { return times(l.Count, l.Price) }

// Swap is the order that an exchange makes.
type Swap struct {
	Tid      string          `json:"tid"`
	PostFee  dataset.Decimal `json:"post_fee"`
	Province int             `json:"province"`
	City     int             `json:"city"`
	District int             `json:"district"`
	Area     string          `json:"area"`
}

// Count is how many pieces go back.
func (d *Refund) Count() dataset.Decimal {
	var sum dataset.Decimal
	for _, l := range d.Items {
		sum += l.Count
	}
	return sum
}

// Goods is what is paid back for all lines.
func (d *Refund) Goods() dataset.Decimal {
	var sum dataset.Decimal
	for _, l := range d.Items {
		sum += l.Amount()
	}
	return sum
}

// Actual is what the buyer gets.
func (d *Refund) Actual() dataset.Decimal { return d.Goods() + d.Direct }

// refundMaker makes refunds one after the other.
type refundMaker struct {
	goods    []world.Good
	houses   []Warehouse
	shops    []Shop
	types    []int
	nextLine int64
}

// all makes the refunds of p, by ascending id.
func (m *refundMaker) all(p Params) []*Refund {
	if len(m.goods) == 0 || len(m.shops) == 0 {
		return nil
	}
	all := make([]*Refund, p.Records)
	var before span
	for i := range all {
		rng := p.rand(forRefunds, uint64(i))
		before = p.spanOf(rng, i, p.Records, before)
		all[i] = m.refund(rng, int64(i), before)
	}
	return all
}

// refund makes the refund number i.
func (m *refundMaker) refund(rng *rand.Rand, i int64, s span) *Refund {
	why, who, by := pick(rng, refundReasons), pick(rng, buyers), pick(rng, carriers)
	d := &Refund{
		ID: firstRefund + i, No: fmt.Sprintf("TK%s%06d", day(s.created), i+1),
		Type: pick(rng, m.types), Status: pick(rng, []int{90, 90, 90, 90, 80, 30, 20, 10}), Process: pick(rng, []int{0, 15, 25, 35}),
		Platform: pick(rng, []int{5, 5, 5, 2, 3}), From: pick(rng, []int{0, 0, 0, 1, 2}),
		TradeID: 2_741_999 + i, TradeNo: fmt.Sprintf("JY%s%05d", day(s.created), i+1),
		Tid: fmt.Sprintf("%s%010d", s.created.Format("060102"), i+1), RawNo: maybe(rng, 0.9, fmt.Sprintf("R%s%06d", day(s.created), i+1)),
		Shop: pick(rng, m.shops), Warehouse: pick(rng, m.houses), Remark: pick(rng, refundRemarks), Notes: rng.IntN(3),
		ReasonID: why.id, Reason: why.name, Why: maybe(rng, 0.8, "不喜欢"), Operator: pick(rng, people),
		CustomerID: 17_588_399 + i, Customer: who.name, Nick: who.nick, Phone: who.phone,
		PayID: maybe(rng, 0.9, fmt.Sprintf("%s22%08d", s.created.Format("20060102"), i+1)), Distributor: maybe(rng, 0.2, pick(rng, distributors)),
		Created: s.created, Modified: s.modified, Refunded: maybe(rng, 0.9, s.created), Checked: maybe(rng, 0.8, s.modified), Phase: maybe(rng, 0.5, s.modified),
		Direct: maybe(rng, 0.1, dataset.Decimal(rng.IntN(1_000_000))), Receive: maybe(rng, 0.05, dataset.Decimal(rng.IntN(100_000))),
	}
	if d.Status >= 80 {
		d.Settled = d.Modified
	}
	for n := range 1 + rng.IntN(3) {
		d.Items = append(d.Items, m.line(rng, d, n+1))
	}
	m.bringBack(rng, d, by)
	return d
}

func (m *refundMaker) line(rng *rand.Rand, d *Refund, n int) RefundLine {
	i := rng.IntN(len(m.goods))
	g := m.goods[i]
	l := RefundLine{
		ID: m.nextLine, Oid: fmt.Sprintf("%s-%d", d.Tid, n), SKU: g.SKU, GoodsNo: g.GoodsNo, Name: g.Name, Spec: g.Spec,
		Barcode: g.Barcode, Unit: g.Unit.Name, Goods: int64(i), Ordered: quantity(rng), List: dataset.Decimal(g.Price),
		Remark: maybe(rng, 0.1, pick(rng, refundRemarks)),
	}
	l.Count = l.Ordered
	l.Price = l.List - dataset.Decimal(rng.Int64N(1+g.Price/10))
	m.nextLine++
	return l
}

// bringBack gives d what depends on whether goods go back, and others out.
func (m *refundMaker) bringBack(rng *rand.Rand, d *Refund, by carrier) {
	if d.Type == 2 || d.Type == Exchange || d.Type == 7 {
		d.StockIn = 1 + rng.IntN(4)
		d.Carrier, d.Waybill = by.name, fmt.Sprintf("%s%011d", by.prefix, rng.Int64N(100_000_000_000))
	}
	if d.StockIn == 3 {
		for i := range d.Items {
			d.Items[i].Arrived = d.Items[i].Count
		}
	}
	if d.Type == Exchange {
		d.Swap = &Swap{
			Tid: d.Tid + "-HH", PostFee: maybe(rng, 0.3, dataset.Decimal(8*unit)),
			Province: 310000, City: 310100, District: 310115, Area: "上海 上海市 浦东新区",
		}
	}
}
