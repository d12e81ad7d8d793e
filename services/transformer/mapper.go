package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
)

// mapper makes the target messages of one revision of a flow.
type mapper struct {
	name       string
	revision   uint64
	feed       feed.Feed
	source     string
	kind       string
	connection string
	message    string
	options    string
	mapping    *mapping.Mapping
	// maxPayload is the largest message, in bytes with headers, that the server takes.
	maxPayload int64
}

// newMapper compiles a flow.
func newMapper(snapshot flow.Snapshot, f flow.Flow, revision uint64, maxPayload int64) (mapper, error) {
	judge, err := verdict.New(snapshot.Set, f)
	if err != nil {
		return mapper{}, err
	}
	return mapper{
		name: f.Name, revision: revision, feed: judge.Feed, source: judge.Source.Name,
		kind: f.Target.Kind, connection: f.Target.Connection, message: f.Target.Message,
		options: f.Target.Query(), mapping: judge.Mapping, maxPayload: maxPayload,
	}, nil
}

// looksUp reports whether the flow needs master data.
func (m mapper) looksUp() bool { return len(m.mapping.Uses()) > 0 }

// batchHeaders is room, in bytes, for the headers of an atomic batch.
const batchHeaders = 512

// outcome is what became of one record: a target message, nothing because the flow leaves it
// out, a message for PARKED because it waits for master data, or an error.
type outcome struct {
	record   dead.Message
	envelope record.Envelope
	sequence uint64
	attempt  int
	target   *nats.Msg
	parked   *nats.Msg
	filtered bool
	err      error
	// before is where the record was parked before.
	before stay
	// claims are the values that no other document may have, warnings the quality rules that the record
	// breaks and that let it go on, dropped the one that leaves it out.
	claims   []mapping.Claim
	warnings []string
	dropped  string
}

// stay is where a record was parked before; the zero stay says that it comes from RAW.
type stay struct {
	// sequence is its sequence in PARKED, since when it was parked first.
	sequence uint64
	since    time.Time
	// header is that of the message in PARKED.
	header nats.Header
}

// tell lets a target message say what its record waited for last, and since when it did.
func (s stay) tell(target *nats.Msg) {
	if rule := cmp.Or(s.header.Get(topology.HeaderParkedRule), s.header.Get(topology.HeaderWaived)); rule != "" {
		target.Header.Set(topology.HeaderParkedRule, rule)
		target.Header.Set(topology.HeaderParkedSince, s.header.Get(topology.HeaderParkedSince))
		return
	}
	if s.header.Get(topology.HeaderParkedCollection) == "" {
		return
	}
	for _, name := range []string{topology.HeaderParkedCollection, topology.HeaderParkedField, topology.HeaderParkedSince} {
		target.Header.Set(name, s.header.Get(name))
	}
	if s.header.Get(topology.HeaderParkedPersonal) == "" {
		target.Header.Set(topology.HeaderParkedValue, s.header.Get(topology.HeaderParkedValue))
	}
}

// replayed marks a target message whose record comes from a dead letter or from the past, so that the server
// does not take it for the one that the same revision made before.
func replayed(target *nats.Msg, rec nats.Header) {
	again := func(mark string, newID func(id, number string) string) {
		number := rec.Get(mark)
		if number == "" {
			return
		}
		id := newID(target.Header.Get(topology.HeaderID), number)
		target.Header.Set(topology.HeaderID, id)
		target.Header.Set(topology.HeaderMsgID, id)
		target.Header.Set(mark, number)
	}
	again(topology.HeaderReplayJob, record.AgainID)
	again(topology.HeaderReplay, record.ReplayID)
}

// apply maps one record. Its errors are permanent. A record that has to wait for master data was
// parked before as it says.
func (m mapper) apply(ctx context.Context, rec dead.Message, lookup mapping.Lookup, before stay) outcome {
	o := outcome{record: rec, before: before}
	meta, err := rec.Metadata()
	if err != nil {
		o.err = fault.Permanent("envelope", err)
		return o
	}
	o.sequence, o.attempt = meta.Sequence.Stream, int(meta.NumDelivered) //nolint:gosec // deliveries are few
	if o.envelope, err = record.Parse(rec.Headers()); err != nil {
		o.err = fault.Permanent("envelope", err)
		return o
	}
	o.envelope.Read = meta.Timestamp
	v := verdict.Judge{Mapping: m.waiving(rec.Headers()), Feed: m.feed}.Of(o.envelope, rec.Data(), lookup)
	switch v.Kind {
	case verdict.Dead:
		o.err = v.Err
	case verdict.Parked:
		if v.Held != nil {
			o.parked = m.hold(o, v.Held)
		} else {
			o.parked = m.shelve(o, v.Missing, before)
		}
		o.err = m.fits("parked record", o.parked)
	case verdict.Filtered, verdict.Dropped:
		o.filtered, o.dropped = true, v.Result.Dropped
	default:
		o.claims, o.warnings = v.Result.Claims, v.Result.Warnings
		o.target = m.wrap(ctx, o.envelope, o.sequence, v.Result)
		before.tell(o.target)
		replayed(o.target, rec.Headers())
		o.err = m.fits("target message", o.target)
	}
	return o
}

// fits refuses a message that the server does not take.
func (m mapper) fits(what string, msg *nats.Msg) error {
	if size := int64(msg.Size()); size > m.maxPayload-batchHeaders {
		return fault.Permanent("size", fmt.Errorf("the %s has %d bytes, the NATS server takes %d (max_payload)", what, size, m.maxPayload))
	}
	return nil
}

// wrap puts a target message in its envelope. Its id is that of the record in RAW and the revision, so
// that a record that is mapped twice is stored once.
func (m mapper) wrap(ctx context.Context, e record.Envelope, sequence uint64, result mapping.Result) *nats.Msg {
	e.ID = record.TargetID(e.ID, m.name, m.revision, sequence)
	e.Schema, e.Flow, e.FlowRevision, e.RawSequence, e.Options = m.message, m.name, m.revision, sequence, m.options
	e.References = record.WriteReferences(result.References)
	if parent := trace.Parent(ctx); parent != "" {
		e.TraceParent = parent
	}
	msg := nats.NewMsg(topology.TargetSubject(m.kind, m.connection, m.name, e.Key))
	msg.Header, msg.Data = e.Header(), result.Body
	return msg
}
