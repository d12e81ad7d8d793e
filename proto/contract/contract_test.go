package contract_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/proto/contract"
)

// purchaseInColumns is the seed's own statement, in its order.
const purchaseInColumns = `id, io_id, ts, warehouse, po_id, supplier_id, supplier_name, modified, so_id,
	out_io_id, status, io_date, wh_id, wms_co_id, remark, tax_rate, labels, archived, merge_so_id, type, creator_name,
	f_status, l_id, items_ioi_id, items_sku_id, items_i_id, items_unit, items_name, items_qty, items_cost_price,
	items_cost_amount`

func TestPurchaseInHasTheColumnsOfTheStatement(t *testing.T) {
	mt, err := contract.Message("erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		t.Fatal(err)
	}
	md := mt.Descriptor()
	table := contract.Table(md)
	if table.GetName() != "purchasein_query" {
		t.Errorf("table = %q", table.GetName())
	}
	rows := md.Fields().ByName(protoreflect.Name(table.GetRows())).Message().Fields()
	want := strings.Split(strings.Join(strings.Fields(purchaseInColumns), ""), ",")
	if rows.Len() != len(want) || len(want) != 31 {
		t.Fatalf("%d columns, want %d", rows.Len(), len(want))
	}
	for i, name := range want {
		if got := string(rows.Get(i).Name()); got != name {
			t.Errorf("column %d = %q, want %q", i+1, got, name)
		}
	}
	if rows.ByName("items_qty").Number() != 29 || contract.Column(rows.ByName("items_qty")).GetType() != "DECIMAL(18,4)" {
		t.Error("items_qty lost its column type")
	}
}

func TestUnknownMessageNamesTheKnown(t *testing.T) {
	for _, name := range []string{"erpstream.mysql.v1.Nothing", "erpstream.mysql.v1.PurchaseInRow", "not a name"} {
		if _, err := contract.Message(name); err == nil || !strings.Contains(err.Error(), "erpstream.mysql.v1.PurchaseIn") {
			t.Errorf("Message(%q) error = %v, want the known names", name, err)
		}
	}
}
