// Package amount calculates with quantities exactly, from the text of a JSON number to another.
package amount

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// Decimals is how many decimals an amount may have. An assumption.
const Decimals = 10

var pattern = regexp.MustCompile(fmt.Sprintf(`^-?[0-9]{1,19}(\.[0-9]{1,%d})?$`, Decimals))

// Amount is a number with few decimals.
type Amount struct{ rat *big.Rat }

// Parse reads a number without an exponent.
func Parse(text string) (Amount, error) {
	rat, ok := new(big.Rat).SetString(text)
	if !ok || !pattern.MatchString(text) {
		return Amount{}, fmt.Errorf("amount %.40q is not a number with at most %d decimals", text, Decimals)
	}
	return Amount{rat}, nil
}

// Whole returns the amount n.
func Whole(n int) Amount { return Amount{new(big.Rat).SetInt64(int64(n))} }

// Sign returns -1, 0 or 1.
func (a Amount) Sign() int { return a.rat.Sign() }

// Times returns a × b.
func (a Amount) Times(b Amount) Amount { return Amount{new(big.Rat).Mul(a.rat, b.rat)} }

// Equals reports whether a and b are the same number: 2.50 equals 2.5.
func (a Amount) Equals(b Amount) bool { return a.rat.Cmp(b.rat) == 0 }

// String returns a without zeros at its end. Products of more than twice Decimals decimals are not
// made here.
func (a Amount) String() string {
	text := a.rat.FloatString(2 * Decimals)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
