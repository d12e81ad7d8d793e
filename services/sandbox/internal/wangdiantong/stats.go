package wangdiantong

import (
	"maps"
	"strings"
	"sync"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// Stats is what the vendor has seen since it was started.
type Stats struct {
	// Calls counts all calls by API, as Paths names them.
	Calls map[string]int `json:"calls"`
	// Answers counts the answers by who gave them and their code, like "flagship 100"; "ok" for
	// success, and "fault" for calls that got no answer of the vendor's.
	Answers map[string]int `json:"answers"`
	// Rejections is Answers without successes.
	Rejections map[string]int `json:"rejections"`
	// Signatures counts how lengths were counted in enterprise signatures that were right.
	Signatures map[string]int `json:"signatures"`
	Accounts   []AccountStats `json:"accounts"`
	Pages      int            `json:"pages"`
	// Edits counts edits by kind of document and cause, those before a restart included.
	Edits          map[string]map[dataset.Cause]int `json:"edits"`
	EditsRemaining int                              `json:"edits_remaining"`
}

// answeredOK is the key of successes in Stats.Answers.
const answeredOK = "ok"

// counters are the Stats while they grow.
type counters struct {
	mu                         sync.Mutex
	calls, answers, signatures map[string]int
	pages                      int
}

func newCounters() *counters {
	return &counters{calls: map[string]int{}, answers: map[string]int{}, signatures: map[string]int{}}
}

func (c *counters) call(api string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[api]++
}

func (c *counters) answered(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[how]++
}

// failed counts a call that got no answer of the vendor's.
func (c *counters) failed() { c.answered("fault") }

func (c *counters) signature(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signatures[how]++
}

func (c *counters) page() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages++
}

func (c *counters) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	rejections := maps.Clone(c.answers)
	maps.DeleteFunc(rejections, func(how string, _ int) bool { return how == answeredOK || strings.HasPrefix(how, "fault") })
	return Stats{
		Calls: maps.Clone(c.calls), Answers: maps.Clone(c.answers), Rejections: rejections,
		Signatures: maps.Clone(c.signatures), Pages: c.pages,
	}
}
