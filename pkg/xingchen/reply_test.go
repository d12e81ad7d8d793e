package xingchen_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/erpstream/erpstream/pkg/xingchen"
)

func TestDecodeSaved(t *testing.T) {
	tests := []struct {
		name, data string
		want       xingchen.Saved
		fails      bool
	}{
		{"plain", `{"ids":["1990000000000000001"],"id_number_map":{"1990000000000000001":"PYD-1"}}`,
			xingchen.Saved{IDs: []string{"1990000000000000001"}, Numbers: map[string]string{"1990000000000000001": "PYD-1"}}, false},
		{"ids as numbers keep their digits", `{"ids":[1990000000000000001],"id_number_map":null}`,
			xingchen.Saved{IDs: []string{"1990000000000000001"}, Numbers: map[string]string{}}, false},
		{"currency", `{"id":"7"}`, xingchen.Saved{IDs: []string{"7"}, Numbers: map[string]string{}}, false},
		{"virtual bills", `{"rows":[{"ids":["1"],"id_number_map":{"1":"a"}},{"ids":["2"]}]}`,
			xingchen.Saved{IDs: []string{"1", "2"}, Numbers: map[string]string{"1": "a"}}, false},
		{"nothing", `{}`, xingchen.Saved{Numbers: map[string]string{}}, true},
		{"null", `null`, xingchen.Saved{Numbers: map[string]string{}}, true},
		{"no list", `{"ids":"1"}`, xingchen.Saved{Numbers: map[string]string{}}, true},
	}
	for _, tt := range tests {
		got, err := xingchen.DecodeSaved(json.RawMessage(tt.data))
		if (err != nil) != tt.fails || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestDecodeList(t *testing.T) {
	tests := []struct {
		name, data string
		want       xingchen.List
		rows       int
		next       bool
		fails      bool
	}{
		{"count as text", `{"count":"2","total_page":1,"page":1,"page_size":100,"rows":[{},{}]}`, xingchen.List{Total: 2, Pages: 1, Page: 1, Size: 100}, 2, false, false},
		{"count as a number, more pages", `{"count":250,"total_page":"3","page":"2","page_size":100,"rows":[{}]}`, xingchen.List{Total: 250, Pages: 3, Page: 2, Size: 100}, 1, true, false},
		{"numbers with decimals", `{"count":2.0,"total_page":1.0,"page":1,"rows":[]}`, xingchen.List{Total: 2, Pages: 1, Page: 1}, 0, false, false},
		{"no totals", `{"rows":[{}]}`, xingchen.List{Total: -1, Pages: -1}, 1, true, false},
		{"no totals, empty", `{"rows":null}`, xingchen.List{Total: -1, Pages: -1}, 0, false, false},
		{"rows are no list", `{"rows":{}}`, xingchen.List{}, 0, false, true},
		{"count is no number", `{"count":"many","rows":[]}`, xingchen.List{Total: -1, Pages: -1}, 0, false, true},
		{"nothing", ``, xingchen.List{}, 0, false, true},
	}
	for _, tt := range tests {
		got, err := xingchen.DecodeList(json.RawMessage(tt.data))
		if (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil {
			continue
		}
		if got.Total != tt.want.Total || got.Pages != tt.want.Pages || got.Page != tt.want.Page || got.Size != tt.want.Size || len(got.Rows) != tt.rows || got.HasNext() != tt.next {
			t.Errorf("%s: %+v (next %v), want %+v", tt.name, got, got.HasNext(), tt.want)
		}
	}
}

func TestSaveAndOperate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, always(200, success))
		c := newClient(t, v, nil)
		saved, err := c.Save(t.Context(), bill, struct{}{})
		if err != nil || saved.Numbers[saved.IDs[0]] != "PYD-1" {
			t.Errorf("Save = %+v, %v", saved, err)
		}
		if err := c.Operate(t.Context(), "inv_check_gain_bill", xingchen.Audit, saved.IDs[0]); err != nil {
			t.Error(err)
		}
		const want = `{"entity_number":"inv_check_gain_bill","ids":["1990000000000000001"],"operate_type":"audit"}`
		if a := v.calls()[1]; a.path != "/jdy/v2/sys/common_operate" || a.body != want {
			t.Errorf("operate: %s %s", a.path, a.body)
		}
		v.answer = always(200, `{"errcode":0,"data":{}}`)
		if _, err := c.Save(t.Context(), bill, struct{}{}); !xingchen.Uncertain(err) {
			t.Errorf("a save without ids: %v", err)
		}
	})
}
