package freshness

import (
	"context"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

func TestMain(m *testing.M) { rig.Servers().TestMain(m.Run) }

// The parts of the way make up the whole; a benchmark that does not work is none.
func TestRecordsComeThrough(t *testing.T) {
	s := Scenario()
	s.Open = func(ctx context.Context, _ measure.Options) (measure.Sides, error) { return open(ctx, 2*time.Second) }
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 1}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, r := range rows {
		values[r.Name] = r.Ours.Median
	}
	if len(values) != len(s.Lines) || values[median] <= 0 || values[median] > values[slow] || values[slow] > values[slowest] {
		t.Errorf("values = %v", values)
	}
	for _, part := range []string{polled, mapped, written} {
		if values[part] <= 0 || values[part] > values[slowest] {
			t.Errorf("%s = %v, the whole way at most %v", part, values[part], values[slowest])
		}
	}
}
