package jushuitan

import (
	"context"
	"fmt"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// Run edits receipts at the rate of the settings, from the first business query on, until there
// are no more edits to make or ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if s.settings.EditRate == 0 || s.editsRemaining() == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.polled:
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.settings.EditRate))
	defer tick.Stop()
	for s.editsRemaining() > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.editSome(1, s.now()); err != nil {
				return fmt.Errorf("edit while polled: %w", err)
			}
		}
	}
	return nil
}

// editSome makes n edits, or as many as are left.
func (s *Server) editSome(n int, now time.Time) error {
	s.editing.Lock()
	defer s.editing.Unlock()
	if n = min(n, s.editsRemaining()); n == 0 {
		return nil
	}
	_, err := s.store.EditAny(n, dataset.Change{}, dataset.Stream, now)
	return err
}

// editsRemaining returns how many edits are still to come by themselves.
func (s *Server) editsRemaining() int {
	return max(0, s.settings.Edits-s.store.Edits()[dataset.Stream])
}
