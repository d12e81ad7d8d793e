package flow

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// NodeKind is what kind of value a Node is.
type NodeKind int

// The kinds of values.
const (
	NullNode NodeKind = iota
	BoolNode
	NumberNode
	TextNode
	ListNode
	ObjectNode
)

// Node is a value in a document: a record of a test, or a message that is expected. Numbers keep their
// literal, fields their order.
type Node struct {
	Kind NodeKind
	At   spec.Pos
	// Path names the value in errors, for example cases[0].record.items[1].qty.
	Path string
	// Text is the text, the number as it is written, or true or false.
	Text   string
	Items  []Node
	Fields []NodeField
}

// NodeField is a field of an object.
type NodeField struct {
	Name string
	// At is the place of the name.
	At    spec.Pos
	Value Node
}

// JSON returns the value as JSON.
func (n Node) JSON() []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n Node) write(b *bytes.Buffer) {
	switch n.Kind {
	case NullNode:
		b.WriteString("null")
	case BoolNode, NumberNode:
		b.WriteString(n.Text)
	case TextNode:
		writeText(b, n.Text)
	case ListNode:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case ObjectNode:
		b.WriteByte('{')
		for i, field := range n.Fields {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, field.Name)
			b.WriteByte(':')
			field.Value.write(b)
		}
		b.WriteByte('}')
	}
}

func writeText(b *bytes.Buffer, text string) {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text can always be written
	b.Truncate(b.Len() - 1)  // without the line break
}

// isNumber reports whether a text is a number as JSON writes it.
func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || '0' <= text[0] && text[0] <= '9') && json.Valid([]byte(text))
}

// node reads any value with its place.
func (r *reader) node(n ast.Node, path string, depth int) Node {
	read := Node{Path: path}
	if n == nil {
		return read
	}
	read.At = r.pos(n)
	if depth > maxNesting {
		r.fail(read.At, path, "nests deeper than %d", maxNesting)
		return read
	}
	switch v := n.(type) {
	case *ast.NullNode:
	case *ast.StringNode:
		read.Kind, read.Text = TextNode, v.Value
		if v.Token.Type == token.StringType && isNumber(v.Value) { // too long for the parser to take it for one
			read.Kind = NumberNode
		}
	case *ast.LiteralNode:
		read.Kind, read.Text = TextNode, v.Value.Value
	case *ast.BoolNode:
		read.Kind, read.Text = BoolNode, strconv.FormatBool(v.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		read.Kind, read.Text = NumberNode, n.GetToken().Value
		if !json.Valid([]byte(read.Text)) {
			r.fail(read.At, path, "%s is no decimal number: put it in quotes if it is text", read.Text)
		}
	case *ast.SequenceNode:
		read.Kind = ListNode
		for i, one := range v.Values {
			read.Items = append(read.Items, r.node(one, path+"["+strconv.Itoa(i)+"]", depth+1))
		}
	case *ast.MappingNode, *ast.MappingValueNode:
		read.Kind = ObjectNode
		for _, e := range r.entries(n, path) {
			read.Fields = append(read.Fields, NodeField{Name: e.key, At: e.at, Value: r.node(e.value, e.path, depth+1)})
		}
	default:
		r.fail(read.At, path, "is %s", describe(n))
	}
	return read
}
