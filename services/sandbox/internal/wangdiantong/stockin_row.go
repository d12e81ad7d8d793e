package wangdiantong

import (
	"strconv"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// noTime is how the enterprise edition writes that a batch has no date: an assumption.
const noTime = "0000-00-00 00:00:00"

// zero is a decimal that is nothing.
const zero = "0.0000"

// stockInRow is a stock-in document as the vendor writes it: numbers are text.
type stockInRow struct {
	StockInID         string           `json:"stockin_id"`
	OrderNo           string           `json:"order_no"`
	StockInNo         string           `json:"stockin_no"`
	Status            string           `json:"status"`
	OrderType         string           `json:"order_type"`
	OrderTypeName     string           `json:"order_type_name"`
	SrcOrderType      string           `json:"src_order_type"`
	SrcOrderNo        string           `json:"src_order_no"`
	OuterNo           string           `json:"outer_no"`
	WarehouseID       string           `json:"warehouse_id"`
	WarehouseNo       string           `json:"warehouse_no"`
	WarehouseName     string           `json:"warehouse_name"`
	StockInTime       string           `json:"stockin_time"`
	CheckTime         string           `json:"check_time"`
	CreatedTime       string           `json:"created_time"`
	Modified          string           `json:"modified"`
	StockInReason     string           `json:"stockin_reason"`
	Remark            string           `json:"remark"`
	OperatorName      string           `json:"operator_name"`
	CheckOperatorName string           `json:"check_operator_name"`
	GoodsCount        string           `json:"goods_count"`
	GoodsTypeCount    string           `json:"goods_type_count"`
	GoodsAmount       string           `json:"goods_amount"`
	TotalPrice        string           `json:"total_price"`
	Discount          string           `json:"discount"`
	TaxAmount         string           `json:"tax_amount"`
	PostFee           string           `json:"post_fee"`
	OtherFee          string           `json:"other_fee"`
	RightNums         string           `json:"right_nums"`
	RightPrice        string           `json:"right_price"`
	AdjustNum         string           `json:"adjust_num"`
	LogisticsType     string           `json:"logistics_type"`
	LogisticsCode     string           `json:"logistics_code"`
	LogisticsName     string           `json:"logistics_name"`
	LogisticsNo       string           `json:"logistics_no"`
	PurchaseNo        string           `json:"purchase_no"`
	ProviderNo        string           `json:"provider_no"`
	ProviderName      string           `json:"provider_name"`
	Details           []stockInLineRow `json:"details_list"`
}

// stockInLineRow is a line of a stockInRow.
type stockInLineRow struct {
	RecID            string `json:"rec_id"`
	StockInID        string `json:"stockin_id"`
	SrcOrderType     string `json:"src_order_type"`
	SrcOrderDetailID string `json:"src_order_detail_id"`
	SpecNo           string `json:"spec_no"`
	GoodsNo          string `json:"goods_no"`
	GoodsName        string `json:"goods_name"`
	SpecCode         string `json:"spec_code"`
	SpecName         string `json:"spec_name"`
	Barcode          string `json:"barcode"`
	BrandNo          string `json:"brand_no"`
	BrandName        string `json:"brand_name"`
	GoodsUnit        string `json:"goods_unit"`
	UnitName         string `json:"unit_name"`
	GoodsCount       string `json:"goods_count"`
	Num              string `json:"num"`
	ExpectNum        string `json:"expect_num"`
	SrcPrice         string `json:"src_price"`
	CostPrice        string `json:"cost_price"`
	StockInPrice     string `json:"stockin_price"`
	TotalCost        string `json:"total_cost"`
	TaxPrice         string `json:"tax_price"`
	TaxAmount        string `json:"tax_amount"`
	Tax              string `json:"tax"`
	RightNum         string `json:"right_num"`
	RightPrice       string `json:"right_price"`
	RightCost        string `json:"right_cost"`
	AdjustNum        string `json:"adjust_num"`
	SharePostAmount  string `json:"share_post_amount"`
	PositionNo       string `json:"position_no"`
	BatchNo          string `json:"batch_no"`
	ProductionDate   string `json:"production_date"`
	ExpireDate       string `json:"expire_date"`
	ValidityDays     string `json:"validity_days"`
	Defect           string `json:"defect"`
	Remark           string `json:"remark"`
	CreatedTime      string `json:"created_time"`
	Modified         string `json:"modified"`
}

// StockInRow returns d as the vendor writes it, to be encoded as JSON.
func (s *Server) StockInRow(d *documents.StockIn) any {
	d, _ = s.poison.StockIn(d)
	amount := fixed(d.Amount())
	row := stockInRow{
		StockInID: text(d.ID), OrderNo: d.No, StockInNo: d.No, Status: text(d.Status),
		OrderType: text(d.OrderType), OrderTypeName: orderTypes[d.OrderType], SrcOrderType: text(d.OrderType),
		SrcOrderNo: d.SrcNo, OuterNo: d.OuterNo,
		WarehouseID: text(d.Warehouse.ID), WarehouseNo: d.Warehouse.No, WarehouseName: d.Warehouse.Name,
		StockInTime: written(d.Modified), CheckTime: written(d.Checked), CreatedTime: written(d.Created), Modified: written(d.Modified),
		StockInReason: d.Reason, Remark: d.Remark, OperatorName: d.Operator, CheckOperatorName: d.Checker,
		GoodsCount: fixed(d.Count()), GoodsTypeCount: text(d.Kinds()), GoodsAmount: amount, TotalPrice: amount,
		Discount: zero, TaxAmount: zero, PostFee: fixed(d.PostFee), OtherFee: zero,
		RightNums: zero, RightPrice: zero, AdjustNum: zero,
		LogisticsType: "-1", LogisticsCode: d.CarrierCode, LogisticsName: d.Carrier, LogisticsNo: d.Waybill,
		ProviderNo: d.ProviderNo, ProviderName: d.ProviderName,
		Details: make([]stockInLineRow, len(d.Items)),
	}
	if d.CarrierCode != "" {
		row.LogisticsType = "8"
	}
	if d.OrderType == 1 {
		row.PurchaseNo = d.SrcNo
	}
	for i, l := range d.Items {
		row.Details[i] = stockInLine(d, l)
	}
	return row
}

func stockInLine(d *documents.StockIn, l documents.StockInLine) stockInLineRow {
	row := stockInLineRow{
		RecID: text(l.ID), StockInID: text(d.ID), SrcOrderType: text(d.OrderType), SrcOrderDetailID: text(l.SrcLineID),
		SpecNo: l.SKU, GoodsNo: l.GoodsNo, GoodsName: l.Name, SpecCode: l.SpecCode, SpecName: l.Spec, Barcode: l.Barcode,
		BrandNo: l.BrandNo, BrandName: l.BrandName, GoodsUnit: l.Unit, UnitName: l.Unit,
		GoodsCount: fixed(l.Count), Num: fixed(l.Count), ExpectNum: fixed(l.Expected),
		SrcPrice: fixed(l.Price), CostPrice: fixed(l.Price), StockInPrice: fixed(l.Price), TotalCost: fixed(l.Amount()),
		TaxPrice: zero, TaxAmount: zero, Tax: zero, RightNum: zero, RightPrice: zero, RightCost: zero, AdjustNum: zero, SharePostAmount: zero,
		PositionNo: l.Position, BatchNo: l.BatchNo, ProductionDate: noTime, ExpireDate: noTime, ValidityDays: "0", Defect: "0",
		Remark: l.Remark, CreatedTime: written(l.Created), Modified: written(l.Modified),
	}
	if !l.Produced.IsZero() {
		row.ProductionDate, row.ExpireDate, row.ValidityDays = written(l.Produced), written(l.Produced.Add(validity)), "365"
	}
	return row
}

// validity is how long goods of a batch are good.
const validity = 365 * 24 * time.Hour

// fixed writes a decimal with exactly four decimals.
func fixed(d dataset.Decimal) string { return dataset.Quantity{Value: int64(d)}.Fixed() }

func text[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
