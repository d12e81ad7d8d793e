package floor

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

func TestAppendRows(t *testing.T) {
	at := time.Date(2025, 1, 1, 11, 5, 0, 0, time.UTC)
	message, err := proto.Marshal(&mysqlv1.PurchaseIn{IoId: new(int64(7)), Rows: []*mysqlv1.PurchaseInRow{
		{Id: new("7-1"), IoId: new(int64(6)), Warehouse: new(`O'Neill \ 仓`), Modified: timestamppb.New(at), Status: new("x\x00"), ItemsIoiId: new(int64(-1)), ItemsQty: new("1.50"), ItemsCostAmount: new("2")},
		{Id: new("7-2"), IoDate: timestamppb.New(time.Unix(0, 0))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	statement, rows, err := literals.appendRows(nil, message, time.FixedZone("", 8*3600))
	if err != nil || rows != 2 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	nulls := func(n int) string { return strings.Repeat("NULL,", n) }
	want := `('7-1',6,NULL,'O\'Neill \\ 仓',` + nulls(3) + `'2025-01-01 19:05:00',` + nulls(2) + `'x\0',` + nulls(12) + `-1,` + nulls(4) + `'1.50',NULL,'2'),` +
		`('7-2',` + nulls(10) + `'1970-01-01 08:00:00',` + nulls(18) + `NULL),`
	if string(statement) != want {
		t.Errorf("got  %s\nwant %s", statement, want)
	}
	statement, _, err = lines.appendRows(nil, message, time.FixedZone("", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	nulls = func(n int) string { return strings.Repeat("\\N\t", n) }
	want = "7-1\t6\t\\N\tO'Neill \\\\ 仓\t" + nulls(3) + "2025-01-01 19:05:00\t" + nulls(2) + "x\\0\t" + nulls(12) + "-1\t" + nulls(4) + "1.50\t\\N\t2\n" +
		"7-2\t" + nulls(10) + "1970-01-01 08:00:00\t" + nulls(18) + "\\N\n"
	if string(statement) != want {
		t.Errorf("got  %q\nwant %q", statement, want)
	}
	if fields := (&mysqlv1.PurchaseInRow{}).ProtoReflect().Descriptor().Fields().Len(); columns != fields {
		t.Errorf("%d columns, and the contract has %d", columns, fields)
	}
}

// What was mapped is what is written.
func TestRowsOfRecords(t *testing.T) {
	for n := range 1000 {
		message, err := PurchaseIn(nil, Record(n))
		if err != nil {
			t.Fatal(err)
		}
		if _, rows, err := literals.appendRows(nil, message, time.UTC); err != nil || rows != 3 {
			t.Fatalf("record %d: %d rows, %v", n, rows, err)
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	for name, message := range map[string][]byte{
		"cut":       {2<<3 | 2, 5, 1},
		"row cut":   {2<<3 | 2, 2, 1<<3 | 2, 9},
		"order":     {2<<3 | 2, 4, 2 << 3, 1, 1 << 3, 1},
		"kind":      {2<<3 | 2, 5, 2<<3 | 5, 0, 0, 0, 0},
		"column 32": {2<<3 | 2, 3, 0x80, 2, 1},
	} {
		if statement, _, err := literals.appendRows(nil, message, time.UTC); err == nil {
			t.Errorf("%s: no error, %q", name, statement)
		}
	}
}
