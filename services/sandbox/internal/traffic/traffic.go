// Package traffic counts the calls that an imitated vendor gets.
package traffic

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Stats is what was seen of the calls to a vendor since it was started.
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
}

// Counters are Stats while they grow. Its methods may be called at once.
type Counters struct {
	mu             sync.Mutex
	calls, answers map[string]int
	all, accepted  Meter
}

// NewCounters returns Counters that have counted nothing.
func NewCounters() *Counters {
	return &Counters{calls: map[string]int{}, answers: map[string]int{}}
}

// Call counts a call that came at now.
func (c *Counters) Call(path string, business bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[path]++
	if business {
		c.all.Count(now)
	}
}

// Answered counts an answer to a call that came at now.
func (c *Counters) Answered(code int, business bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[strconv.Itoa(code)]++
	if business && code == 0 {
		c.accepted.Count(now)
	}
}

// Failed counts a call that got no answer of the vendor's.
func (c *Counters) Failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers["fault"]++
}

// Stats returns what was counted so far.
func (c *Counters) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	rejections := maps.Clone(c.answers)
	delete(rejections, "0")
	return Stats{
		Calls: maps.Clone(c.calls), Answers: maps.Clone(c.answers), Rejections: rejections,
		All: c.all.Peak, Accepted: c.accepted.Peak,
	}
}

// Peak is the most calls in any window of one second and of one minute.
type Peak struct {
	PerSecond int `json:"per_second"`
	PerMinute int `json:"per_minute"`
}

// Meter follows a Peak. Its zero value has seen no calls; they are to be counted one at a time.
type Meter struct {
	calls []time.Time // of the last minute
	Peak
}

// Count counts a call that came at now.
func (m *Meter) Count(now time.Time) {
	m.calls = append(Since(m.calls, now.Add(-time.Minute)), now)
	m.PerMinute = max(m.PerMinute, len(m.calls))
	m.PerSecond = max(m.PerSecond, len(Since(m.calls, now.Add(-time.Second))))
}

// Since returns the calls after t, where calls ascend.
func Since(calls []time.Time, t time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(calls, t, func(call, t time.Time) int {
		if call.After(t) {
			return 1
		}
		return -1
	})
	return calls[i:]
}
