package xingchen_test

import (
	"encoding/json"
	"testing"

	"github.com/erpstream/erpstream/pkg/xingchen"
)

// Whatever comes, a save that succeeded has ids, and a list's rows are JSON.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"ids":["1",2],"id_number_map":{"1":"A"}}`, `{"id":3}`, `{"rows":[{"id":1},{"ids":[2]}]}`, `{"rows":[{"rows":[{"id":1}]}]}`,
		`{"rows":[],"count":"0","total_page":0}`, `{"rows":[{"a":1}],"page":1,"page_size":10,"total_page":"3"}`, `{"ids":null}`, `[]`, `{"ids":[""]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if saved, err := xingchen.DecodeSaved(data); err == nil {
			for _, id := range saved.IDs {
				if id == "" || id == "null" {
					t.Errorf("%q was saved with the id %q", data, id)
				}
			}
			if len(saved.IDs) == 0 {
				t.Errorf("%q was saved without id", data)
			}
		}
		list, err := xingchen.DecodeList(data)
		for _, row := range list.Rows {
			if err == nil && !json.Valid(row) {
				t.Errorf("row %q is not JSON", row)
			}
		}
		if err == nil && len(list.Rows) == 0 && list.Pages < 0 && list.HasNext() {
			t.Errorf("%q has a next page", data)
		}
	})
}
