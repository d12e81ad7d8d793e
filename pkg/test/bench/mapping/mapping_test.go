package mapping

import (
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// Both sides make the same messages, which opening the scenario checks, and bring figures.
func TestScenario(t *testing.T) {
	s := Scenario()
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 1, Quick: true}, t.Output())
	if err != nil || len(rows) != 2 || rows[0].Ratio == 0 || len(rows[1].Ours.Values) == 0 {
		t.Errorf("%+v, %v", rows, err)
	}
}

func TestDifferentMessagesAreNoticed(t *testing.T) {
	w := work{bodies: [][]byte{[]byte("a")}, spent: time.Millisecond}
	same := func(body []byte) ([]byte, error) { return body, nil }
	other := func([]byte) ([]byte, error) { return []byte("b"), nil }
	if w.equal(same, same) != nil || w.equal(same, other) == nil {
		t.Error("messages are not compared")
	}
}
