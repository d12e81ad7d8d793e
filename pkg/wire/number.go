package wire

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// decimalText is how decimal numbers are written by those who map them: more freely than JSON.
var decimalText = regexp.MustCompile(`^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$`)

// errNumber doesn't repeat the text, which may be anything.
var errNumber = errors.New("the text is no decimal number")

// Number returns the text of a decimal number as JSON writes it: without exponent, leading plus or
// leading zeros, its other digits as they are. Text that is no decimal number is an error.
func Number(s string) (json.Number, error) {
	if !decimalText.MatchString(s) {
		return "", errNumber
	}
	if strings.ContainsAny(s, "eE") {
		d, err := decimal.NewFromString(s)
		if err != nil {
			return "", errNumber
		}
		return json.Number(d.String()), nil
	}
	digits := strings.TrimLeft(s, "+-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if s[0] == '-' && strings.Trim(whole, "0.") != "" {
		whole = "-" + whole
	}
	return json.Number(whole), nil
}
