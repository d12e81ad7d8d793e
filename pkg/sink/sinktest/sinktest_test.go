package sinktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
)

// memory is a sink that keeps all promises, unless it is told to break one.
type memory struct {
	content map[string]string
	newest  map[string]sink.Message
	breaks  string
}

func newMemory(breaks string) *memory {
	return &memory{content: map[string]string{}, newest: map[string]sink.Message{}, breaks: breaks}
}

const poison = "poison"

var errRefused = errors.New("refused")

// Write stores a batch as a whole.
func (m *memory) Write(ctx context.Context, batch []sink.Message) error {
	if err := ctx.Err(); err != nil && m.breaks != "context" {
		if m.breaks == "context kind" {
			return fault.Down("connection", err)
		}
		return err
	}
	content, newest := maps.Clone(m.content), maps.Clone(m.newest)
	if m.breaks == "all or nothing" {
		content = m.content
	}
	for i := range batch {
		if err := m.store(content, newest, &batch[i]); err != nil {
			return err
		}
	}
	m.content, m.newest = content, newest
	return nil
}

// store stores one message of a batch, or not, as the broken promise has it.
func (m *memory) store(content map[string]string, newest map[string]sink.Message, msg *sink.Message) error {
	last, known := newest[msg.Key]
	switch {
	case string(msg.Body) == poison && m.breaks != "poison stored":
		return m.refuse()
	case known && !msg.Newer(last.Version, last.RawSequence) && m.breaks != "order":
		if m.breaks != "outcome" {
			msg.Outcome = sink.Superseded
		}
		return nil
	case known && msg.Version == last.Version && m.breaks == "ties":
		return nil
	case msg.Removed():
		m.remove(content, newest, msg)
		return nil
	case m.breaks == "large" && len(content) >= large:
		return nil
	}
	if m.breaks != "twice" {
		content[msg.Key] = ""
	}
	content[msg.Key] += string(msg.Body)
	newest[msg.Key] = *msg
	return nil
}

func (m *memory) refuse() error {
	if m.breaks == "poison" {
		return fault.Busy("data", 0, errRefused)
	}
	return fault.Permanent("data", errRefused)
}

func (m *memory) remove(content map[string]string, newest map[string]sink.Message, msg *sink.Message) {
	if m.breaks == "removal" {
		return
	}
	delete(content, msg.Key)
	newest[msg.Key] = *msg
	if m.breaks == "memory of removal" {
		delete(newest, msg.Key)
	}
}

func (m *memory) suite() Suite {
	message := func(key string, version int64, content string) sink.Message {
		return sink.Message{Envelope: record.Envelope{Type: "test", Key: key, Version: version}, Body: []byte(content)}
	}
	return Suite{
		Sink: m, Message: message, Stored: func() map[string]string { return m.content },
		Poison: func(key string, version int64) sink.Message { return message(key, version, poison) },
	}
}

func TestSinkThatKeepsItsPromisesPasses(t *testing.T) { Run(t, newMemory("").suite()) }

// recorder is a T that remembers what failed.
type recorder struct {
	ctx    context.Context
	failed []string
}

func (*recorder) Helper()                    {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failures runs the suite and returns the names of the checks that fail.
func failures(t *testing.T, s Suite) string {
	var names []string
	r := &run{Suite: s}
	for _, c := range checks {
		rec := &recorder{ctx: t.Context()}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.check(r, rec)
		}()
		<-done
		if len(rec.failed) > 0 {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, "; ")
}

func TestSinkThatBreaksAPromiseFails(t *testing.T) {
	if got := failures(t, newMemory("").suite()); got != "" {
		t.Fatalf("a sink that breaks nothing fails: %s", got)
	}
	tests := map[string]string{
		"order":             "older after newer is superseded",
		"outcome":           "older after newer is superseded",
		"ties":              "equal version, later record wins",
		"twice":             "same message again changes nothing",
		"removal":           "removed message removes",
		"memory of removal": "removed stays removed",
		"poison":            "poison harms no other",
		"poison stored":     "poison harms no other",
		"all or nothing":    "poison harms no other",
		"context":           "ended context",
		"context kind":      "ended context",
		"large":             "large batch",
	}
	for breaks, want := range tests {
		if got := failures(t, newMemory(breaks).suite()); !strings.Contains(got, want) {
			t.Errorf("a sink that breaks %q fails %q, want %q among it", breaks, got, want)
		}
	}
}
