// Package dead buries what can't go on: the whole message with the reason, on DEAD.
package dead

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// The stages at which a message can die.
const (
	Transform = "transform"
	Sink      = "sink"
)

// Message is what died: one that a consumer delivered (a jetstream.Msg is one), or one that stands for
// it.
type Message interface {
	// Metadata says where the message is stored, and how often it was delivered.
	Metadata() (*jetstream.MsgMetadata, error)
	Subject() string
	Headers() nats.Header
	Data() []byte
}

// Letter is a message that can't go on.
type Letter struct {
	// Stage is where it died, Flow on whose account.
	Stage string
	Flow  string
	// RawSequence is the sequence in RAW of the record, its identity in the accounts.
	RawSequence uint64
	// Reason is why; its class and text go into the headers.
	Reason error
	// Message is what died.
	Message Message
}

// Bury stores the letter and waits until the server has it; then, and only then, the original
// may be terminated. Burying the same message twice leaves one letter.
func Bury(ctx context.Context, js jetstream.Publisher, l Letter) error {
	meta, err := l.Message.Metadata()
	if err != nil {
		return fmt.Errorf("bury message of flow %s: %w", l.Flow, err)
	}
	sequence := strconv.FormatUint(meta.Sequence.Stream, 10)
	msg := &nats.Msg{Subject: topology.DeadSubject(l.Stage, l.Flow), Data: l.Message.Data(), Header: nats.Header{}}
	for name, values := range l.Message.Headers() {
		if !strings.HasPrefix(name, "Nats-") {
			msg.Header[name] = values
		}
	}
	msg.Header.Set(topology.HeaderDeadReason, record.Encode(l.Reason.Error()))
	msg.Header.Set(topology.HeaderDeadClass, fault.ClassOf(l.Reason))
	msg.Header.Set(topology.HeaderDeadStage, l.Stage)
	msg.Header.Set(topology.HeaderDeadFlow, l.Flow)
	msg.Header.Set(topology.HeaderDeadAttempts, strconv.FormatUint(meta.NumDelivered, 10))
	msg.Header.Set(topology.HeaderDeadStream, meta.Stream)
	msg.Header.Set(topology.HeaderDeadSequence, sequence)
	msg.Header.Set(topology.HeaderDeadSubject, l.Message.Subject())
	msg.Header.Set(topology.HeaderDeadRaw, strconv.FormatUint(l.RawSequence, 10))
	id := strings.Join([]string{l.Stage, l.Flow, meta.Stream, sequence}, "/")
	if _, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(id)); err != nil {
		return fmt.Errorf("bury sequence %s of %s for flow %s: %w", sequence, meta.Stream, l.Flow, err)
	}
	return nil
}
