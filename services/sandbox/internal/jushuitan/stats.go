package jushuitan

import (
	"maps"
	"strconv"
	"sync"
	"time"
)

// Stats is what the vendor has seen since it was started.
type Stats struct {
	// Calls counts all calls by path.
	Calls map[string]int `json:"calls"`
	// Answers counts the answers by code, and calls that got none or no JSON under "fault".
	Answers map[string]int `json:"answers"`
	// Rejections is Answers without the code 0.
	Rejections map[string]int `json:"rejections"`
	// All and Accepted are the most business calls seen in any second and any minute.
	All      Peak `json:"all"`
	Accepted Peak `json:"accepted"`
	Pages    int  `json:"pages"`
	// Edits counts edits by cause, those before a restart included.
	Edits          map[string]int `json:"edits"`
	EditsRemaining int            `json:"edits_remaining"`
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

// counters are the Stats while they grow.
type counters struct {
	mu            sync.Mutex
	calls         map[string]int
	answers       map[string]int
	all, accepted peak
	pages         int
}

func newCounters() *counters {
	return &counters{calls: map[string]int{}, answers: map[string]int{}}
}

// call counts a call that came at now.
func (c *counters) call(path string, business bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[path]++
	if business {
		c.all.count(now)
	}
}

// answered counts an answer to a call that came at now.
func (c *counters) answered(code int, business bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[strconv.Itoa(code)]++
	if business && code == 0 {
		c.accepted.count(now)
	}
}

// failed counts a call that got no answer of the vendor's.
func (c *counters) failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers["fault"]++
}

func (c *counters) page() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages++
}

// stats returns the counters as they are now.
func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	rejections := maps.Clone(c.answers)
	delete(rejections, "0")
	return Stats{
		Calls: maps.Clone(c.calls), Answers: maps.Clone(c.answers), Rejections: rejections,
		All: c.all.Peak, Accepted: c.accepted.Peak, Pages: c.pages,
	}
}
