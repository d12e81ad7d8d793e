package booking_test

import (
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

type (
	kv          = jetstream.KeyValue
	kvCreateOpt = jetstream.KVCreateOpt
)

// Messages that can't be booked.
var (
	numberless = &kingdeev1.InventoryGainBill{BillDate: proto.String("2025-10-10")}
	table      = &mysqlv1.PurchaseIn{IoId: proto.Int64(1)}
	badNumber  = &kingdeev1.InventoryGainBill{
		Remark:         proto.String("盘盈单1"),
		MaterialEntity: []*kingdeev1.BillLine{{Qty: proto.String("three")}},
	}
)
