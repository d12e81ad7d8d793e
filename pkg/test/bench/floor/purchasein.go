// Package floor holds what a program would be that does one thing and nothing else: hand-written, for one
// shape of data, without the promises of the services. The benchmarks stand beside it.
package floor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"unicode/utf8"
)

// The fields of the contract in the order of their numbers: 2 to 23 are those of the receipt, the rest those
// of a line. Number 1 is the id, which is made.
const (
	firstHead  = 2
	firstLine  = 24
	fieldCount = 31
)

// kind is how a value is written.
type kind uint8

const (
	text kind = iota
	whole
	instant
	digits // a decimal as text: "" is none
)

var kinds = [fieldCount + 1]kind{
	2: whole, 3: whole, 5: whole, 6: whole, 8: instant, 11: digits, 12: instant, 14: whole, 16: digits, 18: instant,
	24: whole, 29: digits, 30: digits, 31: digits,
}

var errBroken = errors.New("the record is none")

// PurchaseIn appends the wire form of an erpstream.mysql.v1.PurchaseIn to dst: what the shipped flow makes of
// a record, in one pass over its bytes. It believes the record: it checks neither UTF-8 nor what it does not
// read, and no rule of the contract. Times are those of Asia/Shanghai since 1991.
func PurchaseIn(dst, record []byte) ([]byte, error) {
	var head [firstLine][]byte
	var room [8][fieldCount + 1 - firstLine][]byte
	lines := room[:0]
	p := parser{record, 0}
	p.object(func(key []byte) {
		if string(key) == "items" {
			p.list(func() {
				var line [fieldCount + 1 - firstLine][]byte
				p.object(func(key []byte) {
					if n := lineField(key); n > 0 {
						line[n-firstLine] = p.value()
					} else {
						p.value()
					}
				})
				lines = append(lines, line)
			})
			return
		}
		if n := headField(key); n > 0 {
			head[n] = p.value()
		} else {
			p.value()
		}
	})
	if p.at < 0 {
		return dst, errBroken
	}
	return appendReceipt(dst, &head, lines)
}

func appendReceipt(dst []byte, head *[firstLine][]byte, lines [][fieldCount + 1 - firstLine][]byte) ([]byte, error) {
	dst, ok := appendField(dst, 1, whole, head[firstHead])
	var room [1024]byte
	shared := room[:0]
	for n := firstHead; n < firstLine && ok; n++ {
		shared, ok = appendField(shared, n, kinds[n], head[n])
	}
	for i := range lines {
		begin := len(dst)
		dst = append(dst, 2<<3|2, 0, 0)
		dst = append(dst, 1<<3|2, byte(len(head[firstHead])+1+len(lines[i][0])))
		dst = append(append(append(dst, head[firstHead]...), '-'), lines[i][0]...)
		dst = append(dst, shared...)
		for n := firstLine; n <= fieldCount && ok; n++ {
			dst, ok = appendField(dst, n, kinds[n], lines[i][n-firstLine])
		}
		size := len(dst) - begin - 3
		switch {
		case size < 1<<7:
			dst[begin+1] = byte(size)
			dst = append(dst[:begin+2], dst[begin+3:]...)
		case size < 1<<14:
			dst[begin+1], dst[begin+2] = byte(size)|0x80, byte(size>>7)
		default:
			return dst, errBroken // no line is that large
		}
	}
	if !ok {
		return dst, errBroken
	}
	return dst, nil
}

// appendField appends one field; nil, and "" in what is no text, is none.
func appendField(dst []byte, n int, k kind, v []byte) ([]byte, bool) {
	if v == nil || k != text && len(v) == 0 {
		return dst, true
	}
	if k == whole {
		number, ok := parseWhole(v)
		return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(n)<<3), uint64(number)), ok
	}
	if k == instant {
		return appendInstant(dst, n, v)
	}
	dst = binary.AppendUvarint(dst, uint64(n)<<3|2)
	return append(binary.AppendUvarint(dst, uint64(len(v))), v...), true
}

func parseWhole(v []byte) (number int64, ok bool) {
	negative := v[0] == '-'
	if negative {
		v = v[1:]
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		number = number*10 + int64(c-'0')
	}
	if negative {
		number = -number
	}
	return number, true
}

// appendInstant appends a time such as 2025-01-01 11:05:00.
func appendInstant(dst []byte, n int, v []byte) ([]byte, bool) {
	if len(v) != len("2025-01-01 11:05:00") {
		return dst, false
	}
	two := func(i int) int64 { return int64(v[i]-'0')*10 + int64(v[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	if year == 0 {
		return dst, true
	}
	if month <= 2 {
		year, month = year-1, month+12
	}
	days := 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719469
	seconds := days*86400 + two(11)*3600 + two(14)*60 + two(17) - 8*3600
	var room [12]byte
	body := binary.AppendUvarint(append(room[:0], 1<<3), uint64(seconds))
	dst = binary.AppendUvarint(dst, uint64(n)<<3|2)
	return append(append(dst, byte(len(body))), body...), true
}

func headField(key []byte) int { //nolint:gocyclo // a case for each field
	switch string(key) {
	case "io_id":
		return 2
	case "ts":
		return 3
	case "warehouse":
		return 4
	case "po_id":
		return 5
	case "supplier_id":
		return 6
	case "supplier_name":
		return 7
	case "modified":
		return 8
	case "so_id":
		return 9
	case "out_io_id":
		return 10
	case "status":
		return 11
	case "io_date":
		return 12
	case "wh_id":
		return 13
	case "wms_co_id":
		return 14
	case "remark":
		return 15
	case "tax_rate":
		return 16
	case "labels":
		return 17
	case "archived":
		return 18
	case "merge_so_id":
		return 19
	case "type":
		return 20
	case "creator_name":
		return 21
	case "f_status":
		return 22
	case "l_id":
		return 23
	}
	return 0
}

func lineField(key []byte) int {
	switch string(key) {
	case "ioi_id":
		return 24
	case "sku_id":
		return 25
	case "i_id":
		return 26
	case "unit":
		return 27
	case "name":
		return 28
	case "qty":
		return 29
	case "cost_price":
		return 30
	case "cost_amount":
		return 31
	}
	return 0
}

// parser reads JSON; at is -1 once something is wrong with it.
type parser struct {
	body []byte
	at   int
}

// next returns the next byte that is no blank, 0 at the end.
func (p *parser) next() byte {
	for p.at >= 0 && p.at < len(p.body) {
		if c := p.body[p.at]; c > ' ' {
			return c
		}
		p.at++
	}
	p.at = -1
	return 0
}

// object calls field for each key, at its value.
func (p *parser) object(field func(key []byte)) {
	if p.next() != '{' {
		p.value()
		return
	}
	p.at++
	for p.next() == '"' {
		key := p.quoted()
		if p.next() != ':' {
			break
		}
		p.at++
		field(key)
		if p.next() == '}' {
			p.at++
			return
		}
		p.at++
	}
	if p.at >= 0 && p.body[p.at] == '}' {
		p.at++
		return
	}
	p.at = -1
}

// list calls element at each element. null is an empty list.
func (p *parser) list(element func()) {
	if p.next() != '[' {
		p.value()
		return
	}
	p.at++
	for c := p.next(); c != ']' && c != 0; c = p.next() {
		element()
		if p.next() == ',' {
			p.at++
		}
	}
	if p.at >= 0 {
		p.at++
	}
}

// value passes a value and returns its text, nil of null, objects and lists.
func (p *parser) value() []byte {
	switch p.next() {
	case 0:
		return nil
	case '"':
		return p.quoted()
	case '{':
		p.object(func([]byte) { p.value() })
		return nil
	case '[':
		p.list(func() { p.value() })
		return nil
	}
	begin := p.at
	for p.at < len(p.body) && !ends(p.body[p.at]) {
		p.at++
	}
	if v := p.body[begin:p.at]; string(v) != "null" {
		return v
	}
	return nil
}

// ends reports whether a number or a word is over.
func ends(c byte) bool { return c == ',' || c == '}' || c == ']' || c <= ' ' }

// quoted passes a text and returns it without quotes and escapes.
func (p *parser) quoted() []byte {
	begin := p.at + 1
	for i := begin; i < len(p.body); i++ {
		switch p.body[i] {
		case '"':
			p.at = i + 1
			return p.body[begin:i:i]
		case '\\':
			return p.escaped(begin, i)
		}
	}
	p.at = -1
	return nil
}

// escaped is quoted for a text with a backslash at i.
func (p *parser) escaped(begin, i int) []byte {
	made := bytes.Clone(p.body[begin:i])
	for ; i+1 < len(p.body); i++ {
		switch c := p.body[i]; {
		case c == '"':
			p.at = i + 1
			return made
		case c != '\\':
			made = append(made, c)
		case p.body[i+1] == 'u' && i+5 < len(p.body):
			r, err := strconv.ParseUint(string(p.body[i+2:i+6]), 16, 16)
			if err != nil {
				p.at = -1
				return nil
			}
			made = utf8.AppendRune(made, rune(r)) // of the basic plane: vendors escape nothing else
			i += 5
		default:
			i++
			plain := p.body[i]
			if at := bytes.IndexByte([]byte("bfnrt"), plain); at >= 0 {
				plain = "\b\f\n\r\t"[at]
			}
			made = append(made, plain)
		}
	}
	p.at = -1
	return nil
}
