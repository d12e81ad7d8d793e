package documents

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// Order type and status of the stock-in documents that Params.Records counts.
const (
	StockGain = 4  // 盘盈入库
	Done      = 80 // 已完成
)

// The smallest ids of stock-in documents and their lines.
const (
	firstStockIn     = 48_213
	firstStockInLine = 903_311
)

// StockIn is a stock-in document (入库单). One that a Store gave out is never changed; an edit puts
// a new one in its place.
type StockIn struct {
	ID        int64  `json:"id"`
	No        string `json:"no"`
	OrderType int    `json:"order_type"`
	Status    int    `json:"status"`
	// SrcNo and OuterNo are numbers of the document behind it, here and in other systems.
	SrcNo     string    `json:"src_no"`
	OuterNo   string    `json:"outer_no"`
	Warehouse Warehouse `json:"warehouse"`
	Created   time.Time `json:"created"`
	// Checked is zero where nobody approved the document.
	Checked  time.Time `json:"checked"`
	Modified time.Time `json:"modified"`
	Remark   string    `json:"remark"`
	Reason   string    `json:"reason"`
	Operator string    `json:"operator"`
	Checker  string    `json:"checker"`
	// Carrier and what belongs to it is empty where nothing was shipped.
	Carrier     string `json:"carrier"`
	CarrierCode string `json:"carrier_code"`
	Waybill     string `json:"waybill"`
	// Provider is empty but for purchases.
	ProviderNo   string          `json:"provider_no"`
	ProviderName string          `json:"provider_name"`
	PostFee      dataset.Decimal `json:"post_fee"`
	Items        []StockInLine   `json:"items"`
}

// StockInLine is one line of a StockIn.
type StockInLine struct {
	ID        int64  `json:"id"`
	SrcLineID int64  `json:"src_line_id"`
	SKU       string `json:"sku"`
	GoodsNo   string `json:"goods_no"`
	Name      string `json:"name"`
	Spec      string `json:"spec"`
	SpecCode  string `json:"spec_code"`
	Barcode   string `json:"barcode"`
	BrandNo   string `json:"brand_no"`
	BrandName string `json:"brand_name"`
	Unit      string `json:"unit"`
	// Count is what came in, Expected what should have.
	Count    dataset.Decimal `json:"count"`
	Expected dataset.Decimal `json:"expected"`
	Price    dataset.Decimal `json:"price"`
	Position string          `json:"position"`
	BatchNo  string          `json:"batch_no"`
	// Produced is zero where no batch is known.
	Produced time.Time `json:"produced"`
	Remark   string    `json:"remark"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`
}

// Amount is what the line is worth.
func (l StockInLine) Amount() dataset.Decimal { return times(l.Count, l.Price) }

// Count is how much came in with all lines.
func (d *StockIn) Count() dataset.Decimal {
	var sum dataset.Decimal
	for _, l := range d.Items {
		sum += l.Count
	}
	return sum
}

// Amount is what all lines are worth.
func (d *StockIn) Amount() dataset.Decimal {
	var sum dataset.Decimal
	for _, l := range d.Items {
		sum += l.Amount()
	}
	return sum
}

// Kinds is how many different SKUs there are.
func (d *StockIn) Kinds() int {
	seen := map[string]bool{}
	for _, l := range d.Items {
		seen[l.SKU] = true
	}
	return len(seen)
}

// stockInMaker makes stock-in documents one after the other.
type stockInMaker struct {
	goods    []world.Good
	houses   []Warehouse
	nextLine int64
}

// all makes the stock-in documents of p, by ascending id.
func (m *stockInMaker) all(p Params) []*StockIn {
	if len(m.goods) == 0 {
		return nil // a line without goods would mean nothing
	}
	noise := (p.Records*15 + 99) / 100
	n := p.Records + noise
	all := make([]*StockIn, n)
	noisy := p.rand(forNoise, 0)
	var before span
	for i := range all {
		rng := p.rand(forStockIns, uint64(i))
		before = p.spanOf(rng, i, n, before)
		orderType, status := StockGain, Done
		if noisy.IntN(n-i) < noise { // exactly as many as there should be
			noise--
			orderType, status = otherKind(noisy)
		}
		all[i] = m.stockIn(rng, int64(i), before)
		all[i].classify(rng, orderType, status)
	}
	return all
}

// otherKind returns an order type and a status that are not those of finished stock gains. Type 3
// (returns) is left out: another query has those.
func otherKind(rng *rand.Rand) (orderType, status int) {
	orderType = pick(rng, []int{1, 2, 5, 6, 7, 8, 9, 10, 11, 12, StockGain})
	if orderType == StockGain {
		return orderType, pick(rng, []int{10, 20, 30, 40, 60})
	}
	return orderType, pick(rng, []int{Done, Done, Done, 10, 30})
}

// stockIn makes the document number i.
func (m *stockInMaker) stockIn(rng *rand.Rand, i int64, s span) *StockIn {
	d := &StockIn{
		ID: firstStockIn + i, No: fmt.Sprintf("RK%s%06d", day(s.created), i+1),
		OuterNo: maybe(rng, 0.1, fmt.Sprintf("EXT%08d", rng.IntN(100_000_000))),
		Created: s.created, Modified: s.modified,
		Remark: pick(rng, remarks), Reason: pick(rng, reasons), Operator: pick(rng, people), Warehouse: m.house(rng),
	}
	lines := 1 + rng.IntN(5)
	for n := range lines {
		d.Items = append(d.Items, m.line(rng, d))
		if n > 0 && rng.Float64() < 0.2 { // several lines may have the same goods
			d.Items[n].sameGoodsAs(d.Items[n-1])
		}
	}
	return d
}

// house picks a warehouse: one in twenty documents is in the one that the finance system does not
// know.
func (m *stockInMaker) house(rng *rand.Rand) Warehouse {
	wantExcluded := rng.Float64() < 0.05
	fit := slices.DeleteFunc(slices.Clone(m.houses), func(w Warehouse) bool { return (w.No == world.Excluded) != wantExcluded })
	return pick(rng, fit)
}

func (m *stockInMaker) line(rng *rand.Rand, d *StockIn) StockInLine {
	g, b := pick(rng, m.goods), pick(rng, brands)
	l := StockInLine{
		ID: m.nextLine, SrcLineID: 77_120 + m.nextLine - firstStockInLine,
		SKU: g.SKU, GoodsNo: g.GoodsNo, Name: g.Name, Spec: g.Spec, SpecCode: maybe(rng, 0.7, "C-"+g.SKU), Barcode: g.Barcode,
		BrandNo: b.no, BrandName: b.name, Unit: g.Unit.Name,
		Count: quantity(rng), Price: dataset.Decimal(g.Price), Position: maybe(rng, 0.6, fmt.Sprintf("A-%02d-%02d", 1+rng.IntN(9), 1+rng.IntN(20))),
		Remark: maybe(rng, 0.1, pick(rng, remarks)), Created: d.Created, Modified: d.Modified,
	}
	l.Expected = l.Count
	if rng.Float64() < 0.1 {
		l.BatchNo, l.Produced = "B"+day(d.Created), d.Created.AddDate(0, -1, 0).Truncate(time.Hour)
	}
	m.nextLine++
	return l
}

func (l *StockInLine) sameGoodsAs(o StockInLine) {
	l.SKU, l.GoodsNo, l.Name, l.Spec, l.SpecCode, l.Barcode = o.SKU, o.GoodsNo, o.Name, o.Spec, o.SpecCode, o.Barcode
	l.BrandNo, l.BrandName, l.Unit, l.Price = o.BrandNo, o.BrandName, o.Unit, o.Price
}

// sources are what the documents are called that stock-in documents of each type come from.
var sources = map[int]string{1: "CG", 2: "DB", 4: "PD", 5: "SC", 12: "WW"}

// classify makes d a document of the given type and status, with what belongs to them.
func (d *StockIn) classify(rng *rand.Rand, orderType, status int) {
	d.OrderType, d.Status = orderType, status
	if source, ok := sources[orderType]; ok {
		d.SrcNo = fmt.Sprintf("%s%s%04d", source, day(d.Created), 1+rng.IntN(9999))
	}
	if status == Done {
		d.Checked, d.Checker = d.Modified, pick(rng, people)
	}
	if orderType != 1 {
		return
	}
	from, by := pick(rng, providers), pick(rng, carriers)
	d.ProviderNo, d.ProviderName = from.no, from.name
	d.CarrierCode, d.Carrier, d.Waybill = by.code, by.name, fmt.Sprintf("%s%011d", by.prefix, rng.Int64N(100_000_000_000))
	d.PostFee = dataset.Decimal(rng.IntN(20)) * unit
}
