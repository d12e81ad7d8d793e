package poll

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// TestACountThatCantBe: a vendor that counts more documents than there can be is not asked for all of them.
func TestACountThatCantBe(t *testing.T) {
	for _, first := range []Page{
		{Total: math.MaxInt, Size: 1, Rows: []json.RawMessage{[]byte(`{}`)}},
		{Total: math.MaxInt - 1, Size: math.MaxInt, Rows: []json.RawMessage{[]byte(`{}`)}},
		{Total: 50 * countedPages},
	} {
		calls := 0
		r := reading{documents: map[string]document{}}
		err := r.backward(Source{PageSize: 50}, first, func(int) (Page, error) {
			calls++
			if calls > 1000 {
				t.Fatalf("total %d, size %d: it goes on and on", first.Total, first.Size)
			}
			return first, nil
		})
		if calls > extraPages+1 || err != nil && !strings.Contains(err.Error(), "read less at once") {
			t.Errorf("total %d, size %d: %d calls, %v", first.Total, first.Size, calls, err)
		}
		if proved := err == nil && len(r.documents) >= r.totalAfter; proved {
			t.Errorf("total %d, size %d: taken for whole", first.Total, first.Size)
		}
	}
}
