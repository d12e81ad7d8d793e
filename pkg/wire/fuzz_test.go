package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/erpstream/erpstream/pkg/wire"
)

// Whatever is mapped as a number, it is the same number in JSON, or is refused.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"1.50", "-0.0", "+007", ".5", "5.", "1e3", "1E-99", "-.5e+2", "1e999", "0x1", "١", "1_000", "NaN", "", "-", "--1", " 1", "1\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := wire.Number(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(n)) {
			t.Fatalf("%q becomes %q, which is no JSON", text, n)
		}
		want, errWant := decimal.NewFromString(text)
		got, errGot := decimal.NewFromString(n.String())
		if errWant != nil || errGot != nil || !got.Equal(want) {
			t.Errorf("%q becomes %q: %v, %v", text, n, errWant, errGot)
		}
	})
}
