package table

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wire says how the bytes of a table's messages are read without decoding them into values. It takes
// only what is plainly right: whatever is not, Rows reads again and says what is wrong with it.
type wire struct {
	message  fields
	document int              // among the message's fields
	rows     protowire.Number // 0 where the message is its own row
	row      fields
}

// fields are the scalar fields of a message by number; those of a row are in the order of its columns.
type fields struct {
	byNumber []*field // nil where there is none
	all      []field
}

// field is how one field is read.
type field struct {
	number protowire.Number
	at     int // among all
	wire   protowire.Type
	read   reading
	enum   protoreflect.FieldDescriptor
	// always is set where a field that is absent has a value.
	always bool
}

// reading is what the bytes of a field mean.
type reading uint8

const (
	readInt32 reading = iota
	readInt64
	readUint32
	readUint64
	readSint32
	readSint64
	readBool
	readEnum
	readFloat
	readDouble
	readText
	readBytes
	readTime
)

// value is what a message says of one field.
type value struct {
	present bool
	number  uint64 // of numbers, and seconds
	nanos   int64
	text    []byte
}

// scalars are the fields that a wire reads, with what their bytes are.
var scalars = map[protoreflect.Kind]struct {
	wire protowire.Type
	read reading
}{
	protoreflect.Int32Kind: {protowire.VarintType, readInt32}, protoreflect.Int64Kind: {protowire.VarintType, readInt64},
	protoreflect.Uint32Kind: {protowire.VarintType, readUint32}, protoreflect.Uint64Kind: {protowire.VarintType, readUint64},
	protoreflect.Sint32Kind: {protowire.VarintType, readSint32}, protoreflect.Sint64Kind: {protowire.VarintType, readSint64},
	protoreflect.Fixed32Kind: {protowire.Fixed32Type, readUint32}, protoreflect.Fixed64Kind: {protowire.Fixed64Type, readUint64},
	protoreflect.Sfixed32Kind: {protowire.Fixed32Type, readInt32}, protoreflect.Sfixed64Kind: {protowire.Fixed64Type, readInt64},
	protoreflect.FloatKind: {protowire.Fixed32Type, readFloat}, protoreflect.DoubleKind: {protowire.Fixed64Type, readDouble},
	protoreflect.BoolKind: {protowire.VarintType, readBool}, protoreflect.EnumKind: {protowire.VarintType, readEnum},
	protoreflect.StringKind: {protowire.BytesType, readText}, protoreflect.BytesKind: {protowire.BytesType, readBytes},
}

// mostNumber is the greatest number of a field that a wire looks up.
const mostNumber = 1 << 12

// wireOf returns the wire of a table's messages, nil where they have anything that is rare.
func wireOf(t *Table) *wire {
	md := t.document.ContainingMessage()
	var w wire
	row := md
	if t.rows != nil {
		w.rows, row = t.rows.Number(), t.rows.Message()
		if t.rows.Kind() != protoreflect.MessageKind {
			return nil
		}
	}
	var plain, plainRow bool
	w.message, plain = fieldsOf(md, t.rows)
	w.row, plainRow = fieldsOf(row, nil)
	if !plain || !plainRow {
		return nil
	}
	w.document = w.message.byNumber[t.document.Number()].at
	return &w
}

// fieldsOf returns how the fields of a message are read, but for the one that holds its rows; plain is
// false where one of them is rare.
func fieldsOf(md protoreflect.MessageDescriptor, rows protoreflect.FieldDescriptor) (all fields, plain bool) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd == rows {
			continue
		}
		f, ok := fieldOf(fd)
		if !ok {
			return all, false
		}
		f.at = len(all.all)
		all.all = append(all.all, f)
	}
	for i := range all.all {
		for int(all.all[i].number) >= len(all.byNumber) {
			all.byNumber = append(all.byNumber, nil)
		}
		all.byNumber[all.all[i].number] = &all.all[i]
	}
	return all, md.RequiredNumbers().Len() == 0 && md.ExtensionRanges().Len() == 0
}

// fieldOf returns how a field is read; ok is false where it is rare: a list, a choice, a message that is
// no time, an enum that drops what it does not know, a text that need not be UTF-8.
func fieldOf(fd protoreflect.FieldDescriptor) (f field, ok bool) {
	f = field{number: fd.Number(), always: !fd.HasPresence()}
	choice := fd.ContainingOneof()
	if fd.IsList() || fd.IsMap() || fd.Number() > mostNumber || choice != nil && !choice.IsSynthetic() {
		return f, false
	}
	if isTimestamp(fd) {
		f.wire, f.read = protowire.BytesType, readTime
		return f, fd.Kind() == protoreflect.MessageKind
	}
	kind, ok := scalars[fd.Kind()]
	f.wire, f.read = kind.wire, kind.read
	switch f.read {
	case readEnum:
		f.enum, ok = fd, !fd.Enum().IsClosed()
	case readText:
		strict, says := fd.(interface{ EnforceUTF8() bool })
		ok = says && strict.EnforceUTF8()
	default:
	}
	return f, ok
}

// fromWire encodes a body; ok is false where it is not plainly right.
func (e *Encoder) fromWire(body []byte) (doc Encoded, ok bool) {
	head, rows := e.values, [][]byte(nil)
	if e.table.rows == nil {
		ok = e.wire.row.read(body, head, 0, nil)
	} else {
		head, e.bodies = e.head, e.bodies[:0]
		ok = e.wire.message.read(body, head, e.wire.rows, &e.bodies)
		rows = e.bodies
	}
	at := e.wire.document
	if !ok || !e.document(&doc, &e.wire.message.all[at], &head[at]) {
		return doc, false
	}
	if e.table.rows == nil {
		doc.Rows = make([]EncodedRow, 1)
		return doc, e.row(&doc.Rows[0])
	}
	if len(rows) > 0 {
		doc.Rows = make([]EncodedRow, len(rows))
	}
	for i, row := range rows {
		if !e.wire.row.read(row, e.values, 0, nil) || !e.belongs(&head[at]) || !e.row(&doc.Rows[i]) {
			return doc, false
		}
	}
	return doc, !twice(doc.Rows)
}

// belongs reports whether the row that was read is one of a document.
func (e *Encoder) belongs(document *value) bool {
	at := e.table.Document.at
	v := &e.values[at]
	return (v.present || e.wire.row.all[at].always) && v.number == document.number && bytes.Equal(v.text, document.text)
}

// document names the document; ok is false where it has no good name.
func (e *Encoder) document(doc *Encoded, f *field, v *value) (ok bool) {
	if !v.present || f.always && v.number == 0 && len(v.text) == 0 {
		return false
	}
	if f.read == readText {
		doc.Key = string(v.text)
	} else {
		doc.Key = string(f.appendNumber(nil, v.number))
	}
	e.literal = e.append(e.literal[:0], e.table.Document.at, v)
	doc.Value = string(e.literal)
	return checkDocument(doc.Key) == nil
}

// row writes the row that was read; ok is false where it has no primary key.
func (e *Encoder) row(row *EncodedRow) (ok bool) {
	from := len(e.text)
	for at := range e.values {
		if at > 0 {
			e.text = append(e.text, ',')
		}
		e.text = e.append(e.text, at, &e.values[at])
	}
	row.Values = e.text[from:len(e.text):len(e.text)]
	from = len(e.text)
	for i := range e.table.Key {
		at := e.table.Key[i].at
		if !e.values[at].present && !e.wire.row.all[at].always {
			return false
		}
		if i > 0 {
			e.text = append(e.text, ',')
		}
		e.text = e.append(e.text, at, &e.values[at])
	}
	row.Key = e.text[from:len(e.text):len(e.text)]
	return true
}

// append appends a column's value as a literal.
func (e *Encoder) append(text []byte, at int, v *value) []byte {
	f := &e.wire.row.all[at]
	if !v.present && !f.always {
		return append(text, "NULL"...)
	}
	switch f.read {
	case readText:
		return AppendText(text, v.text)
	case readTime:
		return append(text, e.times[at].literal(int64(v.number), v.nanos, e.table.Columns[at].times, e.loc)...)
	case readBytes:
		return AppendText(append(text, "_binary"...), v.text)
	case readEnum:
		return AppendText(text, enumName(f.enum, protoreflect.EnumNumber(v.number)))
	default:
		return f.appendNumber(text, v.number)
	}
}

// appendNumber appends a number as digits.
func (f *field) appendNumber(text []byte, n uint64) []byte {
	switch f.read {
	case readUint64:
		return strconv.AppendUint(text, n, 10)
	case readFloat, readDouble:
		return appendFloat(text, math.Float64frombits(n))
	default:
		return strconv.AppendInt(text, int64(n), 10)
	}
}

// read reads what a body says of the fields into values, and the bodies of rows. Of a field that is there
// twice the last counts. ok is false where the body is broken or holds what is rare.
func (fs *fields) read(body []byte, values []value, rows protowire.Number, bodies *[][]byte) (ok bool) {
	clear(values)
	for len(body) > 0 {
		number, typ, n := protowire.ConsumeTag(body)
		if n < 0 {
			return false
		}
		body = body[n:]
		var f *field
		if int(number) < len(fs.byNumber) {
			f = fs.byNumber[number]
		}
		switch {
		case f != nil:
			n = -1
			if f.wire == typ {
				n = f.consume(body, &values[f.at])
			}
		case number == rows && typ == protowire.BytesType:
			var row []byte
			row, n = protowire.ConsumeBytes(body)
			*bodies = append(*bodies, row)
		case number == rows:
			return false
		default:
			n = protowire.ConsumeFieldValue(number, typ, body)
		}
		if n < 0 {
			return false
		}
		body = body[n:]
	}
	return true
}

// consume reads one value and returns how long it is, less than 0 where it is broken or rare.
func (f *field) consume(b []byte, v *value) (n int) {
	switch f.wire {
	case protowire.VarintType:
		v.number, n = protowire.ConsumeVarint(b)
	case protowire.Fixed64Type:
		v.number, n = protowire.ConsumeFixed64(b)
	case protowire.Fixed32Type:
		var small uint32
		small, n = protowire.ConsumeFixed32(b)
		v.number = uint64(small)
	default:
		v.text, n = protowire.ConsumeBytes(b)
	}
	if n >= 0 && !f.settle(v) {
		return -1
	}
	return n
}

// settle makes a value of what was on the wire.
func (f *field) settle(v *value) (ok bool) {
	switch f.read {
	case readText:
		ok = utf8.Valid(v.text)
	case readTime:
		ok = !v.present && v.readTime(v.text)
	case readInt32, readEnum:
		v.number, ok = uint64(int64(int32(v.number))), true
	case readUint32:
		v.number, ok = uint64(uint32(v.number)), true
	case readSint32:
		v.number, ok = uint64(int64(int32(protowire.DecodeZigZag(v.number&math.MaxUint32)))), true
	case readSint64:
		v.number, ok = uint64(protowire.DecodeZigZag(v.number)), true
	case readBool:
		v.number, ok = protowire.EncodeBool(protowire.DecodeBool(v.number)), true
	case readFloat:
		v.number, ok = math.Float64bits(float64(math.Float32frombits(uint32(v.number)))), true
	default:
		ok = true
	}
	v.present = true
	return ok
}

// readTime reads a google.protobuf.Timestamp.
func (v *value) readTime(b []byte) (ok bool) {
	v.number, v.nanos = 0, 0
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 || typ != protowire.VarintType || number > 2 {
			return false
		}
		got, m := protowire.ConsumeVarint(b[n:])
		if m < 0 {
			return false
		}
		if number == 1 {
			v.number = got
		} else {
			v.nanos = int64(int32(got))
		}
		b = b[n+m:]
	}
	return true
}
