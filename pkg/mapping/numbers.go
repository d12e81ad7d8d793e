package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/shopspring/decimal"
)

// halfUp is how numbers are rounded where nothing else is said.
const halfUp = "half_up"

// roundings are the ways to round to so many digits after the point.
var roundings = map[string]func(d decimal.Decimal, digits int32) decimal.Decimal{
	halfUp:      decimal.Decimal.Round, // half away from zero: 四舍五入
	"half_even": decimal.Decimal.RoundBank,
	"half_down": roundHalfDown,
	"up":        decimal.Decimal.RoundUp,
	"down":      decimal.Decimal.RoundDown,
	"ceil":      decimal.Decimal.RoundCeil,
	"floor":     decimal.Decimal.RoundFloor,
}

// roundHalfDown rounds half towards zero.
func roundHalfDown(d decimal.Decimal, digits int32) decimal.Decimal {
	down := d.RoundDown(digits)
	if d.Sub(down).Abs().GreaterThan(decimal.New(5, -digits-1)) {
		return d.RoundUp(digits)
	}
	return down
}

func checkRounding(mode string) error {
	if _, ok := roundings[mode]; !ok {
		return fmt.Errorf("rounding %q is none of %s", shorten(mode), strings.Join(slices.Sorted(maps.Keys(roundings)), ", "))
	}
	return nil
}

func numberFunctions() []function {
	d, i, s := decimalType, cel.IntType, cel.StringType
	ordinary := func(mode string) func(*call) ref.Val {
		return func(c *call) ref.Val { return newNumber(roundings[mode](c.number(0), 0)) }
	}
	several := func(result *cel.Type) []form {
		dyn := cel.DynType
		return []form{global(result, dyn, dyn), global(result, dyn, dyn, dyn), global(result, dyn, dyn, dyn, dyn)}
	}
	return []function{
		{"decimal", []form{global(d, cel.DynType)}, toDecimal},
		{"round", []form{global(d, anyNumber, i), global(d, anyNumber, i, s)}, func(c *call) ref.Val { return newNumber(c.rounded(c.number(0), 1)) }},
		{"fixed", []form{global(s, anyNumber, i), global(s, anyNumber, i, s)}, func(c *call) ref.Val { return types.String(plainText(c.rounded(c.number(0), 1))) }},
		{"divide", []form{global(d, anyNumber, anyNumber, i), global(d, anyNumber, anyNumber, i, s)}, divide},
		{"mod", []form{global(d, anyNumber, anyNumber)}, mod},
		{"abs", []form{global(d, anyNumber)}, func(c *call) ref.Val { return newNumber(c.number(0).Abs()) }},
		{"ceil", []form{global(d, anyNumber)}, ordinary("ceil")},
		{"floor", []form{global(d, anyNumber)}, ordinary("floor")},
		{"least", several(cel.DynType), func(c *call) ref.Val { return c.extreme(c.args, -1) }},
		{"greatest", several(cel.DynType), func(c *call) ref.Val { return c.extreme(c.args, 1) }},
	}
}

// toDecimal is the function decimal.
func toDecimal(c *call) ref.Val {
	switch v := promote(c.args[0]).(type) {
	case *number:
		return v
	case types.String:
		n, err := parseNumber(string(v))
		if err != nil {
			return types.NewErr("decimal: %q: %v", shorten(string(v)), err)
		}
		return n
	default:
		return c.fail("%s is no number", kindOf(v))
	}
}

// rounded rounds to as many digits as argument i says, in the way that the one behind it says, with
// zeros at the end filled up.
func (c *call) rounded(d decimal.Decimal, i int) decimal.Decimal {
	digits := int32(c.whole(i, -maxDigits, maxDigits))
	d = roundings[c.rounding(i+1)](d, digits)
	if digits > 0 {
		d, _ = decimal.NewFromString(d.StringFixed(digits))
	}
	return d
}

// rounding returns the way to round that argument i names, if it is there.
func (c *call) rounding(i int) string {
	if !c.has(i) {
		return halfUp
	}
	mode := c.text(i)
	if err := checkRounding(mode); err != nil {
		c.fail("%v", err)
		return halfUp
	}
	return mode
}

// divide is the function of that name: a quotient that is rounded once.
func divide(c *call) ref.Val {
	a, b, digits, mode := c.number(0), c.number(1), c.whole(2, 0, maxDigits/2), c.rounding(3)
	if b.IsZero() {
		return c.fail("division by zero")
	}
	places := int32(digits)
	// One digit more than wanted, cut off, and one behind that for what was cut: all ways to round
	// depend on nothing else.
	q, rest := a.QuoRem(b, places+1)
	if !rest.IsZero() {
		q = q.Add(decimal.New(int64(a.Sign()*b.Sign()), -places-2))
	}
	q = roundings[mode](q, places)
	q, _ = decimal.NewFromString(q.StringFixed(places))
	return newNumber(q)
}

// mod is the function of that name: the remainder with the sign of the divisor.
func mod(c *call) ref.Val {
	a, b := c.number(0), c.number(1)
	if b.IsZero() {
		return c.fail("division by zero")
	}
	rest := a.Mod(b)
	if !rest.IsZero() && rest.Sign() != b.Sign() {
		rest = rest.Add(b)
	}
	return newNumber(rest)
}

// extreme returns the least of some values for -1, the greatest for 1.
func (c *call) extreme(values []ref.Val, sign types.Int) ref.Val {
	var best ref.Val = types.NullValue
	for i, v := range values {
		if i == 0 {
			best = v
			c.order(v, v) // one alone must be of a kind that has an order
			continue
		}
		if c.order(v, best)*sign > 0 {
			best = v
		}
	}
	return best
}

// order compares numbers with numbers, text with text, times with times.
func (c *call) order(a, b ref.Val) types.Int {
	result, ok := compare(a, b).(types.Int)
	if !ok {
		c.fail("can't compare %s with %s", kindOf(a), kindOf(b))
	}
	return result
}
