// Package dataset holds the documents that the imitated vendors answer from: made up, but the
// same for the same parameters, edited while they are read, and kept over a restart.
package dataset

import (
	"slices"
	"time"
)

// Shanghai is the zone of all wall-clock times of the vendors. It has had no daylight saving
// since 1991, so a fixed offset needs no zone database.
var Shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// Confirmed is the status that almost all receipts have.
const Confirmed = "Confirmed"

// Receipt is a purchase receipt (采购入库单). A Receipt that a Store gave out is never changed;
// an edit puts a new one in its place.
type Receipt struct {
	IOID             int64     `json:"io_id"`
	TS               int64     `json:"ts"`
	Warehouse        string    `json:"warehouse"`
	POID             *int64    `json:"po_id"`
	SupplierID       int64     `json:"supplier_id"`
	SupplierName     string    `json:"supplier_name"`
	Modified         time.Time `json:"modified"`
	SOID             *string   `json:"so_id"`
	OutIOID          *string   `json:"out_io_id"`
	Status           string    `json:"status"`
	IODate           time.Time `json:"io_date"`
	WhID             string    `json:"wh_id"`
	WmsCoID          int64     `json:"wms_co_id"`
	Remark           *string   `json:"remark"`
	TaxRate          *Decimal  `json:"tax_rate"`
	Labels           *string   `json:"labels"`
	Archived         *string   `json:"archived"`
	MergeSOID        *string   `json:"merge_so_id"`
	Type             string    `json:"type"`
	CreatorName      *string   `json:"creator_name"`
	FStatus          string    `json:"f_status"`
	LID              *string   `json:"l_id"`
	LockWhID         *int64    `json:"lock_wh_id"`
	LockWhName       *string   `json:"lock_wh_name"`
	LogisticsCompany *string   `json:"logistics_company"`
	ExtendRemark     *string   `json:"extend_remark"`
	Items            []Line    `json:"items"`
	Batchs           []Batch   `json:"batchs"`
	Sns              []Serial  `json:"sns"`
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

// Batch is a production batch that a Receipt brought in.
type Batch struct {
	BatchNo        string   `json:"batch_no"`
	SkuID          string   `json:"sku_id"`
	Qty            Quantity `json:"qty"`
	ProductDate    *string  `json:"product_date"`
	SupplierID     int64    `json:"supplier_id"`
	SupplierName   string   `json:"supplier_name"`
	ExpirationDate *string  `json:"expiration_date"`
}

// Serial is one numbered piece that a Receipt brought in.
type Serial struct {
	SkuID string `json:"sku_id"`
	SN    string `json:"sn"`
}

// clone returns a Receipt whose lines can be changed without changing those of r.
func (r *Receipt) clone() *Receipt {
	c := *r
	c.Items = slices.Clone(r.Items)
	return &c
}

// price sets the amount of a line from its quantity and price, rounded half up to cents.
func (l *Line) price() {
	tenThousandths := l.Qty.Value * int64(l.CostPrice) / unit
	l.CostAmount = Decimal((tenThousandths + 50) / 100 * 100)
}
