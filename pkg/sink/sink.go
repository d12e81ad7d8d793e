// Package sink lets a function store target messages: it fetches, batches, retries, breaks the
// circuit, settles, buries and accounts, so that a sink is Write and nothing else.
package sink

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// Sink stores messages. Write stores the whole batch, or says with a BatchError which messages
// it did not; any other error means that it stored none for certain. The kind of an error
// (pkg/fault) decides what follows: permanent, the batch is halved until the bad message is
// alone and that goes to DEAD; busy, all is tried again later; down, the circuit breaker counts
// it. Write is never called twice at once (but see Paced and Parallel) and may meet the same message again: make it
// idempotent, and write nothing for a message that is older than what is stored. It does not
// retry; Run does. The batch is not to be kept.
type Sink interface {
	Write(ctx context.Context, batch []Message) error
}

// Paced is a Sink that spends a budget of calls: of all replicas one alone is given its connection's
// messages, and another one takes over when that one is gone. A limiter in the process is then right for
// the fleet.
//
// Each message is written by itself, and InFlight of them side by side, in no order: a target that answers
// late would else get fewer calls than its budget allows. With InFlight 1 it is Write that is never called
// twice at once.
type Paced interface {
	Sink
	// InFlight is how many messages are in hand at most. It is asked once.
	InFlight() int
}

// Parallel is a Sink that writes batches side by side: Write is called by up to Writers at once, each with
// messages of its own. They may be of the same document, as they may be at replicas.
type Parallel interface {
	Sink
	// Writers is how many may write at once.
	Writers() int
}

// Rester is a Sink that spends a budget of calls. Rest is called when a replica begins to be served in
// the place of another one, whose last call may be just over.
type Rester interface {
	Sink
	Rest()
}

// Func lets a plain function be a Sink.
type Func func(ctx context.Context, batch []Message) error

// Write calls f.
func (f Func) Write(ctx context.Context, batch []Message) error { return f(ctx, batch) }

// Message is one target message. Write may set Outcome and ExternalID; left alone they mean
// that the message was stored and the target gave no id.
type Message struct {
	record.Envelope
	// Body is the protobuf message named by Schema; empty when the document was removed.
	Body []byte
	// Options is what the flow asks of the sink (target.options of the flow document). Messages share it:
	// it is not to be changed.
	Options url.Values
	// Sequence is the message's sequence in TARGET.
	Sequence uint64
	// Attempt counts the deliveries, from 1.
	Attempt int

	// Outcome says what became of the message when it is not simply stored.
	Outcome Outcome
	// ExternalID is the id that the target gave.
	ExternalID string
}

// Outcome is what became of a message that was written without an error.
type Outcome = ledgerv1.Outcome

// The outcomes that Write can set. The zero Outcome means Committed.
const (
	Committed  = ledgerv1.Outcome_OUTCOME_COMMITTED
	Superseded = ledgerv1.Outcome_OUTCOME_SUPERSEDED
	Unchanged  = ledgerv1.Outcome_OUTCOME_UNCHANGED
)

// Decode returns the body as the message that Schema names. Its errors are permanent.
func (m Message) Decode() (proto.Message, error) {
	mt, err := contract.Message(m.Schema)
	if err != nil {
		return nil, fault.Permanent("schema", err)
	}
	msg := mt.New().Interface()
	if err := proto.Unmarshal(m.Body, msg); err != nil {
		return nil, fault.Permanent("schema", fmt.Errorf("decode %s: %w", m.Schema, err))
	}
	return msg, nil
}

// Newer reports whether m must be written over what the target has of the same document: its
// version is greater, or the same and its record came later or is the very same one.
func (m Message) Newer(version int64, rawSequence uint64) bool {
	if m.Version != version {
		return m.Version > version
	}
	return m.RawSequence >= rawSequence
}

// BatchError says which messages of a batch were not stored, by their index, and why. Those it
// does not name were stored.
type BatchError struct {
	Errs map[int]error
}

// Error names the first failed message and how many failed.
func (e *BatchError) Error() string {
	for _, i := range e.indices() {
		return fmt.Sprintf("%d of the batch failed, first message %d: %v", len(e.Errs), i, e.Errs[i])
	}
	return "none of the batch failed"
}

// Unwrap returns the errors in the order of the messages.
func (e *BatchError) Unwrap() []error {
	var errs []error
	for _, i := range e.indices() {
		errs = append(errs, e.Errs[i])
	}
	return errs
}

func (e *BatchError) indices() []int {
	var indices []int
	for i := range e.Errs {
		indices = append(indices, i)
	}
	slices.Sort(indices)
	return indices
}

// errorOf returns what err means for message i of its batch, nil when that was stored.
func errorOf(err error, i int) error {
	if batch, ok := errors.AsType[*BatchError](err); ok {
		return batch.Errs[i]
	}
	return err
}
