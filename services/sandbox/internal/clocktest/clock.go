// Package clocktest has the clock of the imitated vendors' tests.
package clocktest

import (
	"sync"
	"time"
)

// Clock stands still until it is moved. Its methods may be called at once.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// At returns a Clock that shows t.
func At(t time.Time) *Clock { return &Clock{t: t} }

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// Set moves the clock to t.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}
