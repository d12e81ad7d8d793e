package mapping

import (
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// checker compiles expressions and gathers what is wrong with them.
type checker struct {
	// env is the environment outside any each.
	env *cel.Env
	// envs are the environments by depth, made when first needed.
	envs map[int]*cel.Env
	// personal holds the last names of the paths with personal data.
	personal map[string]bool
	// forceCEL compiles plain paths with CEL too; the tests compare both.
	forceCEL bool
	// slots counts the expressions within an each that are the same for all elements.
	slots  int
	issues []Issue
	// computed are the expressions with a program.
	computed []*expression
	// uses is what the look-ups rely on.
	uses []Use
	// times reads times as the feed writes them.
	times times
	// tables are those of the flow, settings those of its target connection, nil when not known.
	tables   map[string]spec.Table
	settings map[string]string
}

func newChecker(from Spec) (*checker, error) {
	base, err := baseEnv()
	if err != nil {
		return nil, err
	}
	c := &checker{
		env: base, envs: map[int]*cel.Env{}, times: newTimes(from.Zone, from.Layouts), tables: from.Tables, settings: from.Settings,
		personal: map[string]bool{},
	}
	for _, p := range from.Personal {
		c.personal[p[strings.LastIndexByte(p, '.')+1:]] = true
	}
	return c, nil
}

func (c *checker) fail(at Pos, path, msg, hint string) {
	c.issues = append(c.issues, Issue{Pos: at, Path: path, Msg: msg, Hint: hint})
}

// scope returns the environment within so many each.
func (c *checker) scope(depth int) (*cel.Env, error) {
	depth = min(depth, 2)
	if env, ok := c.envs[depth]; ok {
		return env, nil
	}
	env, err := scopeEnv(c.env, depth)
	if err == nil {
		c.envs[depth] = env
	}
	return env, err
}

// expression compiles one expression, nil when it is wrong.
func (c *checker) expression(e Expr, depth int) *expression {
	text := strings.TrimSpace(e.Text)
	if text == "" {
		c.fail(e.At, e.Path, "expression is empty", "")
		return nil
	}
	if n := utf8.RuneCountInString(e.Text); n > maxExpression {
		c.fail(e.At, e.Path, "expression is longer than 4096 characters", "")
		return nil
	}
	if p, ok := parsePath(text); ok && !c.forceCEL {
		return c.direct(e, p, depth)
	}
	return c.compile(e, depth)
}

func (c *checker) direct(e Expr, p path, depth int) *expression {
	switch {
	case p.root == "item" && depth == 0:
		c.fail(e.At, e.Path, "undeclared reference to 'item'", "item is known within each only")
		return nil
	case p.root == "parent" && depth < 2:
		c.fail(e.At, e.Path, "undeclared reference to 'parent'", "parent is known within an each in an each only")
		return nil
	}
	return &expression{text: p.String(), direct: p, static: cel.DynType, reads: []path{p}, personal: c.isPersonal(p), varies: true, ofItem: p.root != "record"}
}

func (c *checker) isPersonal(p path) bool {
	return slices.ContainsFunc(p.steps, func(s step) bool { return c.personal[s.key] })
}

func (c *checker) compile(e Expr, depth int) *expression {
	env, err := c.scope(depth)
	if err != nil {
		c.fail(e.At, e.Path, err.Error(), "")
		return nil
	}
	parsed, found := env.Compile(e.Text)
	if found.Err() != nil {
		c.celIssues(e, found, depth)
		return nil
	}
	x := &expression{text: strings.TrimSpace(e.Text), static: parsed.OutputType(), checked: parsed.NativeRep()}
	if !c.inspect(e, parsed.NativeRep(), x) {
		return nil
	}
	c.computed = append(c.computed, x)
	x.program, err = env.Program(parsed, programOptions(c.decorate)...)
	if err != nil {
		c.fail(e.At, e.Path, celMessage(err.Error()), "")
		return nil
	}
	return x
}

// celIssues takes over what CEL found, with the place in the document.
func (c *checker) celIssues(e Expr, found *cel.Issues, depth int) {
	for i, one := range found.Errors() {
		offset := nameBefore(e.Text, runeOffset(e.Text, one.Location.Line(), one.Location.Column()))
		msg, hint := simplify(one.Message, depth)
		if i > 0 && strings.HasPrefix(one.Message, "Syntax error") {
			break // what follows the first syntax error is noise
		}
		c.fail(e.Place(offset), e.Path, msg, hint)
	}
}

// runeOffset turns CEL's line, from 1, and column, from 0, into an offset in runes.
func runeOffset(text string, line, column int) int {
	offset := 0
	for range line - 1 {
		before, after, ok := strings.Cut(text, "\n")
		if !ok {
			break
		}
		offset += utf8.RuneCountInString(before) + 1
		text = after
	}
	return offset + max(column, 0)
}

// nameBefore returns where the name of a function begins when offset is at its bracket, which is
// where CEL sees calls.
func nameBefore(text string, offset int) int {
	runes := []rune(text)
	if offset >= len(runes) || runes[offset] != '(' {
		return offset
	}
	for offset > 0 && runes[offset-1] < utf8.RuneSelf && (isLetter(byte(runes[offset-1])) || '0' <= runes[offset-1] && runes[offset-1] <= '9') {
		offset--
	}
	return offset
}

// simplify says in plain words what CEL says, and what to do about it.
func simplify(message string, depth int) (msg, hint string) {
	msg = celMessage(message)
	if before, _, ok := strings.Cut(msg, " expecting {"); ok {
		msg = before
	}
	msg = strings.Replace(msg, "'<EOF>'", "the end", 1)
	msg, _, _ = strings.Cut(msg, " (did you mean") // of names that this place may not have
	_, name, _ := strings.Cut(msg, "undeclared reference to '")
	name = strings.TrimSuffix(name, "'")
	switch {
	case name == "item":
		hint = "item is known within each only"
	case name == indexVariable:
		hint = "index, the number of the line from 1, is known within each only"
	case name == "parent":
		hint = "parent is known within an each in an each only"
	case name == "meta" || strings.HasPrefix(name, "meta."):
		hint = "meta has key, version, source, time"
	case name != "":
		hint = didYouMean(name, append(functionNames(), scopeNames(depth)...))
	case strings.Contains(msg, "found no matching overload") && strings.Contains(msg, "double"):
		hint = `floating point loses digits: write decimal("…") around the number in quotes`
	case strings.Contains(msg, "'_==_'") || strings.Contains(msg, "'_!=_'") || strings.Contains(msg, "'@in'"):
		hint = "both sides must be of one kind: write decimal(…) around a whole number that is compared with a decimal, string(…) around what is compared with text"
	case strings.Contains(msg, "found no matching overload") && strings.Contains(msg, "string"):
		hint = "write string(…) or decimal(…) around what is of the wrong type"
	case strings.HasPrefix(msg, "Syntax error"):
		hint = `text stands in quotes: "…"`
	}
	return operatorNames.Replace(msg), hint
}

// operatorNames turns CEL's names of operators into the signs themselves.
var operatorNames = func() *strings.Replacer {
	var pairs []string
	for _, name := range []string{operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater,
		operators.GreaterEquals, operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo,
		operators.In, operators.Negate, operators.LogicalNot, operators.LogicalAnd, operators.LogicalOr, operators.Conditional, operators.Index} {
		sign, ok := operators.FindReverse(name)
		if !ok || sign == "" {
			sign = strings.Trim(name, "_@")
		}
		pairs = append(pairs, "'"+name+"'", "'"+sign+"'")
	}
	return strings.NewReplacer(pairs...)
}()

func didYouMean(name string, known []string) string {
	if near := spec.Suggest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

func scopeNames(depth int) []string {
	names := []string{"record"}
	if depth > 0 {
		names = append(names, itemVariable, indexVariable)
	}
	if depth > 1 {
		names = append(names, "parent")
	}
	return names
}

// functionNames are the functions that expressions have, for suggestions.
func functionNames() []string {
	var names []string
	for _, f := range Functions() {
		names = append(names, f.Name)
	}
	return names
}

// inspect walks a checked expression: it refuses floating point, checks layouts that are written
// out, and notes what the expression reads.
func (c *checker) inspect(e Expr, checked *ast.AST, x *expression) bool {
	before := len(c.issues)
	refuse := func(id int64, msg, hint string) {
		at := checked.SourceInfo().GetStartLocation(id)
		c.fail(e.Place(runeOffset(e.Text, at.Line(), at.Column())), e.Path, msg, hint)
	}
	if call, ok := lookupOf(checked.Expr()); ok {
		refuse(call.Args()[0].ID(), "lookup gives an entry, not a value", "write what of it: lookup(…).id")
	}
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(node ast.Expr) {
		switch node.Kind() {
		case ast.LiteralKind:
			if node.AsLiteral().Type() == types.DoubleType {
				refuse(node.ID(), "floating point number", `write decimal("`+literalText(e.Text, checked, node.ID())+`")`)
			}
		case ast.CallKind:
			if id, msg, hint := c.writtenOut(node.AsCall()); msg != "" {
				refuse(id, msg, hint)
			}
			if call, ok := lookupOf(node); ok {
				c.lookup(e, checked, call)
			}
		case ast.SelectKind:
			c.reads(e, checked, node)
		}
		isDouble := node.Kind() != ast.LiteralKind && checked.GetType(node.ID()).Kind() == types.DoubleKind
		if isDouble && len(c.issues) == before {
			refuse(node.ID(), "floating point number", "floating point loses digits: use decimal(…)")
		}
		c.note(node, x)
	}))
	x.reads = readPaths(checked.Expr())
	return len(c.issues) == before
}

// note keeps what a node says of the expression: what it depends on and whether that is personal.
func (c *checker) note(node ast.Expr, x *expression) {
	switch node.Kind() {
	case ast.IdentKind:
		name := node.AsIdent()
		x.ofItem = x.ofItem || name == itemVariable || name == "parent" || name == indexVariable
		x.varies = x.varies || slices.Contains(roots, name) || name == indexVariable || strings.HasPrefix(name, "meta")
	case ast.CallKind:
		_, isLookup := lookupOf(node)
		x.varies = x.varies || isLookup
		x.looksUp = x.looksUp || isLookup
	case ast.SelectKind:
		x.personal = x.personal || c.personal[node.AsSelect().FieldName()]
	case ast.LiteralKind:
		key, _ := node.AsLiteral().Value().(string)
		x.personal = x.personal || c.personal[key]
	}
}

// literalText returns the digits of a number as they stand in the expression.
func literalText(text string, checked *ast.AST, id int64) string {
	at, ok := checked.SourceInfo().GetOffsetRange(id)
	runes := []rune(text)
	if !ok || int(at.Start) >= len(runes) {
		return "…"
	}
	end := int(at.Start)
	for end < len(runes) && strings.ContainsRune("0123456789.eE", runes[end]) {
		end++
	}
	return string(runes[at.Start:end])
}

func textArgument(args []ast.Expr, i int) (string, bool) {
	if len(args) <= i || args[i].Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := args[i].AsLiteral().Value().(string)
	return text, ok
}

// readPaths returns the paths in an expression, each once and as long as it goes. What begins with the
// variable of a macro is none: it leads elsewhere for each element.
func readPaths(e ast.Expr) []path {
	var paths []path
	seen := map[string]bool{}
	var walk func(e ast.Expr, bound []string)
	walk = func(e ast.Expr, bound []string) {
		if p, ok := pathOf(e); ok {
			if !seen[p.String()] && !slices.Contains(bound, p.root) {
				seen[p.String()] = true
				paths = append(paths, p)
			}
			return
		}
		if e.Kind() == ast.ComprehensionKind {
			loop := e.AsComprehension()
			walk(loop.IterRange(), bound)
			walk(loop.AccuInit(), bound)
			bound = append(slices.Clone(bound), loop.IterVar(), loop.AccuVar())
			for _, part := range []ast.Expr{loop.LoopCondition(), loop.LoopStep(), loop.Result()} {
				walk(part, bound)
			}
			return
		}
		for _, child := range children(e) {
			walk(child, bound)
		}
	}
	walk(e, nil)
	return paths
}

// pathOf returns an expression as a path if it is one.
func pathOf(e ast.Expr) (path, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return path{root: e.AsIdent()}, slices.Contains(roots, e.AsIdent())
	case ast.SelectKind:
		p, ok := pathOf(e.AsSelect().Operand())
		p.steps = append(p.steps, step{key: e.AsSelect().FieldName()})
		return p, ok && !e.AsSelect().IsTestOnly()
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || call.Args()[1].Kind() != ast.LiteralKind {
			return path{}, false
		}
		p, ok := pathOf(call.Args()[0])
		s, isStep := stepOf(call.Args()[1].AsLiteral().Value())
		p.steps = append(p.steps, s)
		return p, ok && isStep
	default:
		return path{}, false
	}
}

func stepOf(literal any) (step, bool) {
	switch v := literal.(type) {
	case string:
		return step{key: v}, v != ""
	case int64:
		return step{index: int(v)}, v >= 0
	default:
		return step{}, false
	}
}

func children(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return append([]ast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		var values []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			values = append(values, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return values
	default:
		return nil
	}
}
