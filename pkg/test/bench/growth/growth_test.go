package growth

import (
	"testing"

	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

func TestMain(m *testing.M) { rig.Servers().TestMain(m.Run) }

// Each form writes all its rows; a benchmark that does not work is none.
func TestFormsComeThrough(t *testing.T) {
	s, err := openStage(t.Context(), "growth-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range []form{
		{line: records, fill: 20, slice: 100, flows: active, lines: 3, replicas: 2},
		{line: flows, fill: 20, slice: 100, flows: active + idle + 3, lines: 3, replicas: 1},
		{line: lines, fill: 20, slice: 100, flows: active, lines: 7, replicas: 1},
	} {
		sample, err := s.side([]form{f})(t.Context())
		if err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		if sample[f.line].Value <= 0 {
			t.Errorf("%+v took nothing: %+v", f, sample)
		}
	}
}
