package mapping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/erpstream/erpstream/pkg/mapping/internal/scan"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	nullToken tokenKind = iota
	falseToken
	trueToken
	numberToken
	textToken
	timeToken
	objectToken
	listToken
)

// token is a value in a pass: what a record has at a place, or what was computed. It holds until the pass ends.
type token struct {
	// text is that of a text without escapes, or the literal of a number.
	text []byte
	// seconds and nanos are those of a time, since 1970; seconds is the length of a list.
	seconds int64
	nanos   int32
	kind    tokenKind
	// foreign says that the text is not from the record or the flow: it may be no UTF-8.
	foreign bool
}

// source gives the value of an expression in a pass; ok is false when the pass has to give up.
type source func(p *pass) (t token, ok bool)

// truth gives the value of a condition.
func (s source) truth(p *pass) (holds, ok bool) {
	t, ok := s(p)
	return t.kind == trueToken, ok && (t.kind == trueToken || t.kind == falseToken)
}

func boolToken(b bool) token {
	if b {
		return token{kind: trueToken}
	}
	return token{kind: falseToken}
}

func timeTokenOf(at time.Time) token {
	return token{kind: timeToken, seconds: at.Unix(), nanos: int32(at.Nanosecond())}
}

// time returns the time that a token is.
func (t token) time() time.Time { return time.Unix(t.seconds, int64(t.nanos)) }

// at returns the value at a place of the document.
func (p *pass) at(place int) token {
	v := &p.doc.Values[place]
	switch v.Kind {
	case scan.Text:
		return token{kind: textToken, text: p.doc.Body[v.Begin:v.End]}
	case scan.Number:
		return token{kind: numberToken, text: p.doc.Body[v.Begin:v.End]}
	case scan.Escaped:
		begin := len(p.made)
		p.made = scan.AppendText(p.made, p.doc.Body[v.Begin:v.End])
		return token{kind: textToken, text: p.made[begin:]}
	case scan.True:
		return token{kind: trueToken}
	case scan.False:
		return token{kind: falseToken}
	case scan.Object:
		return token{kind: objectToken}
	case scan.List:
		return token{kind: listToken, seconds: int64(v.Count)}
	default:
		return token{}
	}
}

// wholeNumber returns a whole number.
func (p *pass) wholeNumber(n int64) token {
	begin := len(p.made)
	p.made = strconv.AppendInt(p.made, n, 10)
	return token{kind: numberToken, text: p.made[begin:]}
}

// text returns a text that is not from the record.
func (p *pass) text(text string) token {
	begin := len(p.made)
	p.made = append(p.made, text...)
	return token{kind: textToken, text: p.made[begin:], foreign: true}
}

// value returns a token as the plan has it. Of an object or a list it has no more than the kind.
func (t token) value() any {
	switch t.kind {
	case falseToken, trueToken:
		return t.kind == trueToken
	case numberToken:
		return json.Number(t.text)
	case textToken:
		return string(t.text)
	case timeToken:
		return t.time()
	case objectToken:
		return map[string]any(nil)
	case listToken:
		return []any(nil)
	default:
		return nil
	}
}

// token returns a value of the plan as a token.
func (p *pass) token(v any) (t token, ok bool) {
	switch v := v.(type) {
	case nil:
		return token{}, true
	case bool:
		return boolToken(v), true
	case string:
		return p.text(v), true
	case json.Number:
		t = p.text(string(v))
		t.kind = numberToken
		return t, true
	case time.Time:
		return timeTokenOf(v), true
	case []any:
		return token{kind: listToken, seconds: int64(len(v))}, true
	case map[string]any:
		return token{kind: objectToken}, true
	default:
		return token{}, false
	}
}

// isBlank reports whether a token is null or "".
func (t token) isBlank() bool { return t.kind == nullToken || t.kind == textToken && len(t.text) == 0 }

// plainWhole returns the number that a text of up to 18 digits is.
func plainWhole(text []byte) (n int64, ok bool) {
	rest := text
	if len(rest) > 0 && rest[0] == '-' {
		rest = rest[1:]
	}
	if len(rest) == 0 || len(rest) > 18 {
		return 0, false
	}
	for _, c := range rest {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(rest) < len(text) {
		n = -n
	}
	return n, true
}

// equal reports whether two values are equal as operators have it; ok is false where that is not known here.
func (t token) equal(o token) (same, ok bool) {
	switch {
	case t.kind == nullToken || o.kind == nullToken:
		return t.kind == o.kind, true
	case t.kind >= timeToken || o.kind >= timeToken:
		return false, false
	case t.kind != o.kind:
		return false, true
	case string(t.text) == string(o.text):
		return true, true
	case t.kind == textToken:
		return false, true
	default:
		a, okA := plainWhole(t.text)
		b, okB := plainWhole(o.text)
		if okA && okB {
			return a == b, true
		}
		n := &number{literal: string(t.text)}
		return n.Equal(&number{literal: string(o.text)}).Value() == true, true
	}
}

// compare orders two numbers or two texts; ok is false for anything else.
func (t token) compare(o token) (order int, ok bool) {
	switch {
	case t.kind == textToken && o.kind == textToken:
		return bytes.Compare(t.text, o.text), true
	case t.kind != numberToken || o.kind != numberToken:
		return 0, false
	}
	a, okA := plainWhole(t.text)
	b, okB := plainWhole(o.text)
	if okA && okB {
		return cmp.Compare(a, b), true
	}
	x, y := number{literal: string(t.text)}, number{literal: string(o.text)}
	if x.parse() != nil || y.parse() != nil {
		return 0, false
	}
	return x.value.Cmp(y.value), true
}
