package floor

import (
	"fmt"
	"strings"
	"time"
)

var (
	warehouses = []string{"杭州一号仓", "华东退货仓（次品）", "义乌保税二期仓"}
	suppliers  = []string{"杭州锦绣针织服饰有限公司", "广州市白云区恒通皮具厂", "绍兴柯桥轻纺城万达布业"}
	articles   = []string{"圆领纯棉短袖T恤男夏季", "高腰阔腿牛仔裤（浅蓝）", "法式碎花雪纺连衣裙"}
	buyers     = []string{"李四", "王小明", "欧阳娜"}
	states     = []string{"Confirmed", "Archive", "WaitConfirm"}
)

// began is when the first record changed.
var began = time.Date(2025, 1, 1, 8, 0, 0, 0, time.UTC)

// Record returns the purchase receipt number n of Jushuitan as its API gives it: 1.2 KB with three lines. The
// same n gives the same bytes, another one another receipt.
func Record(n int) []byte {
	at := began.Add(time.Duration(n%(300*24*3600)) * time.Second)
	id := 2_204_001 + n
	var lines []string
	for i := range 3 {
		qty, cents := 1+(n+i)%40, 990+(n*7+i*1310)%20_000
		lines = append(lines, fmt.Sprintf(`{"ioi_id":%d,"sku_id":"SKU-%05d-%02d","i_id":"STYLE-%04d","unit":"件","name":"%s","qty":%d,"io_id":%d,"cost_price":%d.%02d,"cost_amount":%d.%02d,"remark":null,"batch_no":null,"tax_rate":13}`,
			id*10+i, n%99_991, i, n%9_973, articles[(n+i)%3], qty, id, cents/100, cents%100, cents*qty/100, cents*qty%100))
	}
	return fmt.Appendf(nil, `{"io_id":%d,"ts":%d,"warehouse":"%s","po_id":%d,"supplier_id":%d,"supplier_name":"%s","modified":"%s","so_id":"EXT-PO-%d","out_io_id":null,`+
		`"status":"%s","io_date":"%s","wh_id":"1","wms_co_id":10012345,"remark":"加急，请先上架","tax_rate":13.0,"labels":null,"archived":null,"merge_so_id":"","type":"采购进仓","creator_name":"%s",`+
		`"f_status":"WaitConfirm","l_id":"SF%013d","lock_wh_id":0,"lock_wh_name":null,"items":[%s],"batchs":null,"sns":null}`,
		id, 1_730_946_233+n, warehouses[n%3], 604_264+n%5000, 501+n%300, suppliers[n%3], at.Format(time.DateTime), n, states[n%3],
		at.Add(-5*time.Minute).Format(time.DateTime), buyers[n%3], n, strings.Join(lines, ","))
}
