package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// pauses names the flows that stand still because somebody wants that: it is easily forgotten.
func (e *examination) pauses(ctx context.Context, stored flow.Snapshot) {
	holds, err := hold.All(ctx, e.js)
	if err != nil {
		e.found("pauses", probe.Fail, "%v", err)
		return
	}
	var faults []fault
	for _, name := range stored.Names(flow.KindFlow) {
		if h, held := holds[name]; held {
			faults = append(faults, warns("flow %s is paused %s: `erpstream flow resume %s` lets it go on", name, h.String(time.Local), name))
		}
	}
	e.sum("pauses", fmt.Sprintf("none of %d flows is paused", len(stored.Flows)), faults)
}
