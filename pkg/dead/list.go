package dead

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Filter says which letters are meant; what is left zero does not matter.
type Filter struct {
	Flow  string
	Stage string
	Class string
	Key   string
	// Since and Until bound the time at which a letter was buried: from Since on, and before Until.
	Since time.Time
	Until time.Time
	// All takes in the letters that something was done with; else they are left out.
	All bool
}

func (f Filter) takes(b Buried) bool {
	return (f.Flow == "" || f.Flow == b.Flow) && (f.Stage == "" || f.Stage == b.Stage) &&
		(f.Class == "" || f.Class == b.Class) && (f.Key == "" || f.Key == b.Key) &&
		(f.All || b.Note == nil)
}

// List yields the letters that a filter takes, the oldest first, without their bodies. It ends with those
// that are there when it begins, or with an error, which comes last.
func List(ctx context.Context, js jetstream.JetStream, f Filter) iter.Seq2[Buried, error] {
	return func(yield func(Buried, error) bool) {
		book := newNotes(js)
		err := book.refresh(ctx)
		if err == nil {
			err = scan(ctx, js, f.scope(), func(s stored) bool {
				if !f.Until.IsZero() && !s.time.Before(f.Until) {
					return false
				}
				if topology.IsDeadNote(s.subject) {
					return true
				}
				b := s.letter()
				b.Note, b.Header = book.of(b.Sequence), nil
				return !f.takes(b) || yield(b, nil)
			})
		}
		if err != nil {
			yield(Buried{}, fmt.Errorf("list dead letters: %w", err))
		}
	}
}

// scope is the part of DEAD that the letters of a filter are in. A letter is on the subject of its stage
// and flow.
func (f Filter) scope() consume.Reading {
	return consume.Reading{Filters: []string{topology.DeadFilter(f.Stage, f.Flow)}, Since: f.Since}
}

// scan reads the headers of a part of DEAD as it is now, until take wants no more.
func scan(ctx context.Context, js jetstream.JetStream, part consume.Reading, take func(stored) bool) error {
	part.HeadersOnly = true
	return consume.Read(ctx, js, topology.Dead, part, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if !take(stored{sequence: meta.Sequence.Stream, time: meta.Timestamp, subject: msg.Subject(), header: msg.Headers()}) {
			return consume.ErrEnough
		}
		return nil
	})
}

func deadStream(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, topology.Dead)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("stream %s: %w (has `erpstream provision` been run?)", topology.Dead, err)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.Dead, err)
	}
	return stream, nil
}

// notes is what was done with letters.
type notes struct {
	js jetstream.JetStream
	// bySettled holds the last note of each letter; last is the last sequence that was looked at, subjects
	// the last of each flow.
	bySettled map[uint64]Note
	last      uint64
	subjects  map[string]uint64
	begun     bool
}

func newNotes(js jetstream.JetStream) *notes {
	return &notes{js: js, bySettled: map[uint64]Note{}, subjects: map[string]uint64{}}
}

// of returns what was done with a letter last, nil for nothing.
func (n *notes) of(letter uint64) *Note {
	note, ok := n.bySettled[letter]
	if !ok {
		return nil
	}
	return &note
}

// refresh reads what was noted since the last time.
func (n *notes) refresh(ctx context.Context) error {
	if !n.begun {
		n.begun = true
		return scan(ctx, n.js, consume.Reading{Filters: []string{topology.DeadNoteFilter("")}}, n.take)
	}
	stream, err := deadStream(ctx, n.js)
	if err != nil {
		return err
	}
	for {
		msg, err := stream.GetMsg(ctx, n.last+1, jetstream.WithGetMsgSubject(topology.DeadNoteFilter("")))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read notes of stream %s: %w", topology.Dead, err)
		}
		n.take(stored{sequence: msg.Sequence, time: msg.Time, subject: msg.Subject, header: msg.Header})
	}
}

func (n *notes) take(s stored) bool {
	n.last, n.subjects[s.subject] = s.sequence, s.sequence
	if note, ok := s.note(); ok {
		n.bySettled[note.Settles] = note
	}
	return true
}
