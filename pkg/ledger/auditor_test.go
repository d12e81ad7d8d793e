package ledger

import (
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
)

// A record that one look meets is not missing when the next passes it while it moves, and another's loss
// stays.
func TestOnlyWhatNoLookMeetsIsMissing(t *testing.T) {
	w := &window{batches: []batch{{1, 3}}, intake: Account{SourceTotal: 3, Published: 3}}
	a := newAuditor(nil, Query{}, flow.Flow{Name: "flow-a"})
	a.audited, a.places.mapped = []*window{w}, 3
	see := func(parked ...uint64) {
		a.places.parked = sequences{}
		for _, s := range parked {
			a.places.parked.add(s)
		}
	}
	see(2)
	missing := a.missing()
	see(1)
	a.met(missing)
	a.sum(missing)
	if got := a.report; got.Missing != 1 || got.Parked != 1 || got.InFlight != 1 || got.Balanced || len(got.Windows) != 1 || len(got.Windows[0].Records) != 1 || got.Windows[0].Records[0].RawSequence != 3 {
		t.Errorf("%+v, want 3 missing, 1 parked, 2 on its way", got)
	}
}
