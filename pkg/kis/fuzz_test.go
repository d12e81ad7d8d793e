package kis_test

import (
	"encoding/json"
	"testing"

	"github.com/erpstream/erpstream/pkg/kis"
)

// Whatever comes, the rows of a list are JSON.
func FuzzDecodeList(f *testing.F) {
	for _, seed := range []string{
		`{"List":[{"FItemID":1}],"TotalItems":"1","TotalPages":1,"HasNextPage":false}`, `{"List":null,"HasNextPage":"True"}`,
		`{"List":{}}`, `{"TotalPage":-1}`, `null`, `{"List":[1e400],"TotalItems":1.50}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := kis.DecodeList(data, "List")
		if err != nil {
			return
		}
		for _, row := range list.Rows {
			if !json.Valid(row) {
				t.Errorf("row %q is not JSON", row)
			}
		}
	})
}
