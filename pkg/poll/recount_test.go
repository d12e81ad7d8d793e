package poll

import (
	"testing"
	"time"
)

func TestBoundsAllowForWhatChangesWhileTheVendorCounts(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 8, minute, 0, 0, time.UTC) }
	s := Span{From: at(10), To: at(20), before: at(40), after: at(41)}
	tests := []struct {
		name        string
		changes     []int
		least, most int
	}{
		{"within", []int{15}, 1, 1},
		{"at the beginning, which may be just before it", []int{10}, 0, 1},
		{"at the end", []int{20}, 0, 1},
		{"before and behind", []int{9}, 0, 0},
		{"left before the vendor counted", []int{15, 30}, 0, 0},
		{"left when it counted or later", []int{15, 41}, 0, 1},
		{"came in when it counted: it is not of the span", []int{30, 41}, 0, 0},
		{"changed within the span", []int{12, 15}, 1, 1},
	}
	for _, tt := range tests {
		var changes []change
		for i, m := range tt.changes {
			changes = append(changes, change{int64(i), at(m)})
		}
		least, most := history{changes: map[string][]change{"k": changes}}.bounds(s)
		if least != tt.least || most != tt.most {
			t.Errorf("%s: %d to %d, want %d to %d", tt.name, least, most, tt.least, tt.most)
		}
	}
	if least, most := (history{unreadable: 2}).bounds(s); least != 0 || most != 2 {
		t.Errorf("rows that nobody knows the time of: %d to %d, want 0 to 2", least, most)
	}
}
