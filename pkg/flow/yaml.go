package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Bounds of what is parsed: documents come from outside, and the parser's work grows with the
// square of the keys in a mapping (70,000 take minutes, 5,000 half a second).
const (
	maxStream      = 1 << 20
	maxLine        = 8 << 10
	maxDocuments   = 1_000
	maxMarks       = 5_000
	maxStreamMarks = 30_000
	maxNesting     = 32
)

// marks counts what keys, items and brackets are made of.
func marks(line string) int {
	n := strings.Count(line, "- ")
	for i := range len(line) {
		switch line[i] {
		case ':', ',', '[', '{':
			n++
		}
	}
	return n
}

// chunk is the text of one document in a stream; skip is the number of lines before it.
type chunk struct {
	text string
	skip int
}

// split cuts a stream at the lines that begin with ---.
func split(data string) []chunk {
	var chunks []chunk
	var b strings.Builder
	skip, line := 0, 0
	for text := range strings.Lines(data) {
		line++
		if marker := strings.TrimRight(text, " \r\n"); marker == "---" || strings.HasPrefix(marker, "--- #") {
			chunks = append(chunks, chunk{b.String(), skip})
			b.Reset()
			skip = line
			continue
		}
		b.WriteString(text)
	}
	return append(chunks, chunk{b.String(), skip})
}

// reader reads one document and gathers its faults.
type reader struct {
	file  string
	skip  int
	lines []string
	// places gets the place of every value that is read.
	places map[string]spec.Pos
	errs   []error
}

func newReader(file string, c chunk) *reader {
	return &reader{file: file, skip: c.skip, lines: strings.Split(c.text, "\n"), places: map[string]spec.Pos{}}
}

func (r *reader) fail(at spec.Pos, path, format string, args ...any) {
	r.errs = append(r.errs, &Error{File: r.file, Line: at.Line, Column: at.Column, Path: path, Msg: fmt.Sprintf(format, args...)})
}

// parse returns the tree of a document, nil when it is empty or broken.
func (r *reader) parse(text string) (root ast.Node) {
	defer func() {
		if p := recover(); p != nil { // the parser is not ours
			r.fail(spec.Pos{Line: r.skip + 1, Column: 1}, "", "YAML can't be read: %v", p)
			root = nil
		}
	}()
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case d.Body.Type() == ast.DirectiveType || root != nil:
			r.fail(r.pos(d.Body), "", "directives and document ends are not supported: separate documents with ---")
			return nil
		default:
			root = d.Body
		}
	}
	return root
}

func (r *reader) syntax(err error) {
	at := spec.Pos{Line: r.skip + 1, Column: 1}
	msg := err.Error()
	if e, ok := errors.AsType[yaml.Error](err); ok {
		msg = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			at = spec.Pos{Line: r.skip + t.Position.Line, Column: max(t.Position.Column, 1)}
		}
	}
	if strings.HasPrefix(msg, "mapping value is not allowed") {
		msg += `: an expression with ": " in it must stand in quotes, or in a block after |`
	}
	r.fail(at, "", "YAML: %s", msg)
}

// pos returns where a node begins.
func (r *reader) pos(n ast.Node) spec.Pos {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return r.pos(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return r.pos(v.Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return spec.Pos{Line: r.skip + 1, Column: 1}
	}
	return spec.Pos{Line: r.skip + t.Position.Line, Column: max(t.Position.Column, 1)}
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    spec.Pos
	path  string
	value ast.Node
}

// entries returns the keys of a mapping in their order, each once. A node that is no mapping is
// a fault, and so is a key that is there twice.
func (r *reader) entries(n ast.Node, path string) []entry {
	var values []*ast.MappingValueNode
	switch v := n.(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		r.fail(r.pos(n), path, "must be a mapping (key: value), is %s", describe(n))
		return nil
	}
	var entries []entry
	lines := map[string]int{}
	for _, v := range values {
		e := entry{at: r.pos(v.Key), value: v.Value}
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			r.fail(e.at, path, "key must be text, is %s", describe(v.Key))
			continue
		}
		e.key, e.path = key.Value, join(path, key.Value)
		if line, twice := lines[e.key]; twice {
			r.fail(e.at, e.path, "is there twice, first on line %d", line)
			continue
		}
		lines[e.key] = e.at.Line
		r.places[e.path] = e.at
		if e.value != nil {
			r.places[e.path] = r.pos(e.value)
		}
		entries = append(entries, e)
	}
	return entries
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// object reads a mapping whose keys are known: read gets each value, unknown keys are faults.
func (r *reader) object(n ast.Node, path string, read map[string]func(entry)) {
	for _, e := range r.entries(n, path) {
		f, ok := read[e.key]
		switch {
		case !ok:
			r.fail(e.at, e.path, "unknown field %q%s", e.key, DidYouMean(e.key, keys(read)))
		case isNull(e.value):
			r.fail(e.at, e.path, "has no value")
		default:
			f(e)
		}
	}
}

// need reports the fields that are not there.
func (r *reader) need(at spec.Pos, path string, fields ...string) {
	for _, field := range fields {
		if _, ok := r.places[join(path, field)]; !ok {
			r.fail(at, join(path, field), "is missing")
		}
	}
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// DidYouMean ends an error about an unknown name: with the known one that is most like it, or with
// all of them.
func DidYouMean(name string, known []string) string {
	if near := spec.Suggest(name, known); near != "" {
		return ": did you mean " + near + "?"
	}
	if len(known) == 0 {
		return ": there are none"
	}
	return ": there are " + strings.Join(known, ", ")
}

func isNull(n ast.Node) bool {
	if n == nil {
		return true
	}
	_, ok := n.(*ast.NullNode)
	return ok
}

// describe names the kind of a node for people.
func describe(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which are not supported"
	case *ast.TagNode:
		return "a tag, which is not supported"
	default:
		return "a " + n.Type().String()
	}
}

// text reads a text.
func (r *reader) text(e entry) string {
	switch v := e.value.(type) {
	case *ast.StringNode:
		if v.Value == "" {
			r.fail(r.pos(v), e.path, "is empty")
		}
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.fail(r.pos(v), e.path, `must be text, is %s: put it in quotes`, describe(v))
	default:
		r.fail(r.pos(e.value), e.path, "must be text, is %s", describe(v))
	}
	return ""
}

// count reads a whole number within bounds.
func (r *reader) count(e entry, low, high int) int {
	v, ok := e.value.(*ast.IntegerNode)
	if !ok {
		r.fail(r.pos(e.value), e.path, "must be a whole number, is %s", describe(e.value))
		return 0
	}
	n, err := strconv.Atoi(v.Token.Value)
	if err != nil || n < low || n > high {
		r.fail(r.pos(v), e.path, "must be a whole number from %d to %d", low, high)
		return 0
	}
	return n
}

// texts reads a mapping from text to text.
func (r *reader) texts(e entry) map[string]string {
	values := map[string]string{}
	for _, one := range r.entries(e.value, e.path) {
		if isNull(one.value) {
			r.fail(one.at, one.path, "has no value")
			continue
		}
		values[one.key] = r.text(one)
	}
	return values
}

// tree reads any value: text, bool, int64, json.Number for other numbers, lists and mappings.
func (r *reader) tree(n ast.Node, path string, depth int) any {
	if depth > maxNesting {
		r.fail(r.pos(n), path, "nests deeper than %d", maxNesting)
		return nil
	}
	switch v := n.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return v.Value.Value
	case *ast.BoolNode:
		return v.Value
	case *ast.IntegerNode, *ast.FloatNode:
		return r.number(n, path)
	case *ast.SequenceNode:
		list := make([]any, 0, len(v.Values))
		for i, one := range v.Values {
			list = append(list, r.tree(one, path+"["+strconv.Itoa(i)+"]", depth+1))
		}
		return list
	case *ast.MappingNode, *ast.MappingValueNode:
		object := map[string]any{}
		for _, e := range r.entries(n, path) {
			object[e.key] = r.tree(e.value, e.path, depth+1)
		}
		return object
	default:
		r.fail(r.pos(n), path, "is %s", describe(n))
		return nil
	}
}

// number keeps a number as it is written where it is no int64.
func (r *reader) number(n ast.Node, path string) any {
	literal := n.GetToken().Value
	if whole, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return whole
	}
	if !json.Valid([]byte(literal)) {
		r.fail(r.pos(n), path, "%s is no decimal number: put it in quotes if it is text", literal)
	}
	return json.Number(literal)
}

// expression reads an expression with the place of each of its characters.
func (r *reader) expression(e entry) spec.Expr {
	x := spec.Expr{At: r.pos(e.value), Path: e.path}
	switch v := e.value.(type) {
	case *ast.StringNode:
		x.Text = v.Value
		x.Locate = r.locateScalar(v.Token, x.At)
	case *ast.LiteralNode:
		x.Text = strings.TrimRight(v.Value.Value, "\n")
		x.At, x.Locate = r.locateBlock(x.Text, x.At, v.Start.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		x.Text = v.GetToken().Value
	default:
		r.fail(x.At, e.path, "must be an expression, is %s", describe(e.value))
		return x
	}
	if strings.TrimSpace(x.Text) == "" {
		r.fail(x.At, e.path, "expression is empty")
	}
	return x
}

// locateScalar finds characters of a plain or quoted text. What goes over several lines is found
// on its first line only.
func (r *reader) locateScalar(t *token.Token, at spec.Pos) func(int) spec.Pos {
	columns := r.columns(t, at)
	return func(offset int) spec.Pos {
		if offset < 0 || offset >= len(columns) {
			return at
		}
		return spec.Pos{Line: at.Line, Column: columns[offset]}
	}
}

// columns returns the column of each character of a text on its first line, and of its end.
func (r *reader) columns(t *token.Token, at spec.Pos) []int {
	source := r.line(at.Line)
	var columns []int
	column := at.Column
	quote := t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	if quote {
		column++
	}
	for column <= len(source) {
		columns = append(columns, column)
		rest := source[column-1:]
		switch {
		case t.Type == token.SingleQuoteType && strings.HasPrefix(string(rest[:min(2, len(rest))]), "''"):
			column += 2
		case t.Type == token.DoubleQuoteType && rest[0] == '\\' && len(rest) > 1:
			column += escapeLength(rest[1])
		default:
			column++
		}
	}
	return append(columns, column)
}

// escapeLength is how many characters an escape in double quotes takes.
func escapeLength(letter rune) int {
	switch letter {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	default:
		return 2
	}
}

// line returns a line of the stream as characters.
func (r *reader) line(n int) []rune {
	if i := n - r.skip - 1; i >= 0 && i < len(r.lines) {
		return []rune(r.lines[i])
	}
	return nil
}

// locateBlock finds characters of a text after | line by line; of one after >, whose lines are
// joined, the first line only.
func (r *reader) locateBlock(text string, header spec.Pos, style string) (begin spec.Pos, locate func(int) spec.Pos) {
	first := header.Line + 1
	for strings.TrimSpace(string(r.line(first))) == "" && first-r.skip <= len(r.lines) {
		first++
	}
	source := string(r.line(first))
	indent := utf8.RuneCountInString(source) - utf8.RuneCountInString(strings.TrimLeft(source, " "))
	at := spec.Pos{Line: first, Column: indent + 1}
	folded := strings.HasPrefix(style, ">")
	return at, func(offset int) spec.Pos {
		runes := []rune(text)
		before := string(runes[:min(max(offset, 0), len(runes))])
		down := strings.Count(before, "\n")
		across := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
		if folded && (down > 0 || across > len(r.line(first))-indent) {
			return at
		}
		return spec.Pos{Line: first + down, Column: indent + 1 + across}
	}
}
