package endtoend

import (
	"context"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

func TestMain(m *testing.M) { rig.Servers().With(floor.Modes()).TestMain(m.Run) }

// Whatever the floor promises, it writes the same rows as ours.
func TestPromisesLeaveTheSameRows(t *testing.T) {
	s := Promises()
	s.Open = func(ctx context.Context, _ measure.Options) (measure.Sides, error) { return openPromises(ctx, 1200) }
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 1}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(s.Lines) {
		t.Errorf("%d lines, want %d", len(rows), len(s.Lines))
	}
}

// Both sides write the same rows, twice; a benchmark that does not work is none.
func TestSidesDoTheSame(t *testing.T) {
	s := Scenario()
	s.Open = func(ctx context.Context, _ measure.Options) (measure.Sides, error) { return open(ctx, 1200, false) }
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 1}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(s.Lines) {
		t.Errorf("%d lines, want %d", len(rows), len(s.Lines))
	}
	for _, r := range rows {
		if r.Ours.Median == 0 || r.Name != memory && r.Ratio == 0 {
			t.Errorf("%+v", r)
		}
	}
}
