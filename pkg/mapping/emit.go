package mapping

import (
	"encoding/json"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/mapping/internal/scan"
)

// part is a field of a message, or several. emit appends its wire form and reports whether there was anything
// to set, which may be nothing on the wire. ok is false when the pass has to give up.
type part interface {
	emit(p *pass, dst []byte) (out []byte, set, ok bool)
}

// parts are the fields of a message in the order in which they are evaluated. Where order is set, the i-th that
// is written is parts[order[i]].
type parts struct {
	parts []part
	order []int
}

func (m *parts) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	begin, mark := len(dst), len(p.marks)
	for _, one := range m.parts {
		var some bool
		if dst, some, ok = one.emit(p, dst); !ok {
			return dst, false, false
		}
		set = set || some
		if m.order != nil {
			p.marks = append(p.marks, len(dst))
		}
	}
	if m.order != nil {
		dst = p.reorder(dst, begin, p.marks[mark:], m.order)
		p.marks = p.marks[:mark]
	}
	return dst, set, true
}

// reorder puts what was appended since begin in order; ends are the ends of its pieces.
func (p *pass) reorder(dst []byte, begin int, ends, order []int) []byte {
	p.spare = append(p.spare[:0], dst[begin:]...)
	dst = dst[:begin]
	for _, i := range order {
		from := begin
		if i > 0 {
			from = ends[i-1]
		}
		dst = append(dst, p.spare[from-begin:ends[i]-begin]...)
	}
	return dst
}

// tag is the number of a field and how it is written, as it stands before the field; 0 is none.
type tag uint64

func tagOf(fd protoreflect.FieldDescriptor, kind protowire.Type) tag {
	return tag(protowire.EncodeTag(fd.Number(), kind))
}

func appendTag(dst []byte, t tag) []byte {
	switch {
	case t == 0:
		return dst
	case t < 1<<7:
		return append(dst, byte(t))
	case t < 1<<14:
		return append(dst, byte(t)|0x80, byte(t>>7))
	default:
		return protowire.AppendVarint(dst, uint64(t))
	}
}

func appendSize(dst []byte, size int) []byte {
	if size < 1<<7 {
		return append(dst, byte(size))
	}
	return protowire.AppendVarint(dst, uint64(size))
}

// sized fills in how long what was appended since begin is. The byte before that is for the size.
func sized(dst []byte, begin int) []byte {
	size := len(dst) - begin
	if size < 1<<7 {
		dst[begin-1] = byte(size)
		return dst
	}
	more := protowire.SizeVarint(uint64(size)) - 1
	for range more {
		dst = append(dst, 0)
	}
	copy(dst[begin+more:], dst[begin:begin+size])
	protowire.AppendVarint(dst[:begin-1], uint64(size))
	return dst
}

// nested is a message in a message. One in which nothing is set is none.
type nested struct {
	tag      tag
	message  *parts
	required bool
}

func (n *nested) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	begin := len(dst)
	dst = append(appendTag(dst, n.tag), 0)
	from := len(dst)
	dst, set, ok = n.message.emit(p, dst)
	if !set {
		return dst[:begin], false, ok && !n.required
	}
	return sized(dst, from), true, ok
}

// lines is a message or a value for each element of a list.
type lines struct {
	walk *walk
	// tag is that of each message, none for values, which have their own or, when they are packed, that of all.
	tag, packed tag
	element     part
	fields      int
	count       countRules
	flat        bool
}

func (l *lines) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	left, ok := l.walk.start(p, l.fields)
	if !ok {
		return dst, false, false
	}
	begin, n := len(dst), 0
	if l.packed != 0 && left > 0 {
		dst = append(appendTag(dst, l.packed), 0)
	}
	from := len(dst)
	for i := range left {
		l.walk.next(p, i+1)
		some := true
		if l.flat {
			dst, some, ok = l.element.emit(p, dst)
		} else {
			dst, ok = l.emitMessage(p, dst)
		}
		if !ok {
			return dst, false, false
		}
		if some {
			n++
		}
	}
	if l.packed != 0 && n > 0 {
		dst = sized(dst, from)
	} else if n == 0 {
		dst = dst[:begin]
	}
	return dst, n > 0, l.count.hold(n)
}

// emitMessage appends the message of one element, which may be empty.
func (l *lines) emitMessage(p *pass, dst []byte) (out []byte, ok bool) {
	dst = append(appendTag(dst, l.tag), 0)
	from := len(dst)
	dst, _, ok = l.element.emit(p, dst)
	return sized(dst, from), ok
}

// walk goes through the elements of a list: those of the record, or values that an expression made.
type walk struct {
	level int
	// from and slot are where the list is, node its elements, when it is in the record.
	from, slot int
	node       *scan.Node
	values     func(p *pass) ([]any, error)
}

// start returns how many elements there are. They are counted as if so many fields were computed of each.
func (w *walk) start(p *pass, fields int) (n int, ok bool) {
	l := &p.levels[w.level]
	*l = level{node: w.node}
	if w.node == nil {
		values, err := w.values(p)
		if err != nil {
			return 0, false
		}
		l.items, n = values, len(values)
	} else {
		v := &p.doc.Values[p.levels[w.from].base+w.slot]
		l.next, n = v.First, int(v.Count) // nothing of what is no list
	}
	p.budget.elements += n
	p.budget.spent += uint64(n) * uint64(fields+1)
	return n, p.affordable()
}

// next goes to the next element, which has the given number.
func (w *walk) next(p *pass, index int) {
	l := &p.levels[w.level]
	l.index = index
	if w.node == nil {
		l.item = l.items[index-1]
		return
	}
	l.base, l.next = p.doc.Element(l.next)
}

// shared are fields that are the same for all elements of a list: they are made for the first.
type shared struct {
	parts []part
	memo  int
}

func (s *shared) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	m := &p.memos[s.memo]
	if m.done {
		return append(dst, p.kept[m.begin:m.end]...), m.set, true
	}
	begin := len(dst)
	for _, one := range s.parts {
		var some bool
		if dst, some, ok = one.emit(p, dst); !ok {
			return dst, false, false
		}
		set = set || some
	}
	*m = kept{begin: len(p.kept), set: set, done: true}
	p.kept = append(p.kept, dst[begin:]...)
	m.end = len(p.kept)
	return dst, set, true
}

// pairs is a map.
type pairs struct {
	entries *parts
	count   countRules
}

func (m *pairs) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	before := p.entries
	p.entries = 0
	dst, set, ok = m.entries.emit(p, dst)
	n := p.entries
	p.entries = before
	return dst, set, ok && m.count.hold(n)
}

// namedValue is a name of a map with its value.
type namedValue struct {
	tag   tag
	head  []byte
	value part
}

func (e *namedValue) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	begin := len(dst)
	dst = append(appendTag(dst, e.tag), 0)
	from := len(dst)
	dst, set, ok = e.value.emit(p, append(dst, e.head...))
	if !set {
		return dst[:begin], false, ok
	}
	p.entries++
	return sized(dst, from), true, ok
}

// wireForm is how a value is written.
type wireForm uint8

const (
	textForm wireForm = iota
	decimalForm
	wholeForm // a varint
	zigzagForm
	fixed32Form
	fixed64Form
	boolForm
	enumForm
	timeForm
)

// scalar is one value. What it does not make itself of a token, the coercion of the field makes.
type scalar struct {
	tag  tag
	form wireForm
	// from is nil for a value at a place of a level.
	from        source
	level, slot int
	coerce      coercion
	// bits is the size of a whole number, unsigned whether it is.
	bits     int
	unsigned bool
	enum     map[string]protoreflect.EnumNumber
	// needsText says that "" is none, implicit that the zero value is not written.
	needsText, implicit bool
	rules               fieldRules
}

// newScalar returns the scalar of a field, without its source. Of an element of a packed list it has no tag.
func newScalar(f *field, fd protoreflect.FieldDescriptor, rules fieldRules) *scalar {
	s := &scalar{coerce: f.coerce, rules: rules, implicit: !fd.HasPresence() && !fd.IsList() && !fd.ContainingMessage().IsMapEntry(), needsText: isRequiredText(fd)}
	wire := protowire.VarintType
	switch kind := fd.Kind(); kind {
	case protoreflect.StringKind:
		wire = protowire.BytesType
		if isDecimal(fd) {
			s.form = decimalForm
		}
	case protoreflect.MessageKind:
		s.form, wire = timeForm, protowire.BytesType
	case protoreflect.BoolKind:
		s.form = boolForm
	case protoreflect.EnumKind:
		s.form, s.enum = enumForm, map[string]protoreflect.EnumNumber{}
		for i := range fd.Enum().Values().Len() {
			v := fd.Enum().Values().Get(i)
			s.enum[string(v.Name())] = v.Number()
		}
	default:
		s.form, wire = wholeFormOf(kind)
		s.bits, s.unsigned = sizeOfKind(kind)
	}
	if !fd.IsPacked() {
		s.tag = tagOf(fd, wire)
	}
	return s
}

func wholeFormOf(kind protoreflect.Kind) (wireForm, protowire.Type) {
	switch kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return zigzagForm, protowire.VarintType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return fixed32Form, protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return fixed64Form, protowire.Fixed64Type
	default:
		return wholeForm, protowire.VarintType
	}
}

func sizeOfKind(kind protoreflect.Kind) (bits int, unsigned bool) {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return 32, false
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return 32, true
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return 64, true
	default:
		return 64, false
	}
}

func (s *scalar) emit(p *pass, dst []byte) (out []byte, set, ok bool) {
	if s.from != nil {
		t, ok := s.from(p)
		if !ok {
			return dst, false, false
		}
		return s.emitToken(p, dst, t)
	}
	place := p.levels[s.level].base + s.slot
	switch v := &p.doc.Values[place]; v.Kind {
	case scan.Absent, scan.Null:
		return dst, false, !s.rules.required
	case scan.Text, scan.Number:
		return s.emitLiteral(dst, p.doc.Body[v.Begin:v.End], v.Kind == scan.Text, false)
	default:
		return s.emitToken(p, dst, p.at(place))
	}
}

func (s *scalar) emitToken(p *pass, dst []byte, t token) (out []byte, set, ok bool) {
	switch t.kind {
	case nullToken:
		return dst, false, !s.rules.required
	case textToken, numberToken:
		return s.emitLiteral(dst, t.text, t.kind == textToken, t.foreign)
	case timeToken:
		return s.emitTime(dst, t)
	case trueToken, falseToken:
		if s.form == textForm {
			t, _ = toText(p, t)
			return s.appendText(dst, t.text)
		}
		if s.form == boolForm {
			return s.appendNumber(dst, int64(protowire.EncodeBool(t.kind == trueToken)))
		}
	}
	return dst, false, false
}

// emitLiteral writes a text or a number.
func (s *scalar) emitLiteral(dst, literal []byte, isText, isForeign bool) (out []byte, set, ok bool) {
	if isText && len(literal) == 0 && (s.form != textForm || s.needsText) {
		return dst, false, !s.rules.required && s.form != timeForm // text is no time, not even ""
	}
	switch s.form {
	case textForm:
		if isForeign && !utf8.Valid(literal) {
			return dst, false, false
		}
		return s.appendText(dst, literal)
	case decimalForm:
		if isPlainDecimal(literal) {
			return s.appendText(dst, literal)
		}
	case enumForm:
		n, ok := s.enum[string(literal)]
		if !ok || !isText {
			return dst, false, false
		}
		return s.appendNumber(dst, int64(n))
	case timeForm:
		return dst, false, false
	case boolForm:
	default:
		if n, ok := plainWhole(literal); ok && s.takes(n, literal) {
			return s.appendNumber(dst, n)
		}
	}
	return s.emitCoerced(dst, literal, isText)
}

// takes reports whether a number that is written in plain digits is one of the field; "-0" is not unsigned.
func (s *scalar) takes(n int64, literal []byte) bool {
	switch {
	case s.unsigned:
		return literal[0] != '-' && (s.bits == 64 || n < 1<<32)
	default:
		return s.bits == 64 || n == int64(int32(n))
	}
}

// emitCoerced lets the coercion of the field find the value.
func (s *scalar) emitCoerced(dst, literal []byte, isText bool) (out []byte, set, ok bool) {
	var raw any = json.Number(literal)
	if isText {
		raw = string(literal)
	}
	v, _, err := s.coerce(raw)
	switch {
	case err != nil:
		return dst, false, false
	case s.form == decimalForm:
		return s.appendText(dst, []byte(v.String()))
	case s.form == boolForm:
		return s.appendNumber(dst, int64(protowire.EncodeBool(v.Bool())))
	case s.unsigned:
		return s.appendNumber(dst, int64(v.Uint()))
	default:
		return s.appendNumber(dst, v.Int())
	}
}

// appendText writes a text that may be one of the field.
func (s *scalar) appendText(dst, text []byte) (out []byte, set, ok bool) {
	if !s.rules.text.hold(text) {
		return dst, false, false
	}
	if s.implicit && len(text) == 0 {
		return dst, true, true
	}
	return append(appendSize(appendTag(dst, s.tag), len(text)), text...), true, true
}

// appendNumber writes a number that may be one of the field.
func (s *scalar) appendNumber(dst []byte, n int64) (out []byte, set, ok bool) {
	if !s.rules.number.hold(n) {
		return dst, false, false
	}
	if s.implicit && n == 0 {
		return dst, true, true
	}
	dst = appendTag(dst, s.tag)
	switch s.form {
	case zigzagForm:
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(n))
	case fixed32Form:
		dst = protowire.AppendFixed32(dst, uint32(n))
	case fixed64Form:
		dst = protowire.AppendFixed64(dst, uint64(n))
	default:
		dst = protowire.AppendVarint(dst, uint64(n))
	}
	return dst, true, true
}

// The seconds of the years that a Timestamp has.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// emitTime writes a google.protobuf.Timestamp.
func (s *scalar) emitTime(dst []byte, t token) (out []byte, set, ok bool) {
	if s.form != timeForm || t.seconds < firstSecond || t.seconds > lastSecond {
		return dst, false, false
	}
	dst = append(appendTag(dst, s.tag), 0)
	from := len(dst)
	if t.seconds != 0 {
		dst = protowire.AppendVarint(append(dst, 1<<3), uint64(t.seconds))
	}
	if t.nanos != 0 {
		dst = protowire.AppendVarint(append(dst, 2<<3), uint64(t.nanos))
	}
	return sized(dst, from), true, true
}
