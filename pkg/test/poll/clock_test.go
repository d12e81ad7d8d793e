package poll_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// slowClock is a vendor whose clock is ahead by a time, mostly a negative one, which answers tell.
type slowClock struct {
	*vendor
	ahead, told time.Duration
}

func (v *slowClock) Read(ctx context.Context, q poll.Query) (poll.Page, error) {
	page, err := v.vendor.Read(ctx, q)
	v.told = v.ahead
	return page, err
}

func (v *slowClock) Skew() (least, most time.Duration) { return min(v.told, 0), max(v.told, 0) }

// What changes now bears a time that lies in the past of this machine: it must not belong into a
// window that is closed, be it the first one of this process, which has not heard the time yet.
func TestNothingIsMissingOfAVendorWhoseClockIsOff(t *testing.T) {
	for _, ahead := range []time.Duration{-2 * time.Minute, 2 * time.Minute, 0} {
		for name, byVersion := range map[string]bool{"by time": false, "by row version": true} {
			t.Run(name+" "+ahead.String(), func(t *testing.T) {
				js := natstest.Run(t)
				v := &slowClock{vendor: newVendor(50), ahead: ahead}
				now := time.Date(2026, 3, 1, 12, 0, 0, 0, shanghai)
				src := source(purchaseIn(t), now.Add(-time.Hour))
				src.ByVersion, src.Overlap = byVersion, 10*time.Second
				var p *poll.Poller
				for round := range 30 {
					if round%10 == 0 { // another replica takes over
						p = poll.New(js, v, "test", slog.New(slog.DiscardHandler))
						p.Now = func() time.Time { return now }
						v.told = 0
					}
					delete(v.hidden, 10*(round-1)+9)
					v.hidden[10*round+9] = true // it commits late, behind greater row versions
					v.put(10*round+9, now.Add(ahead))
					for id := range 5 {
						v.put(10*round+id, now.Add(ahead))
					}
					if round%3 == 0 {
						v.put(round, now.Add(ahead))
					}
					pollAll(t, p, src)
					now = now.Add(7 * time.Second)
				}
				clear(v.hidden)
				pollAll(t, p, src)
				now = now.Add(5 * time.Minute)
				pollAll(t, p, src)
				s := readRaw(t, js)
				if names := missing(v.vendor, s); len(names) > 0 {
					t.Errorf("%d of %d documents are missing or old: %.10q", len(names), len(v.docs), names)
				}
				for _, w := range s.windows {
					if w.GetCursor().AsTime().After(now.Add(min(ahead, 0))) {
						t.Errorf("the cursor is at %v by a clock that shows %v", w.GetCursor().AsTime(), now.Add(ahead))
					}
				}
			})
		}
	}
}
