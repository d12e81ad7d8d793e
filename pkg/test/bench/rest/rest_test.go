package rest

import (
	"context"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

func TestMain(m *testing.M) { rig.Servers().TestMain(m.Run) }

// A benchmark that does not work is none.
func TestEachServiceIsSeen(t *testing.T) {
	s := Scenario()
	s.Open = func(ctx context.Context, _ measure.Options) (measure.Sides, error) {
		return open(ctx, time.Second, time.Second)
	}
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 1}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3*len(services) {
		t.Errorf("%d lines, want three for each of %v", len(rows), services)
	}
	for _, r := range rows {
		if r.Ours.Median <= 0 {
			t.Errorf("%+v", r)
		}
	}
}
