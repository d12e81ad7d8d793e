package table_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/proto/contract"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs, got:\n%s", path, got)
	}
}

func TestDDLOfContracts(t *testing.T) {
	for _, name := range contract.Names() {
		mt, err := contract.Message(name)
		if err != nil {
			t.Fatal(err)
		}
		if contract.Table(mt.Descriptor()) == nil {
			continue
		}
		tab, err := table.Of(mt.Descriptor())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden(t, name+".sql", tab.DDL()+"\n")
	}
	golden(t, "guard.sql", table.GuardDDL()+"\n")
}

func TestDDLOfAllTypes(t *testing.T) {
	tab, err := table.Of(describe(t, everything()))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "everything.sql", tab.DDL()+"\n")
}

func TestRows(t *testing.T) {
	md := describe(t, everything())
	tab, err := table.Of(md)
	if err != nil {
		t.Fatal(err)
	}
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	msg := build(t, md, `{"code": "A/1", "lines": [{
		"code": "A/1", "line": "7", "i32": -3, "u64": "18446744073709551615", "flag": true, "ratio": 0.5, "raw": "AAE=",
		"price": "12345678901234.5670", "note": "", "at": "2024-12-31T16:00:00.9996Z", "fine": "2024-12-31T16:00:00.9996Z",
		"day": "2024-12-31T16:00:00Z", "stamp": "2024-12-31T16:00:00Z", "as_text": "2024-12-31T16:00:00Z", "state": "OPEN"
	}, {"code": "A/1", "line": "8"}]}`)
	doc, err := tab.Rows(msg, shanghai)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{
		{
			"A/1", int64(7), int64(-3), uint64(1<<64 - 1), int64(1), 0.5, "\x00\x01", "12345678901234.5670", "",
			"2025-01-01 00:00:00", "2025-01-01 00:00:00.999", "2025-01-01", "2024-12-31 16:00:00", "2025-01-01 00:00:00", "OPEN", nil,
		},
		{"A/1", int64(8), nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil},
	}
	if doc.Key != "A/1" || doc.Value != "A/1" || len(doc.Rows) != 2 {
		t.Fatalf("document = %+v", doc)
	}
	for i, row := range doc.Rows {
		for j, got := range row {
			if raw, ok := got.([]byte); ok {
				got = string(raw)
			}
			if got != want[i][j] {
				t.Errorf("row %d, %s = %#v, want %#v", i, tab.Columns[j].Name, got, want[i][j])
			}
		}
	}
	if got := tab.KeyValues(doc.Rows[1]); len(got) != 2 || got[0] != "A/1" || got[1] != int64(8) {
		t.Errorf("KeyValues = %v", got)
	}
}

// TestOneRow takes a message that is the one row of its document.
func TestOneRow(t *testing.T) {
	mt, err := contract.Message("erpstream.mysql.v1.AfterSalesRefund")
	if err != nil {
		t.Fatal(err)
	}
	tab, err := table.Of(mt.Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := tab.Rows(build(t, mt.Descriptor(), `{"refundId": "42", "refundNo": "TK1", "type": 3, "returnGoodsAmount": "89.9000"}`), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Key != "42" || doc.Value != int64(42) || len(doc.Rows) != 1 || len(doc.Rows[0]) != 39 {
		t.Fatalf("document = %+v, want one row of 39 columns", doc)
	}
	for column, want := range map[string]any{"refund_id": int64(42), "refund_no": "TK1", "type": int64(3), "return_goods_amount": "89.9000", "remark": nil} {
		for i := range tab.Columns {
			if tab.Columns[i].Name == column && doc.Rows[0][i] != want {
				t.Errorf("%s = %#v, want %#v", column, doc.Rows[0][i], want)
			}
		}
	}
	if _, err := tab.Rows(build(t, mt.Descriptor(), `{"refundNo": "TK1"}`), time.UTC); err == nil || !strings.Contains(err.Error(), "refund_id is missing") {
		t.Errorf("Rows without the document = %v", err)
	}
}

func TestRowsRefuses(t *testing.T) {
	md := describe(t, everything())
	tab, err := table.Of(md)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		`{"lines": [{"code": "A", "line": "1"}]}`: "code is missing",
		`{"code": ""}`:   "key is empty",
		`{"code": "A "}`: "ends in a space",
		`{"code": "` + strings.Repeat("单", 191) + `"}`:                                  "longer than 190",
		`{"code": "A", "lines": [{"code": "A", "line": "1"}, {"code": "B"}]}`:           `lines[1]: code is "B", want that of its document, "A"`,
		`{"code": "A", "lines": [{"code": "A"}]}`:                                       "lines[0]: line is missing",
		`{"code": "A", "lines": [{"code": "A", "line": "1"}, {"code":"A","line":"1"}]}`: `lines[1]: the primary key "A/1" is there twice`,
	}
	for text, want := range tests {
		if _, err := tab.Rows(build(t, md, text), time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Rows(%.60s) = %v, want %q", text, err, want)
		}
	}
}

func TestRemoved(t *testing.T) {
	byText, err := table.Of(describe(t, everything()))
	if err != nil {
		t.Fatal(err)
	}
	purchase, err := contract.Message("erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		t.Fatal(err)
	}
	byNumber, err := table.Of(purchase.Descriptor())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		table table.Table
		key   string
		want  any
		err   string
	}{
		{byText, "A/1", "A/1", ""},
		{byText, "", nil, "empty"},
		{byNumber, "2204001", int64(2204001), ""},
		{byNumber, "-5", int64(-5), ""},
		{byNumber, "9223372036854775808", uint64(1 << 63), ""},
		{byNumber, "A/1", nil, `io_id is a whole number in the contract, the record's key is "A/1"`},
		{byNumber, "007", nil, `the record's key is "007"`},
	}
	for _, tt := range tests {
		doc, err := tt.table.Removed(tt.key)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Removed(%q) = %v, want %q", tt.key, err, tt.err)
			}
			continue
		}
		if err != nil || doc.Value != tt.want || doc.Key != tt.key || doc.Rows != nil {
			t.Errorf("Removed(%q) = %+v, %v, want %v", tt.key, doc, err, tt.want)
		}
	}
}

func TestOfNamesMistakes(t *testing.T) {
	tests := []struct {
		name   string
		change func(*descriptorpb.FileDescriptorProto, *sinkv1.Table)
		want   string
	}{
		{"no option", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) { f.MessageType[0].Options = nil }, "no option (erpstream.sink.v1.table)"},
		{"rows missing", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) { o.Rows = new("items") }, `rows is "items", want the name of a repeated message field`},
		{"rows no list", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) { o.Rows = new("code") }, "repeated message field"},
		{"table name", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) {
			o.Name = new("a`; DROP TABLE b; --")
		}, "table name"},
		{"document missing", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) { o.Document = new("nothing") }, "no field of the message"},
		{"document not in the rows", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			f.MessageType[1].Field[0].Name = new("other")
		}, `document is "code", which is no field of contracttest.Line`},
		{"document of another kind", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			f.MessageType[0].Field[0].Type = descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum()
		}, "is a int64 in the message and a string in its rows"},
		{"no key", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) { o.PrimaryKey = nil }, "primary_key is missing"},
		{"key missing", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) {
			o.PrimaryKey = []string{"code", "nothing"}
		}, `primary_key has "nothing"`},
		{"key of a type that can't be", func(_ *descriptorpb.FileDescriptorProto, o *sinkv1.Table) {
			o.PrimaryKey = []string{"raw"}
		}, "column raw is of type BLOB, which can't be the primary key"},
		{"type", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			column(f.GetMessageType()[1].GetField()[1], "INT); DROP TABLE b", "")
		}, `column line: type "INT); DROP TABLE b"`},
		{"type of a time", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			column(f.GetMessageType()[1].GetField()[9], "BIGINT", "")
		}, "a google.protobuf.Timestamp can't be stored as BIGINT"},
		{"column twice", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			column(f.GetMessageType()[1].GetField()[1], "INT", "Code")
		}, "column Code is there twice"},
		{"list", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			f.MessageType[1].Field[2].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}, "field i32 is repeated"},
		{"message", func(f *descriptorpb.FileDescriptorProto, _ *sinkv1.Table) {
			f.MessageType[1].Field[9].TypeName = new(".contracttest.Line")
		}, "field at is a message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := everything()
			options, ok := proto.GetExtension(file.GetMessageType()[0].GetOptions(), sinkv1.E_Table).(*sinkv1.Table)
			if !ok {
				t.Fatal("the message has no table")
			}
			tt.change(file, options)
			if _, err := table.Of(describe(t, file)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Of = %v, want %q", err, tt.want)
			}
		})
	}
}

// everything describes a message whose rows have a field of each kind.
func everything() *descriptorpb.FileDescriptorProto {
	type kind = descriptorpb.FieldDescriptorProto_Type
	var number int32
	field := func(name string, k kind, typeName string) *descriptorpb.FieldDescriptorProto {
		number++
		f := &descriptorpb.FieldDescriptorProto{
			Name: new(name), Number: new(number), Type: k.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Options: &descriptorpb.FieldOptions{},
		}
		if typeName != "" {
			f.TypeName = new(typeName)
		}
		return f
	}
	timestamp := func(name, sqlType string) *descriptorpb.FieldDescriptorProto {
		f := field(name, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".google.protobuf.Timestamp")
		if sqlType != "" {
			column(f, sqlType, "")
		}
		return f
	}
	const text = descriptorpb.FieldDescriptorProto_TYPE_STRING
	line := &descriptorpb.DescriptorProto{Name: new("Line"), Field: []*descriptorpb.FieldDescriptorProto{
		field("code", text, ""), field("line", descriptorpb.FieldDescriptorProto_TYPE_SINT64, ""),
		field("i32", descriptorpb.FieldDescriptorProto_TYPE_INT32, ""), field("u64", descriptorpb.FieldDescriptorProto_TYPE_UINT64, ""),
		field("flag", descriptorpb.FieldDescriptorProto_TYPE_BOOL, ""), field("ratio", descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, ""),
		field("raw", descriptorpb.FieldDescriptorProto_TYPE_BYTES, ""), field("price", text, ""), field("note", text, ""),
		timestamp("at", ""), timestamp("fine", "DATETIME(3)"), timestamp("day", "DATE"), timestamp("stamp", "TIMESTAMP"), timestamp("as_text", "VARCHAR(30)"),
		field("state", descriptorpb.FieldDescriptorProto_TYPE_ENUM, ".contracttest.State"), field("long", text, ""),
	}}
	column(line.GetField()[7], "DECIMAL(18,4)", "unit_price")
	proto.SetExtension(line.GetField()[7].GetOptions(), validate.E_Field, validate.FieldRules_builder{Required: new(true)}.Build())
	proto.SetExtension(line.GetField()[15].GetOptions(), validate.E_Field, validate.FieldRules_builder{
		String: validate.StringRules_builder{MaxLen: proto.Uint64(5000)}.Build(),
	}.Build())
	number = 0
	doc := &descriptorpb.DescriptorProto{Name: new("Doc"), Options: &descriptorpb.MessageOptions{}, Field: []*descriptorpb.FieldDescriptorProto{
		field("code", text, ""), field("lines", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".contracttest.Line"),
	}}
	doc.Field[1].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	proto.SetExtension(doc.GetOptions(), sinkv1.E_Table, &sinkv1.Table{
		Name: new("docs"), Rows: new("lines"), Document: new("code"),
		PrimaryKey: []string{"code", "line"}, Comment: new(`it's a \ test`),
	})
	return &descriptorpb.FileDescriptorProto{
		Name: new("contracttest.proto"), Package: new("contracttest"), Syntax: new("editions"),
		Edition:     descriptorpb.Edition_EDITION_2023.Enum(),
		Dependency:  []string{"google/protobuf/timestamp.proto"},
		MessageType: []*descriptorpb.DescriptorProto{doc, line},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: new("State"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: new("UNKNOWN"), Number: proto.Int32(0)}, {Name: new("OPEN"), Number: proto.Int32(1)},
		}}},
	}
}

// column sets the column option of a field.
func column(f *descriptorpb.FieldDescriptorProto, sqlType, name string) {
	proto.SetExtension(f.GetOptions(), sinkv1.E_Column, &sinkv1.Column{Type: new(sqlType), Name: new(name)})
}

// describe returns the first message of a file.
func describe(t *testing.T, file *descriptorpb.FileDescriptorProto) protoreflect.MessageDescriptor {
	t.Helper()
	_ = timestamppb.File_google_protobuf_timestamp_proto
	fd, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return fd.Messages().Get(0)
}

// build returns the message that JSON text stands for.
func build(t *testing.T, md protoreflect.MessageDescriptor, text string) protoreflect.Message {
	t.Helper()
	msg := dynamicpb.NewMessage(md)
	if err := protojson.Unmarshal([]byte(text), msg); err != nil {
		t.Fatal(err)
	}
	return msg
}
