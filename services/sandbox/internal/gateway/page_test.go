package gateway_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
)

func TestPage(t *testing.T) {
	all := []int{1, 2, 3, 4, 5}
	for _, tt := range []struct {
		all          []int
		number, size int64
		rows         string
		pages        int64
	}{
		{all, 1, 2, "[1 2]", 3}, {all, 3, 2, "[5]", 3}, {all, 4, 2, "[]", 3}, {all, 1, 5, "[1 2 3 4 5]", 1}, {all, 2, 5, "[]", 1}, {nil, 1, 5, "[]", 0},
	} {
		rows, pages := gateway.Page(tt.all, tt.number, tt.size, strconv.Itoa)
		if fmt.Sprint(rows) != tt.rows || rows == nil || pages != tt.pages {
			t.Errorf("page %d of %d of %v: %v of %d, want %s of %d", tt.number, tt.size, tt.all, rows, pages, tt.rows, tt.pages)
		}
	}
}
