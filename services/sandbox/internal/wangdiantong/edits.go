package wangdiantong

import (
	"context"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// feed is the documents of one kind and their edits.
type feed[D dataset.Document] struct {
	*dataset.Editor[D]
	store *dataset.Store[D]
}

func newFeed[D dataset.Document](store *dataset.Store[D], edits dataset.Edits) feed[D] {
	return feed[D]{dataset.NewEditor(store, edits), store}
}

// afterPage makes the edits that follow a page: those of a fault, which shift the rows after the
// first ones, and perPage of those that come by themselves.
func (f feed[D]) afterPage(c *call, served []D, perPage int) error {
	if shift, ok := c.struck[faults.Shift]; ok {
		var keys []int64
		for _, d := range served[:min(shift.Rows, len(served))] {
			keys = append(keys, d.Key())
		}
		if _, err := f.store.Edit(keys, dataset.Change{}, dataset.Fault, c.now); err != nil {
			return err
		}
	}
	return f.Some(perPage, c.now)
}

// Run edits documents at the rate of the settings, from the first business query on, until there
// are no more edits to make or ctx ends.
func (s *Server) Run(ctx context.Context) error {
	return dataset.EditAll(ctx, s.settings.EditRate, s.polled, s.Clock, s.stockInFeed, s.refundFeed)
}

// EditsRemaining returns how many edits are still to come by themselves, over both kinds.
func (s *Server) EditsRemaining() int { return s.stockInFeed.Remaining() + s.refundFeed.Remaining() }
