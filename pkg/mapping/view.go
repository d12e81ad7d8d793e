package mapping

import (
	"fmt"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/erpstream/erpstream/pkg/mapping/internal/scan"
)

// rootSet says which of record, item and parent an expression wants as a whole.
type rootSet uint8

func setOf(root string) rootSet { return 1 << slices.Index(roots, root) }

// computed compiles an expression that CEL evaluates. Of the record it sees what it reads, by views; a root
// that it uses in another way than to read a value in it is decoded as a whole.
func (c *passCompiler) computed(x *expression, depth int) source {
	c.pass.computes = true
	whole := c.ask(x.checked.Expr(), depth, nil)
	return func(p *pass) (token, bool) {
		v, err := p.evaluate(x, depth, whole)
		if err != nil {
			return token{}, false
		}
		return p.token(v)
	}
}

// evaluate evaluates an expression of a depth.
func (p *pass) evaluate(x *expression, depth int, whole rootSet) (any, error) {
	p.depth, p.whole, p.scope.index = depth, whole, p.levels[depth].index
	return x.value(&p.scope)
}

// ask asks for what an expression reads, and returns the roots that it wants as a whole.
func (c *passCompiler) ask(e ast.Expr, depth int, bound []string) (whole rootSet) {
	if p, ok := readOf(e); ok {
		if slices.Contains(bound, p.root) {
			return 0
		}
		return c.want(p, depth)
	}
	if e.Kind() == ast.ComprehensionKind {
		loop := e.AsComprehension()
		whole = c.ask(loop.IterRange(), depth, bound) | c.ask(loop.AccuInit(), depth, bound)
		bound = append(slices.Clone(bound), loop.IterVar(), loop.IterVar2(), loop.AccuVar())
		for _, part := range []ast.Expr{loop.LoopCondition(), loop.LoopStep(), loop.Result()} {
			whole |= c.ask(part, depth, bound)
		}
		return whole
	}
	for _, child := range children(e) {
		whole |= c.ask(child, depth, bound)
	}
	return whole
}

// readOf returns the path that an expression reads: a path, has() of one, or an optional key of one.
func readOf(e ast.Expr) (path, bool) {
	if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
		p, ok := pathOf(e.AsSelect().Operand())
		p.steps = append(slices.Clone(p.steps), step{key: e.AsSelect().FieldName()})
		return p, ok
	}
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "_?._" {
		p, ok := pathOf(e.AsCall().Args()[0])
		key, isText := textArgument(e.AsCall().Args(), 1)
		p.steps = append(slices.Clone(p.steps), step{key: key})
		return p, ok && isText && key != ""
	}
	return pathOf(e)
}

// want asks for the value that a path leads to, up to the first list that it looks into. It returns the root
// where there is no way to ask.
func (c *passCompiler) want(p path, depth int) rootSet {
	if c.levels[c.levelOf(p.root, depth)] == nil {
		return 0 // a value that an expression made
	}
	if i := slices.IndexFunc(p.steps, func(s step) bool { return s.key == "" }); i >= 0 {
		p.steps = p.steps[:i]
	}
	if len(p.steps) == 0 {
		return setOf(p.root)
	}
	c.node(p, depth).Whole = true
	return 0
}

// root is what an expression sees as record, item or parent.
func (p *pass) root(name string) ref.Val {
	depth := 0
	switch name {
	case itemVariable:
		depth = p.depth
	case "parent":
		depth = p.depth - 1
	}
	l := &p.levels[depth]
	node := l.node
	switch {
	case node == nil:
		return wrap(l.item)
	case p.whole&setOf(name) != 0:
		return p.decode(l.base + node.Slot())
	default:
		return p.show(node, l.base)
	}
}

// show shows the value of a node to an expression.
func (p *pass) show(node *scan.Node, base int) ref.Val {
	place := base + node.Slot()
	switch p.doc.Values[place].Kind {
	case scan.Object:
		if !node.Whole {
			return &view{pass: p, node: node, base: base}
		}
		return p.decode(place)
	case scan.List:
		return p.decode(place)
	default:
		return wrap(p.at(place).value())
	}
}

// decode returns a value as the plan has it.
func (p *pass) decode(place int) ref.Val {
	if known, ok := p.decoded[place]; ok {
		return wrap(known)
	}
	v := &p.doc.Values[place]
	if v.Kind != scan.Object && v.Kind != scan.List {
		return wrap(p.at(place).value())
	}
	decoded, err := decodeJSON(p.doc.Body[v.Begin:v.End])
	if err != nil {
		return types.WrapErr(err)
	}
	p.decoded[place] = decoded
	return wrap(decoded)
}

// view is an object of which an expression reads keys that were asked for.
type view struct {
	pass *pass
	node *scan.Node
	base int
}

func (*view) ConvertToNative(want reflect.Type) (any, error) {
	return nil, fmt.Errorf("an object can't be used as %v", want)
}

func (*view) ConvertToType(want ref.Type) ref.Val {
	return types.NewErr("an object can't be converted to %s", want.TypeName())
}

func (*view) Equal(ref.Val) ref.Val { return types.NewErr("an object was not read as a whole") }
func (*view) Type() ref.Type        { return objectType }
func (v *view) Value() any          { return v }

// Get returns the value of a key, null when there is none.
func (v *view) Get(key ref.Val) ref.Val {
	child := v.child(key)
	if child == nil {
		return types.NewErr("a key that was not asked for")
	}
	return v.pass.show(child, v.base)
}

// IsSet is what has() asks.
func (v *view) IsSet(key ref.Val) ref.Val {
	child := v.child(key)
	if child == nil {
		return types.NewErr("a key that was not asked for")
	}
	return types.Bool(v.pass.doc.Values[v.base+child.Slot()].Kind != scan.Absent)
}

func (v *view) child(key ref.Val) *scan.Node {
	name, ok := key.(types.String)
	if !ok {
		return nil
	}
	return v.node.Child(string(name))
}
