// Package reads tells which fields of a record an expression reads. It only parses: types, functions and
// whether the expression compiles at all are the business of package mapping.
package reads

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/parser"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Read is one field of a record that an expression reads.
type Read struct {
	// Path leads to the field from the record: io_id, items[].qty. The elements of a list are [],
	// whichever of them is read.
	Path string
	// At is where the path begins in the document.
	At spec.Pos
	// Search says that the value is only looked up by, and so does not become part of the result.
	Search bool
}

// Scope says where the variables of an expression stand in the record, by their names: "" is the record
// itself. What is not in it leads nowhere, and what is read of it is not told.
type Scope map[string]string

// Record is the scope outside any each.
func Record() Scope { return Scope{"record": ""} }

// Within returns the scope of the elements of a list; path is the list's, and known says whether it has
// one in the record.
func (s Scope) Within(path string, known bool) Scope {
	within := Scope{"record": ""}
	if item, ok := s["item"]; ok {
		within["parent"] = item
	}
	if known {
		within["item"] = path + "[]"
	}
	return within
}

// maxExpression is the length of an expression that is looked at, in characters: mapping takes no longer
// ones.
const maxExpression = 4096

// Of returns what an expression reads, in the order of its text. One that can't be parsed reads nothing.
func Of(e spec.Expr, in Scope) []Read {
	parsed, ok := parse(e.Text)
	if !ok {
		return nil
	}
	r := &reader{expr: e, info: parsed.SourceInfo()}
	r.walk(parsed.Expr(), in, false)
	return r.reads
}

// List returns the path of the list whose elements an expression gives; ok is false where that is no list
// of the record, or none as it stands there.
func List(e spec.Expr, in Scope) (path string, ok bool) {
	parsed, ok := parse(e.Text)
	if !ok {
		return "", false
	}
	return listOf(parsed.Expr(), in)
}

// parse parses an expression without expanding macros: x.exists(i, …) stays a call, from which the
// variable and its list can be told.
func parse(text string) (*ast.AST, bool) {
	if utf8.RuneCountInString(text) > maxExpression {
		return nil, false
	}
	p, err := parser.NewParser(parser.EnableOptionalSyntax(true), parser.EnableIdentEscapeSyntax(true))
	if err != nil {
		return nil, false
	}
	parsed, errs := p.Parse(common.NewTextSource(text))
	return parsed, len(errs.GetErrors()) == 0
}

// reader gathers what one expression reads.
type reader struct {
	expr  spec.Expr
	info  *ast.SourceInfo
	reads []Read
}

// walk notes what a part of the expression reads; search says that its value is looked up by.
func (r *reader) walk(e ast.Expr, in Scope, search bool) {
	if path, ok := pathOf(e, in); ok {
		if path != "" {
			r.reads = append(r.reads, Read{Path: path, At: r.place(e), Search: search})
		}
		r.indexes(e, in)
		return
	}
	switch e.Kind() {
	case ast.SelectKind:
		r.walk(e.AsSelect().Operand(), in, search)
	case ast.CallKind:
		r.call(e.AsCall(), in, search)
	case ast.ListKind:
		for _, one := range e.AsList().Elements() {
			r.walk(one, in, search)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			r.walk(entry.AsMapEntry().Key(), in, search)
			r.walk(entry.AsMapEntry().Value(), in, search)
		}
	default:
	}
}

// call walks the parts of a call. A name among its arguments that nothing else has is a variable for the
// elements of the list that the call is about.
func (r *reader) call(call ast.CallExpr, in Scope, search bool) {
	search = search || call.FunctionName() == "lookup"
	parts := call.Args()
	if call.IsMemberFunction() {
		parts = append([]ast.Expr{call.Target()}, parts...)
	}
	within := implicit(call, parts, in)
	for i, part := range parts {
		if declares(part, i, in) {
			within = bind(within, part.AsIdent(), parts, i)
		}
	}
	for i, part := range parts {
		switch {
		case i == 0:
			r.walk(part, in, search)
		case !declares(part, i, in):
			r.walk(part, within, search)
		}
	}
}

// walkers are the functions whose second part is computed for each element of the first, as item, where no
// variable is named.
var walkers = []string{"sum", "avg", "min", "max", "count", "group", "sortBy"}

// implicit returns the scope of the parts of a call behind the first.
func implicit(call ast.CallExpr, parts []ast.Expr, in Scope) Scope {
	if len(parts) != 2 || !slices.Contains(walkers, call.FunctionName()) {
		return in
	}
	within := maps.Clone(in)
	delete(within, "item")
	if path, ok := listOf(parts[0], in); ok {
		within["item"] = path + "[]"
	}
	return within
}

// declares reports whether a part of a call, not the first, is a name that nothing has yet.
func declares(part ast.Expr, i int, in Scope) bool {
	if i == 0 || part.Kind() != ast.IdentKind {
		return false
	}
	_, known := in[part.AsIdent()]
	return !known
}

// bind returns a scope with a variable that a call declares: of cel.bind(x, value, …) for the value, of
// all others for the elements of the first part.
func bind(in Scope, name string, parts []ast.Expr, i int) Scope {
	within := maps.Clone(in)
	if parts[0].Kind() == ast.IdentKind && parts[0].AsIdent() == "cel" {
		if path, ok := pathOf(parts[min(i+1, len(parts)-1)], in); ok {
			within[name] = path
		}
		return within
	}
	if path, ok := listOf(parts[0], in); ok {
		within[name] = path + "[]"
	}
	return within
}

// indexes walks what computes an index or a key on the way to a field.
func (r *reader) indexes(e ast.Expr, in Scope) {
	switch e.Kind() {
	case ast.SelectKind:
		r.indexes(e.AsSelect().Operand(), in)
	case ast.CallKind:
		r.indexes(e.AsCall().Args()[0], in)
		for _, by := range e.AsCall().Args()[1:] {
			r.walk(by, in, false)
		}
	default:
	}
}

// place returns where a path begins.
func (r *reader) place(e ast.Expr) spec.Pos {
	for {
		switch e.Kind() {
		case ast.SelectKind:
			e = e.AsSelect().Operand()
			continue
		case ast.CallKind:
			e = e.AsCall().Args()[0]
			continue
		default:
		}
		at := r.info.GetStartLocation(e.ID())
		lines := strings.SplitAfter(r.expr.Text, "\n")
		offset := at.Column()
		for _, line := range lines[:min(max(at.Line()-1, 0), len(lines))] {
			offset += utf8.RuneCountInString(line)
		}
		return r.expr.Place(offset)
	}
}

// pathOf returns where a part of an expression leads, if that is to a field of the record.
func pathOf(e ast.Expr, in Scope) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		path, ok := in[e.AsIdent()]
		return path, ok && !strings.HasPrefix(path, grouped)
	case ast.SelectKind:
		if list, ok := groupOf(e.AsSelect().Operand(), in); ok {
			return list, e.AsSelect().FieldName() == "items"
		}
		path, ok := pathOf(e.AsSelect().Operand(), in)
		return join(path, e.AsSelect().FieldName()), ok
	case ast.CallKind:
		return step(e.AsCall(), in)
	default:
		return "", false
	}
}

// grouped begins the path of what group makes of a list: elements with key and items, where items has
// elements of that list.
const grouped = "@"

// groupOf returns the list whose elements a variable has as items.
func groupOf(e ast.Expr, in Scope) (list string, ok bool) {
	if e.Kind() != ast.IdentKind {
		return "", false
	}
	list, ok = strings.CutPrefix(in[e.AsIdent()], grouped)
	return strings.TrimSuffix(list, "[]"), ok
}

// step returns where an index or an optional field leads.
func step(call ast.CallExpr, in Scope) (string, bool) {
	if isOne := call.FunctionName() == "first" || call.FunctionName() == "last"; isOne && len(call.Args()) == 1 && !call.IsMemberFunction() {
		path, ok := listOf(call.Args()[0], in)
		return path + "[]", ok
	}
	if !slices.Contains([]string{operators.Index, operators.OptIndex, operators.OptSelect}, call.FunctionName()) || len(call.Args()) != 2 {
		return "", false
	}
	path, ok := pathOf(call.Args()[0], in)
	if !ok {
		return "", false
	}
	if by := call.Args()[1]; by.Kind() == ast.LiteralKind {
		if key, isKey := by.AsLiteral().Value().(string); isKey {
			return join(path, key), true
		}
		return path + "[]", true
	}
	return "", false // a key that is computed may be any
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// keepers are the functions that give elements of their list as they are.
var keepers = []string{"filter", "sort", "sort_by", "sortBy", "reverse", "slice", "distinct", "coalesce"}

// listOf returns the path of the list that a part of an expression gives elements of.
func listOf(e ast.Expr, in Scope) (string, bool) {
	if path, ok := pathOf(e, in); ok {
		return path, true
	}
	if e.Kind() != ast.CallKind {
		return "", false
	}
	call := e.AsCall()
	switch {
	case call.FunctionName() == operators.Conditional:
		if path, ok := listOf(call.Args()[1], in); ok {
			return path, true
		}
		return listOf(call.Args()[2], in)
	case call.FunctionName() == "group" && len(call.Args()) > 0:
		path, ok := listOf(call.Args()[0], in)
		return grouped + path, ok
	case !slices.Contains(keepers, call.FunctionName()):
		return "", false
	case call.IsMemberFunction():
		return listOf(call.Target(), in)
	case len(call.Args()) > 0:
		return listOf(call.Args()[0], in)
	default:
		return "", false
	}
}
