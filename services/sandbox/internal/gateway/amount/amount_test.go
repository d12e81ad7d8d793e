package amount

import (
	"testing"
)

func parse(t *testing.T, text string) Amount {
	t.Helper()
	a, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"3": "3", "2.50": "2.5", "100": "100", "0.000": "0", "-1.25": "-1.25", "0.0000000001": "0.0000000001",
		"9007199254740993.1": "9007199254740993.1",
	} {
		if got := parse(t, text).String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "1e3", "1/2", "0x1", "+1", ".5", "5.", "1_000", "0.00000000001", "1e999999999", " 1", "NaN"} {
		if a, err := Parse(text); err == nil {
			t.Errorf("%q is %v", text, a)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, test := range [][3]string{
		{"0.1", "12", "1.2"}, {"9007199254740993", "12", "108086391056891916"}, {"0.0000000001", "0.0000000001", "0.00000000000000000001"}, {"-2.5", "2", "-5"},
	} {
		if got := parse(t, test[0]).Times(parse(t, test[1])); got.String() != test[2] {
			t.Errorf("%s × %s = %s, want %s", test[0], test[1], got, test[2])
		}
	}
	if !parse(t, "2.50").Equals(parse(t, "2.5")) || parse(t, "2.5").Equals(parse(t, "2.4999999999")) {
		t.Error("equal amounts are not told from others")
	}
	if Whole(12).Sign() != 1 || parse(t, "-0").Sign() != 0 || parse(t, "-0.1").Sign() != -1 {
		t.Error("signs are wrong")
	}
}
