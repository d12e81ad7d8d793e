package jushuitan

import "github.com/erpstream/erpstream/services/sandbox/internal/dataset"

// receiptRow is a purchase receipt as the vendor writes it. What only the newer path has is in
// embedded pointers: nil leaves the fields out.
type receiptRow struct {
	IOID         int64            `json:"io_id"`
	TS           any              `json:"ts"`
	Warehouse    string           `json:"warehouse"`
	POID         *int64           `json:"po_id"`
	SupplierID   int64            `json:"supplier_id"`
	SupplierName string           `json:"supplier_name"`
	Modified     string           `json:"modified"`
	SOID         *string          `json:"so_id"`
	OutIOID      *string          `json:"out_io_id"`
	Status       string           `json:"status"`
	IODate       string           `json:"io_date"`
	WhID         string           `json:"wh_id"`
	WmsCoID      int64            `json:"wms_co_id"`
	Remark       *string          `json:"remark"`
	TaxRate      *dataset.Decimal `json:"tax_rate"`
	Labels       *string          `json:"labels"`
	Archived     *string          `json:"archived"`
	MergeSOID    *string          `json:"merge_so_id"`
	Type         string           `json:"type"`
	CreatorName  *string          `json:"creator_name"`
	FStatus      string           `json:"f_status"`
	LID          *string          `json:"l_id"`
	LockWhID     *int64           `json:"lock_wh_id"`
	LockWhName   *string          `json:"lock_wh_name"`
	*newerReceipt
	Items  []lineRow        `json:"items"`
	Batchs []dataset.Batch  `json:"batchs"`
	Sns    []dataset.Serial `json:"sns"`
}

type newerReceipt struct {
	LogisticsCompany *string `json:"logistics_company"`
	ExtendRemark     *string `json:"extend_remark"`
}

// lineRow is a line of a receiptRow.
type lineRow struct {
	IOIID int64   `json:"ioi_id"`
	SkuID string  `json:"sku_id"`
	IID   *string `json:"i_id"`
	Unit  *string `json:"unit"`
	Name  string  `json:"name"`
	*newerLine
	Qty        dataset.Quantity `json:"qty"`
	IOID       int64            `json:"io_id"`
	CostPrice  dataset.Decimal  `json:"cost_price"`
	CostAmount dataset.Decimal  `json:"cost_amount"`
	Remark     *string          `json:"remark"`
	BatchNo    *string          `json:"batch_no"`
	TaxRate    *int64           `json:"tax_rate"`
}

type newerLine struct {
	PropertiesValue *string `json:"properties_value"`
}

// ReceiptRow returns r as path (PurchaseIn or PurchaseInNewer) writes it, to be encoded as JSON.
func (s *Server) ReceiptRow(path string, r *dataset.Receipt) any {
	r, _ = s.poison.Receipt(r)
	row := receiptRow{
		IOID: r.IOID, TS: s.settings.rowTS(path, r.TS), Warehouse: r.Warehouse, POID: r.POID,
		SupplierID: r.SupplierID, SupplierName: r.SupplierName, Modified: rowTime(r.Modified),
		SOID: r.SOID, OutIOID: r.OutIOID, Status: r.Status, IODate: rowTime(r.IODate), WhID: r.WhID,
		WmsCoID: r.WmsCoID, Remark: r.Remark, TaxRate: r.TaxRate, Labels: r.Labels, Archived: r.Archived,
		MergeSOID: r.MergeSOID, Type: r.Type, CreatorName: r.CreatorName, FStatus: r.FStatus, LID: r.LID,
		LockWhID: r.LockWhID, LockWhName: r.LockWhName, Batchs: r.Batchs, Sns: r.Sns,
	}
	if path == PurchaseInNewer {
		row.newerReceipt = &newerReceipt{r.LogisticsCompany, r.ExtendRemark}
	}
	if r.Items == nil {
		return row
	}
	row.Items = make([]lineRow, len(r.Items))
	for i, l := range r.Items {
		row.Items[i] = lineRow{
			IOIID: l.IOIID, SkuID: l.SkuID, IID: l.IID, Unit: l.Unit, Name: l.Name, Qty: l.Qty, IOID: r.IOID,
			CostPrice: l.CostPrice, CostAmount: l.CostAmount, Remark: l.Remark, BatchNo: l.BatchNo, TaxRate: l.TaxRate,
		}
		if path == PurchaseInNewer {
			row.Items[i].newerLine = &newerLine{l.PropertiesValue}
		}
	}
	return row
}
