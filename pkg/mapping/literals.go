package mapping

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
)

// literal says what an argument of a function must be when it is written out, and whether it has to be.
type literal struct {
	arg   int
	what  string
	must  bool
	check func(c *checker, text string) (msg, hint string)
}

// literals are the arguments that are checked before the first record comes, by function. A member's first
// one is the text before the point.
var literals = map[string][]literal{
	"format_time":   {{1, "layout", false, onlyError(func(text string) error { _, err := translateLayout(text); return err })}, zoneLiteral},
	"datetime":      {{1, "layout", false, onlyError(func(text string) error { _, err := translateLayout(text); return err })}, zoneLiteral},
	"start_of":      {{1, "unit", false, onlyError(checkUnit)}},
	"round":         {{2, "rounding", false, onlyError(checkRounding)}},
	"fixed":         {{2, "rounding", false, onlyError(checkRounding)}},
	"divide":        {{3, "rounding", false, onlyError(checkRounding)}},
	"matches":       {patternLiteral},
	"extract":       {patternLiteral},
	"extract_all":   {patternLiteral},
	"regex_replace": {patternLiteral},
	tableFunction:   {{0, "name", true, (*checker).checkTable}},
	settingFunction: {{0, "name", true, (*checker).checkSetting}},
}

var (
	zoneLiteral    = literal{2, "zone", true, onlyError(func(text string) error { _, err := loadZone(text); return err })}
	patternLiteral = literal{1, "pattern", true, onlyError(func(text string) error { _, err := compilePattern(text); return err })}
)

func onlyError(check func(text string) error) func(*checker, string) (msg, hint string) {
	return func(_ *checker, text string) (msg, hint string) {
		if err := check(text); err != nil {
			return err.Error(), ""
		}
		return "", ""
	}
}

// writtenOut checks the arguments of a call that are written out. It returns the first that is wrong, by
// the id of its node; "" when none is.
func (c *checker) writtenOut(call ast.CallExpr) (id int64, msg, hint string) {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	for _, l := range literals[call.FunctionName()] {
		if len(args) <= l.arg {
			continue
		}
		text, ok := textArgument(args, l.arg)
		switch {
		case ok:
			if msg, hint := l.check(c, text); msg != "" {
				return args[l.arg].ID(), call.FunctionName() + ": " + msg, hint
			}
		case l.must:
			return args[l.arg].ID(), fmt.Sprintf("the %s of %s must be written out as text", l.what, call.FunctionName()), ""
		}
	}
	return 0, "", ""
}
