package flow_test

import (
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
)

func TestASinkOfAnotherTeamNeedsNoReleaseOfOurs(t *testing.T) {
	docs, err := flow.Parse("team.yaml", []byte(`connection: warehouse
system: clickhouse
endpoint: clickhouse://ch:9000/bi
---
connection: jst
system: jushuitan
endpoint: https://openapi.jushuitan.com
---
source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: to-warehouse
from: receipts
target: {kind: clickhouse, connection: warehouse, message: erpstream.mysql.v1.PurchaseIn}
map: {io_id: record.io_id}
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Set(flow.Set{}.With(docs...)); err != nil {
		t.Error(err)
	}
}
