package wangdiantong

import (
	"fmt"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong/documents"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// masterPage returns the page of rows that c asks for, under the name list.
func masterPage[T any](s *Server, c *call, list string, all []T, row func(T) map[string]any) map[string]any {
	served := slice(c.paging, all)
	rows := make([]any, len(served))
	for i, one := range served {
		rows[i] = row(one)
	}
	return s.page(c, list, rows, len(all))
}

func (s *Server) enterpriseWarehouses(c *call) (any, error) {
	return masterPage(s, c, "warehouses", documents.Warehouses(s.world), func(w documents.Warehouse) map[string]any {
		return map[string]any{
			"warehouse_id": text(w.ID), "warehouse_no": w.No, "name": w.Name, "type": "1", "is_disabled": "0",
			"province": "上海", "city": "上海市", "district": "浦东新区", "address": "", "contact": "", "mobile": "", "telno": "",
		}
	}), nil
}

func (s *Server) enterpriseShops(c *call) (any, error) {
	return masterPage(s, c, "shoplist", documents.Shops(s.world), func(shop documents.Shop) map[string]any {
		return map[string]any{
			"shop_id": text(shop.ID), "shop_no": shop.No, "shop_name": shop.Name, "platform_id": text(shop.Platform), "is_disabled": "0",
		}
	}), nil
}

// enterpriseGoods serves goods_query.php. Goods are as old as the data: one a second from its
// first day on.
func (s *Server) enterpriseGoods(c *call) (any, error) {
	specNo, goodsNo := c.params["spec_no"], c.params["goods_no"]
	asked, err := s.readWindow(c.params, specNo+goodsNo != "")
	if err != nil {
		return nil, err
	}
	var matching []map[string]any
	for i, g := range s.world.Goods {
		modified := s.begin.Add(time.Duration(i) * time.Second)
		if among(specNo, g.SKU) && among(goodsNo, g.GoodsNo) && (asked == nil || asked.holds(modified)) {
			matching = append(matching, goodsRow(i, g, written(modified)))
		}
	}
	return masterPage(s, c, "goods_list", matching, func(row map[string]any) map[string]any { return row }), nil
}

func goodsRow(i int, g world.Good, modified string) map[string]any {
	price := fmt.Sprintf("%d.%04d", g.Price/10_000, g.Price%10_000)
	return map[string]any{
		"goods_id": text(105_064 + i), "goods_no": g.GoodsNo, "goods_name": g.Name, "unit_name": g.Unit.Name,
		"modified": modified, "deleted": "0",
		"spec_list": []any{map[string]any{
			"spec_id": text(273_312 + i), "spec_no": g.SKU, "spec_name": g.Spec, "spec_code": "C-" + g.SKU, "barcode": g.Barcode,
			"retail_price": price, "spec_unit_name": g.Unit.Name, "modified": modified, "deleted": "0",
		}},
	}
}

func (s *Server) flagshipWarehouses(c *call) (any, error) {
	return masterPage(s, c, "details", documents.Warehouses(s.world), func(w documents.Warehouse) map[string]any {
		return map[string]any{
			"warehouse_id": w.ID, "warehouse_no": w.No, "name": w.Name, "type": 1, "is_disabled": false,
			"province": "上海", "city": "上海市", "district": "浦东新区", "modified": written(s.begin),
		}
	}), nil
}

func (s *Server) flagshipShops(c *call) (any, error) {
	return masterPage(s, c, "details", documents.Shops(s.world), func(shop documents.Shop) map[string]any {
		return map[string]any{
			"shop_id": shop.ID, "shop_no": shop.No, "shop_name": shop.Name, "platform_id": shop.Platform, "is_disabled": false,
		}
	}), nil
}
