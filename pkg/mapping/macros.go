package mapping

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// itemVariable is the element of a list: that which each walks, and that of the innermost of sum(list,
// item.qty) and its like.
const itemVariable = "item"

// macros are what is computed for each element of a list, or not at all.
func macros() []cel.Macro {
	all := []cel.Macro{
		cel.GlobalVarArgMacro("coalesce", expandCoalesce),
		cel.GlobalVarArgMacro("choose", expandChoose),
		cel.GlobalMacro("count", 2, expandCount),
		cel.GlobalMacro("count", 3, expandCount),
		cel.GlobalMacro("group", 2, withKeys(groupByKeys)),
		cel.GlobalMacro("group", 3, withKeys(groupByKeys)),
		cel.ReceiverMacro("sortBy", 1, withKeys(sortByKeys)),
		cel.ReceiverMacro("sortBy", 2, withKeys(sortByKeys)),
	}
	for _, name := range []string{"sum", "avg", "min", "max"} {
		all = append(all, cel.GlobalMacro(name, 2, expandAggregate(name)), cel.GlobalMacro(name, 3, expandAggregate(name)))
	}
	return all
}

// named returns the variable and the expression of a macro: f(x, x.qty), or f(item.qty).
func named(eh cel.MacroExprFactory, args []ast.Expr) []ast.Expr {
	if len(args) > 1 {
		return args
	}
	return []ast.Expr{eh.NewIdent(itemVariable), args[0]}
}

// expandAggregate makes sum(list.map(item, item.qty)) of sum(list, item.qty).
func expandAggregate(name string) cel.MacroFactory {
	return func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		values, err := parser.MakeMap(eh, args[0], named(eh, args[1:]))
		if err != nil {
			return nil, err
		}
		return eh.NewCall(name, values), nil
	}
}

// expandCount makes count(list.filter(item, item.qty > 0)) of count(list, item.qty > 0).
func expandCount(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	some, err := parser.MakeFilter(eh, args[0], named(eh, args[1:]))
	if err != nil {
		return nil, err
	}
	return eh.NewCall("count", some), nil
}

// withKeys makes a call of a list and the keys of its elements, with the list computed once.
func withKeys(function string) cel.MacroFactory {
	return func(eh cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
		if target == nil {
			target, args = args[0], args[1:]
		}
		const list = "@list"
		keys, err := parser.MakeMap(eh, eh.NewIdent(list), named(eh, args))
		if err != nil {
			return nil, err
		}
		both := eh.NewMemberCall(function, eh.NewIdent(list), keys)
		return eh.NewComprehension(eh.NewList(), "#unused", list, target, eh.NewLiteral(types.False), eh.NewIdent(list), both), nil
	}
}

// expandCoalesce makes coalesce(a, coalesce(b, c)) of coalesce(a, b, c).
func expandCoalesce(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	if len(args) <= 2 {
		return nil, nil //nolint:nilnil // nothing is to be expanded
	}
	rest := args[len(args)-1]
	for i := len(args) - 2; i >= 0; i-- {
		rest = eh.NewCall("coalesce", args[i], rest)
	}
	return rest, nil
}

// expandChoose makes a ? x : (b ? y : z) of choose(a, x, b, y, z).
func expandChoose(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	if len(args) < 3 || len(args)%2 == 0 {
		return nil, eh.NewError(0, "choose wants conditions with a value each, and what else: choose(a > 1, \"x\", a > 0, \"y\", \"z\")")
	}
	rest := args[len(args)-1]
	for i := len(args) - 3; i >= 0; i -= 2 {
		rest = eh.NewCall(operators.Conditional, args[i], args[i+1], rest)
	}
	return rest, nil
}
