package dead

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Desk does with letters what a person wants done, and notes it. Of several at once only one is to be
// used for an edit of the same letter to succeed; a Desk itself is for one goroutine.
type Desk struct {
	js    jetstream.JetStream
	flows flow.Set
	by    string
	notes *notes
}

// NewDesk returns a Desk that works with the stored configuration, on behalf of a person.
func NewDesk(js jetstream.JetStream, stored flow.Set, by string) *Desk {
	return &Desk{js: js, flows: stored, by: by, notes: newNotes(js)}
}

// SettledError says that something was done with a letter before.
type SettledError struct {
	Letter uint64
	Note   Note
}

// Error says what, by whom and when.
func (e *SettledError) Error() string {
	text := fmt.Sprintf("letter %d was %s by %s at %s", e.Letter, e.Note.Action, e.Note.By, e.Note.Time.Format(time.RFC3339))
	if e.Note.Action == Edited {
		text += ": its edited form goes on in its place"
	}
	return text
}

// Get returns a letter whole, with what was done with it.
func (d *Desk) Get(ctx context.Context, sequence uint64) (Buried, error) {
	stream, err := deadStream(ctx, d.js)
	if err != nil {
		return Buried{}, err
	}
	msg, err := stream.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && topology.IsDeadNote(msg.Subject) {
		return Buried{}, fmt.Errorf("there is no letter %d: `erpstream dead list --all` shows all that are kept", sequence)
	}
	if err != nil {
		return Buried{}, fmt.Errorf("read letter %d: %w", sequence, err)
	}
	if err := d.notes.refresh(ctx); err != nil {
		return Buried{}, err
	}
	b := stored{sequence: msg.Sequence, time: msg.Time, subject: msg.Subject, header: msg.Header, body: msg.Data}.letter()
	b.Note = d.notes.of(sequence)
	b.Header = without(b.Header, "Nats-") // those of the way here
	if b.Left > 0 {
		b.Body, err = d.left(ctx, b)
	}
	return b, err
}

// left fetches a body that was too large for its letter; nil when it is there no more.
func (d *Desk) left(ctx context.Context, b Buried) ([]byte, error) {
	stream, err := d.js.Stream(ctx, b.Stream)
	if err != nil {
		return nil, fmt.Errorf("body of letter %d: stream %s: %w", b.Sequence, b.Stream, err)
	}
	msg, err := stream.GetMsg(ctx, b.StreamSequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && msg.Subject != b.Subject {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("body of letter %d: %w", b.Sequence, err)
	}
	return msg.Data, nil
}

// open returns a letter that nothing was done with yet.
func (d *Desk) open(ctx context.Context, sequence uint64) (Buried, error) {
	b, err := d.Get(ctx, sequence)
	if err == nil && b.Note != nil {
		err = &SettledError{Letter: sequence, Note: *b.Note}
	}
	return b, err
}

// Drop notes that a letter is done with for the reason why, which must be given. The letter stays.
func (d *Desk) Drop(ctx context.Context, sequence uint64, why string) error {
	if strings.TrimSpace(why) == "" {
		return errors.New("a letter is dropped for a reason: give one")
	}
	b, err := d.open(ctx, sequence)
	if err != nil {
		return err
	}
	return d.note(ctx, b, Dropped, why)
}

// note says what was done with a letter. Said twice within minutes it is one note.
func (d *Desk) note(ctx context.Context, b Buried, action, why string) error {
	msg := Note{Settles: b.Sequence, Action: action, By: d.by, Why: why}.message(b.Flow)
	id := fmt.Sprintf("note/%d/%s", b.Sequence, action)
	if _, err := d.js.PublishMsg(ctx, msg, jetstream.WithMsgID(id), jetstream.WithExpectStream(topology.Dead)); err != nil {
		return fmt.Errorf("note that letter %d is %s: %w", b.Sequence, action, err)
	}
	return nil
}

// editTries is how often an edit is tried anew when something else was noted of the flow meanwhile.
const editTries = 5

// Edit buries an edited form of a letter, and notes that the letter is settled by it, both or neither. body
// is JSON: a record as it is, a target message in its JSON form, of which valid says what it breaks of its
// contract (check.Message). Key and version may not change. It returns the sequence of the new letter,
// which is to be replayed.
func (d *Desk) Edit(ctx context.Context, sequence uint64, body []byte, why string, valid func(proto.Message) error) (uint64, error) {
	for try := 1; ; try++ {
		b, err := d.open(ctx, sequence)
		if err != nil {
			return 0, err
		}
		data, e, err := b.rewrite(body, valid)
		if err != nil {
			return 0, fmt.Errorf("edit letter %d: %w", sequence, err)
		}
		last, err := batch.Publish(ctx, d.js, []*nats.Msg{b.edited(data, e), d.inPlace(b, why)})
		if err == nil {
			return last - 1, nil
		}
		if !topology.IsFenced(err) || try == editTries {
			return 0, fmt.Errorf("edit letter %d: %w", sequence, err)
		}
	}
}

// edited is the letter with another body, on its own subject.
func (b Buried) edited(body []byte, e record.Envelope) *nats.Msg {
	msg := nats.NewMsg(topology.DeadSubject(b.Stage, b.Flow))
	msg.Data = body
	maps.Copy(msg.Header, e.Header())
	for name, values := range b.Header {
		if e.Type == b.Kind || strings.HasPrefix(name, topology.HeaderDeadPrefix) {
			msg.Header[name] = values
		}
	}
	msg.Header = without(msg.Header, "Nats-")
	msg.Header.Del(topology.HeaderDeadLeft)
	msg.Header.Set(topology.HeaderDeadEdits, strconv.FormatUint(b.Sequence, 10))
	return msg
}

// inPlace is the note that an edited form takes the letter's place. The server takes it only where nothing
// else was noted of the flow since the letter was seen to be open.
func (d *Desk) inPlace(b Buried, why string) *nats.Msg {
	msg := Note{Settles: b.Sequence, Action: Edited, By: d.by, Why: why}.message(b.Flow)
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(d.notes.subjects[msg.Subject], 10))
	return msg
}

// without returns headers without those whose names begin in one of those ways.
func without(h nats.Header, prefixes ...string) nats.Header {
	own := nats.Header{}
next:
	for name, values := range h {
		for _, prefix := range prefixes {
			if strings.HasPrefix(name, prefix) {
				continue next
			}
		}
		own[name] = values
	}
	return own
}
