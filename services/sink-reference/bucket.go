package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	// rounds is how often a key is tried that somebody else writes at the same time.
	rounds = 5
	// readKeys and readBytes bound one request for the states of keys; the server answers at most 1024.
	readKeys  = 500
	readBytes = 256 << 10
)

// bucket is the master data of one connection. A key is written only over the state that was
// read of it, so that any number of replicas may write: the newest version of a document stays.
type bucket struct {
	js         jetstream.JetStream
	connection string
}

// Write stores the batch. A message that is older than what the bucket has is superseded; a document
// that was removed leaves a marker with its version.
func (b bucket) Write(ctx context.Context, batch []sink.Message) error {
	errs := map[int]error{}
	changes := b.changes(batch, errs)
	if err := b.read(ctx, changes); err != nil {
		return err
	}
	for round := 1; len(changes) > 0; round++ {
		for _, c := range changes {
			c.decide(batch)
		}
		failed := b.publish(changes)
		seam.Reach(seam.ReferencePut)
		changes = nil
		for c, err := range failed {
			if !topology.IsFenced(err) || round == rounds {
				c.blame(errs, err)
				continue
			}
			changes = append(changes, c)
		}
		// Others of the batch are stored by now, so the end of ctx must not pass for the batch's.
		if err := b.read(context.WithoutCancel(ctx), changes); err != nil {
			return err
		}
	}
	if len(errs) > 0 {
		return &sink.BatchError{Errs: errs}
	}
	return nil
}

// changes groups a batch by key, in the order of the messages.
func (b bucket) changes(batch []sink.Message, errs map[int]error) []*change {
	var changes []*change
	byKey := map[string]*change{}
	for i := range batch {
		key, err := keyOf(b.connection, &batch[i])
		if err != nil {
			errs[i] = err
			continue
		}
		if byKey[key] == nil {
			byKey[key] = &change{key: key}
			changes = append(changes, byKey[key])
		}
		byKey[key].messages = append(byKey[key].messages, i)
	}
	return changes
}

// read asks for the states of keys, many in one request.
func (b bucket) read(ctx context.Context, changes []*change) error {
	bySubject := map[string]*change{}
	var subjects []string
	size := 0
	for i, c := range changes {
		subject := reference.Subject(c.key)
		c.have = reference.State{}
		bySubject[subject] = c
		subjects, size = append(subjects, subject), size+len(subject)
		if len(subjects) < readKeys && size < readBytes && i < len(changes)-1 {
			continue
		}
		if err := b.readSome(ctx, subjects, bySubject); err != nil {
			return unread(ctx, err)
		}
		subjects, size = nil, 0
	}
	return nil
}

// readSome asks for some states. What the server leaves out has none: if that is wrong, for an answer
// was lost, the write is refused and all is read again.
func (b bucket) readSome(ctx context.Context, subjects []string, bySubject map[string]*change) error {
	messages, err := jetstreamext.GetLastMsgsFor(ctx, b.js, reference.Stream, subjects)
	if err != nil {
		return err
	}
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return err
		}
		c := bySubject[msg.Subject]
		if c == nil {
			return fmt.Errorf("the server answers with %s, which was not asked for", msg.Subject)
		}
		if c.have, err = reference.Read(msg); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// unread classifies an error of reading. The end of the context is nobody's fault.
func unread(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Busy("nats", 0, fmt.Errorf("read bucket %s: %w", topology.BucketReference, err))
}

// publish writes what has to be written, all at once, and returns the changes that the server did not
// take or did not answer. It does not look at the context: what is half sent is waited for.
func (b bucket) publish(changes []*change) map[*change]error {
	pending := map[*change]jetstream.PubAckFuture{}
	failed := map[*change]error{}
	for _, c := range changes {
		if !c.write {
			continue
		}
		ack, err := b.js.PublishMsgAsync(c.want.Message(c.key))
		if err != nil {
			failed[c] = fmt.Errorf("write %s: %w", topology.BucketReference, err)
			continue
		}
		pending[c] = ack
	}
	for c, ack := range pending {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			failed[c] = err
		}
	}
	return failed
}

// blame notes for each message of a change that it is not stored.
func (c *change) blame(errs map[int]error, err error) {
	for _, i := range c.messages {
		errs[i] = fault.Busy("nats", 0, fmt.Errorf("write bucket %s: %w", topology.BucketReference, err))
	}
}
