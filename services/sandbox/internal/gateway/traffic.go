package gateway

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Stats is what was seen of the calls to one system since it was started.
type Stats struct {
	// Calls counts all calls by path.
	Calls map[string]int `json:"calls"`
	// Answers counts the answers by errcode, and calls that got none or no JSON under "fault".
	Answers map[string]int `json:"answers"`
	// Rejections is Answers without the code 0.
	Rejections map[string]int `json:"rejections"`
	// All and Accepted are the most business calls seen in any second and any minute.
	All      Peak `json:"all"`
	Accepted Peak `json:"accepted"`
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

// Peak is the most calls in any window of one second and of one minute.
type Peak struct {
	PerSecond int `json:"per_second"`
	PerMinute int `json:"per_minute"`
}

// peak follows a Peak.
type peak struct {
	calls []time.Time // of the last minute
	Peak
}

func (p *peak) count(now time.Time) {
	p.calls = append(since(p.calls, now.Add(-time.Minute)), now)
	p.PerMinute = max(p.PerMinute, len(p.calls))
	p.PerSecond = max(p.PerSecond, len(since(p.calls, now.Add(-time.Second))))
}

// since returns the calls after t, where calls ascend.
func since(calls []time.Time, t time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(calls, t, func(call, t time.Time) int {
		if call.After(t) {
			return 1
		}
		return -1
	})
	return calls[i:]
}

// traffic is the Stats while they grow, and the limits that follow from them.
type traffic struct {
	perMinute, atOnce int // limits; 0: none

	mu            sync.Mutex
	stats         Stats
	all, accepted peak
	admitted      []time.Time // calls of the last minute that the limit let in
	inFlight      int
}

func newTraffic(perMinute, atOnce int) *traffic {
	return &traffic{perMinute: perMinute, atOnce: atOnce, stats: Stats{
		Calls: map[string]int{}, Answers: map[string]int{}, Violations: map[string]int{}, TokenCalls: map[string]int{},
	}}
}

// begin counts a call that comes at now.
func (t *traffic) begin(path string, business bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Calls[path]++
	if !business {
		return
	}
	t.all.count(now)
	t.inFlight++
	t.stats.InFlight = max(t.stats.InFlight, t.inFlight)
	if t.atOnce > 0 && t.inFlight > t.atOnce {
		t.stats.Violations["in_flight"]++
	}
}

// end counts a call as over.
func (t *traffic) end(business bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if business {
		t.inFlight--
	}
}

// admit reports whether the limit lets one more call in. Calls that it refuses do not count
// against it: an assumption.
func (t *traffic) admit(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.admitted = since(t.admitted, now.Add(-time.Minute))
	if t.perMinute > 0 && len(t.admitted) >= t.perMinute {
		t.stats.Violations["per_minute"]++
		return false
	}
	t.admitted = append(t.admitted, now)
	return true
}

// answered counts an answer to a call that came at now.
func (t *traffic) answered(code int, business bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Answers[strconv.Itoa(code)]++
	if business && code == 0 {
		t.accepted.count(now)
	}
}

// failed counts a call that got no answer of the vendor's.
func (t *traffic) failed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Answers["fault"]++
}

// changed counts a call that changed data.
func (t *traffic) changed(replyLost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Changes++
	if replyLost {
		t.stats.LostReplies++
	}
}

// token counts a token call.
func (t *traffic) token(appKey string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.TokenCalls[appKey]++
}

// snapshot returns the Stats as they are now.
func (t *traffic) snapshot() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.stats
	st.Calls, st.Answers, st.Rejections = maps.Clone(st.Calls), maps.Clone(st.Answers), maps.Clone(st.Answers)
	delete(st.Rejections, "0")
	st.Violations, st.TokenCalls = maps.Clone(st.Violations), maps.Clone(st.TokenCalls)
	st.All, st.Accepted = t.all.Peak, t.accepted.Peak
	return st
}
