// Package sinktest is the suite that every sink passes: what a sink promises the runtime, tried
// on a sink with a store behind it.
package sinktest

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
)

// Suite is a sink and the means to look behind it.
type Suite struct {
	// Sink is what is tried. It may have a past: the suite uses keys of its own.
	Sink sink.Sink
	// Message returns a message of that key and version whose document has the given content;
	// the suite sets ID and the sequences. Keys are whole numbers as text, for the documents of
	// many systems are numbered.
	Message func(key string, version int64, content string) sink.Message
	// Stored returns the content of each document in the store, by key.
	Stored func() map[string]string
	// Poison returns a message that the store refuses for its content. Nil leaves that check out.
	Poison func(key string, version int64) sink.Message
	// Once says that the store can't change or remove a document: the checks that do are left out.
	Once bool
}

// Run runs the suite, a subtest for each promise.
func Run(t *testing.T, s Suite) {
	r := &run{Suite: s}
	for _, c := range checks {
		if s.Once && c.changes {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.check(r, t) })
	}
}

// T is what a check needs of a test.
type T interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// firstKey is where the suite's keys begin, far from what examples use.
const firstKey = 90_000_000

// run numbers the keys and the messages of one run of the suite.
type run struct {
	Suite
	keys     int
	sequence uint64
}

// key returns a key that was not used yet.
func (r *run) key() string {
	r.keys++
	return strconv.Itoa(firstKey + r.keys)
}

// message returns a message that was published after all before it.
func (r *run) message(key string, version int64, content string) sink.Message {
	m := r.Message(key, version, content)
	return r.publish(&m, key, version)
}

// removed returns a message that removes a document.
func (r *run) removed(key string, version int64) sink.Message {
	m := r.Message(key, version, "")
	m.Body = nil
	m.Type += record.RemovedSuffix
	return r.publish(&m, key, version)
}

// publish gives a message its place in the streams.
func (r *run) publish(m *sink.Message, key string, version int64) sink.Message {
	r.sequence++
	m.Key, m.Version = key, version
	m.RawSequence, m.Sequence, m.Attempt = r.sequence, r.sequence, 1
	m.ID = record.TargetID(record.NewID("sinktest", key, version, m.Body), "sinktest", 1, r.sequence)
	return *m
}

// write writes a batch and wants no error.
func (r *run) write(t T, batch ...sink.Message) []sink.Message {
	t.Helper()
	if err := r.Sink.Write(t.Context(), batch); err != nil {
		t.Fatalf("Write of %d messages = %v", len(batch), err)
	}
	return batch
}

// want compares what is stored of a document; "" wants none.
func (r *run) want(t T, key, content string) {
	t.Helper()
	if got := r.Stored()[key]; got != content {
		t.Errorf("document %s is stored as %q, want %q", key, got, content)
	}
}

// outcome compares what the sink says of a message; any of want is right.
func outcome(t T, what string, got sink.Outcome, want ...sink.Outcome) {
	t.Helper()
	if got == 0 {
		got = sink.Committed
	}
	if !slices.Contains(want, got) {
		t.Errorf("outcome of %s = %v, want %v", what, got, want)
	}
}
