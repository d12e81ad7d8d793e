package dead

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// How says how a letter is replayed.
type How struct {
	// Remap maps the record of a target message anew, as the flow is now, instead of sending the message
	// once more.
	Remap bool
	// Dropped replays a letter that was dropped, too.
	Dropped bool
}

// Replay gives a letter back to its own flow, and to no other: a record to the transformer, a target
// message to the sink. Versions stay, so newer data is never overwritten. It returns when the server has
// the message and the note of it. Done twice it is done once: the second time is a SettledError, or,
// where the first one died before its note, leaves what is there.
func (d *Desk) Replay(ctx context.Context, sequence uint64, how How) error {
	r, err := d.prepare(ctx, sequence, how)
	if err != nil {
		return err
	}
	if _, err := d.js.PublishMsg(ctx, r.msg, jetstream.WithExpectStream(r.stream)); err != nil {
		return fmt.Errorf("replay letter %d: publish on %s: %w", sequence, r.msg.Subject, err)
	}
	if err := d.note(ctx, r.letter, Replayed, ""); err != nil {
		return fmt.Errorf("letter %d is replayed, but its note is missing, so replay it again: %w", sequence, err)
	}
	return nil
}

// Remapped notes of a letter that its record was given back to its flow otherwise, and why. Noted again within
// minutes it is one note.
func (d *Desk) Remapped(ctx context.Context, b Buried, why string) error {
	return d.note(ctx, b, Replayed, why)
}

// Try says whether a letter could be replayed, and changes nothing.
func (d *Desk) Try(ctx context.Context, sequence uint64, how How) error {
	_, err := d.prepare(ctx, sequence, how)
	return err
}

// replay is a letter, the message that goes on in its place, and the stream that it goes into.
type replay struct {
	letter Buried
	msg    *nats.Msg
	stream string
}

func (d *Desk) prepare(ctx context.Context, sequence uint64, how How) (replay, error) {
	b, err := d.open(ctx, sequence)
	if settled, ok := errors.AsType[*SettledError](err); ok && how.Dropped && settled.Note.Action == Dropped {
		err = nil
	}
	if err != nil {
		return replay{}, err
	}
	msg, stream, err := d.onward(ctx, b, how)
	if err != nil {
		return replay{}, fmt.Errorf("replay letter %d: %w", sequence, err)
	}
	return replay{b, msg, stream}, nil
}

func (d *Desk) onward(ctx context.Context, b Buried, how How) (*nats.Msg, string, error) {
	f, ok := d.flows.Flows[b.Flow]
	switch {
	case b.Left > 0 && len(b.Body) == 0:
		_, err := b.JSON(false)
		return nil, "", err
	case !ok:
		return nil, "", fmt.Errorf("there is no flow %q any more: apply it, or drop the letter", b.Flow)
	case b.Stage == Transform:
		msg, err := b.record(f, b.Header, b.Body)
		return msg, topology.Parked, err
	case b.Stage == Sink && how.Remap:
		msg, err := d.remap(ctx, b, f)
		return msg, topology.Parked, err
	case b.Stage == Sink:
		msg, err := b.target(f)
		return msg, topology.Target, err
	default:
		return nil, "", fmt.Errorf("it died at stage %q, which is none of erpstream's", b.Stage)
	}
}

// target is the target message as it goes to its sink once more.
func (b Buried) target(f flow.Flow) (*nats.Msg, error) {
	e, err := record.Parse(b.Header)
	if err != nil {
		return nil, fmt.Errorf("its envelope can't be read, so it would die again: %w", err)
	}
	tokens := strings.Split(b.Subject, ".")
	if len(tokens) != 5 || tokens[0] != "target" || tokens[3] != b.Flow {
		return nil, fmt.Errorf("its subject was %q, which is not one of flow %s", b.Subject, b.Flow)
	}
	if kind, connection := tokens[1], tokens[2]; kind != f.Target.Kind || connection != f.Target.Connection {
		return nil, fmt.Errorf("it was for connection %s (%s), and flow %s writes to %s (%s) now: --remap maps its record anew", connection, kind, f.Name, f.Target.Connection, f.Target.Kind)
	}
	if e.Schema != f.Target.Message {
		return nil, fmt.Errorf("it is a %s, and flow %s makes %s now: --remap maps its record anew", e.Schema, f.Name, f.Target.Message)
	}
	msg := nats.NewMsg(b.Subject)
	msg.Data = b.Body
	msg.Header = without(b.Header, "Nats-", topology.HeaderDeadPrefix, topology.HeaderParkedPrefix)
	// An id of its own, in the place of the one that an earlier replay gave it.
	if b.ReplayOf > 0 {
		e.ID = strings.TrimSuffix(e.ID, record.ReplayID("", strconv.FormatUint(b.ReplayOf, 10)))
	}
	id := record.Encode(record.ReplayID(e.ID, strconv.FormatUint(b.Sequence, 10)))
	msg.Header.Set(topology.HeaderID, id)
	msg.Header.Set(topology.HeaderMsgID, id)
	msg.Header.Set(topology.HeaderReplay, strconv.FormatUint(b.Sequence, 10))
	return msg, nil
}

// record is a record as it goes to the transformer of its flow alone: through PARKED, where it waits for
// nothing. RAW is read by every flow.
func (b Buried) record(f flow.Flow, header nats.Header, body []byte) (*nats.Msg, error) {
	e, err := record.Parse(header)
	if err != nil {
		return nil, fmt.Errorf("its envelope can't be read, so it would die again: %w", err)
	}
	if b.RawSequence == 0 {
		return nil, fmt.Errorf("it does not say which record of stream %s it is", topology.Raw)
	}
	if e.Source != f.From {
		return nil, fmt.Errorf("it is of source %s, and flow %s reads %s now", e.Source, f.Name, f.From)
	}
	msg := nats.NewMsg(topology.ReplaySubject(f.Name))
	msg.Data = body
	msg.Header = without(header, "Nats-", topology.HeaderDeadPrefix, topology.HeaderParkedPrefix)
	if e.Unreadable() {
		if e, err = readable(e, body); err != nil {
			return nil, fmt.Errorf("%w: edit it", err)
		}
		msg.Header = without(e.Header(), "Nats-")
	}
	letter := strconv.FormatUint(b.Sequence, 10)
	msg.Header.Set(topology.HeaderMsgID, record.ReplayID(f.Name, letter))
	msg.Header.Set(topology.HeaderReplay, letter)
	msg.Header.Set(topology.HeaderParkedRevision, "0") // of no revision of the flow
	msg.Header.Set(topology.HeaderParkedSince, time.Now().Format(time.RFC3339Nano))
	msg.Header.Set(topology.HeaderParkedRaw, strconv.FormatUint(b.RawSequence, 10))
	return msg, nil
}

// remap is the record that a target message was made of.
func (d *Desk) remap(ctx context.Context, b Buried, f flow.Flow) (*nats.Msg, error) {
	if b.Edits > 0 {
		return nil, fmt.Errorf("it is the edited form of letter %d, which mapping the record anew would lose", b.Edits)
	}
	raw, err := d.js.Stream(ctx, topology.Raw)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	msg, err := raw.GetMsg(ctx, b.RawSequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("its record, sequence %d of stream %s, is there no more, so it can't be mapped anew: replay it without --remap, or read its time again with `erpstream source backfill`", b.RawSequence, topology.Raw)
	}
	if err != nil {
		return nil, fmt.Errorf("read sequence %d of stream %s: %w", b.RawSequence, topology.Raw, err)
	}
	if e, err := record.Parse(msg.Header); err != nil || e.Key != b.Key || e.Source != b.Source {
		return nil, fmt.Errorf("sequence %d of stream %s is another record, so it can't be mapped anew", b.RawSequence, topology.Raw)
	}
	return b.record(f, msg.Header, msg.Data)
}
