package jushuitan

import (
	"context"
	"slices"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// The feeds whose documents can be edited while they are polled.
const (
	FeedPurchaseIn = "purchasein"
	FeedOtherIn    = "otherin"
	FeedShops      = "shops"
)

// Feeds lists them.
var Feeds = []string{FeedPurchaseIn, FeedOtherIn, FeedShops}

// feed is the documents of one feed and their edits.
type feed[D dataset.Document] struct {
	*dataset.Editor[D]
	store *dataset.Store[D]
	// away is the edit that moves a document out of a query that is being read.
	away dataset.Change
}

func newFeed[D dataset.Document](s Settings, name string, store *dataset.Store[D], away dataset.Change) feed[D] {
	edits := dataset.Edits{}
	if slices.Contains(s.EditFeeds, name) {
		edits.Prompt = s.Edits
		if name != FeedShops { // which have no time that could be an early one
			edits.Late, edits.LateBy = s.LateCommits, s.LateBy
		}
	}
	return feed[D]{dataset.NewEditor(store, edits), store, away}
}

// shift edits documents that were just served, but for the pseudo shop, which has number 0.
func (f feed[D]) shift(served []D, now time.Time) error {
	var keys []int64
	for _, d := range served {
		if d.Key() != 0 {
			keys = append(keys, d.Key())
		}
	}
	_, err := f.store.Edit(keys, f.away, dataset.Fault, now)
	return err
}

// EditsRemaining returns how many edits are still to come by themselves, over all feeds.
func (s *Server) EditsRemaining() int {
	return s.receipts.Remaining() + s.otherIns.Remaining() + s.shops.Remaining()
}

// Run edits documents at the rate of the settings, from the first business query on, until there
// are no more edits to make or ctx ends.
func (s *Server) Run(ctx context.Context) error {
	return dataset.EditAll(ctx, s.settings.EditRate, s.polled, s.now, s.receipts, s.otherIns, s.shops)
}
