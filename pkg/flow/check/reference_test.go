package check_test

import (
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

// documents has master data of kd-main, filled from a feed of Jushuitan so that this test needs no
// other, and a flow that looks it up.
const documents = `connection: jst
system: jushuitan
endpoint: sandbox
---
connection: kd-main
system: kingdee
endpoint: sandbox
---
connection: kd-other
system: kingdee
endpoint: sandbox
---
source: materials
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: materials
from: materials
target: {kind: reference, connection: kd-main, message: erpstream.reference.v1.Entry, options: {collection: kingdee.material}}
map:
  collection: '"kingdee.material"'
  id: record.io_id
  fields:
    map: {number: record.number, base_unit_id: record.unit}
---
flow: feed-name
from: materials
target: {kind: reference, connection: kd-main, message: erpstream.reference.v1.Entry}
map:
  collection: '"jushuitan.purchasein"'
  id: meta.key
---
flow: bills
from: materials
target: {kind: kingdee, connection: kd-main, message: erpstream.kingdee.v1.Customer}
map:
  number: lookup("kingdee.material", "number", record.no).id
  name: lookup("kingdee.material", "id", record.no).base_unit_id
  remark: lookup("jushuitan.purchasein", "id", record.no).id
`

func TestReferencesFit(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           string
	}{
		{"as it is", "", "", ""},
		{"no flow fills it", `lookup("kingdee.material", "number"`, `lookup("kingdee.materiel", "number"`,
			"39:18: map.number: no flow fills kingdee.materiel for connection kd-main: did you mean kingdee.material?"},
		{"another collection", `lookup("kingdee.material", "number"`, `lookup("kis.unit", "number"`,
			"39:18: map.number: no flow fills kis.unit for connection kd-main: there are jushuitan.purchasein, kingdee.material"},
		{"another connection", "kind: kingdee, connection: kd-main", "kind: kingdee, connection: kd-other",
			"39:18: map.number: no flow fills kingdee.material for connection kd-other"},
		{"a field to search by", `"kingdee.material", "number"`, `"kingdee.material", "nmber"`,
			"39:38: map.number: no flow keeps the field nmber of kingdee.material for connection kd-main: did you mean number?"},
		{"a field to read", ").base_unit_id", ").unit",
			"40:52: map.name: no flow keeps the field unit of kingdee.material for connection kd-main: there are base_unit_id, id, number"},
		{"a collection without its option", `, options: {collection: kingdee.material}`, "",
			`23:15: map.collection: must be the text "jushuitan.purchasein", the name of the feed; for another one write target.options.collection too`},
		{"a computed collection", `collection: '"jushuitan.purchasein"'`, "collection: record.kind", `32:15: map.collection: must be the text "jushuitan.purchasein"`},
		{"a reference that is none", "kd-main, message: erpstream.reference.v1.Entry}", "kd-main, message: erpstream.kingdee.v1.Customer}",
			"30:57: target.message: erpstream.kingdee.v1.Customer is no message of reference"},
		{"an entry for a sink of bills", "erpstream.kingdee.v1.Customer", "erpstream.reference.v1.Entry", "erpstream.reference.v1.Entry is no message of kingdee"},
	}
	for _, tt := range tests {
		if tt.old != "" && strings.Count(documents, tt.old) != 1 {
			t.Fatalf("%s: %q is in the documents %d times", tt.name, tt.old, strings.Count(documents, tt.old))
		}
		docs, err := flow.Parse("t.yaml", []byte(strings.Replace(documents, tt.old, tt.new, 1)))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		err = check.Set(flow.Set{}.With(docs...))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v\nwant %s", tt.name, err, tt.want)
		}
	}
}
