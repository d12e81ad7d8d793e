package dead

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Buried is a letter as DEAD keeps it.
type Buried struct {
	// Sequence is the letter's in DEAD, its name for people; Time is when it was buried.
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	// Stage is where it died, Flow on whose account, Class and Reason why, after so many deliveries.
	Stage    string `json:"stage"`
	Flow     string `json:"flow"`
	Class    string `json:"class"`
	Reason   string `json:"reason"`
	Attempts uint64 `json:"attempts"`
	// Key, Version, Source and Kind are those of the record: Kind is its ce-type, the name of the feed.
	Key     string `json:"key"`
	Version int64  `json:"version"`
	Source  string `json:"source"`
	Kind    string `json:"kind"`
	// Schema is the full name of the target message, empty where a record died.
	Schema string `json:"schema,omitempty"`
	// Stream, StreamSequence and Subject are where the message that died was.
	Stream         string `json:"stream"`
	StreamSequence uint64 `json:"stream_sequence"`
	Subject        string `json:"subject"`
	// RawSequence is the sequence in RAW of the record, its identity in the accounts; 0 where there is none.
	RawSequence uint64 `json:"raw_sequence"`
	// ReplayOf is the letter whose replay died again as this one, Edits the one that this is the edited form
	// of; 0 where there is none.
	ReplayOf uint64 `json:"replay_of,omitempty"`
	Edits    uint64 `json:"edits,omitempty"`
	// Left is the size in bytes of a body that was too large to go along.
	Left int64 `json:"left,omitempty"`
	// Fault says what of the headers can't be read; the fields concerned are as they stand there, or zero.
	Fault string `json:"fault,omitempty"`
	// Note is what was done with the letter last, nil while it is open.
	Note *Note `json:"note,omitempty"`

	// Header holds the headers but the server's own, Body the message; List leaves both out.
	Header nats.Header `json:"-"`
	Body   []byte      `json:"-"`
}

// The actions that a note tells of.
const (
	Replayed = "replayed"
	Dropped  = "dropped"
	Edited   = "edited"
)

// Note says what was done with a letter.
type Note struct {
	// Sequence is the note's in DEAD, Settles the letter's that it is about.
	Sequence uint64 `json:"sequence"`
	Settles  uint64 `json:"-"`
	// Action is Replayed, Dropped or Edited; By is who did it, Time when, Why for what reason.
	Action string    `json:"action"`
	By     string    `json:"by"`
	Time   time.Time `json:"time"`
	Why    string    `json:"why,omitempty"`
}

// State is open, or the action that settled the letter.
func (b Buried) State() string {
	if b.Note == nil {
		return "open"
	}
	return b.Note.Action
}

// stored is a message of DEAD, wherever it was read from.
type stored struct {
	sequence uint64
	time     time.Time
	subject  string
	header   nats.Header
	body     []byte
}

// letter reads a letter. Whatever is on DEAD is one: what can't be read is said in Fault.
func (s stored) letter() Buried {
	r := reader{header: s.header}
	b := Buried{Sequence: s.sequence, Time: s.time, Header: s.header, Body: s.body}
	b.Stage, b.Flow = r.text(topology.HeaderDeadStage), r.text(topology.HeaderDeadFlow)
	if tokens := strings.Split(s.subject, "."); len(tokens) == 3 {
		if s.header.Get(topology.HeaderDeadStage) == "" {
			b.Stage, b.Flow = tokens[1], tokens[2]
			r.fail(topology.HeaderDeadStage, errors.New("is missing: nobody of erpstream buried this"))
		}
	}
	b.Class, b.Reason = r.text(topology.HeaderDeadClass), r.text(topology.HeaderDeadReason)
	b.Attempts = r.number(topology.HeaderDeadAttempts)
	b.Key, b.Source = r.text(topology.HeaderSubject), r.text(topology.HeaderSource)
	b.Kind, b.Schema = r.text(topology.HeaderType), r.text(topology.HeaderDataSchema)
	b.Version = r.integer(topology.HeaderRecordVersion)
	b.Stream, b.Subject = r.text(topology.HeaderDeadStream), r.text(topology.HeaderDeadSubject)
	b.StreamSequence, b.RawSequence = r.number(topology.HeaderDeadSequence), r.number(topology.HeaderDeadRaw)
	b.ReplayOf, b.Edits = r.number(topology.HeaderReplay), r.number(topology.HeaderDeadEdits)
	b.Left = r.integer(topology.HeaderDeadLeft)
	if err := errors.Join(r.errs...); err != nil {
		b.Fault = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return b
}

// note reads a note; it reports whether it is one.
func (s stored) note() (Note, bool) {
	r := reader{header: s.header}
	n := Note{
		Sequence: s.sequence, Time: s.time, Settles: r.number(topology.HeaderDeadSettles),
		Action: r.text(topology.HeaderDeadAction), By: r.text(topology.HeaderDeadBy), Why: r.text(topology.HeaderDeadWhy),
	}
	return n, n.Settles > 0 && n.Action != ""
}

// message is the note as it is published, on the letter's flow.
func (n Note) message(flow string) *nats.Msg {
	msg := nats.NewMsg(topology.DeadNoteSubject(flow))
	msg.Header.Set(topology.HeaderDeadSettles, strconv.FormatUint(n.Settles, 10))
	msg.Header.Set(topology.HeaderDeadAction, n.Action)
	msg.Header.Set(topology.HeaderDeadBy, record.Encode(n.By))
	if n.Why != "" {
		msg.Header.Set(topology.HeaderDeadWhy, record.Encode(n.Why))
	}
	return msg
}

// reader reads headers and keeps what is wrong with them. One that is missing is empty or zero.
type reader struct {
	header nats.Header
	errs   []error
}

func (r *reader) fail(name string, err error) {
	r.errs = append(r.errs, fmt.Errorf("header %s %w", name, err))
}

func (r *reader) text(name string) string {
	raw := r.header.Get(name)
	value, err := record.Decode(raw)
	if err != nil {
		r.fail(name, err)
		return strings.ToValidUTF8(raw, "�")
	}
	return value
}

func (r *reader) number(name string) uint64 {
	raw := r.header.Get(name)
	if raw == "" {
		return 0
	}
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil {
		r.fail(name, errNotWhole)
	}
	return n
}

func (r *reader) integer(name string) int64 {
	raw := r.header.Get(name)
	if raw == "" {
		return 0
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		r.fail(name, errNotWhole)
	}
	return n
}

var errNotWhole = errors.New("is not a whole number")
