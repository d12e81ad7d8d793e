package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/shopspring/decimal"
)

const (
	// maxDigits bounds a number that is computed with, so that 1e999999999 costs nothing.
	maxDigits = 200
	// divisionDigits is how many digits after the point a quotient is rounded to.
	divisionDigits = 16
)

// decimalType is the static type of numbers in expressions.
var decimalType = cel.OpaqueType("decimal")

// decimalRuntimeType is the same type with the operators that its values have.
var decimalRuntimeType = types.NewObjectType("decimal", traits.AdderType, traits.SubtractorType, traits.MultiplierType,
	traits.DividerType, traits.ModderType, traits.NegatorType, traits.ComparerType)

// number is a decimal in an expression. A number from a record keeps its literal and is parsed
// when it is first computed with. It belongs to one evaluation and is not shared.
type number struct {
	literal string
	value   decimal.Decimal
	parsed  bool
}

// parseNumber returns the number that text is, for text that did not come from a JSON parser.
func parseNumber(text string) (*number, error) {
	text = strings.TrimSpace(text)
	if !isNumeric(text) {
		return nil, errors.New("not a number")
	}
	n := &number{literal: strings.TrimPrefix(text, "+")}
	if err := n.parse(); err != nil {
		return nil, err
	}
	return n, nil
}

func newNumber(d decimal.Decimal) ref.Val {
	if err := checkSize(d); err != nil {
		return types.WrapErr(err)
	}
	return &number{value: d, parsed: true}
}

func (n *number) parse() error {
	if n.parsed {
		return nil
	}
	d, err := parseDecimal(n.literal)
	if err != nil {
		return err
	}
	n.value, n.parsed = d, true
	return nil
}

// parseDecimal reads a literal, which must be one of a number. Numbers that are absurdly long are refused before they are.
func parseDecimal(literal string) (decimal.Decimal, error) {
	if len(literal) > maxDigits {
		return decimal.Decimal{}, fmt.Errorf("number has more than %d digits", maxDigits)
	}
	d, err := decimal.NewFromString(literal)
	if err != nil { // the literal is a number: its exponent is beyond all bounds
		return decimal.Decimal{}, fmt.Errorf("number has more than %d digits", maxDigits)
	}
	return d, checkSize(d)
}

func checkSize(d decimal.Decimal) error {
	exponent := int64(d.Exponent())
	if exponent > maxDigits || exponent < -maxDigits || int64(d.NumDigits())+max(exponent, 0) > maxDigits {
		return fmt.Errorf("number has more than %d digits", maxDigits)
	}
	return nil
}

// text returns the literal of a number from a record, and plain digits of a computed one.
func (n *number) text() string {
	if n.literal != "" {
		return n.literal
	}
	return plainText(n.value)
}

// plainText writes a number without exponent and with all the digits that it has: 2.50 stays 2.50.
func plainText(d decimal.Decimal) string {
	return d.StringFixed(max(-d.Exponent(), 0))
}

// with applies op to n and other. Both must be numbers by now: promote has seen to that.
func (n *number) with(other ref.Val, op func(a, b decimal.Decimal) ref.Val) ref.Val {
	o, ok := promote(other).(*number)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	if err := errors.Join(n.parse(), o.parse()); err != nil {
		return types.WrapErr(err)
	}
	return op(n.value, o.value)
}

// Add implements traits.Adder.
func (n *number) Add(other ref.Val) ref.Val {
	return n.with(other, func(a, b decimal.Decimal) ref.Val { return newNumber(a.Add(b)) })
}

// Subtract implements traits.Subtractor.
func (n *number) Subtract(other ref.Val) ref.Val {
	return n.with(other, func(a, b decimal.Decimal) ref.Val { return newNumber(a.Sub(b)) })
}

// Multiply implements traits.Multiplier.
func (n *number) Multiply(other ref.Val) ref.Val {
	return n.with(other, func(a, b decimal.Decimal) ref.Val { return newNumber(a.Mul(b)) })
}

// Divide implements traits.Divider: rounded half away from zero to 16 digits after the point,
// zeros at the end cut off.
func (n *number) Divide(other ref.Val) ref.Val {
	return n.with(other, func(a, b decimal.Decimal) ref.Val {
		if b.IsZero() {
			return types.NewErr("division by zero")
		}
		return newNumber(trimZeros(a.DivRound(b, divisionDigits)))
	})
}

// Modulo implements traits.Modder; the sign is that of n.
func (n *number) Modulo(other ref.Val) ref.Val {
	return n.with(other, func(a, b decimal.Decimal) ref.Val {
		if b.IsZero() {
			return types.NewErr("division by zero")
		}
		return newNumber(a.Mod(b))
	})
}

// Negate implements traits.Negater.
func (n *number) Negate() ref.Val {
	if err := n.parse(); err != nil {
		return types.WrapErr(err)
	}
	return newNumber(n.value.Neg())
}

// Compare implements traits.Comparer.
func (n *number) Compare(other ref.Val) ref.Val {
	return n.with(other, func(a, b decimal.Decimal) ref.Val { return types.Int(a.Cmp(b)) })
}

// Equal implements ref.Val: numbers are equal by value, 2.50 is 2.5.
func (n *number) Equal(other ref.Val) ref.Val {
	o, ok := promote(other).(*number)
	if !ok {
		return types.False
	}
	if errors.Join(n.parse(), o.parse()) != nil {
		return types.Bool(n.text() == o.text())
	}
	return types.Bool(n.value.Equal(o.value))
}

// ConvertToNative implements ref.Val; a number leaves an expression as its text only.
func (n *number) ConvertToNative(want reflect.Type) (any, error) {
	if want.Kind() == reflect.String {
		return reflect.ValueOf(n.text()).Convert(want).Interface(), nil
	}
	return nil, fmt.Errorf("a decimal can't be used as %v", want)
}

// ConvertToType implements ref.Val.
func (n *number) ConvertToType(want ref.Type) ref.Val {
	switch want {
	case types.StringType:
		return types.String(n.text())
	case types.IntType:
		return n.toInt()
	case types.TypeType:
		return decimalRuntimeType
	default:
		return types.NewErr("a decimal can't be converted to %s", want.TypeName())
	}
}

func (n *number) toInt() ref.Val {
	if err := n.parse(); err != nil {
		return types.WrapErr(err)
	}
	switch {
	case !n.value.IsInteger():
		return types.NewErr("int: the number has a fraction")
	case !n.value.BigInt().IsInt64():
		return types.NewErr("int: the number is out of range")
	default:
		return types.Int(n.value.IntPart())
	}
}

// Type implements ref.Val.
func (*number) Type() ref.Type { return decimalRuntimeType }

// Value implements ref.Val.
func (n *number) Value() any { return n.text() }

// promote returns whole numbers of an expression as decimals, and anything else as it is.
func promote(v ref.Val) ref.Val {
	switch v := v.(type) {
	case types.Int:
		return &number{value: decimal.NewFromInt(int64(v)), parsed: true}
	case types.Uint:
		return &number{value: decimal.NewFromUint64(uint64(v)), parsed: true}
	default:
		return v
	}
}

// trimZeros drops zeros at the end of the fraction.
func trimZeros(d decimal.Decimal) decimal.Decimal {
	trimmed, _ := decimal.NewFromString(d.String())
	return trimmed
}

// isNumeric reports whether text is a JSON number, with a plus sign and leading zeros allowed.
func isNumeric(text string) bool {
	rest := strings.TrimLeft(text, "+-")
	if len(text)-len(rest) > 1 {
		return false
	}
	rest, whole := cutDigits(rest)
	fraction := 0
	if strings.HasPrefix(rest, ".") {
		rest, fraction = cutDigits(rest[1:])
	}
	if whole+fraction == 0 {
		return false
	}
	if rest == "" || (rest[0] != 'e' && rest[0] != 'E') {
		return rest == ""
	}
	rest = rest[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	rest, exponent := cutDigits(rest)
	return rest == "" && exponent > 0
}

// cutDigits returns what follows the digits that text begins with, and how many those are.
func cutDigits(text string) (rest string, n int) {
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return text[n:], n
}
