package mapping_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
)

// single makes a contract of one field, which is number 17.
func single(t *testing.T, kind string, repeated bool, options ...string) protoreflect.MessageDescriptor {
	t.Helper()
	wire, typeName := kind, ""
	switch kind {
	case "ENUM":
		typeName = ".single.Color"
	case "TIME":
		wire, typeName = "MESSAGE", ".google.protobuf.Timestamp"
	case "INNER":
		wire, typeName = "MESSAGE", ".single.Inner"
	case "DECIMAL":
		wire, options = "STRING", append(options, `[erpstream.sink.v1.column]: {type: "DECIMAL(18,4)"}`)
	}
	label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
	if repeated {
		label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	}
	field := &descriptorpb.FieldDescriptorProto{Name: proto.String("f"), Number: proto.Int32(17), Label: label.Enum(), Options: &descriptorpb.FieldOptions{}}
	field.Type = descriptorpb.FieldDescriptorProto_Type(descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+wire]).Enum()
	if typeName != "" {
		field.TypeName = proto.String(typeName)
	}
	if err := prototext.Unmarshal([]byte(strings.Join(options, " ")), field.Options); err != nil {
		t.Fatal(err)
	}
	fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("single.proto"), Package: proto.String("single"), Edition: descriptorpb.Edition_EDITION_2023.Enum(), Syntax: proto.String("editions"),
		Dependency: []string{"google/protobuf/timestamp.proto", "erpstream/sink/v1/options.proto", "buf/validate/validate.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("Color"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("COLOR_NONE"), Number: proto.Int32(0)}, {Name: proto.String("COLOR_RED"), Number: proto.Int32(1)}}}},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("M"), Field: []*descriptorpb.FieldDescriptorProto{field}},
			{Name: proto.String("Inner"), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("s"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}}},
		},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return fd.Messages().ByName("M")
}

// Each kind of field, in each form and under each rule, takes each value as it does in general.
func TestEachKindTakesEachValue(t *testing.T) {
	for kind, rules := range kinds {
		value := "record.a"
		if kind == "TIME" {
			value = "datetime(record.a)"
		}
		alone := []string{"", "[buf.validate.field]: {required: true}"}
		if kind != "TIME" {
			alone = append(alone, "features: {field_presence: IMPLICIT}", "features: {field_presence: IMPLICIT} [buf.validate.field]: {required: true}")
		}
		for _, rule := range rules {
			alone = append(alone, "[buf.validate.field]: {"+rule+"}")
		}
		for _, options := range alone {
			from := mapping.Spec{Fields: []mapping.Field{{Name: "f", Value: mapping.Expr{Text: value}}}}
			takesAll(t, kind+" "+options, from, single(t, kind, false, options))
		}
		listed := []string{"", "[buf.validate.field]: {repeated: {min_items: 2 max_items: 2}}", "[buf.validate.field]: {required: true}"}
		if kind != "TIME" && kind != "STRING" && kind != "DECIMAL" {
			listed = append(listed, "features: {repeated_field_encoding: EXPANDED}")
		}
		for _, options := range listed {
			for _, item := range []string{"item", value} {
				if kind == "TIME" && item == "item" {
					item = "datetime(item)"
				}
				from := mapping.Spec{Fields: []mapping.Field{{Name: "f", Each: mapping.Expr{Text: "record.l"}, Value: mapping.Expr{Text: item}}}}
				takesAll(t, kind+"s "+options+" of "+item, from, single(t, kind, true, options))
			}
		}
	}
}

// A message in which nothing is set is none, be it one that the contract wants.
func TestNestedMessages(t *testing.T) {
	for _, options := range []string{"", "[buf.validate.field]: {required: true}"} {
		from := mapping.Spec{Fields: []mapping.Field{{Name: "f", Fields: []mapping.Field{{Name: "s", Value: mapping.Expr{Text: "record.a"}}}}}}
		takesAll(t, "message "+options, from, single(t, "INNER", false, options))
		from.Fields[0].Each = mapping.Expr{Text: "record.l"}
		takesAll(t, "messages "+options, from, single(t, "INNER", true, options))
	}
}

// takesAll compares the two ways for a mapping of record.a and record.l, for each odd value.
func takesAll(t *testing.T, name string, from mapping.Spec, md protoreflect.MessageDescriptor) {
	t.Helper()
	m, issues := mapping.Compile(from, md)
	if issues != nil {
		t.Fatalf("%s: %v", name, issues)
	}
	var c tally
	for i, a := range oddities {
		b := oddities[(i*7+3)%len(oddities)]
		for _, body := range []string{`{"a":%[1]s,"b":%[2]s,"l":[%[1]s,%[2]s,1]}`, `{"b":%[1]s,"a":%[2]s,"l":[%[1]s,null]}`, `{"a":%[1]s,"b":%[1]s,"l":[]}`, `{"a":%[1]s}`} {
			body = strings.NewReplacer("%[1]s", a, "%[2]s", b).Replace(body)
			if difference := c.same(m, record.Envelope{Key: "\xff", Version: 3}, []byte(body)); difference != "" {
				t.Errorf("%s: %s", name, difference)
			}
		}
	}
}

// Each expression gives of each value what it gives in general, as text, as a number and as a time.
func TestEachExpressionTakesEachValue(t *testing.T) {
	for _, text := range expressions {
		text = strings.NewReplacer("P", "record.a", "Q", "record.b", "record.s", "record.b", "record.items", "record.l", "index", "1", "'", "").Replace(text)
		for _, kind := range []string{"STRING", "INT64", "BOOL", "TIME", "DECIMAL"} {
			from := mapping.Spec{Fields: []mapping.Field{{Name: "f", Value: mapping.Expr{Text: text}}}, Tables: map[string]spec.Table{"t": {Rows: map[string]string{"1": "one", "A1": "ex", " A1 ": "blank"}}}}
			md := single(t, kind, false)
			if _, issues := mapping.Compile(from, md); issues == nil {
				takesAll(t, text, from, md)
			}
		}
	}
}

// Values are compared by what they are, however they are written.
func TestComparisons(t *testing.T) {
	values := []string{`1`, `1.0`, `10e-1`, `"1"`, `2`, `0`, `-0`, `0.00`, `null`, `true`, `false`, `""`, `"x"`, `"X"`, `[]`, `{}`, `{"c":null}`, `{"c":1}`, `123456789012345678901`, `123456789012345678901.0`, `1e999`}
	md := single(t, "STRING", false)
	for _, text := range []string{
		"record.a == record.b", "record.a != record.b", "record.a < record.b", "record.a >= record.b", "record.a == 1 || record.b == null", "record.a in [1, null, true]", "has(record.a.c)", "has(record.a.c) || record.b == record.c",
		`(has(record.a.c) ? "x" : "y").upper() == "X"`, "is_empty(record.a) && record.b == 1", "coalesce(record.a, record.b) == 1", "default(record.a, 1) == record.b",
	} {
		m, issues := mapping.Compile(mapping.Spec{Fields: []mapping.Field{{Name: "f", Value: mapping.Expr{Text: `(` + text + `) ? "yes" : "no"`}}}}, md)
		if issues != nil {
			t.Fatal(text, issues)
		}
		var c tally
		for _, a := range values {
			for _, b := range values {
				if difference := c.same(m, record.Envelope{}, []byte(`{"a":`+a+`,"b":`+b+`}`)); difference != "" {
					t.Errorf("%s: %s", text, difference)
				}
			}
		}
	}
}

// The forms of a feed come before the common ones.
func TestFormsOfTheFeed(t *testing.T) {
	for _, layouts := range [][]string{nil, {mapping.EpochMS}, {"2006-02-01 15:04:05"}, {mapping.EpochMS, "2006-02-01 15:04:05"}, {time.DateTime, "2006"}} {
		from := mapping.Spec{Layouts: layouts, Fields: []mapping.Field{{Name: "f", Value: mapping.Expr{Text: "datetime(record.a)"}}}}
		takesAll(t, strings.Join(layouts, ", "), from, single(t, "TIME", false))
		m, issues := mapping.Compile(from, single(t, "TIME", false))
		if issues != nil {
			t.Fatal(issues)
		}
		var c tally
		if difference := c.same(m, record.Envelope{}, []byte(`{"a":"2025-03-01 11:05:00"}`)); difference != "" {
			t.Errorf("%v: %s", layouts, difference)
		}
	}
}

// Where fields stand in another order than their numbers, look-ups are noted in that of the document, and the
// message is in that of the numbers.
func TestOrderOfLookUps(t *testing.T) {
	md := messageOf(t, "erpstream.kingdee.v1.InventoryGainBill")
	look := func(field, value string) mapping.Field {
		return mapping.Field{Name: field, Value: mapping.Expr{Text: fmt.Sprintf(`lookup("c", "number", %s).number`, value)}}
	}
	plain := func(field, value string) mapping.Field {
		return mapping.Field{Name: field, Value: mapping.Expr{Text: value}}
	}
	line := []mapping.Field{plain("qty", "item.q"), look("unit_id", "item.u"), look("stock_id", "record.s"), plain("comment", "record.t"), look("material_id", "item.m")}
	m, issues := mapping.Compile(mapping.Spec{Fields: []mapping.Field{
		{Name: "material_entity", Each: mapping.Expr{Text: "record.l"}, Fields: line},
		{Name: "custom_field", Fields: []mapping.Field{look("z", "record.z"), plain("b", "record.t"), look("a", "record.s")}},
		look("remark", "record.t"), plain("bill_date", "record.d"), plain("operation_key", `"audit"`),
	}}, md)
	if issues != nil {
		t.Fatal(issues)
	}
	body := []byte(`{"s":"11","t":"22","z":"33","d":"2025-01-01","l":[{"q":1,"u":"44","m":"55"},{"q":2.50,"u":"66","m":"44"}]}`)
	var c tally
	if difference := c.same(m, record.Envelope{}, body); difference != "" {
		t.Error(difference)
	}
	c.atLeast(t, 100)
	result, err := m.Apply(record.Envelope{}, body, books{})
	var order []string
	for _, r := range result.References {
		order = append(order, r.Value)
	}
	if want := "44 11 55 66 33 22"; err != nil || strings.Join(order, " ") != want {
		t.Errorf("looked up %v, %v, want %s", order, err, want)
	}
}

func messageOf(t *testing.T, name protoreflect.FullName) protoreflect.MessageDescriptor {
	t.Helper()
	mt, err := contract.Message(string(name))
	if err != nil {
		t.Fatal(err)
	}
	return mt.Descriptor()
}
