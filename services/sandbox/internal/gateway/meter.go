package gateway

import (
	"maps"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/traffic"
)

// Stats is what was seen of the calls to one system since it was started. The codes of its answers are
// errcodes.
type Stats struct {
	traffic.Stats
	// InFlight is the largest number of business calls at once.
	InFlight int `json:"in_flight"`
	// Violations counts business calls that broke a rule, by rule: "in_flight" (at once with
	// more others than the system bears) and "per_minute".
	Violations map[string]int `json:"violations"`
	// TokenCalls counts token calls by app key.
	TokenCalls map[string]int `json:"token_calls"`
	// Changes counts the calls that changed data, LostReplies those of them whose answer was lost.
	Changes     int `json:"changes"`
	LostReplies int `json:"lost_replies"`
}

// meter is the Stats while they grow, and the limits that follow from them.
type meter struct {
	perMinute, atOnce int // limits; 0: none
	*traffic.Counters

	mu       sync.Mutex
	stats    Stats       // but for its traffic.Stats
	admitted []time.Time // calls of the last minute that the limit let in
	inFlight int
}

func newMeter(perMinute, atOnce int) *meter {
	return &meter{perMinute: perMinute, atOnce: atOnce, Counters: traffic.NewCounters(), stats: Stats{
		Violations: map[string]int{}, TokenCalls: map[string]int{},
	}}
}

// begin counts a call that comes at now.
func (m *meter) begin(path string, business bool, now time.Time) {
	m.Call(path, business, now)
	if !business {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight++
	m.stats.InFlight = max(m.stats.InFlight, m.inFlight)
	if m.atOnce > 0 && m.inFlight > m.atOnce {
		m.stats.Violations["in_flight"]++
	}
}

// end counts a call as over.
func (m *meter) end(business bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if business {
		m.inFlight--
	}
}

// admit reports whether the limit lets one more call in. Calls that it refuses do not count
// against it: an assumption.
func (m *meter) admit(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.admitted = traffic.Since(m.admitted, now.Add(-time.Minute))
	if m.perMinute > 0 && len(m.admitted) >= m.perMinute {
		m.stats.Violations["per_minute"]++
		return false
	}
	m.admitted = append(m.admitted, now)
	return true
}

// changed counts a call that changed data.
func (m *meter) changed(replyLost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Changes++
	if replyLost {
		m.stats.LostReplies++
	}
}

// token counts a token call.
func (m *meter) token(appKey string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.TokenCalls[appKey]++
}

// snapshot returns the Stats as they are now.
func (m *meter) snapshot() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.stats
	st.Stats = m.Stats()
	st.Violations, st.TokenCalls = maps.Clone(st.Violations), maps.Clone(st.TokenCalls)
	return st
}
