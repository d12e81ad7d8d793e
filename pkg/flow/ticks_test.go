package flow_test

import (
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
)

func TestTicksPerHour(t *testing.T) {
	for _, tt := range []struct {
		source flow.Source
		want   int
	}{
		{flow.Source{Every: 5 * time.Minute}, 12},
		{flow.Source{Every: 7 * time.Minute}, 9},
		{flow.Source{Every: time.Second}, 3600},
		{flow.Source{Every: 24 * time.Hour}, 1},
		{flow.Source{Cron: "0 */5 * * * *"}, 12},
		{flow.Source{Cron: "0 30 3 * * MON"}, 1},
		{flow.Source{Cron: "*/2 * * * * *"}, 1800},
		{flow.Source{Cron: "0,30 10-20/5 8-18 ? * MON-FRI"}, 6},
		{flow.Source{Cron: "15/20 0,0,1 * * * *"}, 6},
		{flow.Source{}, 0},
	} {
		if got := tt.source.TicksPerHour(); got != tt.want {
			t.Errorf("%q every %v fires %d times in an hour, want %d", tt.source.Cron, tt.source.Every, got, tt.want)
		}
	}
}
