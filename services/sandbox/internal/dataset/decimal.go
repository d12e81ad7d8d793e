package dataset

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// unit is one, in ten-thousandths.
const unit = 10_000

// Decimal is a number with four decimals, counted in ten-thousandths. Its JSON has as many
// decimals as it needs and at least one: 35.5, 3550.0, 0.0125.
type Decimal int64

// MarshalJSON writes d as a JSON number.
func (d Decimal) MarshalJSON() ([]byte, error) {
	text := strings.TrimRight(fixed(int64(d)), "0")
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	return []byte(text), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	v, err := parseFixed(string(b))
	*d = Decimal(v)
	return err
}

// Quantity is a quantity in ten-thousandths. The vendor writes most quantities as plain numbers
// and some as text with four decimals, so a Quantity knows which of them it is.
type Quantity struct {
	Value  int64
	Quoted bool
}

// Fixed returns the quantity with exactly four decimals.
func (q Quantity) Fixed() string { return fixed(q.Value) }

// MarshalJSON writes 100, 2.5 or "2.0000".
func (q Quantity) MarshalJSON() ([]byte, error) {
	if q.Quoted {
		return []byte(`"` + q.Fixed() + `"`), nil
	}
	return []byte(strings.TrimRight(strings.TrimRight(q.Fixed(), "0"), ".")), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (q *Quantity) UnmarshalJSON(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, `"`) {
		q.Quoted = true
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("read quantity: %w", err)
		}
	}
	v, err := parseFixed(text)
	q.Value = v
	return err
}

func fixed(v int64) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%04d", sign, v/unit, v%unit)
}

func parseFixed(text string) (int64, error) {
	whole, decimals, _ := strings.Cut(text, ".")
	if len(decimals) > 4 {
		return 0, fmt.Errorf("read decimal %q: more than four decimals", text)
	}
	v, err := strconv.ParseInt(whole+decimals+strings.Repeat("0", 4-len(decimals)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read decimal %q: %w", text, err)
	}
	return v, nil
}
