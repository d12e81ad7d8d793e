package mapping

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"github.com/shopspring/decimal"
)

const (
	// maxExpression is the length of an expression, in characters.
	maxExpression = 4096
	// costLimit bounds the work of one evaluation, in CEL's units: about a value looked at each.
	costLimit = 1_000_000
)

// baseEnv is what all expressions of all flows have. The versions are frozen: a newer library
// must not change what a flow means.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.Variable("record", cel.DynType),
		cel.Variable("meta.key", cel.StringType),
		cel.Variable("meta.source", cel.StringType),
		cel.Variable("meta.version", cel.IntType),
		cel.Variable("meta.time", cel.TimestampType),
		cel.OptionalTypes(cel.OptionalTypesVersion(2)),
		ext.Strings(ext.StringsVersion(5)),
		ext.Lists(ext.ListsVersion(3)),
		ext.Math(ext.MathVersion(2)),
		ext.Sets(ext.SetsVersion(1)),
		ext.Regex(ext.RegexVersion(1)),
		ext.Bindings(ext.BindingsVersion(1)),
		cel.ParserExpressionSizeLimit(maxExpression),
	}
	options = append(options, lookupDeclaration())
	options = append(options, decimalOperators()...)
	options = append(options, decimalFunctions()...)
	return cel.NewEnv(append(options, textFunctions()...)...)
})

// scopeEnv returns the environment of one place in a flow: depth counts the each around it.
func scopeEnv(base *cel.Env, depth int) (*cel.Env, error) {
	var options []cel.EnvOption
	if depth > 0 {
		options = append(options, cel.Variable("item", cel.DynType))
	}
	if depth > 1 {
		options = append(options, cel.Variable("parent", cel.DynType))
	}
	if len(options) == 0 {
		return base, nil
	}
	return base.Extend(options...)
}

// decimalOperators declares the operators for decimals; operations does them.
func decimalOperators() []cel.EnvOption {
	numbers := []*cel.Type{decimalType, cel.IntType, cel.UintType}
	declare := func(sign, id string, result *cel.Type) cel.EnvOption {
		var overloads []cel.FunctionOpt
		for _, a := range numbers {
			for _, b := range numbers {
				if a == decimalType || b == decimalType {
					overloads = append(overloads, cel.Overload(id+"_"+a.String()+"_"+b.String(), []*cel.Type{a, b}, result))
				}
			}
		}
		return cel.Function(sign, overloads...)
	}
	return []cel.EnvOption{
		declare("_+_", "add", decimalType),
		declare("_-_", "subtract", decimalType),
		declare("_*_", "multiply", decimalType),
		declare("_/_", "divide", decimalType),
		declare("_%_", "modulo", decimalType),
		declare("_<_", "less", cel.BoolType),
		declare("_<=_", "less_equals", cel.BoolType),
		declare("_>_", "greater", cel.BoolType),
		declare("_>=_", "greater_equals", cel.BoolType),
		cel.Function("-_", cel.Overload("negate_decimal", []*cel.Type{decimalType}, decimalType)),
	}
}

// decimalFunctions are decimal, int, string, round and abs.
func decimalFunctions() []cel.EnvOption {
	unary := func(name, id string, arg, result *cel.Type, f func(ref.Val) ref.Val) cel.EnvOption {
		return cel.Function(name, cel.Overload(id, []*cel.Type{arg}, result, cel.UnaryBinding(f)))
	}
	return []cel.EnvOption{
		unary("decimal", "to_decimal", cel.DynType, decimalType, toDecimal),
		unary("int", "decimal_to_int", decimalType, cel.IntType, of((*number).toInt)),
		unary("string", "decimal_to_string", decimalType, cel.StringType, of(func(n *number) ref.Val { return types.String(n.text()) })),
		unary("abs", "abs_decimal", decimalType, decimalType, of(func(n *number) ref.Val {
			return n.with(types.IntZero, func(a, _ decimal.Decimal) ref.Val { return newNumber(a.Abs()) })
		})),
		cel.Function("round", cel.Overload("round_decimal", []*cel.Type{decimalType, cel.IntType}, decimalType, cel.BinaryBinding(round))),
	}
}

// of makes a function of one type a function of any value; the checker lets no other type in,
// and what was not known to it is an error.
func of[T ref.Val](f func(T) ref.Val) func(ref.Val) ref.Val {
	return func(v ref.Val) ref.Val {
		if v, ok := v.(T); ok {
			return f(v)
		}
		return types.MaybeNoSuchOverloadErr(v)
	}
}

// toDecimal is the function decimal.
func toDecimal(v ref.Val) ref.Val {
	switch v := promote(v).(type) {
	case *number:
		return v
	case types.String:
		n, err := parseNumber(string(v))
		if err != nil {
			return types.NewErr("decimal: %q: %v", shorten(string(v)), err)
		}
		return n
	default:
		return types.NewErr("decimal: %s is no number", kindOf(v))
	}
}

// round is the function of that name: to so many digits after the point, half away from zero
// (四舍五入), with zeros at the end filled up.
func round(v, digits ref.Val) ref.Val {
	n, isNumber := v.(*number)
	to, isInt := digits.(types.Int)
	switch {
	case !isNumber || !isInt:
		return types.MaybeNoSuchOverloadErr(v)
	case to < -maxDigits || to > maxDigits:
		return types.NewErr("round: %d digits", int64(to))
	}
	places := int32(to)
	return n.with(types.IntZero, func(a, _ decimal.Decimal) ref.Val {
		a = a.Round(places)
		if places > 0 {
			a, _ = decimal.NewFromString(a.StringFixed(places))
		}
		return newNumber(a)
	})
}

// textFunctions are what ext.Strings has not: upper, lower, pad_start, and coalesce.
func textFunctions() []cel.EnvOption {
	a := cel.TypeParamType("A")
	var overloads []cel.FunctionOpt
	for n := 1; n <= 4; n++ {
		id := "coalesce_" + string(rune('0'+n))
		args := slices.Repeat([]*cel.Type{a}, n)
		overloads = append(overloads, cel.Overload(id, args, a, coalesceBinding(n)))
	}
	return []cel.EnvOption{
		cel.Function("coalesce", overloads...),
		cel.Function("upper", cel.MemberOverload("string_upper", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(textual(strings.ToUpper)))),
		cel.Function("pad_start", cel.MemberOverload("string_pad_start", []*cel.Type{cel.StringType, cel.IntType, cel.StringType}, cel.StringType,
			cel.FunctionBinding(padStart))),
		cel.Function("lower", cel.MemberOverload("string_lower", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(textual(strings.ToLower)))),
	}
}

// timeFunctions are datetime, date and format_time in the zone and forms of one feed.
func timeFunctions(t times) []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("datetime", cel.Overload("to_datetime", []*cel.Type{cel.DynType}, cel.TimestampType, cel.UnaryBinding(t.datetime))),
		cel.Function("date", cel.Overload("to_date", []*cel.Type{cel.DynType}, cel.StringType, cel.UnaryBinding(t.date))),
		cel.Function("format_time", cel.Overload("format_time", []*cel.Type{cel.DynType, cel.StringType}, cel.StringType, cel.BinaryBinding(t.format))),
	}
}

func coalesceBinding(n int) cel.OverloadOpt {
	switch n {
	case 1:
		return cel.UnaryBinding(func(v ref.Val) ref.Val { return coalesce(v) })
	case 2:
		return cel.BinaryBinding(func(a, b ref.Val) ref.Val { return coalesce(a, b) })
	default:
		return cel.FunctionBinding(coalesce)
	}
}

// coalesce is the function of that name: the first that is neither null nor "", else null.
func coalesce(values ...ref.Val) ref.Val {
	for _, v := range values {
		if v.Type() != types.NullType && v != types.String("") {
			return v
		}
	}
	return types.NullValue
}

// textual makes a function of expressions of one of Go.
func textual(f func(string) string) func(ref.Val) ref.Val {
	return of(func(s types.String) ref.Val { return types.String(f(string(s))) })
}

// padStart is the function pad_start: text filled up on the left to a length in characters.
func padStart(args ...ref.Val) ref.Val {
	text, isText := args[0].(types.String)
	width, isInt := args[1].(types.Int)
	fill, isFill := args[2].(types.String)
	missing := int(width) - utf8.RuneCountInString(string(text))
	switch {
	case !isText || !isInt || !isFill:
		return types.NewErr("pad_start: wants text, a width and a filling")
	case width > maxExpression || utf8.RuneCountInString(string(fill)) != 1:
		return types.NewErr("pad_start: the width is at most %d and the filling one character", maxExpression)
	case missing <= 0:
		return text
	default:
		return types.String(strings.Repeat(string(fill), missing)) + text
	}
}
