package importing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// function translates what follows _function: an expression of MySQL with fields of the record in it.
func (t translator) function(text string) (expr, error) {
	tokens, err := tokenize(text)
	if err != nil {
		return expr{}, err
	}
	f := &functionParser{translator: t, tokens: tokens}
	e := f.choice(0)
	if f.err == nil && f.tokens[0].kind != tokenEnd {
		f.fail("%q is left over at the end of the function", shorten(f.tokens[0].text))
	}
	return e, f.err
}

// maxBrackets is how deep a function is nested at most.
const maxBrackets = 32

// functionParser goes through the tokens of a function. After the first error it only returns.
type functionParser struct {
	translator
	tokens []token
	err    error
}

func (f *functionParser) fail(format string, args ...any) expr {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
	f.tokens = f.tokens[len(f.tokens)-1:] // nothing but the end is left
	return expr{}
}

// take goes over the next token if it is one of the words.
func (f *functionParser) take(words ...string) (token, bool) {
	t := f.tokens[0]
	if !t.is(words...) {
		return t, false
	}
	f.tokens = f.tokens[1:]
	return t, true
}

func (f *functionParser) must(word string) {
	if _, ok := f.take(word); !ok {
		what := "the end"
		if f.tokens[0].kind != tokenEnd {
			what = fmt.Sprintf("%q", shorten(f.tokens[0].text))
		}
		f.fail("%s must stand where %s is", word, what)
	}
}

// choice reads OR, the loosest operator.
func (f *functionParser) choice(depth int) expr {
	if depth > maxBrackets {
		return f.fail("is nested deeper than %d", maxBrackets)
	}
	left := f.both(depth)
	for {
		if len(left.cel) > maxFunction { // a part may stand in it several times
			return f.fail("becomes longer than %d bytes", maxFunction)
		}
		if _, ok := f.take("OR", "||"); !ok {
			return left
		}
		left = truthExpr(left.truth() + " || " + f.both(depth).truth())
	}
}

func (f *functionParser) both(depth int) expr {
	left := f.negation(depth)
	for {
		if _, ok := f.take("AND", "&&"); !ok {
			return left
		}
		left = truthExpr(left.truth() + " && " + f.negation(depth).truth())
	}
}

func (f *functionParser) negation(depth int) expr {
	if _, ok := f.take("NOT", "!"); ok {
		if depth > maxBrackets {
			return f.fail("is nested deeper than %d", maxBrackets)
		}
		return truthExpr("!(" + f.negation(depth+1).truth() + ")")
	}
	return f.comparison(depth)
}

// comparison reads = <> < IN LIKE BETWEEN IS NULL.
func (f *functionParser) comparison(depth int) expr {
	left := f.sum(depth)
	if sign, ok := f.take("=", "==", "<=>", "!=", "<>", "<", "<=", ">", ">="); ok {
		return compare(sign.text, left, f.sum(depth))
	}
	if _, ok := f.take("IS"); ok {
		_, not := f.take("NOT")
		f.must("NULL")
		return negated(not, left.tight()+` in [null, ""]`)
	}
	_, not := f.take("NOT")
	switch {
	case f.tokens[0].is("IN"):
		return f.in(left, not, depth)
	case f.tokens[0].is("LIKE"):
		f.take("LIKE")
		cel, err := like(left, f.sum(depth))
		if err != nil {
			return f.fail("%v", err)
		}
		return negated(not, cel)
	case f.tokens[0].is("BETWEEN"):
		f.take("BETWEEN")
		low := f.sum(depth)
		f.must("AND")
		high := f.sum(depth)
		return negated(not, compare(">=", left, low).cel+" && "+compare("<=", left, high).cel)
	case not:
		return f.fail("NOT must be followed by IN, LIKE or BETWEEN here")
	default:
		return left
	}
}

func negated(not bool, cel string) expr {
	if not {
		return truthExpr("!(" + cel + ")")
	}
	return truthExpr(cel)
}

// isText reports whether MySQL sees a text: in quotes, or computed.
func (e expr) isText() bool { return e.kind == textValue || e.kind == timeValue || e.quoted }

// compare makes a comparison. Order is that of numbers, unless both sides are texts.
func compare(sign string, a, b expr) expr {
	switch sign {
	case "=", "==", "<=>":
		return truthExpr(equals(a, b))
	case "!=", "<>":
		if plain := equals(a, b); strings.Contains(plain, " == ") {
			return truthExpr(strings.Replace(plain, " == ", " != ", 1))
		}
		return truthExpr("!(" + equals(a, b) + ")")
	}
	if a.isText() && b.isText() {
		return truthExpr(a.text(false) + " " + sign + " " + b.text(false))
	}
	return truthExpr(a.number().tight() + " " + sign + " " + b.number().tight())
}

// like makes LIKE '%x%', 'x%' or '%x'.
func like(e, pattern expr) (string, error) {
	text := pattern.literal
	begins, ends := strings.HasPrefix(text, "%"), strings.HasSuffix(text, "%")
	wanted := strings.Trim(text, "%")
	switch {
	case !pattern.constant || strings.ContainsAny(wanted, "%_"):
		return "", errors.New("LIKE is carried over for a text with % before or after it only")
	case begins && ends:
		return fmt.Sprintf("%s.contains(%s)", e.text(false), quote(wanted)), nil
	case ends:
		return fmt.Sprintf("%s.startsWith(%s)", e.text(false), quote(wanted)), nil
	case begins:
		return fmt.Sprintf("%s.endsWith(%s)", e.text(false), quote(wanted)), nil
	default:
		return equals(e, pattern), nil
	}
}

// in reads IN (a, b, …).
func (f *functionParser) in(left expr, not bool, depth int) expr {
	f.take("IN")
	f.must("(")
	var tests []string
	for _, v := range f.arguments(depth) {
		tests = append(tests, equals(left, v))
	}
	if len(tests) == 0 {
		return f.fail("IN has nothing in its brackets")
	}
	if len(tests) == 1 {
		return negated(not, tests[0])
	}
	return negated(not, "("+strings.Join(tests, ") || (")+")")
}

// arguments reads a, b, …) up to the closing bracket.
func (f *functionParser) arguments(depth int) []expr {
	var args []expr
	if _, ok := f.take(")"); ok {
		return nil
	}
	for {
		args = append(args, f.choice(depth+1))
		if _, ok := f.take(","); !ok {
			f.must(")")
			return args
		}
	}
}

func (f *functionParser) sum(depth int) expr {
	left := f.product(depth)
	for {
		sign, ok := f.take("+", "-")
		if !ok {
			return left
		}
		left = arithmetic(sign.text, left, f.product(depth))
	}
}

func (f *functionParser) product(depth int) expr {
	left := f.operand(depth)
	for {
		sign, ok := f.take("*", "/", "%", "MOD", "DIV")
		if !ok {
			return left
		}
		right := f.operand(depth)
		switch {
		case sign.is("DIV"):
			left = expr{cel: "int(round(" + arithmetic("/", left, right).cel + `, 0, "down"))`, kind: wholeValue}
		case sign.is("MOD"):
			left = arithmetic("%", left, right)
		default:
			left = arithmetic(sign.text, left, right)
		}
	}
}

// arithmetic computes with decimals: whole numbers alone would be divided without a rest.
func arithmetic(sign string, a, b expr) expr {
	x, y := a.number(), b.number()
	if x.kind == wholeValue && y.kind == wholeValue {
		x = expr{cel: "decimal(" + x.cel + ")", kind: numberValue}
	}
	return expr{cel: x.tight() + " " + sign + " " + y.tight(), kind: numberValue, loose: true, lookup: x.lookup || y.lookup}
}

// operand reads what operators stand between.
func (f *functionParser) operand(depth int) expr {
	t := f.tokens[0]
	if t.kind == tokenEnd {
		return f.fail("the function ends where a value must stand")
	}
	f.tokens = f.tokens[1:]
	switch {
	case t.kind == tokenText:
		e := f.must1(f.template(t.text))
		e.quoted = true
		return e
	case t.kind == tokenField:
		return f.must1(f.reference(t.text))
	case t.kind == tokenLookUp:
		return f.must1(f.lookUp(t.text))
	case t.kind == tokenNumber:
		return numberLiteral(t.text)
	case t.is("("):
		e := f.choice(depth + 1)
		f.must(")")
		return e
	case t.is("-") && depth <= maxBrackets:
		return expr{cel: "-" + f.operand(depth+1).number().tight(), kind: numberValue, loose: true}
	case t.is("CASE"):
		return f.cases(depth)
	case t.is("NULL"):
		return expr{cel: "null", kind: nullValue}
	case t.is("TRUE", "FALSE"):
		return expr{cel: strings.ToLower(t.text), kind: truthValue}
	case t.kind == tokenWord && f.tokens[0].is("("):
		f.take("(")
		return f.call(strings.ToUpper(t.text), depth)
	default:
		return f.fail("%q can't stand here", shorten(t.text))
	}
}

func (f *functionParser) must1(e expr, err error) expr {
	if err != nil {
		return f.fail("%w", err)
	}
	return e
}

// cases reads CASE x WHEN v THEN r … ELSE r END, and CASE WHEN c THEN r … END.
func (f *functionParser) cases(depth int) expr {
	var subject expr
	simple := !f.tokens[0].is("WHEN")
	if simple {
		subject = f.choice(depth + 1)
	}
	var conditions []string
	var results []expr
	for {
		if _, ok := f.take("WHEN"); !ok {
			break
		}
		when := f.choice(depth + 1)
		f.must("THEN")
		if simple {
			conditions = append(conditions, truthExpr(equals(subject, when)).tight())
		} else {
			conditions = append(conditions, when.truth())
		}
		results = append(results, f.choice(depth+1))
	}
	if len(conditions) == 0 {
		return f.fail("CASE must have a WHEN")
	}
	otherwise := expr{cel: "null", kind: nullValue}
	if _, ok := f.take("ELSE"); ok {
		otherwise = f.choice(depth + 1)
	}
	f.must("END")
	if len(conditions) == 1 {
		return choose(conditions[0], results[0], otherwise)
	}
	return chooseOne(conditions, results, otherwise)
}

// chooseOne makes one of several results, by the first condition that holds.
func chooseOne(conditions []string, results []expr, otherwise expr) expr {
	alternatives, kind := alike(append(slices.Clone(results), otherwise))
	e := expr{kind: kind}
	var parts []string
	for i, r := range alternatives {
		if i < len(conditions) {
			parts = append(parts, conditions[i])
		}
		parts = append(parts, r.cel)
		e.lookup = e.lookup || r.lookup
	}
	e.cel = "choose(" + strings.Join(parts, ", ") + ")"
	return e
}
