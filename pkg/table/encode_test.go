package table_test

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/proto/contract"
)

// encoder returns an encoder of a message's table.
func encoder(t testing.TB, md protoreflect.MessageDescriptor) *table.Encoder {
	t.Helper()
	tab, err := table.Of(md)
	if err != nil {
		t.Fatal(err)
	}
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return tab.Encoder(shanghai)
}

// rowsText is what encoded rows say, one a line, the key behind a bar.
func rowsText(doc table.Encoded) string {
	var b strings.Builder
	for _, row := range doc.Rows {
		b.WriteString(string(row.Values) + " | " + string(row.Key) + "\n")
	}
	return b.String()
}

func TestEncode(t *testing.T) {
	md := describe(t, everything())
	e := encoder(t, md)
	body, err := proto.Marshal(build(t, md, `{"code": "A'1", "lines": [{
		"code": "A'1", "line": "7", "i32": -3, "u64": "18446744073709551615", "flag": true, "ratio": 0.5, "raw": "AAEn",
		"price": "12345678901234.5670", "note": "", "at": "2024-12-31T16:00:00.9996Z", "fine": "2024-12-31T16:00:00.9996Z",
		"day": "2024-12-31T16:00:00Z", "stamp": "2024-12-31T16:00:00Z", "as_text": "2024-12-31T16:00:00Z", "state": "OPEN", "long": "a\\b\nc"
	}, {"code": "A'1", "line": "8", "ratio": "NaN"}]}`).Interface())
	if err != nil {
		t.Fatal(err)
	}
	const want = `'A\'1',7,-3,18446744073709551615,1,0.5,_binary'\0` + "\x01" + `\'','12345678901234.5670','',` +
		`'2025-01-01 00:00:00','2025-01-01 00:00:00.999','2025-01-01','2024-12-31 16:00:00','2025-01-01 00:00:00','OPEN','a\\b\nc' | 'A\'1',7` + "\n" +
		`'A\'1',8,NULL,NULL,NULL,'NaN',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL | 'A\'1',8` + "\n"
	doc, ok := e.FromWire(body)
	if got := rowsText(doc); !ok || got != want || doc.Key != "A'1" || doc.Value != `'A\'1'` {
		t.Errorf("from the wire: %v, document %s %s, rows\n%s, want\n%s", ok, doc.Key, doc.Value, got, want)
	}
	doc, err = e.InGeneral(body)
	if got := rowsText(doc); err != nil || got != want || doc.Key != "A'1" || doc.Value != `'A\'1'` {
		t.Errorf("in general: %v, document %s %s, rows\n%s, want\n%s", err, doc.Key, doc.Value, got, want)
	}
	e.Reset()
	if again, err := e.Encode(body); err != nil || rowsText(again) != want {
		t.Errorf("after a reset: %v\n%s", err, rowsText(again))
	}
}

func TestEncodeRefuses(t *testing.T) {
	md := describe(t, everything())
	e := encoder(t, md)
	of := func(text string) []byte {
		body, err := proto.Marshal(build(t, md, text).Interface())
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	tests := []struct {
		body        []byte
		class, want string
	}{
		{[]byte{0xff}, "schema", "decode contracttest.Doc"},
		{protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "\xff"), "schema", "UTF-8"},
		{of(`{}`), "data", "contracttest.Doc: code is missing"},
		{of(`{"code": "A", "lines": [{"code": "A", "line": "1"}, {"code": "B"}]}`), "data", `lines[1]: code is "B", want that of its document, "A"`},
		{of(`{"code": "A", "lines": [{"code": "A"}]}`), "data", "lines[0]: line is missing"},
		{of(`{"code": "A", "lines": [{"code": "A", "line": "1"}, {"code":"A","line":"1"}]}`), "data", `the primary key "A/1" is there twice`},
	}
	for _, tt := range tests {
		if _, err := e.Encode(tt.body); !fault.IsPermanent(err) || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Encode(%x) = %s %s %v, want permanent %s %q", tt.body, fault.KindOf(err), fault.ClassOf(err), err, tt.class, tt.want)
		}
	}
}

func TestEncodeRemoved(t *testing.T) {
	e := encoder(t, describe(t, everything()))
	if doc, err := e.Removed("A'1"); err != nil || doc.Key != "A'1" || doc.Value != `'A\'1'` || doc.Rows != nil {
		t.Errorf("Removed = %+v, %v", doc, err)
	}
	if _, err := e.Removed(""); !fault.IsPermanent(err) || fault.ClassOf(err) != "data" {
		t.Errorf("Removed without a key = %v", err)
	}
}

// TestBothWaysEncodeTheSame makes messages of every kind on the wire, plain ones and broken ones: what the
// short way takes is what the general way makes of it, and of plain messages it takes all.
func TestBothWaysEncodeTheSame(t *testing.T) {
	purchase, err := contract.Message("erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		t.Fatal(err)
	}
	refund, err := contract.Message("erpstream.mysql.v1.AfterSalesRefund")
	if err != nil {
		t.Fatal(err)
	}
	kinds := everything()
	line := kinds.GetMessageType()[1]
	for i, kind := range []descriptorpb.FieldDescriptorProto_Type{
		descriptorpb.FieldDescriptorProto_TYPE_FLOAT, descriptorpb.FieldDescriptorProto_TYPE_UINT32, descriptorpb.FieldDescriptorProto_TYPE_SINT32,
		descriptorpb.FieldDescriptorProto_TYPE_FIXED32, descriptorpb.FieldDescriptorProto_TYPE_FIXED64, descriptorpb.FieldDescriptorProto_TYPE_SFIXED32,
		descriptorpb.FieldDescriptorProto_TYPE_SFIXED64, descriptorpb.FieldDescriptorProto_TYPE_INT64,
	} {
		line.Field = append(line.Field, &descriptorpb.FieldDescriptorProto{
			Name: new("more_" + strconv.Itoa(i)), Number: new(int32(100 + i)), Type: kind.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		})
	}
	implicit := proto.CloneOf(kinds)
	noPresence := &descriptorpb.FeatureSet{FieldPresence: descriptorpb.FeatureSet_IMPLICIT.Enum()}
	implicit.Options = &descriptorpb.FileOptions{Features: noPresence}
	implicitRows := protodesc.ToFileDescriptorProto(purchase.Descriptor().ParentFile())
	implicitRows.Options.Features = noPresence
	for name, md := range map[string]protoreflect.MessageDescriptor{
		"everything": describe(t, kinds), "without presence": describe(t, implicit), "rows without presence": describe(t, implicitRows),
		"rows": purchase.Descriptor(), "one row": refund.Descriptor(),
	} {
		t.Run(name, func(t *testing.T) {
			e, taken := encoder(t, md), 0
			rapid.Check(t, func(t *rapid.T) {
				plain := rapid.IntRange(0, 3).Draw(t, "plain") > 0
				body := wireMessage(t, md, plain, rapid.SampledFrom([]string{"", "0", "1", "2"}).Draw(t, "document"))
				e.Reset()
				short, ok := e.FromWire(body)
				general, err := e.InGeneral(body)
				switch {
				case ok && err != nil:
					t.Fatalf("%s\nis taken, in general: %v", hex.EncodeToString(body), err)
				case ok && (short.Key != general.Key || short.Value != general.Value || rowsText(short) != rowsText(general)):
					t.Fatalf("%s\n%s %s\n%s\nin general\n%s %s\n%s", hex.EncodeToString(body),
						short.Key, short.Value, rowsText(short), general.Key, general.Value, rowsText(general))
				case !ok && plain && err == nil:
					t.Fatalf("%s\nis not taken, in general\n%s", hex.EncodeToString(body), rowsText(general))
				case ok:
					taken++
				}
			})
			if taken == 0 {
				t.Error("the short way took nothing")
			}
		})
	}
}

// TestOddTimesEncodeTheSame has a time in two parts, and one with more nanoseconds than there can be.
func TestOddTimesEncodeTheSame(t *testing.T) {
	md := describe(t, everything())
	e := encoder(t, md)
	field := func(body []byte, number protowire.Number, inner []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(body, number, protowire.BytesType), inner)
	}
	number := func(number protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
	}
	fine := md.Fields().ByName("lines").Message().Fields().ByName("fine").Number()
	for name, times := range map[string][]byte{
		"in two parts": field(field(nil, fine, number(1, 1_735_660_800)), fine, number(2, 5_000_000)),
		"nanoseconds":  field(nil, fine, number(2, 1<<40|7_000_000)),
	} {
		row := append(field(nil, 1, []byte("A")), number(2, 2)...)
		body := field(field(nil, 1, []byte("A")), 2, append(row, times...))
		general, err := e.InGeneral(body)
		if err != nil {
			t.Fatal(err)
		}
		if doc, err := e.Encode(body); err != nil || rowsText(doc) != rowsText(general) {
			t.Errorf("%s: %v\n%s, in general\n%s", name, err, rowsText(doc), rowsText(general))
		}
	}
}

// FuzzEncode gives an encoder bytes of any kind: both ways say the same, or the short one does not say.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x0a\x01A\x12\x05\x0a\x01A\x10\x02"))
	f.Add([]byte("\x0a\x01A\x12\x05\x0a\x01A\x10\x02\x12\x05\x0a\x01A\x10\x02"))
	f.Add([]byte("\x0a\x01A\x13\x0a\x01A\x14"))
	f.Add([]byte("\x0a\x01'\x12\x09\x0a\x01'\x10\x02\x52\x02\x08\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e := encoder(t, describe(t, everything()))
		short, ok := e.FromWire(body)
		if !ok {
			return
		}
		general, err := e.InGeneral(body)
		if err != nil || short.Key != general.Key || rowsText(short) != rowsText(general) {
			t.Errorf("%x is\n%s, in general %v\n%s", body, rowsText(short), err, rowsText(general))
		}
	})
}

// wireMessage draws the bytes of a message. A plain one has each field once at most, of its own type; of
// others fields come in any order, again, of other types, or broken off. Documents are few, so that rows
// are of the right one often.
func wireMessage(t *rapid.T, md protoreflect.MessageDescriptor, plain bool, document string) []byte {
	var body []byte
	options := contract.Table(md)
	if options.GetDocument() == "" {
		options = contract.Table(md.Parent().(protoreflect.FileDescriptor).Messages().Get(0))
	}
	if rapid.IntRange(0, 30).Draw(t, "foreign") == 0 {
		document = "3"
	}
	rounds := 1
	if !plain {
		rounds = rapid.IntRange(1, 2).Draw(t, "rounds")
	}
	for range rounds {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			times := rapid.IntRange(0, 1).Draw(t, "times")
			switch {
			case fd.IsList():
				times = rapid.IntRange(0, 20).Draw(t, "rows")
			case string(fd.Name()) == options.GetDocument(), fd.Name() == "id", fd.Name() == "line":
				times = max(times, rapid.IntRange(0, 9).Draw(t, "named"))
				times = min(times, 1)
			}
			for range times {
				body = wireField(t, body, fd, plain, string(fd.Name()) == options.GetDocument(), document)
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "unknown") == 0 {
			body = protowire.AppendTag(body, 900, protowire.StartGroupType)
			body = protowire.AppendTag(body, 900, protowire.EndGroupType)
		}
	}
	if !plain && rapid.IntRange(0, 5).Draw(t, "broken") == 0 && len(body) > 0 {
		at := rapid.IntRange(0, len(body)-1).Draw(t, "at")
		body[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	return body
}

// wireField draws one field.
func wireField(t *rapid.T, body []byte, fd protoreflect.FieldDescriptor, plain, isDocument bool, document string) []byte {
	if !plain && rapid.IntRange(0, 30).Draw(t, "odd") == 0 {
		return protowire.AppendVarint(protowire.AppendTag(body, fd.Number(), protowire.VarintType), rapid.Uint64().Draw(t, "number"))
	}
	number := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 9), rapid.Just(uint64(math.MaxUint32)), rapid.Just(uint64(math.MaxInt64)))
	switch fd.Kind() {
	case protoreflect.MessageKind:
		var inner []byte
		if fd.IsList() {
			inner = wireMessage(t, fd.Message(), plain, document)
		} else {
			inner = wireTime(t, plain)
		}
		return protowire.AppendBytes(protowire.AppendTag(body, fd.Number(), protowire.BytesType), inner)
	case protoreflect.StringKind, protoreflect.BytesKind:
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "'", `\`, "\x00\n\r\x1a\"'\\", "长 ", "1-1"})).Draw(t, "text")
		if !plain && rapid.IntRange(0, 9).Draw(t, "bytes") == 0 {
			text = string(rapid.SliceOf(rapid.Byte()).Draw(t, "raw"))
		}
		if isDocument {
			text = document
		}
		return protowire.AppendString(protowire.AppendTag(body, fd.Number(), protowire.BytesType), text)
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.AppendFixed64(protowire.AppendTag(body, fd.Number(), protowire.Fixed64Type), number.Draw(t, "fixed64"))
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(protowire.AppendTag(body, fd.Number(), protowire.Fixed32Type), uint32(number.Draw(t, "fixed32")))
	default:
		n := number.Draw(t, "varint")
		if isDocument {
			n, _ = strconv.ParseUint(document, 10, 64)
		}
		return protowire.AppendVarint(protowire.AppendTag(body, fd.Number(), protowire.VarintType), n)
	}
}

// wireTime draws an instant, which may lack either of its parts.
func wireTime(t *rapid.T, plain bool) (body []byte) {
	parts := rapid.IntRange(0, 3).Draw(t, "parts")
	if parts&1 == 0 {
		seconds := rapid.OneOf(rapid.Uint64Range(1.5e9, 1.8e9), rapid.Uint64()).Draw(t, "seconds")
		body = protowire.AppendVarint(protowire.AppendTag(body, 1, protowire.VarintType), seconds)
	}
	if parts&2 == 0 {
		most := uint64(999_999_999)
		if !plain {
			most = math.MaxUint64
		}
		nanos := rapid.Uint64Range(0, most).Draw(t, "nanos")
		body = protowire.AppendVarint(protowire.AppendTag(body, 2, protowire.VarintType), nanos)
	}
	return body
}

// BenchmarkEncode encodes a purchase receipt of three lines on the short way, and on the general one.
func BenchmarkEncode(b *testing.B) {
	mt, err := contract.Message("erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		b.Fatal(err)
	}
	const row = `{"id":"1-@","ioId":"1","ts":"9876543210","warehouse":"华东一号仓","poId":"554433","supplierId":"10011","supplierName":"杭州某某服饰有限公司",
		"modified":"2024-12-31T16:00:05Z","soId":"SO202501010001","outIoId":"WB-20250101-77","status":"已入库","ioDate":"2024-12-31T16:00:05Z","whId":"1",
		"wmsCoId":"0","remark":"备注","taxRate":"13.00","labels":"加急","archived":"2024-12-31T16:00:05Z","mergeSoId":"","type":"采购进仓","creatorName":"张三",
		"fStatus":"已审核","lId":"SF1234567890","itemsIoiId":"@","itemsSkuId":"SKU-0001-RED-XL","itemsIId":"SKU-0001","itemsUnit":"件",
		"itemsName":"女士圆领T恤 红色 XL","itemsQty":"1.5000","itemsCostPrice":"35.5000","itemsCostAmount":"53.2500"}`
	var rows []string
	for i := range 3 {
		rows = append(rows, strings.ReplaceAll(row, "@", strconv.Itoa(i+1)))
	}
	msg := mt.New().Interface()
	if err := protojson.Unmarshal([]byte(`{"ioId":"1","rows":[`+strings.Join(rows, ",")+`]}`), msg); err != nil {
		b.Fatal(err)
	}
	body, err := proto.Marshal(msg)
	if err != nil {
		b.Fatal(err)
	}
	e := encoder(b, mt.Descriptor())
	for name, encode := range map[string]func([]byte) (table.Encoded, error){"wire": e.Encode, "general": e.InGeneral} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Reset()
				if _, err := encode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
