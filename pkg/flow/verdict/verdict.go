// Package verdict says what becomes of a record in a flow. It decides for the transformer, and for who
// tries a flow without its effects: tests, previews, comparisons.
package verdict

import (
	"errors"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
)

// Kind is what becomes of a record, in one word.
type Kind string

// What may become of a record.
const (
	// Mapped: a target message is made of it.
	Mapped Kind = "mapped"
	// Removed: the document is gone at the source, and the target hears of it.
	Removed Kind = "removed"
	// Filtered: the flow's where leaves it out.
	Filtered Kind = "filtered"
	// Dropped: a quality rule leaves it out.
	Dropped Kind = "dropped"
	// Parked: it waits for master data, or because of a quality rule.
	Parked Kind = "parked"
	// Dead: it is a dead letter.
	Dead Kind = "dead"
)

// Verdict is what becomes of one record.
type Verdict struct {
	Kind Kind
	// Result is what the mapping made, where it made something or left the record out.
	Result mapping.Result
	// Missing is the master data that a parked record waits for. It is nil where a quality rule holds the
	// record, which Held names then.
	Missing *mapping.Missing
	Held    *mapping.Held
	// Err is why a record is dead; it is permanent.
	Err error
}

// Judge gives the verdicts of one flow. It may be used by several goroutines at once.
type Judge struct {
	Mapping *mapping.Mapping
	// Source is where the flow's records come from, Feed what they are.
	Source flow.Source
	Feed   feed.Feed
}

// New compiles a flow with the documents that it refers to. The error joins all faults of the flow as
// *flow.Error.
func New(set flow.Set, f flow.Flow) (Judge, error) {
	source, ok := set.Sources[f.From]
	if !ok {
		return Judge{}, f.Fault("from", "flow %s reads source %s, which is not there", f.Name, f.From)
	}
	from, err := feed.Get(source.Feed)
	if err != nil {
		return Judge{}, source.Fault("feed", "%v", err)
	}
	m, err := check.Compile(f, source, from, set.Connections[f.Target.Connection])
	if err != nil {
		return Judge{}, err
	}
	return Judge{Mapping: m, Source: source, Feed: from}, nil
}

// Of returns what becomes of a record. It has no effects and no memory: whether a value is unique is not
// looked at, it is among the claims of the result. lookup answers the look-ups of master data; it
// may be nil where the mapping has none.
func (j Judge) Of(env record.Envelope, body []byte, lookup mapping.Lookup) Verdict {
	if env.Unreadable() {
		_, err := j.Feed.Identify(body)
		err = errors.Join(errors.New("the poller could not read the document"), err)
		return Verdict{Kind: Dead, Err: fault.Permanent("unreadable", err)}
	}
	result, err := j.Mapping.Apply(env, body, lookup)
	v := Verdict{Kind: Mapped, Result: result}
	missing, waits := errors.AsType[*mapping.Missing](err)
	held, isHeld := errors.AsType[*mapping.Held](err)
	switch {
	case waits:
		return Verdict{Kind: Parked, Missing: missing}
	case isHeld:
		return Verdict{Kind: Parked, Held: held}
	case err != nil:
		return Verdict{Kind: Dead, Err: err}
	case result.Filtered:
		v.Kind = Filtered
	case result.Dropped != "":
		v.Kind = Dropped
	case env.Removed():
		v.Kind = Removed
	}
	return v
}

// Why says in a few words what led to the verdict: the rule, the reference that is missing, the error;
// "" where a message is made. Personal data is not in it.
func (v Verdict) Why() string {
	switch {
	case v.Kind == Dropped:
		return v.Result.Dropped
	case v.Held != nil:
		return v.Held.Error()
	case v.Kind == Parked:
		return v.Missing.Error()
	case v.Kind == Dead:
		return classed(v.Err)
	default:
		return ""
	}
}

// classed is an error with its class before it, once.
func classed(err error) string {
	class := fault.ClassOf(err) + ": "
	return class + strings.TrimPrefix(err.Error(), class)
}

// madeUp stands for the time of change of a record that tells none.
var madeUp = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Envelope says of a record that did not come from RAW what the poller would. What the record lacks for
// that is made up: the key is "test" then.
func (j Judge) Envelope(body []byte) record.Envelope {
	e := record.Envelope{Source: j.Source.Name, Type: j.Feed.Name, Key: "test", Version: madeUp.UnixMilli(), Time: madeUp}
	id, err := j.Feed.Identify(body)
	if err != nil {
		return e
	}
	e.Key = id.Key
	if !j.Feed.Snapshot {
		e.Version, e.Time = id.Version, id.Modified
	}
	return e
}
