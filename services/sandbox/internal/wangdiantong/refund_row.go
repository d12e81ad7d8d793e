package wangdiantong

import (
	"strconv"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
)

// refundRow is a refund as the vendor writes it.
type refundRow struct {
	RefundID            int64           `json:"refund_id"`
	RefundNo            string          `json:"refund_no"`
	SrcTids             string          `json:"src_tids"`
	TidList             string          `json:"tid_list"`
	RawRefundNos        string          `json:"raw_refund_nos"`
	TradeNoList         string          `json:"trade_no_list"`
	TradeID             int64           `json:"trade_id"`
	Type                int             `json:"type"`
	Status              int             `json:"status"`
	ProcessStatus       any             `json:"process_status"`
	RRStatus            int             `json:"rr_status"`
	StockInStatus       int             `json:"stockin_status"`
	FromType            int             `json:"from_type"`
	FlagName            string          `json:"flag_name"`
	NoteCount           int             `json:"note_count"`
	Remark              string          `json:"remark"`
	RawRefundRemark     string          `json:"raw_refund_remark"`
	ReturnGoodsCount    dataset.Decimal `json:"return_goods_count"`
	GuaranteeAmount     dataset.Decimal `json:"guarantee_refund_amount"`
	ReturnGoodsAmount   dataset.Decimal `json:"return_goods_amount"`
	ActualRefundAmount  dataset.Decimal `json:"actual_refund_amount"`
	DirectRefundAmount  dataset.Decimal `json:"direct_refund_amount"`
	ReceiveAmount       dataset.Decimal `json:"receive_amount"`
	ShopID              int64           `json:"shop_id"`
	ShopNo              string          `json:"shop_no"`
	PlatformID          string          `json:"platform_id"`
	ShopPlatformID      int             `json:"shop_platform_id"`
	SubPlatformID       int             `json:"sub_platform_id"`
	ReturnWarehouseID   int64           `json:"return_warehouse_id"`
	ReturnWarehouseNo   string          `json:"return_warehouse_no"`
	WarehouseType       int             `json:"warehouse_type"`
	ReturnLogisticsName string          `json:"return_logistics_name"`
	ReturnLogisticsNo   string          `json:"return_logistics_no"`
	ReasonID            int64           `json:"reason_id"`
	ReasonName          string          `json:"reason_name"`
	RefundReason        string          `json:"refund_reason,omitempty"`
	RevertReason        int             `json:"revert_reason"`
	RevertReasonName    string          `json:"revert_reason_name"`
	BadReason           int             `json:"bad_reason"`
	OperatorName        string          `json:"operator_name"`
	CustomerID          int64           `json:"customer_id"`
	CustomerName        string          `json:"customer_name"`
	BuyerNick           string          `json:"buyer_nick"`
	ReceiverName        string          `json:"receiver_name"`
	ReceiverTelno       string          `json:"receiver_telno"`
	PayID               string          `json:"pay_id"`
	FenxiaoNickName     string          `json:"fenxiao_nick_name,omitempty"`
	FenxiaoNickNo       string          `json:"fenxiao_nick_no"`
	FenxiaoTid          string          `json:"fenxiao_tid"`
	ProviderRefundNo    string          `json:"provider_refund_no"`
	WmsOwnerNo          string          `json:"wms_owner_no"`
	WmsCode             *string         `json:"wms_code,omitempty"` // not at Qimen
	ReturnMaskInfo      string          `json:"return_mask_info"`
	ConsignMode         int             `json:"consign_mode"`
	Modified            int64           `json:"modified"`
	Created             int64           `json:"created"`
	ModifiedDate        string          `json:"modified_date"`
	RefundTime          string          `json:"refund_time"`
	CheckTime           string          `json:"check_time"`
	SettleTime          string          `json:"settle_time"`
	CurrentPhaseTimeout string          `json:"current_phase_timeout"`
	ReturnTelno         string          `json:"return_telno"`
	TmpData             int64           `json:"tmp_data"`
	SyncReturn          bool            `json:"sync_return"`
	ReturnMask          int             `json:"return_mask"`
	Details             []refundLineRow `json:"detail_list"`
	Amounts             []amountRow     `json:"amount_detail_list"`
	Swap                *swapRow        `json:"swap_order,omitempty"`
	Subsidies           []subsidyRow    `json:"gov_subsidy_info,omitempty"` // on request
}

// refundLineRow is a line of a refundRow.
type refundLineRow struct {
	RecID            int64           `json:"rec_id"`
	RefundID         int64           `json:"refund_id"`
	Oid              string          `json:"oid"`
	Tid              string          `json:"tid"`
	TradeNo          string          `json:"trade_no"`
	TradeOrderID     int64           `json:"trade_order_id"`
	SalesTradeID     int64           `json:"sales_trade_id"`
	PlatformID       int             `json:"platform_id"`
	Num              dataset.Decimal `json:"num"`
	Price            dataset.Decimal `json:"price"`
	OriginalPrice    dataset.Decimal `json:"original_price"`
	CheckedCostPrice dataset.Decimal `json:"checked_cost_price"`
	RefundNum        dataset.Decimal `json:"refund_num"`
	TotalAmount      dataset.Decimal `json:"total_amount"`
	RefundAmount     dataset.Decimal `json:"refund_amount"`
	IsGuarantee      bool            `json:"is_guarantee"`
	GoodsNo          string          `json:"goods_no"`
	GoodsName        string          `json:"goods_name"`
	SpecNo           string          `json:"spec_no"`
	SpecName         string          `json:"spec_name"`
	SpecCode         string          `json:"spec_code"`
	Barcode          string          `json:"barcode"`
	GoodsID          string          `json:"goods_id"`
	SpecID           string          `json:"spec_id"`
	SysGoodsID       int64           `json:"sys_goods_id"`
	SysSpecID        int64           `json:"sys_spec_id"`
	StockInNum       dataset.Decimal `json:"stockin_num"`
	Remark           string          `json:"remark"`
	APIGoodsName     string          `json:"api_goods_name"`
	APISpecName      string          `json:"api_spec_name"`
	Discount         dataset.Decimal `json:"discount"`
	Paid             dataset.Decimal `json:"paid"`
	SuiteID          int64           `json:"suite_id"`
	SuiteNo          string          `json:"suite_no"`
	SuiteName        string          `json:"suite_name"`
	SuiteNum         dataset.Decimal `json:"suite_num"`
	GiftType         int             `json:"gift_type"`
	RawRefundNo      string          `json:"raw_refund_no"`
	RawRefundNos     string          `json:"raw_refund_nos"`
	BrandName        string          `json:"brand_name"`
	BaseUnitName     string          `json:"base_unit_name"`
	AuxUnitName      string          `json:"aux_unit_name"`
	Modified         int64           `json:"modified"`
	Created          string          `json:"created"`
	ModifiedDate     string          `json:"modified_date"`
}

// amountRow says what is paid how.
type amountRow struct {
	RecID         int64           `json:"rec_id"`
	RefundID      int64           `json:"refund_id"`
	RefundType    int             `json:"refund_type"`
	IsReturn      int             `json:"is_return"`
	RefundAmount  dataset.Decimal `json:"refund_amount"`
	ReceiveAmount dataset.Decimal `json:"receive_amount"`
	IsGuarantee   bool            `json:"is_guarantee"`
	AccountID     int64           `json:"account_id"`
	PayAccount    string          `json:"pay_account"`
	AccountName   string          `json:"account_name"`
	AccountBank   string          `json:"account_bank"`
	IsAuto        bool            `json:"is_auto"`
	Remark        string          `json:"remark"`
}

// swapRow is the order that an exchange makes.
type swapRow struct {
	Tid             string          `json:"tid"`
	ShopNo          string          `json:"shop_no"`
	ShopName        string          `json:"shop_name"`
	ShopID          int64           `json:"shop_id"`
	WarehouseNo     string          `json:"warehouse_no"`
	WarehouseID     int64           `json:"warehouse_id"`
	SwapProvince    int             `json:"swap_province"`
	SwapCity        int             `json:"swap_city"`
	SwapDistrict    int             `json:"swap_district"`
	SwapArea        string          `json:"swap_area"`
	SwapLogisticsID int             `json:"swap_logistics_id"`
	PostAmount      dataset.Decimal `json:"post_amount"`
	OtherAmount     dataset.Decimal `json:"other_amount"`
	ReceiverName    string          `json:"swap_receiver_name"`
	ReceiverAddress string          `json:"swap_receiver_address"`
	ReceiverMobile  string          `json:"swap_receiver_mobile"`
	ReceiverTelno   string          `json:"swap_receiver_telno"`
	Details         []swapLineRow   `json:"swap_order_detail_list"`
}

// swapLineRow is a line of a swapRow.
type swapLineRow struct {
	Oid         string          `json:"oid"`
	TargetType  int             `json:"target_type"`
	TargetID    int64           `json:"target_id"`
	Defect      bool            `json:"defect"`
	GoodsName   string          `json:"goods_name"`
	GoodsNo     string          `json:"goods_no"`
	SpecName    string          `json:"spec_name"`
	SpecCode    string          `json:"spec_code"`
	MerchantNo  string          `json:"merchant_no"`
	Price       dataset.Decimal `json:"price"`
	TotalAmount dataset.Decimal `json:"total_amount"`
	Num         dataset.Decimal `json:"num"`
	Remark      string          `json:"remark"`
}

// subsidyRow says who pays a subsidy of the state.
type subsidyRow struct {
	Tid            string `json:"tid"`
	Oid            string `json:"oid"`
	CorpEntityName string `json:"corp_entity_name"`
}

// RefundRow returns d as the vendor writes it through Qimen, to be encoded as JSON.
func (s *Server) RefundRow(d *documents.Refund) any { return s.refundRow(d, false, true) }

// refundRow returns d with or without its subsidies, as it is at Qimen or called directly.
func (s *Server) refundRow(d *documents.Refund, subsidies, qimen bool) refundRow {
	d, _ = s.poison.Refund(d)
	row := refundRow{
		RefundID: d.ID, RefundNo: d.No, SrcTids: d.Tid, TidList: d.Tid, RawRefundNos: d.RawNo, TradeNoList: d.TradeNo, TradeID: d.TradeID,
		Type: d.Type, Status: d.Status, ProcessStatus: d.Process, RRStatus: d.Platform, StockInStatus: d.StockIn, FromType: d.From,
		FlagName: "无", NoteCount: d.Notes, Remark: d.Remark,
		ReturnGoodsCount: d.Count(), GuaranteeAmount: d.Goods(), ReturnGoodsAmount: d.Goods(), ActualRefundAmount: d.Actual(),
		DirectRefundAmount: d.Direct, ReceiveAmount: d.Receive,
		ShopID: d.Shop.ID, ShopNo: d.Shop.No, PlatformID: strconv.Itoa(d.Shop.Platform), ShopPlatformID: d.Shop.Platform,
		ReturnWarehouseID: d.Warehouse.ID, ReturnWarehouseNo: d.Warehouse.No, WarehouseType: 1,
		ReturnLogisticsName: d.Carrier, ReturnLogisticsNo: d.Waybill,
		ReasonID: d.ReasonID, ReasonName: d.Reason, RefundReason: d.Why, RevertReasonName: "无",
		OperatorName: d.Operator, CustomerID: d.CustomerID, PayID: d.PayID, FenxiaoNickName: d.Distributor,
		Modified: d.Modified.UnixMilli(), Created: d.Created.UnixMilli(), ModifiedDate: written(d.Modified),
		RefundTime: written(d.Refunded), CheckTime: written(d.Checked), SettleTime: written(d.Settled), CurrentPhaseTimeout: written(d.Phase),
		TmpData: d.Warehouse.ID, SyncReturn: d.From == 0, Amounts: amountRows(d), Swap: swapOrder(d),
	}
	if s.settings.ProcessStatus == "string" {
		row.ProcessStatus = strconv.Itoa(d.Process)
	}
	if d.Shop.Platform == documents.Own { // only there may the vendor say who the buyer is
		row.CustomerName, row.BuyerNick, row.ReceiverName, row.ReceiverTelno = d.Customer, d.Nick, d.Customer, d.Phone
	}
	if !qimen {
		row.WmsCode = new("")
	}
	for _, l := range d.Items {
		row.Details = append(row.Details, refundLine(d, l))
	}
	if subsidies {
		row.Subsidies = []subsidyRow{{Tid: d.Tid, Oid: d.Items[0].Oid, CorpEntityName: d.Shop.Name}}
	}
	return row
}

func refundLine(d *documents.Refund, l documents.RefundLine) refundLineRow {
	return refundLineRow{
		RecID: l.ID, RefundID: d.ID, Oid: l.Oid, Tid: d.Tid, TradeNo: d.TradeNo, TradeOrderID: 5_271_999 + l.ID, SalesTradeID: d.TradeID,
		PlatformID: d.Shop.Platform, Num: l.Ordered, Price: l.Price, OriginalPrice: l.List, CheckedCostPrice: l.Price / 2, RefundNum: l.Count,
		TotalAmount: l.Amount(), RefundAmount: l.Amount(), IsGuarantee: true,
		GoodsNo: l.GoodsNo, GoodsName: l.Name, SpecNo: l.SKU, SpecName: l.Spec, SpecCode: "C-" + l.SKU, Barcode: l.Barcode,
		GoodsID: text(880_001 + l.Goods), SpecID: text(990_001 + l.Goods), SysGoodsID: 105_064 + l.Goods, SysSpecID: 273_312 + l.Goods,
		StockInNum: l.Arrived, Remark: l.Remark, APIGoodsName: l.Name, APISpecName: l.Spec, Discount: l.List - l.Price, Paid: l.Amount(),
		RawRefundNo: d.RawNo, RawRefundNos: d.RawNo, BrandName: "示例品牌", BaseUnitName: l.Unit,
		Modified: d.Modified.UnixMilli(), Created: written(d.Created), ModifiedDate: written(d.Modified),
	}
}

// amountRows returns what the platform pays back, and what the buyer pays for postage.
func amountRows(d *documents.Refund) []amountRow {
	rows := []amountRow{{
		RecID: 88_123 + 2*d.ID, RefundID: d.ID, RefundType: 1, RefundAmount: d.Goods(), IsGuarantee: true, IsAuto: true,
	}}
	if d.Receive > 0 {
		rows = append(rows, amountRow{RecID: 88_124 + 2*d.ID, RefundID: d.ID, RefundType: 2, IsReturn: 1, ReceiveAmount: d.Receive})
	}
	return rows
}

func swapOrder(d *documents.Refund) *swapRow {
	if d.Swap == nil {
		return nil
	}
	row := &swapRow{
		Tid: d.Swap.Tid, ShopNo: d.Shop.No, ShopName: d.Shop.Name, ShopID: d.Shop.ID, WarehouseNo: d.Warehouse.No, WarehouseID: d.Warehouse.ID,
		SwapProvince: d.Swap.Province, SwapCity: d.Swap.City, SwapDistrict: d.Swap.District, SwapArea: d.Swap.Area, PostAmount: d.Swap.PostFee,
	}
	for _, l := range d.Items {
		row.Details = append(row.Details, swapLineRow{
			Oid: l.Oid, TargetType: 1, TargetID: 273_312 + l.Goods, GoodsName: l.Name, GoodsNo: l.GoodsNo, SpecName: l.Spec, SpecCode: "C-" + l.SKU,
			MerchantNo: l.SKU, Price: l.Price, TotalAmount: l.Amount(), Num: l.Count,
		})
	}
	return row
}
