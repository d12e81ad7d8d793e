package scan

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep objects and lists may nest.
const MaxDepth = 64

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	// Absent is a value that is not there.
	Absent Kind = iota
	Null
	False
	True
	Number
	// Text is a text without escapes, Escaped one with.
	Text
	Escaped
	Object
	List
)

// Value is where a value stands.
type Value struct {
	// Begin and End are its bytes in the document; those of a text are without the quotes.
	Begin, End uint32
	// First is where the values of a list's first element begin, if Element asked for them. Of an element's
	// link it is where those of the next one begin.
	First uint32
	// Count is the number of elements of a list.
	Count uint32
	Kind  Kind
}

// Document is a document that was read, with its values by place: a frame of the document, and one for each
// element of lists that Element asked for. It may be used for one document after the other.
type Document struct {
	Body   []byte
	Values []Value

	// left is how many more elements may have frames.
	left int
	// orders are the orders of keys in documents before, by the number of their object: documents of one kind
	// are written by one program, so the next one has the same keys in the same order.
	orders []order
}

// order is what keys an object is expected to have.
type order struct {
	keys []expectation
	// missed counts the keys that were not where they were expected.
	missed int
}

// expectation is a key as it stood in a document, with its quotes and colon, and its node.
type expectation struct {
	text string
	node *Node
}

const (
	// maxExpected is how many keys are expected in an object, maxKey how long one may be.
	maxExpected = 100
	maxKey      = 60
	// maxLeftOut is how many keys an object may leave out at once.
	maxLeftOut = 4
	// maxMissed is how many keys may be missed before an order is learned anew.
	maxMissed = 1000
)

// Read reads a document, which is an object. It returns false when it does not take it, or when more than so many elements of
// lists are asked for.
func (d *Document) Read(s *Shape, body []byte, elements int) bool {
	if len(body) > math.MaxInt32 {
		return false
	}
	d.Body, d.left = body, elements
	if len(d.orders) != s.objects {
		d.orders = make([]order, s.objects)
	}
	d.Values = d.Values[:0]
	d.room(s.frame)
	end := d.value(blanks(body, 0), s.root, 0, 0)
	return end >= 0 && blanks(body, end) == len(body) && d.Values[rootSlot].Kind == Object
}

// room makes room for a frame and returns where it begins.
func (d *Document) room(f *frame) int {
	base := len(d.Values)
	if cap(d.Values)-base < f.size {
		d.Values = append(d.Values, make([]Value, f.size)...)
		return base
	}
	d.Values = d.Values[:base+f.size]
	clear(d.Values[base:])
	return base
}

// Element returns where the frame of an element begins; at is that of the first, or what Next returned.
func (d *Document) Element(at uint32) (base int, next uint32) {
	return int(at), d.Values[at+linkSlot].First
}

// blanks returns where the next byte is that is no blank.
func blanks(body []byte, i int) int {
	if i < len(body) && body[i] > ' ' {
		return i
	}
	return manyBlanks(body, i)
}

func manyBlanks(body []byte, i int) int {
	for i < len(body) && (body[i] == ' ' || body[i] == '\n' || body[i] == '\r' || body[i] == '\t') {
		i++
	}
	return i
}

// value reads the value at i and returns what is behind it, -1 when it does not take it. n is nil when nobody
// asked for it.
func (d *Document) value(i int, n *Node, base, depth int) int {
	if i >= len(d.Body) {
		return -1
	}
	switch d.Body[i] {
	case '"':
		end, escaped := text(d.Body, i+1)
		if end < 0 || !d.scalar(i+1, end, kindOfText(escaped), n, base) {
			return -1
		}
		return end + 1
	case '{', '[':
		return d.container(i, n, base, depth+1)
	case 'n':
		return d.word(i, "null", Null, n, base)
	case 't':
		return d.word(i, "true", True, n, base)
	case 'f':
		return d.word(i, "false", False, n, base)
	default:
		end := number(d.Body, i)
		if end < 0 || !d.scalar(i, end, Number, n, base) {
			return -1
		}
		return end
	}
}

func kindOfText(escaped bool) Kind {
	if escaped {
		return Escaped
	}
	return Text
}

// word reads a value that is written as a word.
func (d *Document) word(i int, word string, kind Kind, n *Node, base int) int {
	end := i + len(word)
	if end > len(d.Body) || string(d.Body[i:end]) != word || !d.scalar(i, end, kind, n, base) {
		return -1
	}
	return end
}

// scalar notes a value that has nothing in it, and reports whether it may be. One of which something is asked
// for can only be null.
func (d *Document) scalar(begin, end int, kind Kind, n *Node, base int) bool {
	if n == nil {
		return true
	}
	v := &d.Values[base+n.slot]
	if v.Kind != Absent || kind != Null && !n.isLeaf() {
		return false
	}
	// One field after the other: a Value that is copied as a whole right after it was made costs twice.
	v.Begin, v.End, v.Kind = uint32(begin), uint32(end), kind
	return true
}

// container reads an object or a list, and notes it when it is whole.
func (d *Document) container(i int, n *Node, base, depth int) int {
	if depth > MaxDepth {
		return -1
	}
	if n != nil && d.Values[base+n.slot].Kind != Absent {
		return -1
	}
	if d.Body[i] == '{' {
		end := d.object(i+1, n, base, depth)
		if end >= 0 && n != nil {
			v := &d.Values[base+n.slot]
			v.Begin, v.End, v.Kind = uint32(i), uint32(end), Object
		}
		return end
	}
	var l Value
	end := d.list(i+1, n, base, depth, &l)
	if end >= 0 && n != nil {
		l.Begin, l.End, l.Kind = uint32(i), uint32(end), List
		d.Values[base+n.slot] = l
	}
	return end
}

// object reads what follows a brace.
func (d *Document) object(i int, n *Node, base, depth int) int {
	body := d.Body
	if n != nil && (n.indexes != nil || n.element != nil) {
		return -1
	}
	asked := n != nil && n.keys != nil
	i = blanks(body, i)
	if i < len(body) && body[i] == '}' {
		return i + 1
	}
	var child *Node
	for next := 0; ; {
		if asked {
			i, child = d.expect(i, n, &next)
		} else {
			i, child = key(body, i, nil)
		}
		if i < 0 {
			return -1
		}
		i = d.value(blanks(body, i), child, base, depth)
		if i < 0 {
			return -1
		}
		i = blanks(body, i)
		switch {
		case i >= len(body):
			return -1
		case body[i] == '}':
			return i + 1
		case body[i] != ',':
			return -1
		}
		i = blanks(body, i+1)
	}
}

// expect is key for an object whose next key is likely the one that is expected there.
func (d *Document) expect(i int, n *Node, next *int) (after int, child *Node) {
	keys := d.orders[n.object].keys
	for at := *next; at < len(keys) && at <= *next+maxLeftOut; at++ {
		e := &keys[at]
		if end := i + len(e.text); end <= len(d.Body) && string(d.Body[i:end]) == e.text {
			*next = at + 1
			return end, e.node
		}
	}
	after, child = key(d.Body, i, n)
	if after >= 0 && after-i <= maxKey {
		d.learn(n, d.Body[i:after], child, next)
	}
	return after, child
}

// learn notes a key that was not expected.
func (d *Document) learn(n *Node, text []byte, child *Node, next *int) {
	o := &d.orders[n.object]
	switch {
	case *next == len(o.keys) && len(o.keys) < maxExpected:
		o.keys = append(o.keys, expectation{string(text), child})
		*next++
	case o.missed < maxMissed:
		o.missed++
	default:
		*o = order{}
		*next = 1 // no more of this object
	}
}

// key reads a key with its colon. It returns what is behind that, and the node of the key in n.
func key(body []byte, i int, n *Node) (after int, child *Node) {
	if i >= len(body) || body[i] != '"' {
		return -1, nil
	}
	end, escaped := text(body, i+1)
	if end < 0 || escaped && n != nil {
		return -1, nil
	}
	if n != nil {
		child = n.children.find(body[i+1 : end])
	}
	if i = blanks(body, end+1); i >= len(body) || body[i] != ':' {
		return -1, nil
	}
	return i + 1, child
}

// list reads what follows a bracket, and notes in v how many elements there are and where.
func (d *Document) list(i int, n *Node, base, depth int, v *Value) int {
	body := d.Body
	if n != nil && n.keys != nil {
		return -1
	}
	i = blanks(body, i)
	if i < len(body) && body[i] == ']' {
		return i + 1
	}
	link := -1
	for {
		i = d.listed(i, n, base, depth, v, &link)
		if i < 0 {
			return -1
		}
		v.Count++
		i = blanks(body, i)
		switch {
		case i >= len(body):
			return -1
		case body[i] == ']':
			return i + 1
		case body[i] != ',':
			return -1
		}
		i = blanks(body, i+1)
	}
}

// listed reads one element of a list. link is the frame of the element before it, -1 of the first.
func (d *Document) listed(i int, n *Node, base, depth int, v *Value, link *int) int {
	if n == nil || n.element == nil && n.indexes == nil {
		return d.value(i, nil, 0, depth)
	}
	end := -1
	for _, asked := range n.indexes {
		if asked.index == int(v.Count) {
			if end = d.value(i, asked.node, base, depth); end < 0 {
				return -1
			}
		}
	}
	if n.element == nil {
		if end >= 0 {
			return end
		}
		return d.value(i, nil, 0, depth)
	}
	if d.left--; d.left < 0 {
		return -1
	}
	frame := d.room(n.element.frame)
	if *link < 0 {
		v.First = uint32(frame)
	} else {
		d.Values[*link+linkSlot].First = uint32(frame)
	}
	*link = frame
	return d.value(i, n.element, frame, depth)
}

// text passes a text whose opening quote is before i. It returns where the closing one is, -1 when there is
// none or something that a text can't have, and whether there are escapes.
func text(body []byte, i int) (end int, escaped bool) {
	begin, foreign := i, uint64(0)
	for {
		for i+8 <= len(body) {
			word := binary.LittleEndian.Uint64(body[i:])
			foreign |= word
			if marks := special(word); marks != 0 {
				i += bits.TrailingZeros64(marks) >> 3
				break
			}
			i += 8
		}
		if i >= len(body) {
			return -1, false
		}
		switch c := body[i]; {
		case c == '"':
			if foreign&highs != 0 && !utf8.Valid(body[begin:i]) {
				return -1, false
			}
			return i, escaped
		case c < ' ':
			return -1, false
		case c == '\\':
			if i = escape(body, i+1); i < 0 {
				return -1, false
			}
			escaped = true
		default: // among the last bytes
			foreign |= uint64(c)
			i++
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of a word that a text can't just go on with: quotes, backslashes, control
// characters. The lowest mark is right; above it there may be others too many.
func special(word uint64) uint64 {
	quote := word ^ ones*'"'
	slash := word ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (word-ones*' ')&^word) & highs
}

// escape passes what follows a backslash.
func escape(body []byte, i int) int {
	if i >= len(body) {
		return -1
	}
	switch body[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(body) || hex4(body[i+1:i+5]) < 0 {
			return -1
		}
		return i + 5
	default:
		return -1
	}
}

// number passes a number.
func number(body []byte, i int) int {
	if i < len(body) && body[i] == '-' {
		i++
	}
	switch {
	case i >= len(body):
		return -1
	case body[i] == '0':
		i++
	case '1' <= body[i] && body[i] <= '9':
		i = digits(body, i)
	default:
		return -1
	}
	if i < len(body) && body[i] == '.' {
		begin := i + 1
		if i = digits(body, begin); i == begin {
			return -1
		}
	}
	if i < len(body) && (body[i] == 'e' || body[i] == 'E') {
		i++
		if i < len(body) && (body[i] == '+' || body[i] == '-') {
			i++
		}
		begin := i
		if i = digits(body, begin); i == begin {
			return -1
		}
	}
	return i
}

func digits(body []byte, i int) int {
	for i < len(body) && '0' <= body[i] && body[i] <= '9' {
		i++
	}
	return i
}
