package jushuitan_test

import (
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/jushuitan"
)

func TestTime(t *testing.T) {
	tests := []struct {
		in   string
		want time.Time
	}{
		{"2025-01-01 08:00:00", time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)},
		{" 2023-01-03 09:43:26.487 ", time.Date(2023, 1, 3, 1, 43, 26, 487e6, time.UTC)},
		{"", time.Time{}},
	}
	for _, tt := range tests {
		if got, err := jushuitan.ParseTime(tt.in); err != nil || !got.Equal(tt.want) {
			t.Errorf("ParseTime(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"------永久授权------", "2025-01-01", "2025-01-01T08:00:00Z", "2025-13-01 00:00:00"} {
		if got, err := jushuitan.ParseTime(in); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", in, got)
		}
	}
	if got := jushuitan.FormatTime(time.Date(2024, 12, 31, 16, 0, 0, 999e6, time.UTC)); got != "2025-01-01 00:00:00" {
		t.Errorf("FormatTime = %s", got)
	}
	if jushuitan.Location.String() != "Asia/Shanghai" {
		t.Errorf("Location = %v", jushuitan.Location)
	}
}
