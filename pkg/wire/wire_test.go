package wire_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/wire"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
	kisv1 "github.com/erpstream/erpstream/proto/gen/erpstream/kis/v1"
)

func line(qty string) *kingdeev1.BillLine {
	return &kingdeev1.BillLine{
		MaterialId: proto.String("1986543210987654321"), StockId: proto.String("1986543210987654400"),
		Qty: proto.String(qty), UnitId: proto.String("8"),
	}
}

func TestMessagesAreWrittenAsDeclared(t *testing.T) {
	second := line("+3.50")
	second.KfPeriod, second.Comment = proto.Int32(30), proto.String("<SKU & 1>")
	second.CustomEntityField = map[string]string{"b": "2", "a": ""}
	tests := map[string]struct {
		msg  proto.Message
		want string
	}{
		"nothing": {&kingdeev1.Customer{}, `{}`},
		"bill": {
			&kingdeev1.InventoryGainBill{
				BillDate: proto.String("2025-10-10"), Remark: proto.String("旺店通盘盈单RK202510100001"), OperationKey: proto.String("audit"),
				MaterialEntity: []*kingdeev1.BillLine{line("3"), second},
			},
			`{"bill_date":"2025-10-10","material_entity":[` +
				`{"material_id":"1986543210987654321","qty":3,"stock_id":"1986543210987654400","unit_id":"8"},` +
				`{"comment":"<SKU & 1>","custom_entity_field":{"a":"","b":"2"},"kf_period":30,"material_id":"1986543210987654321","qty":3.50,"stock_id":"1986543210987654400","unit_id":"8"}],` +
				`"operation_key":"audit","remark":"旺店通盘盈单RK202510100001"}`,
		},
		"what is set to its zero value says so": {
			&kingdeev1.Customer{Number: proto.String("10086"), Remark: proto.String(""), IgnoreWarn: proto.Bool(false), ContactPersons: []*kingdeev1.ContactPerson{{IsDefaultLinkman: proto.Bool(true)}}},
			`{"contact_persons":[{"is_default_linkman":true}],"ignore_warn":false,"number":"10086"}`,
		},
		"names of the vendor": {
			&kisv1.OtherInbound{
				Head:  &kisv1.OtherInboundHead{BillNo: proto.String("JST1"), Date: proto.String("2025-10-10T09:30:00")},
				Entry: []*kisv1.OtherInboundEntry{{ItemId: proto.String("23722"), UnitId: proto.String("257"), Qty: proto.String("5")}},
			},
			`{"Entry":[{"FItemID":"23722","FUnitID":"257","Fauxqty":5}],"Head":{"FBillNo":"JST1","Fdate":"2025-10-10T09:30:00"}}`,
		},
	}
	for name, tt := range tests {
		got, err := wire.JSON(tt.msg)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: JSON = %s, %v\nwant %s", name, got, err, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	tests := map[string]string{
		"3": "3", "+3": "3", "-3": "-3", "3.50": "3.50", "007": "7", "0": "0", "00.10": "0.10", ".5": "0.5", "-.5": "-0.5",
		"5.": "5", "-0.00": "0.00", "1e3": "1000", "12.5E-3": "0.0125", "99999999999999999999.0000000001": "99999999999999999999.0000000001",
		"": "", "abc": "", "1,000": "", "NaN": "", "1e999": "", "0x10": "", "1 ": "", ".": "", "-": "", "--1": "",
	}
	for in, want := range tests {
		got, err := wire.Number(in)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("Number(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestNumbersKeepTheirValueAndAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`[+-]?[0-9]{1,20}([.][0-9]{0,10})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		got, err := wire.Number(in)
		if err != nil {
			t.Fatalf("Number(%q) = %v", in, err)
		}
		want, _ := new(big.Rat).SetString(strings.TrimSuffix(in, "."))
		if strings.ContainsAny(in, "eE") {
			want, _ = new(big.Rat).SetString(strings.NewReplacer(".e", "e", ".E", "E").Replace(in))
		}
		have, ok := new(big.Rat).SetString(string(got))
		if !ok || want.Cmp(have) != 0 {
			t.Errorf("Number(%q) = %s, which is another value", in, got)
		}
		if !json.Valid([]byte(got)) || strings.ContainsAny(string(got), "eE+") {
			t.Errorf("Number(%q) = %s, which is no plain JSON number", in, got)
		}
	})
}

func TestErrorNamesTheFieldAndNotItsValue(t *testing.T) {
	bill := &kingdeev1.InventoryGainBill{MaterialEntity: []*kingdeev1.BillLine{line("1"), line("three")}}
	_, err := wire.JSON(bill)
	if err == nil || !strings.Contains(err.Error(), "material_entity[1].qty") || strings.Contains(err.Error(), "three") {
		t.Errorf("JSON of a line with no number = %v", err)
	}
}

// TestFloatingPointIsRefused makes a message with a double, for no contract of ours has one.
func TestFloatingPointIsRefused(t *testing.T) {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("float.proto"), Package: proto.String("wiretest"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("M"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("price"), Number: proto.Int32(1), JsonName: proto.String("price"),
				Type: descriptorpb.FieldDescriptorProto_TYPE_DOUBLE.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	msg := dynamicpb.NewMessage(file.Messages().Get(0))
	msg.Set(msg.Descriptor().Fields().ByName("price"), protoreflect.ValueOfFloat64(1.5))
	if got, err := wire.JSON(msg); err == nil || !strings.Contains(err.Error(), "price") {
		t.Errorf("JSON of a double = %s, %v; want an error that names it", got, err)
	}
}

func TestEqualMessagesGiveEqualBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msg := &kingdeev1.Customer{
			Number: proto.String(rapid.String().Draw(t, "number")), Name: proto.String(rapid.String().Draw(t, "name")),
			CustomField: rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "custom"),
		}
		packed, err := proto.Marshal(msg)
		if err != nil {
			t.Fatal(err)
		}
		again := &kingdeev1.Customer{}
		if err := proto.Unmarshal(packed, again); err != nil {
			t.Fatal(err)
		}
		a, errA := wire.JSON(msg)
		b, errB := wire.JSON(again)
		if errA != nil || errB != nil || string(a) != string(b) || !json.Valid(a) {
			t.Errorf("JSON = %s, %v and %s, %v", a, errA, b, errB)
		}
	})
}
