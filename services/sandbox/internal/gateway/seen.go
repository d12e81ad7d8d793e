package gateway

import (
	"sync"
	"time"
)

// seenFor is longer than any timestamp stays good.
const seenFor = 15 * time.Minute

// Seen remembers what came in the last minutes. The zero value is ready; its methods may be called
// at once.
type Seen struct {
	mu   sync.Mutex
	keys map[string]time.Time
	tidy time.Time
}

// First reports whether key comes for the first time, and remembers it.
func (s *Seen) First(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]time.Time{}
	}
	if now.Sub(s.tidy) > seenFor {
		for k, at := range s.keys {
			if now.Sub(at) > seenFor {
				delete(s.keys, k)
			}
		}
		s.tidy = now
	}
	if _, known := s.keys[key]; known {
		return false
	}
	s.keys[key] = now
	return true
}
