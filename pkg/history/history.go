// Package history tells what happened to one record on its way through one flow: which window it was
// read in, what it was mapped to and by which references, what it waited for, how often a sink tried,
// what became of it, and where it stands now. It only reads.
package history

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/record"
)

// Query asks for the history of one key of one flow.
type Query struct {
	Flow, Key string
	// Records has the documents of the source in the history too.
	Records bool
	// Personal shows personal data, which is masked without it.
	Personal bool
}

// History is all that is known of one key in one flow.
type History struct {
	Flow   string `json:"flow"`
	Key    string `json:"key"`
	Source string `json:"source"`
	// Versions are the states of the document that were read, in the order of RAW.
	Versions []Version `json:"versions"`
	// Link is what the sink remembers of the document at its target; nil where it remembers nothing.
	Link *Link `json:"link,omitempty"`
	// Searched is what was read to find all this.
	Searched []Search `json:"searched"`
	// Unreadable names messages that could not be read, and may be of the key.
	Unreadable []string `json:"unreadable,omitempty"`
}

// Found reports whether anything is known of the key.
func (h History) Found() bool { return len(h.Versions) > 0 || h.Link != nil }

// Events returns the events of all versions in the order of time.
func (h History) Events() []Event {
	var all []Event
	for _, v := range h.Versions {
		all = append(all, v.Events...)
	}
	sortEvents(all)
	return all
}

// Version is one state of the document, which is one record of RAW.
type Version struct {
	RawSequence uint64 `json:"raw_sequence"`
	Version     int64  `json:"version"`
	// Standing is where it is now.
	Standing Standing `json:"standing"`
	Events   []Event  `json:"events"`
}

// Standing is where a record is now.
type Standing string

// The standings of a record. Committed, Superseded, Unchanged and Filtered are outcomes.
const (
	// Waiting records are in RAW, before the position of the flow's transformer.
	Waiting Standing = "waiting"
	// Parked records wait for master data, or are held by a quality rule.
	Parked Standing = "parked"
	// InFlight records are target messages before the position of the sink, or in its hands.
	InFlight   Standing = "in-flight"
	Committed  Standing = "committed"
	Superseded Standing = "superseded"
	Unchanged  Standing = "unchanged"
	Filtered   Standing = "filtered"
	// Dead records have a letter that nobody did anything with, Dropped ones one that was dropped.
	Dead    Standing = "dead"
	Dropped Standing = "dropped"
	// Missing records have no outcome and are nowhere. That must not be.
	Missing Standing = "missing"
)

// Kind says what happened.
type Kind string

// The kinds of events. An Event has the field that belongs to its kind.
const (
	Read     Kind = "read"
	Park     Kind = "parked"
	Release  Kind = "released"
	Map      Kind = "mapped"
	Retry    Kind = "retried"
	Settle   Kind = "settled"
	Die      Kind = "dead"
	Annotate Kind = "noted"
)

// Event is one thing that happened to a version.
type Event struct {
	// Time is the server's, when it stored what tells of the event.
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`

	Reading *Reading `json:"reading,omitempty"` // Read
	Wait    *Wait    `json:"wait,omitempty"`    // Park, Release
	Mapping *Mapping `json:"mapping,omitempty"` // Map
	Outcome *Outcome `json:"outcome,omitempty"` // Retry, Settle
	// Letter is the dead letter, Note what was done with it last.
	Letter *dead.Buried `json:"letter,omitempty"` // Die
	Note   *Noted       `json:"note,omitempty"`   // Annotate
}

// Reading says how a record came into RAW.
type Reading struct {
	// Feed is the API that it was read from.
	Feed string `json:"feed"`
	// Modified is when the document changed at the source.
	Modified time.Time `json:"modified"`
	// Removed says that the source has the document no more, Unreadable that it has no key or time.
	Removed    bool `json:"removed,omitempty"`
	Unreadable bool `json:"unreadable,omitempty"`
	// Window is the window that the record was read in, nil when RAW has none for it.
	Window *Window `json:"window,omitempty"`
	// Record is the document as the source said it, where the Query asks for it; text that is no JSON
	// is a JSON string, "" for a tombstone.
	Record json.RawMessage `json:"record,omitempty"`
}

// Window is the slice of source time that a record was read in.
type Window struct {
	// Sequence is that of the window in RAW.
	Sequence uint64 `json:"sequence"`
	// From is the zero time where the feed is read whole.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
	// Closed is false for a step of a window with more records than one batch takes.
	Closed bool `json:"closed"`
	// Total is how many documents the vendor counted, Published how many went into RAW with it.
	Total     int64 `json:"total"`
	Published int64 `json:"published"`
	// Pages were read in all attempts that it took to prove the window.
	Pages    int32  `json:"pages"`
	Attempts int32  `json:"attempts"`
	Poller   string `json:"poller"`
	// Backfill is the id of the backfill that asked for the window, "" when a tick did.
	Backfill string `json:"backfill,omitempty"`
}

// Wait says what a record waits for, or waited for last.
type Wait struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	// Value is masked where it is personal data.
	Value string `json:"value"`
	// Rule is the quality rule that holds the record, Why how the record breaks it; then it waits for no
	// master data.
	Rule string `json:"rule,omitempty"`
	Why  string `json:"why,omitempty"`
	// Since is when it was parked first.
	Since time.Time `json:"since"`
	// Replay says that it is a dead letter that is about to be mapped again.
	Replay bool `json:"replay,omitempty"`
}

// Mapping says what a record was mapped to.
type Mapping struct {
	TargetSequence uint64 `json:"target_sequence"`
	FlowRevision   uint64 `json:"flow_revision"`
	Kind           string `json:"kind"`
	Connection     string `json:"connection"`
	// Schema is the full name of the target message.
	Schema string `json:"schema"`
	// References is the master data that was used; More counts what its header had no room for.
	References []record.Reference `json:"references,omitempty"`
	More       int                `json:"more_references,omitempty"`
	// Message is the target message as JSON, absent for a document that was removed. Unreadable says
	// why it can't be shown.
	Message    json.RawMessage `json:"message,omitempty"`
	Unreadable string          `json:"unreadable,omitempty"`
	// Replays is the sequence in DEAD of the letter that the message is the replay of, 0 for none.
	Replays uint64 `json:"replays,omitempty"`
	// ReplayJob is the number of the replay of the flow's past that made the message, 0 for none.
	ReplayJob uint64 `json:"replay_job,omitempty"`
}

// Outcome is what a service said of a record: of an attempt that failed, or of the last one.
type Outcome struct {
	// Outcome is committed, superseded, unchanged, filtered or retried.
	Outcome  string `json:"outcome"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	// Attempts is how often the message had been delivered.
	Attempts     int32  `json:"attempts"`
	FlowRevision uint64 `json:"flow_revision"`
	ExternalID   string `json:"external_id,omitempty"`
	// Error and Class say why an attempt failed.
	Error string `json:"error,omitempty"`
	Class string `json:"class,omitempty"`
}

// Noted is what was done with a dead letter.
type Noted struct {
	// Letter is the sequence of the letter in DEAD.
	Letter uint64 `json:"letter"`
	dead.Note
}

// Link is what a sink of a finance system remembers of a document.
type Link struct {
	// State is intent, booked or draft.
	State       string `json:"state"`
	Version     int64  `json:"version"`
	RawSequence uint64 `json:"raw_sequence"`
	// ExternalID and Number are what the target calls the document.
	ExternalID string `json:"external_id,omitempty"`
	Number     string `json:"number,omitempty"`
	// Intended is when the call was decided on, of an intent.
	Intended time.Time `json:"intended,omitzero"`
	Instance string    `json:"instance"`
	// Written is when the link was written.
	Written time.Time `json:"written"`
}

// Search is one part of a stream that was read.
type Search struct {
	Stream  string `json:"stream"`
	Subject string `json:"subject"`
	// Messages is how many there were, the oldest from Since.
	Messages int       `json:"messages"`
	Since    time.Time `json:"since,omitzero"`
}

// rank orders events of the same moment as they follow from one another.
var rank = map[Kind]int{Read: 0, Park: 1, Release: 2, Map: 3, Retry: 4, Settle: 5, Die: 6, Annotate: 7}

func sortEvents(events []Event) {
	slices.SortStableFunc(events, func(a, b Event) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return rank[a.Kind] - rank[b.Kind]
	})
}
