package mapping

import (
	"math/big"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// roundRat rounds an exact quotient to a whole number.
func roundRat(r *big.Rat, mode string) *big.Int {
	floor := new(big.Int).Div(r.Num(), r.Denom()) // the denominator is positive
	fraction := new(big.Rat).Sub(r, new(big.Rat).SetInt(floor))
	if fraction.Sign() == 0 {
		return floor
	}
	ceil := new(big.Int).Add(floor, big.NewInt(1))
	half := fraction.Cmp(big.NewRat(1, 2))
	up, down := ceil, floor // away from zero, towards it
	if r.Sign() < 0 {
		up, down = floor, ceil
	}
	nearest := floor
	if half > 0 {
		nearest = ceil
	}
	switch mode {
	case "ceil":
		return ceil
	case "floor":
		return floor
	case "up":
		return up
	case "down":
		return down
	}
	switch {
	case half != 0:
		return nearest
	case mode == "half_down":
		return down
	case mode == "half_even" && floor.Bit(0) == 0:
		return floor
	case mode == "half_even":
		return ceil
	default:
		return up
	}
}

// A quotient is rounded as the exact one is, in every way.
func TestDivideIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`-?([0-9]|[1-9][0-9]{1,17})(\.[0-9]{1,6})?`)
		a, _ := decimal.NewFromString(literal.Draw(t, "a"))
		b, _ := decimal.NewFromString(literal.Filter(func(s string) bool { d, _ := decimal.NewFromString(s); return !d.IsZero() }).Draw(t, "b"))
		digits := rapid.IntRange(0, 8).Draw(t, "digits")
		for mode := range roundings {
			c := call{name: "divide", args: []ref.Val{newNumber(a), newNumber(b), types.Int(digits), types.String(mode)}}
			got := divide(&c)
			exact := new(big.Rat).Quo(a.Rat(), b.Rat())
			exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)))
			want := decimal.NewFromBigInt(roundRat(exact, mode), int32(-digits))
			if n, ok := got.(*number); !ok || !n.value.Equal(want) || int(-n.value.Exponent()) != digits {
				t.Fatalf("divide(%s, %s, %d, %s) = %v, want %s", a, b, digits, mode, got, want)
			}
			c = call{name: "round", args: []ref.Val{newNumber(a), types.Int(digits), types.String(mode)}}
			exact.Mul(a.Rat(), new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)))
			want = decimal.NewFromBigInt(roundRat(exact, mode), int32(-digits))
			if rounded := c.rounded(c.number(0), 1); !rounded.Equal(want) {
				t.Fatalf("round(%s, %d, %s) = %s, want %s", a, digits, mode, rounded, want)
			}
		}
	})
}
