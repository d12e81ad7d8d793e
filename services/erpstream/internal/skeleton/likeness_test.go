package skeleton

import (
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		low  int
		high int
	}{
		{"io_id", "io_id", same, same},
		{"FNumber", "number", alike, same},
		{"goods_no", "FGoodsNumber", alike, alike},
		{"material_code", "goods_no", alike, alike},
		{"stockName", "warehouse_name", alike, alike},
		{"remark", "note", alike, alike},
		{"qty", "goods_count", threshold, alike - 1},
		{"cost", "cost_price", threshold, alike - 1},
		{"supplier_id", "shop_id", 0, threshold - 1},
		{"name", "shop_name", 0, threshold - 1},
		{"id", "io_id", 0, threshold - 1},
		{"", "x", 0, 0},
	} {
		if got := compare(tt.a, tt.b); got < tt.low || got > tt.high {
			t.Errorf("%s and %s are alike by %d, want %d to %d", tt.a, tt.b, got, tt.low, tt.high)
		}
	}
}

func TestTokens(t *testing.T) {
	for name, want := range map[string][]string{
		"FDCStockID": {"dcstock", "id"}, "ItemsOfPage": {"items", "of", "page"}, "F_103": {"f", "103"}, "create-time": {"create", "date"}, "Fnote": {"fnote"},
	} {
		if got := tokens(name); !slices.Equal(got, want) {
			t.Errorf("%s is cut into %v, want %v", name, got, want)
		}
	}
}
