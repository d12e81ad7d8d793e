package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/table"
)

// document is one message of a batch as rows.
type document struct {
	table.Encoded
	target  *target
	message *sink.Message
	stale   bool // the database has a newer state
}

// order is what documents of one key are ordered by.
type order struct {
	version                   int64
	rawSequence, flowRevision uint64
}

func orderOf(m *sink.Message) order { return order{m.Version, m.RawSequence, m.FlowRevision} }

// group is the documents of a batch that go to one table in one way, sorted by key: who locks
// them in the same order as everyone else waits instead of deadlocking.
type group struct {
	*target
	documents []*document
}

// plan is what is to be done for a batch.
type plan struct {
	groups  []*group
	outdone []outdone
	faults  map[int]error
}

// outdone is a message that another one of the same batch makes needless.
type outdone struct {
	message *sink.Message
	same    bool // the other one is the same state
}

// plan reads the messages of a batch, keeps the newest of each document and sorts them.
func (w *writer) plan(batch []sink.Message) plan {
	w.targets.forget()
	p := plan{faults: map[int]error{}}
	newest := make(map[[2]string]*document, len(batch))
	for i := range batch {
		d, err := w.read(&batch[i])
		if err != nil {
			p.faults[i] = err
			continue
		}
		id := [2]string{d.target.Name, d.Key}
		if other := newest[id]; other != nil {
			if newerInBatch(other, d) {
				d, other = other, d
			}
			p.outdone = append(p.outdone, outdone{other.message, orderOf(other.message) == orderOf(d.message)})
		}
		newest[id] = d
	}
	p.groups = grouped(newest)
	return p
}

// newerInBatch reports whether a is to be written and b is not; of equals the later one is.
func newerInBatch(a, b *document) bool {
	x, y := orderOf(a.message), orderOf(b.message)
	if x.version != y.version || x.rawSequence != y.rawSequence {
		return a.message.Newer(y.version, y.rawSequence)
	}
	return x.flowRevision > y.flowRevision
}

// grouped sorts documents into their targets.
func grouped(documents map[[2]string]*document) []*group {
	byTarget := map[*target]*group{}
	var groups []*group
	for _, d := range documents {
		g := byTarget[d.target]
		if g == nil {
			g = &group{target: d.target}
			byTarget[d.target] = g
			groups = append(groups, g)
		}
		g.documents = append(g.documents, d)
	}
	for _, g := range groups {
		slices.SortFunc(g.documents, func(a, b *document) int { return cmp.Compare(a.Key, b.Key) })
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.mode, b.mode), cmp.Compare(a.Message, b.Message))
	})
	return groups
}

// read makes rows of a message. Its errors are permanent.
func (w *writer) read(m *sink.Message) (*document, error) {
	t, err := w.targets.of(m)
	if err != nil {
		return nil, err
	}
	d := &document{target: t, message: m}
	if m.Removed() || len(m.Body) == 0 {
		d.Encoded, err = t.encoder.Removed(m.Key)
		return d, err
	}
	if d.Encoded, err = t.encoder.Encode(m.Body); err != nil {
		return nil, err
	}
	// A removed record has nothing but its key to find its rows by.
	if d.Key != m.Key {
		return nil, fault.Permanent("data", fmt.Errorf("%s is %q and the record's key is %q: map the key to it, or rows of removed records are never found", t.Document.Name, d.Key, m.Key))
	}
	return d, nil
}

// settle says what became of the messages, once the transaction is committed. It sets all of
// them: a message may have been part of another batch before, which failed.
func (p plan) settle() {
	for _, g := range p.groups {
		for _, d := range g.documents {
			d.message.Outcome = sink.Committed
			if d.stale {
				d.message.Outcome = sink.Superseded
			}
		}
	}
	for _, d := range p.outdone {
		d.message.Outcome = sink.Superseded
		if d.same {
			d.message.Outcome = sink.Unchanged
		}
	}
}
