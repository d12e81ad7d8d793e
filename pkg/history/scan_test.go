package history

import (
	"slices"
	"testing"
)

func TestPieces(t *testing.T) {
	tests := map[string]struct {
		first, last, beyond, end uint64
		want                     []span
	}{
		"all":                          {1, 90, 0, 90, []span{{1, 90}}},
		"nothing":                      {91, 90, 90, 90, nil},
		"up to an outcome":             {10, 20, 90, 90, []span{{10, 20}}},
		"and what is not settled":      {10, 20, 80, 90, []span{{10, 20}, {81, 90}}},
		"which has been read already":  {10, 85, 80, 90, []span{{10, 85}, {86, 90}}},
		"no message up to the outcome": {10, 9, 5, 90, []span{{10, 90}}},
		"a large part has readers":     {1, 400_000, 500_000, 500_000, []span{{1, 100_000}, {100_001, 200_000}, {200_001, 300_000}, {300_001, 400_000}}},
	}
	for name, tt := range tests {
		if got := pieces(tt.first, tt.last, tt.beyond, tt.end); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
