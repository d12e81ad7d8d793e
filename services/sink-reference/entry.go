package main

import (
	"bytes"
	"fmt"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/sink"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

// keyOf returns the key in the bucket that a message is about. A removed document has no body, so key
// and collection follow from the envelope alone; a body that says otherwise is an error, for what it
// stores could never be removed.
func keyOf(connection string, m *sink.Message) (string, error) {
	collection := reference.Collection(m.Options.Get(reference.OptionCollection), m.Type)
	if len(m.Body) > 0 {
		if err := check(m, collection); err != nil {
			return "", err
		}
	}
	return reference.Key(connection, collection, m.Key), nil
}

// check compares what a body says of its place with the envelope.
func check(m *sink.Message, collection string) error {
	msg, err := m.Decode()
	if err != nil {
		return err
	}
	entry, ok := msg.(*referencev1.Entry)
	switch {
	case !ok:
		return fault.Permanent("schema", fmt.Errorf("%s is no entry of master data", m.Schema))
	case entry.GetId() != m.Key:
		return fault.Permanent("reference", fmt.Errorf("the id of the entry is not the key of its record: map id to what the feed %s has as key, or to meta.key", m.Type))
	case entry.GetCollection() != collection:
		return fault.Permanent("reference", fmt.Errorf("the entry is of collection %s, and flow %s fills %s: set target.options.collection", entry.GetCollection(), m.Flow, collection))
	default:
		return nil
	}
}

// change is what a batch makes of one key: the state that is there, and the one to put in its place.
type change struct {
	key      string
	have     reference.State
	want     reference.State
	messages []int
	// write is set when want is not what the bucket has.
	write bool
}

// decide goes through the messages of one key in their order, and says what becomes of each.
func (c *change) decide(batch []sink.Message) {
	state, known := c.have, c.have.Revision > 0
	c.write = false
	for _, i := range c.messages {
		m := &batch[i]
		m.ExternalID = c.key
		same := known && bytes.Equal(m.Body, state.Body)
		switch {
		case known && !m.Newer(state.Version, state.RawSequence):
			m.Outcome = sink.Superseded
			continue
		case same && m.Version == state.Version && m.RawSequence == state.RawSequence:
			m.Outcome = sink.Unchanged
			continue
		case same:
			// The version is written even so: an older one that comes late would take the place of
			// this one otherwise.
			m.Outcome = sink.Unchanged
		default:
			m.Outcome = sink.Committed
		}
		state.Version, state.RawSequence, state.Body = m.Version, m.RawSequence, m.Body
		known, c.write = true, true
	}
	c.want = state
}
