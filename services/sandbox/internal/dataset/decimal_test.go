package dataset

import (
	"encoding/json"
	"testing"
)

func TestNumbersInJSON(t *testing.T) {
	for _, test := range []struct {
		v    any
		want string
	}{
		{Decimal(355000), "35.5"},
		{Decimal(35_500_000), "3550.0"},
		{Decimal(125), "0.0125"},
		{Decimal(0), "0.0"},
		{Decimal(-5000), "-0.5"},
		{Quantity{Value: 1_000_000}, "100"},
		{Quantity{Value: 25_000}, "2.5"},
		{Quantity{Value: 20_000, Quoted: true}, `"2.0000"`},
		{Quantity{}, "0"},
	} {
		text, err := json.Marshal(test.v)
		if err != nil || string(text) != test.want {
			t.Errorf("%#v is written as %s, %v, want %s", test.v, text, err, test.want)
		}
	}
}

func TestNumbersSurviveJSON(t *testing.T) {
	for _, want := range []Line{
		{Qty: Quantity{Value: 12_345}, CostPrice: 9875, CostAmount: -1},
		{Qty: Quantity{Value: 20_000, Quoted: true}, CostPrice: 35_500_000},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Line
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v, want %+v", text, got, err, want)
		}
	}
	var d Decimal
	for _, bad := range []string{`1.23456`, `"x"`} {
		if err := json.Unmarshal([]byte(bad), &d); err == nil {
			t.Errorf("%s is read as %d, want an error", bad, d)
		}
	}
}

func TestAmountIsRoundedToCents(t *testing.T) {
	for _, test := range []struct {
		qty   int64
		price Decimal
		want  Decimal
	}{
		{1_890_000, 4501, 850_700},     // 189 × 0.4501 = 85.0689
		{510_000, 281_250, 14_343_800}, // 51 × 28.125 = 1434.375
		{25_000, 0, 0},
	} {
		if got := amount(Quantity{Value: test.qty}, test.price); got != test.want {
			t.Errorf("%d × %d = %d, want %d", test.qty, test.price, got, test.want)
		}
	}
}
