package limits_test

import (
	"testing"

	"github.com/erpstream/erpstream/pkg/test/scale/limits"
)

func TestEveryPartFillsWithSize(t *testing.T) {
	rows := limits.Table(limits.Sizes())
	before := map[string]float64{}
	for _, r := range rows {
		for i, l := range r.Loads {
			if l.Share <= before[l.Part] || l.Bears <= 0 || l.Knob == "" || l.Unit == "" {
				t.Errorf("%d connections: %+v after %v", r.Size.Connections, l, before[l.Part])
			}
			if i > 0 && l.Share > r.Loads[i-1].Share {
				t.Errorf("%d connections: %s is fuller than the part before it", r.Size.Connections, l.Part)
			}
			before[l.Part] = l.Share
		}
	}
	if first := rows[0].First(); first.Share > .1 {
		t.Errorf("the shipped flows fill %s to %.0f %%", first.Part, 100*first.Share)
	}
	if rows[len(rows)-1].First().Share < 1 {
		t.Error("ten thousand connections meet no limit")
	}
}

// TestAThousandConnections has the limits that docs/scaling.md names for them.
func TestAThousandConnections(t *testing.T) {
	for _, r := range limits.Table(limits.Sizes()) {
		if r.Size.Connections != 1000 {
			continue
		}
		if got := r.First().Part; got != "KEDA: what it reads of NATS" || r.First().Share < 1 {
			t.Errorf("the first limit is %s", got)
		}
		for _, l := range r.Loads[1:] {
			if l.Share > 1 {
				t.Errorf("%s: %.0f %%", l.Part, 100*l.Share)
			}
		}
	}
}
