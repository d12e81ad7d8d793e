// Package record holds the envelope that every message on RAW and TARGET wears: CloudEvents in
// binary mode as NATS headers, so that any NATS client can read it.
package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/topology"
)

// RemovedSuffix ends the type of a tombstone: the document is no longer at the source.
const RemovedSuffix = ".removed"

// UnreadableSuffix ends the type of a row of which the poller could read no key, version or time.
const UnreadableSuffix = ".unreadable"

// Envelope says what a message is about. Flow, FlowRevision, RawSequence, Schema, Options and
// References are set on target messages only.
type Envelope struct {
	// ID is source/key/version/hash on RAW; on TARGET the flow, its revision and RawSequence follow.
	ID string
	// Source is the name of the source.
	Source string
	// Type is the name of the feed, with RemovedSuffix on a tombstone.
	Type string
	// Key is the document's id at the source.
	Key string
	// Version grows with each change of the document.
	Version int64
	// Time is when the document changed last at the source.
	Time time.Time
	// Read is when the record came into RAW. It is no header: who takes the message from RAW knows it, and
	// where nobody does it is the zero time.
	Read time.Time
	// Schema is the full name of the target message.
	Schema string
	// Flow and FlowRevision name the mapping that made a target message.
	Flow         string
	FlowRevision uint64
	// RawSequence is the sequence in RAW of the record that a target message was made of.
	RawSequence uint64
	// Options is what the flow asks of the sink, as URL query text.
	Options string
	// References is the master data that the mapping used, as ReadReferences reads it.
	References string
	// TraceParent is the W3C trace context that the message was published in, "" outside of one.
	TraceParent string
}

// Removed reports whether the document is no longer at the source.
func (e Envelope) Removed() bool { return strings.HasSuffix(e.Type, RemovedSuffix) }

// Unreadable reports whether the poller could not read the document's key, version or time; the
// key is made up then.
func (e Envelope) Unreadable() bool { return strings.HasSuffix(e.Type, UnreadableSuffix) }

// NewID returns the id of one state of a document: source/key/version/hash of body.
func NewID(source, key string, version int64, body []byte) string {
	sum := sha256.Sum256(body)
	return source + "/" + key + "/" + strconv.FormatInt(version, 10) + "/" + hex.EncodeToString(sum[:8])
}

// TargetID returns the id of the target message that a revision of a flow makes of the record at a sequence of
// RAW. The same state of a document may be in RAW twice, as after a restore, and each is accounted for.
func TargetID(rawID, flow string, revision, sequence uint64) string {
	return rawID + "/" + flow + "/" + strconv.FormatUint(revision, 10) + "/" + strconv.FormatUint(sequence, 10)
}

// ReplayID returns the id of what is replayed from a dead letter: twice the same letter is the same id.
func ReplayID(id, letter string) string { return id + "/replay/" + letter }

// AgainID returns the id of what the replay of that number maps again: twice the same replay is the same id.
func AgainID(id, replay string) string { return id + "/again/" + replay }

// Header returns the envelope as headers. Values are percent-encoded as the CloudEvents binding
// for NATS says; Nats-Msg-Id is the id, so that the server drops what it has already.
func (e Envelope) Header() nats.Header {
	w := writer{header: make(nats.Header, room), values: make([]string, 0, room)}
	id := Encode(e.ID)
	w.set(topology.HeaderSpecVersion, "1.0")
	w.set(topology.HeaderID, id)
	w.set(topology.HeaderMsgID, id)
	w.set(topology.HeaderSource, Encode(e.Source))
	w.set(topology.HeaderType, Encode(e.Type))
	w.set(topology.HeaderSubject, Encode(e.Key))
	w.set(topology.HeaderTime, Encode(e.Time.Format(time.RFC3339Nano)))
	w.set(topology.HeaderDataSchema, Encode(e.Schema))
	w.set(topology.HeaderRecordVersion, strconv.FormatInt(e.Version, 10))
	w.set(topology.HeaderFlow, Encode(e.Flow))
	w.number(topology.HeaderFlowRevision, e.FlowRevision)
	w.number(topology.HeaderRawSequence, e.RawSequence)
	w.set(topology.HeaderOptions, Encode(e.Options))
	w.set(topology.HeaderReferences, Encode(e.References))
	w.set(topology.HeaderTraceParent, Encode(e.TraceParent))
	return w.header
}

// room is for as many headers as a message has on its way, with those of an atomic batch: a map that has to
// grow costs more than the rest of the envelope.
const room = 20

// writer writes headers. All values are in one piece of memory.
type writer struct {
	header nats.Header
	values []string
}

// set adds a header unless it is empty.
func (w *writer) set(name, value string) {
	if value == "" {
		return
	}
	w.values = append(w.values, value)
	n := len(w.values)
	w.header[name] = w.values[n-1 : n : n]
}

// number adds a header unless it is 0.
func (w *writer) number(name string, value uint64) {
	if value != 0 {
		w.set(name, strconv.FormatUint(value, 10))
	}
}

// Parse reads an envelope from headers. Headers come from outside: the error names the one that
// is missing or wrong.
func Parse(h nats.Header) (Envelope, error) {
	var e Envelope
	p := parser{header: h}
	if v := h.Get(topology.HeaderSpecVersion); v != "1.0" {
		return e, fmt.Errorf("header %s is %q, want 1.0: not a record of erpstream", topology.HeaderSpecVersion, v)
	}
	e.ID = p.required(topology.HeaderID)
	e.Source = p.required(topology.HeaderSource)
	e.Type = p.required(topology.HeaderType)
	e.Key = p.required(topology.HeaderSubject)
	e.Version = p.integer(topology.HeaderRecordVersion)
	e.Time = p.time(topology.HeaderTime)
	e.Schema = p.text(topology.HeaderDataSchema)
	e.Flow = p.text(topology.HeaderFlow)
	e.FlowRevision = p.unsigned(topology.HeaderFlowRevision)
	e.RawSequence = p.unsigned(topology.HeaderRawSequence)
	e.Options = p.text(topology.HeaderOptions)
	e.References = p.text(topology.HeaderReferences)
	e.TraceParent = p.text(topology.HeaderTraceParent)
	return e, p.err
}

// parser reads headers and keeps the first fault.
type parser struct {
	header nats.Header
	err    error
}

func (p *parser) fail(name, value, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("header %s is %q, want %s", name, value, want)
	}
}

func (p *parser) text(name string) string {
	raw := p.header.Get(name)
	value, err := Decode(raw)
	if err != nil {
		p.fail(name, raw, "percent-encoded UTF-8")
	}
	return value
}

func (p *parser) required(name string) string {
	value := p.text(name)
	if value == "" {
		p.fail(name, value, "a value")
	}
	return value
}

func (p *parser) integer(name string) int64 {
	raw := p.header.Get(name)
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		p.fail(name, raw, "a whole number")
	}
	return n
}

func (p *parser) unsigned(name string) uint64 {
	raw := p.header.Get(name)
	if raw == "" {
		return 0
	}
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil {
		p.fail(name, raw, "a whole number")
	}
	return n
}

func (p *parser) time(name string) time.Time {
	raw := p.required(name)
	t, err := time.Parse(time.RFC3339Nano, raw)
	if err != nil {
		p.fail(name, raw, "an RFC 3339 time")
	}
	return t
}
