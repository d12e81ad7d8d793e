package mapping

import (
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/mapping/internal/scan"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// passCompiler makes the onePass of a mapping that was found to be in order.
type passCompiler struct {
	pass *onePass
	// levels are the nodes of the elements that each walks, by depth, from the record on; nil for what an
	// expression made.
	levels []*scan.Node
	times  times
	tables map[string]spec.Table
	// unable is set when there is something that only the plan can do, unchecked when the contract has rules
	// that parts do not check.
	unable, unchecked bool
}

// onePass compiles the mapping, nil when only the plan can make its message.
func (c *checker) onePass(m *Mapping) *onePass {
	shape := scan.New()
	pc := &passCompiler{pass: &onePass{shape: shape, idle: &sync.Pool{}}, levels: []*scan.Node{shape.Root()}, times: c.times, tables: c.tables}
	if m.where != nil {
		pc.pass.where = pc.expression(m.where, 0)
	}
	for i := range m.quality {
		pc.pass.rules = append(pc.pass.rules, pc.ruling(&m.quality[i]))
	}
	pc.pass.root = pc.message(m.plan, m.message.Descriptor(), 0)
	if pc.unable {
		return nil
	}
	if pc.unchecked {
		pc.pass.message, pc.pass.validator = m.message, m.validator
	}
	shape.Seal()
	return pc.pass
}

// levelOf returns the depth of the each that a root stands for.
func (*passCompiler) levelOf(root string, depth int) int {
	switch root {
	case itemVariable:
		return depth
	case "parent":
		return depth - 1
	default:
		return 0
	}
}

// node asks for what a path leads to, nil in what an expression made.
func (c *passCompiler) node(p path, depth int) *scan.Node {
	n := c.levels[c.levelOf(p.root, depth)]
	if n == nil {
		return nil
	}
	for _, s := range p.steps {
		if s.key == "" {
			n = n.Index(s.index)
		} else {
			n = n.Key(s.key)
		}
	}
	return n
}

// expression compiles an expression: a path, what is done natively, or CEL.
func (c *passCompiler) expression(x *expression, depth int) source {
	if x.program != nil {
		if do := c.native(x, depth); do != nil {
			return do
		}
		return c.computed(x, depth)
	}
	level := c.levelOf(x.direct.root, depth)
	if node := c.node(x.direct, depth); node != nil {
		return placed(level, node.Slot())
	}
	return func(p *pass) (token, bool) {
		v, err := x.read(p.levels[level].item)
		if err != nil {
			return token{}, false
		}
		return p.token(v)
	}
}

// walk compiles what each walks; what is compiled next for the depth within it sees its elements.
func (c *passCompiler) walk(x *expression, depth int) *walk {
	w := &walk{level: depth + 1}
	c.pass.depth = max(c.pass.depth, depth+1)
	var element *scan.Node
	if x.program == nil {
		w.from = c.levelOf(x.direct.root, depth)
	}
	if node := c.listNode(x, depth); node != nil {
		w.slot, element = node.Slot(), node.Element()
		w.node = element
	} else {
		w.values = c.values(x, depth)
	}
	c.levels = append(c.levels[:depth+1], element)
	return w
}

func (c *passCompiler) listNode(x *expression, depth int) *scan.Node {
	if x.program != nil {
		return nil
	}
	return c.node(x.direct, depth)
}

// values compiles a list that an expression makes, or that is in what one made.
func (c *passCompiler) values(x *expression, depth int) func(p *pass) ([]any, error) {
	if x.program == nil {
		level := c.levelOf(x.direct.root, depth)
		return func(p *pass) ([]any, error) {
			v, err := x.read(p.levels[level].item)
			if err != nil {
				return nil, err
			}
			return x.list(v)
		}
	}
	c.pass.computes = true
	whole := c.ask(x.checked.Expr(), depth, nil)
	return func(p *pass) ([]any, error) {
		v, err := p.evaluate(x, depth, whole)
		if err != nil {
			return nil, err
		}
		return x.list(v)
	}
}

// made is a compiled field with what its place depends on.
type made struct {
	part  part
	place int
	looks bool
}

// message compiles the fields of a message.
func (c *passCompiler) message(p *plan, md protoreflect.MessageDescriptor, depth int) *parts {
	c.contract(p, md)
	var fields []made
	for i := range p.fields {
		f := &p.fields[i]
		fields = append(fields, made{c.field(f, depth), int(f.fd.Number()), f.looksUp()})
	}
	return arranged(fields)
}

// arranged puts fields in the order of their places, in which they are written. They are evaluated in that
// order too, unless it changed that of look-ups, which can be seen.
func arranged(fields []made) *parts {
	sorted := slices.SortedFunc(slices.Values(fields), func(a, b made) int { return a.place - b.place })
	lookUps := func(of []made) []made {
		return slices.DeleteFunc(slices.Clone(of), func(f made) bool { return !f.looks })
	}
	same := func(a, b made) bool { return a.place == b.place }
	if slices.EqualFunc(lookUps(fields), lookUps(sorted), same) {
		return &parts{parts: merged(sorted)}
	}
	asWritten := &parts{}
	for i, f := range fields {
		asWritten.parts = append(asWritten.parts, f.part)
		asWritten.order = append(asWritten.order, slices.IndexFunc(fields, func(other made) bool { return same(other, sorted[i]) }))
	}
	return asWritten
}

// merged makes one part of neighbours that are the same for all elements of a list.
func merged(fields []made) []part {
	var all []part
	var before *shared
	for _, f := range fields {
		one, ok := f.part.(*shared)
		if ok && before != nil {
			before.parts = append(before.parts, one.parts...)
			continue
		}
		before = one
		all = append(all, f.part)
	}
	return all
}

// field compiles a field by its shape.
func (c *passCompiler) field(f *field, depth int) part {
	fd := f.fd
	rules := c.rulesOf(fd)
	switch {
	case f.pairs != nil:
		return c.pairs(f, rules, depth)
	case f.each != nil && f.message != nil:
		w := c.walk(f.each, depth)
		element := c.message(f.message, fd.Message(), depth+1)
		return &lines{walk: w, tag: tagOf(fd, protowire.BytesType), element: element, fields: len(f.message.fields), count: rules.count}
	case f.each != nil:
		return c.scalars(f, rules, depth)
	case f.message != nil:
		return &nested{tag: tagOf(fd, protowire.BytesType), message: c.message(f.message, fd.Message(), depth), required: rules.required}
	default:
		return c.scalar(f, fd, rules, depth)
	}
}

// scalar compiles a field with one value.
func (c *passCompiler) scalar(f *field, fd protoreflect.FieldDescriptor, rules fieldRules, depth int) part {
	s := newScalar(f, fd, rules)
	if x := f.value; x.program == nil && c.levels[c.levelOf(x.direct.root, depth)] != nil {
		s.level, s.slot = c.levelOf(x.direct.root, depth), c.node(x.direct, depth).Slot()
	} else {
		s.from = c.expression(x, depth)
	}
	if f.slot == 0 {
		return s
	}
	c.pass.memos++
	return &shared{parts: []part{s}, memo: c.pass.memos - 1}
}

// scalars compiles a list of values.
func (c *passCompiler) scalars(f *field, rules fieldRules, depth int) part {
	w := c.walk(f.each, depth)
	l := &lines{walk: w, fields: 1, count: rules.count, flat: true, element: c.scalar(f, f.fd, fieldRules{}, depth+1)}
	if f.fd.IsPacked() {
		l.packed = tagOf(f.fd, protowire.BytesType)
	}
	return l
}

// pairs compiles a map. Its entries are written in the order of their names.
func (c *passCompiler) pairs(f *field, rules fieldRules, depth int) part {
	names := make([]string, 0, len(f.pairs))
	for _, p := range f.pairs {
		names = append(names, p.name)
	}
	slices.Sort(names)
	var entries []made
	for _, p := range f.pairs {
		value := c.scalar(p.value, f.fd.MapValue(), fieldRules{}, depth)
		head := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), p.name)
		entries = append(entries, made{&namedValue{tag: tagOf(f.fd, protowire.BytesType), head: head, value: value}, slices.Index(names, p.name), p.value.looksUp()})
	}
	return &pairs{entries: arranged(entries), count: rules.count}
}

// looksUp reports whether a field looks something up.
func (f *field) looksUp() bool {
	for _, x := range []*expression{f.each, f.value} {
		if x != nil && x.looksUp {
			return true
		}
	}
	if f.message != nil && slices.ContainsFunc(f.message.fields, func(f field) bool { return f.looksUp() }) {
		return true
	}
	return slices.ContainsFunc(f.pairs, func(p pair) bool { return p.value.looksUp() })
}
