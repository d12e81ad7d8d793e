package mapping

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

func nullFunctions() []function {
	a := cel.TypeParamType("A")
	return []function{
		{"coalesce", []form{global(a, a), global(a, a, a)}, nil},
		{"default", []form{global(a, a, a)}, nil},
		{"null_if", []form{global(cel.DynType, cel.DynType, cel.DynType)}, nullIf},
		{"is_empty", []form{global(cel.BoolType, cel.DynType)}, func(c *call) ref.Val { return types.Bool(isEmptyValue(c.args[0])) }},
	}
}

// isBlank is what coalesce goes past: null and "".
func isBlank(v ref.Val) bool { return isNull(v) || v == types.String("") }

func isNull(v ref.Val) bool { return v.Type() == types.NullType }

func nullIf(c *call) ref.Val {
	if c.equal(c.args[0], c.args[1]) {
		return types.NullValue
	}
	return c.args[0]
}

// isEmptyValue reports whether a value is null, text of blanks only, or a list or object with nothing in it.
func isEmptyValue(v ref.Val) bool {
	switch v := v.(type) {
	case types.String:
		return strings.TrimSpace(string(v)) == ""
	case traits.Sizer:
		return v.Size() == types.IntZero
	default:
		return isNull(v)
	}
}
