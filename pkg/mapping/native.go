package mapping

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/erpstream/erpstream/pkg/mapping/internal/scan"
)

// native compiles the expressions that are frequent and cheap to do without CEL: conversions, texts that are
// put together, comparisons, choices, times, look-ups. Each does what CEL does with the values that it takes;
// with others it gives up.
type native struct {
	*passCompiler
	checked *ast.AST
	// depth is how many each are around the expression, personal whether its values are.
	depth    int
	personal bool
	// nodes counts the parts of the expression, and constant the bytes of text in it.
	nodes, constant int
}

// native returns an expression as a source, nil when it is none of those.
func (c *passCompiler) native(x *expression, depth int) source {
	n := &native{passCompiler: c, checked: x.checked, depth: depth, personal: x.personal}
	do := n.source(x.checked.Expr())
	if do == nil {
		return nil
	}
	nodes, constant := n.nodes, n.constant
	return func(p *pass) (token, bool) {
		p.looked = constant
		t, ok := do(p)
		p.budget.spent += uint64(nodes * (5 + p.looked/5)) // more than CEL would count
		return t, ok
	}
}

// source compiles a node, nil when it is none that is done here.
func (n *native) source(e ast.Expr) source {
	n.nodes += 4 // with what is read on the way to it
	if path, ok := pathOf(e); ok {
		return n.path(path)
	}
	switch e.Kind() {
	case ast.LiteralKind:
		return n.literal(e.AsLiteral().Value())
	case ast.IdentKind:
		return n.variable(e.AsIdent())
	case ast.SelectKind:
		return n.selected(e.AsSelect())
	case ast.CallKind:
		return n.call(e)
	default:
		return nil
	}
}

// path reads what the record has at a place.
func (n *native) path(path path) source {
	node := n.node(path, n.depth)
	if node == nil {
		return nil
	}
	n.nodes += len(path.steps)
	return seen(placed(n.levelOf(path.root, n.depth), node.Slot()))
}

// placed reads the value at a place of a level.
func placed(level, slot int) source {
	return func(p *pass) (token, bool) { return p.at(p.levels[level].base + slot), true }
}

// seen counts the text that is looked at.
func seen(from source) source {
	return func(p *pass) (token, bool) {
		t, ok := from(p)
		p.looked += len(t.text)
		return t, ok
	}
}

// literal is what is written out.
func (n *native) literal(v any) source {
	var t token
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return nil
		}
		t = token{kind: textToken, text: []byte(v)}
	case int64:
		t = (&pass{}).wholeNumber(v)
	case bool:
		t = boolToken(v)
	default:
		if v != types.NullValue.Value() {
			return nil
		}
	}
	n.constant += len(t.text)
	return func(*pass) (token, bool) { return t, true }
}

// variable is a name that is no JSON.
func (n *native) variable(name string) source {
	switch depth := n.depth; name {
	case indexVariable:
		return func(p *pass) (token, bool) { return p.wholeNumber(int64(p.levels[depth].index)), true }
	case "meta.key":
		return seen(func(p *pass) (token, bool) { return p.text(p.envelope.Key), true })
	case "meta.source":
		return seen(func(p *pass) (token, bool) { return p.text(p.envelope.Source), true })
	case "meta.version":
		return func(p *pass) (token, bool) { return p.wholeNumber(p.envelope.Version), true }
	case "meta.time":
		return func(p *pass) (token, bool) { return timeTokenOf(p.envelope.Time), true }
	default:
		return nil
	}
}

// selected is has(record.a), or a field of what a look-up found.
func (n *native) selected(s ast.SelectExpr) source {
	if !s.IsTestOnly() {
		if call, ok := lookupOf(s.Operand()); ok {
			return n.lookup(call, s.FieldName())
		}
		return nil
	}
	path, ok := pathOf(s.Operand())
	if !ok {
		return nil
	}
	path.steps = append(slices.Clone(path.steps), step{key: s.FieldName()})
	node := n.node(path, n.depth)
	if node == nil {
		return nil
	}
	n.nodes += len(path.steps)
	level, slot := n.levelOf(path.root, n.depth), node.Slot()
	return func(p *pass) (token, bool) {
		return boolToken(p.doc.Values[p.levels[level].base+slot].Kind != scan.Absent), true
	}
}

// lookup reads a field of the one entry that a value leads to.
func (n *native) lookup(call ast.CallExpr, field string) source {
	collection, _ := textArgument(call.Args(), 0)
	by, _ := textArgument(call.Args(), 1)
	of := n.source(call.Args()[2])
	if of == nil {
		return nil
	}
	personal := n.personal
	return func(p *pass) (token, bool) {
		t, ok := of(p)
		if !ok || p.scope.lookup == nil || t.kind != textToken && t.kind != numberToken {
			return t, false
		}
		value := strings.TrimSpace(string(t.text))
		if value == "" {
			return t, false
		}
		p.scope.lookup.personal = personal
		entries := p.scope.lookup.Find(collection, by, value)
		if len(entries) != 1 {
			return t, false
		}
		found, ok := entries[0].Field(field)
		p.looked += len(found)
		return p.text(found), ok
	}
}

// call compiles a call of a function or an operator.
func (n *native) call(e ast.Expr) source {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	switch name := call.FunctionName(); name {
	case "string":
		if text := n.textAt(args); text != nil {
			return text
		}
	case operators.In:
		return n.in(args)
	case operators.Add:
		return n.concatenation(e)
	case tableFunction:
		return n.table(args)
	case "datetime", "format_time":
		return n.timeCall(name, args)
	}
	do, ok := natives[call.FunctionName()]
	if !ok || do.args != len(args) {
		return nil
	}
	sources := n.sources(args)
	if sources == nil {
		return nil
	}
	return do.make(n.times, sources)
}

// sources compiles arguments, nil when one of them is not done here.
func (n *native) sources(args []ast.Expr) []source {
	var all []source
	for _, arg := range args {
		s := n.source(arg)
		if s == nil {
			return nil
		}
		all = append(all, s)
	}
	return all
}

// natives are functions and operators by name, with how many arguments they have here.
var natives = map[string]struct {
	args int
	make func(t times, args []source) source
}{
	"string":                {1, converted(toText)},
	"int":                   {1, converted(toWhole)},
	"decimal":               {1, converted(toNumber)},
	"size":                  {1, converted(sizeOfToken)},
	operators.LogicalNot:    {1, converted(not)},
	"date":                  {1, func(t times, args []source) source { return t.formatted(args[0], t.zone, time.DateOnly) }},
	"coalesce":              {2, picked(token.isBlank)},
	"default":               {2, picked(func(t token) bool { return t.kind == nullToken })},
	operators.Equals:        {2, paired(func(_ *pass, a, b token) (token, bool) { same, ok := a.equal(b); return boolToken(same), ok })},
	operators.NotEquals:     {2, paired(func(_ *pass, a, b token) (token, bool) { same, ok := a.equal(b); return boolToken(!same), ok })},
	operators.Less:          {2, ordered(func(order int) bool { return order < 0 })},
	operators.LessEquals:    {2, ordered(func(order int) bool { return order <= 0 })},
	operators.Greater:       {2, ordered(func(order int) bool { return order > 0 })},
	operators.GreaterEquals: {2, ordered(func(order int) bool { return order >= 0 })},
	operators.LogicalAnd:    {2, decided(false)},
	operators.LogicalOr:     {2, decided(true)},
	operators.Conditional:   {3, conditional},
}

// converted makes a source of what is done with one value.
func converted(do func(p *pass, t token) (token, bool)) func(times, []source) source {
	return func(_ times, args []source) source {
		return func(p *pass) (token, bool) {
			t, ok := args[0](p)
			if !ok {
				return t, false
			}
			return do(p, t)
		}
	}
}

// paired makes a source of what is done with two values.
func paired(do func(p *pass, a, b token) (token, bool)) func(times, []source) source {
	return func(_ times, args []source) source {
		return func(p *pass) (token, bool) {
			a, ok := args[0](p)
			if !ok {
				return a, false
			}
			b, ok := args[1](p)
			if !ok {
				return b, false
			}
			return do(p, a, b)
		}
	}
}

func ordered(holds func(order int) bool) func(times, []source) source {
	return paired(func(_ *pass, a, b token) (token, bool) {
		order, ok := a.compare(b)
		return boolToken(holds(order)), ok
	})
}

// decided is "and" for false and "or" for true: a first value that decides ends it.
func decided(by bool) func(times, []source) source {
	return func(_ times, args []source) source {
		return func(p *pass) (token, bool) {
			holds, ok := args[0].truth(p)
			if !ok || holds == by {
				return boolToken(holds), ok
			}
			holds, ok = args[1].truth(p)
			return boolToken(holds), ok
		}
	}
}

func conditional(_ times, args []source) source {
	return func(p *pass) (token, bool) {
		holds, ok := args[0].truth(p)
		switch {
		case !ok:
			return token{}, false
		case holds:
			return args[1](p)
		default:
			return args[2](p)
		}
	}
}

// picked is the first of two values that is not skipped, else null.
func picked(skip func(token) bool) func(times, []source) source {
	return func(_ times, args []source) source {
		return func(p *pass) (token, bool) {
			for _, arg := range args {
				if t, ok := arg(p); !ok || !skip(t) {
					return t, ok
				}
			}
			return token{}, true
		}
	}
}

// textAt is string() of what the record has at a place.
func (n *native) textAt(args []ast.Expr) source {
	path, ok := pathOf(args[0])
	if !ok {
		return nil
	}
	node := n.node(path, n.depth)
	if node == nil {
		return nil
	}
	n.nodes += 4 + len(path.steps)
	level, slot := n.levelOf(path.root, n.depth), node.Slot()
	return func(p *pass) (token, bool) {
		t, ok := toText(p, p.at(p.levels[level].base+slot))
		p.looked += len(t.text)
		return t, ok
	}
}

// concatenation puts texts together. What else + does is not done here.
func (n *native) concatenation(e ast.Expr) source {
	if n.checked.GetType(e.ID()).Kind() != cel.StringKind {
		return nil
	}
	var pieces []source
	var add func(e ast.Expr) bool
	add = func(e ast.Expr) bool {
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Add && n.checked.GetType(e.ID()).Kind() == cel.StringKind {
			n.nodes++
			return add(e.AsCall().Args()[0]) && add(e.AsCall().Args()[1])
		}
		piece := n.source(e)
		pieces = append(pieces, piece)
		return piece != nil
	}
	if !add(e) {
		return nil
	}
	return func(p *pass) (token, bool) {
		var room [4][]byte
		texts, foreign := room[:0], false
		for _, piece := range pieces {
			t, ok := piece(p)
			if !ok || t.kind != textToken {
				return t, false
			}
			foreign = foreign || t.foreign
			texts = append(texts, t.text)
		}
		begin := len(p.made)
		for _, text := range texts {
			p.made = append(p.made, text...)
		}
		made := p.made[begin:]
		return token{kind: textToken, text: made, foreign: foreign}, len(made) <= maxText
	}
}

func toText(_ *pass, t token) (token, bool) {
	switch t.kind {
	case textToken, numberToken:
		t.kind = textToken
		return t, true
	case trueToken:
		return token{kind: textToken, text: []byte("true")}, true
	case falseToken:
		return token{kind: textToken, text: []byte("false")}, true
	default:
		return t, false
	}
}

func toWhole(p *pass, t token) (token, bool) {
	if t.kind != textToken && t.kind != numberToken {
		return t, false
	}
	if n, ok := plainWhole(t.text); ok {
		return p.wholeNumber(n), true
	}
	if t.kind == textToken {
		return t, false
	}
	n, ok := (&number{literal: string(t.text)}).toInt().(types.Int)
	return p.wholeNumber(int64(n)), ok
}

func toNumber(p *pass, t token) (token, bool) {
	switch {
	case t.kind == numberToken:
		return t, true
	case t.kind != textToken:
		return t, false
	case isPlainDecimal(t.text):
		t.kind = numberToken
		return t, true
	}
	n, err := parseNumber(string(t.text))
	if err != nil {
		return t, false
	}
	made := p.text(n.literal)
	made.kind = numberToken
	return made, true
}

// sizeOfToken is the number of characters or elements; an object may have a key twice.
func sizeOfToken(p *pass, t token) (token, bool) {
	switch t.kind {
	case nullToken:
		return p.wholeNumber(0), true
	case textToken:
		return p.wholeNumber(int64(utf8.RuneCount(t.text))), !t.foreign
	case listToken:
		return p.wholeNumber(t.seconds), true
	default:
		return t, false
	}
}

func not(_ *pass, t token) (token, bool) {
	return boolToken(t.kind == falseToken), t.kind == falseToken || t.kind == trueToken
}

// in compares with the elements of a list of constants.
func (n *native) in(args []ast.Expr) source {
	isConstant := func(e ast.Expr) bool { return e.Kind() == ast.LiteralKind }
	if args[1].Kind() != ast.ListKind || !every(args[1].AsList().Elements(), isConstant) {
		return nil
	}
	of, values := n.source(args[0]), n.sources(args[1].AsList().Elements())
	if of == nil || values == nil {
		return nil
	}
	return func(p *pass) (token, bool) {
		t, ok := of(p)
		for _, value := range values {
			other, _ := value(p)
			same, known := other.equal(t)
			if ok = ok && known; !ok || same {
				return boolToken(same), ok
			}
		}
		return boolToken(false), ok
	}
}

func every[T any](of []T, holds func(T) bool) bool {
	return !slices.ContainsFunc(of, func(v T) bool { return !holds(v) })
}

// table reads a value table of the flow.
func (n *native) table(args []ast.Expr) source {
	name, _ := textArgument(args, 0)
	rows, rest := n.tables[name].Rows, n.sources(args[1:])
	if rest == nil {
		return nil
	}
	return func(p *pass) (token, bool) {
		code, ok := rest[0](p)
		if !ok || code.kind != textToken && code.kind != numberToken {
			return code, false
		}
		otherwise, known := token{}, false
		if len(rest) > 1 {
			if otherwise, known = rest[1](p); !known {
				return otherwise, false
			}
		}
		if value, found := rows[string(bytes.TrimSpace(code.text))]; found {
			p.looked += len(value)
			return p.text(value), true
		}
		return otherwise, known
	}
}

// timeCall compiles datetime of one argument, and format_time with a layout, and a zone, that are written out.
func (n *native) timeCall(name string, args []ast.Expr) source {
	of := n.source(args[0])
	if of == nil {
		return nil
	}
	if name == "datetime" {
		if len(args) > 1 {
			return nil
		}
		return converted(n.times.read)(n.times, []source{of})
	}
	text, ok := textArgument(args, 1)
	layout, err := translateLayout(text)
	if !ok || err != nil {
		return nil
	}
	zone := n.times.zone
	if len(args) > 2 {
		named, _ := textArgument(args, 2)
		if zone, err = loadZone(named); err != nil {
			return nil
		}
	}
	n.constant += 2 * len(layout)
	return n.times.formatted(of, zone, layout)
}

// formatted writes a time in a zone.
func (t times) formatted(of source, zone *time.Location, layout string) source {
	return func(p *pass) (token, bool) {
		at, ok := of(p)
		if ok && at.kind != timeToken {
			at, ok = t.read(p, at)
		}
		if !ok || at.kind == nullToken {
			return at, ok
		}
		begin := len(p.made)
		p.made = at.time().In(zone).AppendFormat(p.made, layout)
		return token{kind: textToken, text: p.made[begin:], foreign: true}, true
	}
}

// read is the function datetime.
func (t times) read(_ *pass, v token) (token, bool) {
	switch v.kind {
	case nullToken, timeToken:
		return v, true
	case textToken, numberToken:
		if at, ok := t.common(v.text); ok {
			return timeTokenOf(at), true
		}
		if ms, ok := plainWhole(v.text); ok && t.epochMS {
			return timeTokenOf(time.UnixMilli(ms)), true
		}
		if v.kind == textToken && isZeroDate(strings.TrimSpace(string(v.text))) {
			return token{}, true
		}
		at, ok := t.datetime(wrap(v.value())).(types.Timestamp)
		return timeTokenOf(at.Time), ok
	default:
		return v, false
	}
}

// common reads a time such as 2006-01-02 15:04:05, which nearly all are. It returns false for one that is not,
// and where the feed has other forms that come first.
func (t times) common(text []byte) (at time.Time, ok bool) {
	if len(text) != len(time.DateTime) || !t.dateTimeFirst {
		return at, false
	}
	for i, want := range []byte(time.DateTime) {
		isDigit := '0' <= text[i] && text[i] <= '9'
		if isDigit != ('0' <= want && want <= '9') || !isDigit && text[i] != want {
			return at, false
		}
	}
	two := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	if year < 2 || year > 9998 || month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return at, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, t.zone), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
