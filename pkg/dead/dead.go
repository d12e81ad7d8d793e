// Package dead buries what can't go on: the whole message with the reason, on DEAD. It also lists what is
// buried, and does what a person wants done with it: replay, edit, drop. A letter stays as the proof that
// it is; what was done with it is a note beside it.
package dead

import (
	"context"
	"errors"
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
	// Consumer names the consumer of another team that it died at, beside which it may well live. Such a
	// letter is one of its own, and should have no RawSequence. It is empty for those of this house.
	Consumer string
}

// maxReason bounds the text of a reason, in bytes.
const maxReason = 8 << 10

// Bury stores the letter and waits until the server has it; then, and only then, the original
// may be terminated. Burying the same message twice leaves one letter; one that was replayed and died
// again is another. A message that leaves no room for the headers of a letter is buried without its
// body, for which it says where that is.
func Bury(ctx context.Context, js jetstream.Publisher, l Letter) error {
	meta, err := l.Message.Metadata()
	if err != nil {
		return fmt.Errorf("bury message of flow %s: %w", l.Flow, err)
	}
	msg := l.message(meta)
	sequence := msg.Header.Get(topology.HeaderDeadSequence)
	id := strings.Join([]string{l.Stage, l.Flow, meta.Stream, sequence}, "/")
	if replay := msg.Header.Get(topology.HeaderReplay); replay != "" {
		id += "/replay/" + replay
	}
	if again := msg.Header.Get(topology.HeaderReplayJob); again != "" {
		id += "/again/" + again
	}
	if l.Consumer != "" {
		id += "/at/" + l.Consumer
	}
	_, err = js.PublishMsg(ctx, msg, jetstream.WithMsgID(id))
	if errors.Is(err, nats.ErrMaxPayload) {
		msg.Header.Set(topology.HeaderDeadLeft, strconv.Itoa(len(msg.Data)))
		msg.Data = nil
		_, err = js.PublishMsg(ctx, msg, jetstream.WithMsgID(id))
	}
	if err != nil {
		return fmt.Errorf("bury sequence %s of %s for flow %s: %w", sequence, meta.Stream, l.Flow, err)
	}
	return nil
}

// message is the letter as it is published.
func (l Letter) message(meta *jetstream.MsgMetadata) *nats.Msg {
	msg := &nats.Msg{Subject: topology.DeadSubject(l.Stage, l.Flow), Data: l.Message.Data(), Header: nats.Header{}}
	for name, values := range l.Message.Headers() {
		if !strings.HasPrefix(name, "Nats-") {
			msg.Header[name] = values
		}
	}
	reason := l.Reason.Error()
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	msg.Header.Set(topology.HeaderDeadReason, record.Encode(reason))
	msg.Header.Set(topology.HeaderDeadClass, fault.ClassOf(l.Reason))
	msg.Header.Set(topology.HeaderDeadStage, l.Stage)
	msg.Header.Set(topology.HeaderDeadFlow, l.Flow)
	msg.Header.Set(topology.HeaderDeadAttempts, strconv.FormatUint(meta.NumDelivered, 10))
	msg.Header.Set(topology.HeaderDeadStream, meta.Stream)
	msg.Header.Set(topology.HeaderDeadSequence, strconv.FormatUint(meta.Sequence.Stream, 10))
	msg.Header.Set(topology.HeaderDeadSubject, l.Message.Subject())
	msg.Header.Set(topology.HeaderDeadRaw, strconv.FormatUint(l.RawSequence, 10))
	return msg
}
