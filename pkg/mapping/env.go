package mapping

import (
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// maxExpression is the length of an expression, in characters.
const maxExpression = 4096

// left out of CEL's own: what loses digits or says nothing, and the parts of a time, which are those of
// UTC there and begin with month 0.
var leftOut = []string{
	"bytes", "dyn", "type", "uint", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours",
	"getMilliseconds", "getMinutes", "getMonth", "getSeconds",
}

// baseEnv is what all expressions of all flows have. The versions are frozen: a newer library
// must not change what a flow means.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	subset := &env.LibrarySubset{}
	for _, name := range leftOut {
		subset.ExcludeFunctions = append(subset.ExcludeFunctions, &env.Function{Name: name})
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.Variable("record", cel.DynType),
		cel.Variable("meta.key", cel.StringType),
		cel.Variable("meta.source", cel.StringType),
		cel.Variable("meta.version", cel.IntType),
		cel.Variable("meta.time", cel.TimestampType),
		cel.OptionalTypes(cel.OptionalTypesVersion(1)),
		ext.Bindings(ext.BindingsVersion(1)),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.Macros(macros()...),
		lookupDeclaration(),
	}
	options = append(options, decimalOperators()...)
	options = append(options, conversions()...)
	return cel.NewCustomEnv(append(options, declare(declared())...)...)
})

// declared are the functions of the language, CEL's own left out.
func declared() []function {
	return slices.Concat(numberFunctions(), textFunctions(), regexFunctions(), listFunctions(), nullFunctions(), timeFunctions(), tableFunctions())
}

// ours are what functions do, by name, but for those that differ from flow to flow.
var ours = sync.OnceValue(func() map[string]func(*call) ref.Val {
	byName := map[string]func(*call) ref.Val{}
	for _, f := range declared() {
		if f.do != nil {
			byName[f.name] = f.do
		}
	}
	return byName
})

// scopeEnv returns the environment of one place in a flow: depth counts the each around it.
func scopeEnv(base *cel.Env, depth int) (*cel.Env, error) {
	var options []cel.EnvOption
	if depth > 0 {
		options = append(options, cel.Variable("item", cel.DynType), cel.Variable(indexVariable, cel.IntType))
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

// conversions are int and string of decimals, which CEL has for other types.
func conversions() []cel.EnvOption {
	unary := func(name, id string, result *cel.Type, f func(*number) ref.Val) cel.EnvOption {
		return cel.Function(name, cel.Overload(id, []*cel.Type{decimalType}, result, cel.UnaryBinding(of(f))))
	}
	return []cel.EnvOption{
		unary("int", "decimal_to_int", cel.IntType, (*number).toInt),
		unary("string", "decimal_to_string", cel.StringType, func(n *number) ref.Val { return types.String(n.text()) }),
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
