package jushuitan

import "github.com/erpstream/erpstream/services/sandbox/internal/dataset"

// otherInRow is an other-in as the vendor writes it. A pointer that is nil leaves the row version
// out: nobody knows whether the vendor has it here.
type otherInRow struct {
	IOID   int64   `json:"io_id"`
	TS     *int64  `json:"ts,omitempty"`
	IODate string  `json:"io_date"`
	Status string  `json:"status"`
	SOID   *string `json:"so_id"`
	Type   string  `json:"type"`

	FStatus          *string          `json:"f_status"`
	Warehouse        string           `json:"warehouse"`
	ReceiverName     *string          `json:"receiver_name"`
	ReceiverMobile   *string          `json:"receiver_mobile"`
	ReceiverState    *string          `json:"receiver_state"`
	ReceiverCity     *string          `json:"receiver_city"`
	ReceiverDistrict *string          `json:"receiver_district"`
	ReceiverAddress  *string          `json:"receiver_address"`
	WhID             int64            `json:"wh_id"`
	Remark           *string          `json:"remark"`
	Modified         string           `json:"modified"`
	Created          string           `json:"created"`
	Labels           *string          `json:"labels"`
	WmsCoID          int64            `json:"wms_co_id"`
	CreatorName      *string          `json:"creator_name"`
	WaveID           *int64           `json:"wave_id"`
	DrpCoName        *string          `json:"drp_co_name"`
	InoutUser        *string          `json:"inout_user"`
	LID              *string          `json:"l_id"`
	LcID             *string          `json:"lc_id"`
	LogisticsCompany *string          `json:"logistics_company"`
	LockWhID         *int64           `json:"lock_wh_id"`
	LockWhName       *string          `json:"lock_wh_name"`
	Items            []otherLineRow   `json:"items"`
	Batchs           []otherBatchRow  `json:"batchs"`
	Sns              []dataset.Serial `json:"sns"`
}

// otherLineRow is a line of an otherInRow.
type otherLineRow struct {
	IOIID           int64            `json:"ioi_id"`
	IOID            int64            `json:"io_id"`
	SkuID           string           `json:"sku_id"`
	IID             string           `json:"i_id"`
	Name            string           `json:"name"`
	Unit            string           `json:"unit"`
	PropertiesValue *string          `json:"properties_value"`
	Qty             dataset.Quantity `json:"qty"`
	CostPrice       dataset.Decimal  `json:"cost_price"`
	CostAmount      dataset.Decimal  `json:"cost_amount"`
	SalePrice       dataset.Decimal  `json:"sale_price"`
	SaleAmount      dataset.Decimal  `json:"sale_amount"`
	Remark          *string          `json:"remark"`
	BatchID         *string          `json:"batch_id"`
	ProductDate     *string          `json:"product_date"`
	SupplierID      *int64           `json:"supplier_id"`
	ExpirationDate  *string          `json:"expiration_date"`
}

// otherBatchRow is a batch of an otherInRow, which says less of it than a purchase receipt does.
type otherBatchRow struct {
	BatchNo      string           `json:"batch_no"`
	SkuID        string           `json:"sku_id"`
	Qty          dataset.Quantity `json:"qty"`
	ProductDate  *string          `json:"product_date"`
	SupplierID   int64            `json:"supplier_id"`
	SupplierName string           `json:"supplier_name"`
}

// OtherInRow returns o as the vendor writes it, to be encoded as JSON.
func (s *Server) OtherInRow(o *dataset.OtherIn) any {
	o, _ = s.poison.OtherIn(o)
	row := otherInRow{
		IOID: o.IOID, IODate: rowTime(o.IODate), Status: o.Status, SOID: o.SOID, Type: o.Type, FStatus: o.FStatus,
		Warehouse: o.Warehouse, WhID: o.WhID, Remark: o.Remark, Modified: rowTime(o.Modified), Created: rowTime(o.Created),
		Labels: o.Labels, WmsCoID: o.WmsCoID, CreatorName: o.CreatorName, WaveID: o.WaveID, DrpCoName: o.DrpCoName,
		InoutUser: o.InoutUser, LID: o.LID, LcID: o.LcID, LogisticsCompany: o.LogisticsCompany,
		LockWhID: o.LockWhID, LockWhName: o.LockWhName, Sns: o.Sns,
	}
	if s.settings.EmitTS {
		row.TS = &o.TS
	}
	if r := o.Receiver; r != nil {
		row.ReceiverName, row.ReceiverMobile, row.ReceiverAddress = &r.Name, &r.Mobile, &r.Address
		row.ReceiverState, row.ReceiverCity, row.ReceiverDistrict = &r.State, &r.City, &r.District
	}
	row.Items = make([]otherLineRow, len(o.Items))
	for i, l := range o.Items {
		row.Items[i] = otherLineRow{
			IOIID: l.IOIID, IOID: o.IOID, SkuID: l.SkuID, IID: l.IID, Name: l.Name, Unit: l.Unit,
			PropertiesValue: l.PropertiesValue, Qty: l.Qty, CostPrice: l.CostPrice, CostAmount: l.CostAmount,
			SalePrice: l.SalePrice, SaleAmount: l.SaleAmount, Remark: l.Remark,
			BatchID: l.BatchID, ProductDate: l.ProductDate, SupplierID: l.SupplierID, ExpirationDate: l.ExpirationDate,
		}
	}
	if o.Batchs != nil {
		row.Batchs = make([]otherBatchRow, len(o.Batchs))
		for i, b := range o.Batchs {
			row.Batchs[i] = otherBatchRow{b.BatchNo, b.SkuID, b.Qty, b.ProductDate, b.SupplierID, b.SupplierName}
		}
	}
	return row
}
