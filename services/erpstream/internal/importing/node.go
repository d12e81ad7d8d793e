package importing

import (
	"strings"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// kind is what a node is.
type kind int

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindObject
	// kindElided stands for what the text leaves out with "...".
	kindElided
)

func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "text", "a list", "an object", "left out"}[k]
}

// node is one value of metadata, with its place in the file.
type node struct {
	kind kind
	// text is that of a string, or the literal of a number or of true and false.
	text    string
	items   []*node
	members []member
	at      spec.Pos
}

// member is a key of an object with its value. The key of what is left out between others is "".
type member struct {
	key   string
	at    spec.Pos
	value *node
}

// get returns the value of a key, nil when it is not there or null.
func (n *node) get(keys ...string) *node {
	if n == nil {
		return nil
	}
	for _, key := range keys {
		for _, m := range n.members {
			if m.key == key && m.value.kind != kindNull {
				return m.value
			}
		}
	}
	return nil
}

// scalar returns the text of a string, a number or a boolean, "" for anything else.
func (n *node) scalar() string {
	if n == nil || n.kind == kindList || n.kind == kindObject || n.kind == kindElided {
		return ""
	}
	return n.text
}

// list returns the elements of a list, none of anything else.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// gaps returns where something is left out directly in a list or an object.
func (n *node) gaps() []spec.Pos {
	var gaps []spec.Pos
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.key == "" && m.value.kind == kindElided {
			gaps = append(gaps, m.at)
		}
	}
	for _, item := range n.items {
		if item.kind == kindElided {
			gaps = append(gaps, item.at)
		}
	}
	return gaps
}

// String returns the node as JSON, shortened, for comments and reports.
func (n *node) String() string {
	var b strings.Builder
	n.write(&b)
	return shorten(b.String())
}

// maxShown is how many characters of the original text a comment repeats.
const maxShown = 200

func (n *node) write(b *strings.Builder) {
	if b.Len() > 4*maxShown {
		return
	}
	switch n.kind {
	case kindText:
		b.WriteString(quote(n.text))
	case kindElided:
		b.WriteString("...")
	case kindList:
		b.WriteByte('[')
		for i, item := range n.items {
			comma(b, i)
			item.write(b)
		}
		b.WriteByte(']')
	case kindObject:
		b.WriteByte('{')
		for i, m := range n.members {
			comma(b, i)
			if m.key != "" {
				b.WriteString(quote(m.key) + ":")
			}
			m.value.write(b)
		}
		b.WriteByte('}')
	case kindNull:
		b.WriteString("null")
	default:
		b.WriteString(n.text)
	}
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

// shorten returns text on one line, without control characters and not too long.
func shorten(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, text)), " ")
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return text
}

// fault is an error at a place of a metadata file.
func fault(file string, at spec.Pos, msg string) error {
	return &flow.Error{File: file, Line: at.Line, Column: at.Column, Msg: msg}
}
