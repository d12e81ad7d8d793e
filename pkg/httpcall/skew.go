package httpcall

import (
	"net/http"
	"sync"
	"time"
)

// Skew says between what times the other side's clock was ahead of this machine's, negative: behind,
// going by the Date of its last answers: least is 0 or less, most 0 or more. Both are 0 as long as no
// answer tells anything else. A difference that is shorter than a call takes can't be told from none.
func (c *Client) Skew() (least, most time.Duration) { return c.skew.bounds() }

const (
	// skewMemory is how many answers are remembered.
	skewMemory = 8
	// maxSkew is more than any vendor takes of a signature. A Date further off is not its clock: it is
	// written in local time, or never changes.
	maxSkew = time.Hour
)

// skew is what answers told of a clock. Its methods may be called at once.
type skew struct {
	mu   sync.Mutex
	last []offset
}

// offset holds the bounds of how far a clock is ahead, 0 where they leave open whether it is.
type offset struct{ least, most time.Duration }

// note remembers an answer to what was sent and received at those times.
func (s *skew) note(sent, received time.Time, header http.Header) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" { // one with an age was made for somebody else before
		return
	}
	// The wall clock alone is what theirs is compared with. A Date has whole seconds, cut off.
	o := offset{least: date.Sub(received.Round(0)), most: date.Add(time.Second).Sub(sent.Round(0))}
	switch {
	case o.least > maxSkew || o.most < -maxSkew:
		return
	case o.least <= 0 && o.most >= 0:
		o = offset{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) == skewMemory {
		s.last = s.last[1:]
	}
	s.last = append(s.last, o)
}

func (s *skew) bounds() (least, most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.last {
		least, most = min(least, o.least), max(most, o.most)
	}
	return least, most
}
