package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
)

// A record that has to wait is a message in PARKED: the record with its headers, and those that say
// what it waits for. All that wait for the same entry have one subject, so that its arrival lets them
// go together. What is parked stays when its flow is deleted, and goes on when there is one of that
// name again.

// parkedSubject is where the records of a flow wait for an entry.
func parkedSubject(flow string, missing *mapping.Missing) string {
	sum := sha256.Sum256([]byte(missing.Field + "\x00" + missing.Value))
	return topology.ParkedSubject(flow, missing.Collection, hex.EncodeToString(sum[:8]))
}

// shelve makes the message that keeps a record in PARKED until there is the master data that it needs.
func (m mapper) shelve(o outcome, missing *mapping.Missing, before stay) *nats.Msg {
	msg := m.keep(o, parkedSubject(m.name, missing), before)
	msg.Header.Set(topology.HeaderParkedCollection, missing.Collection)
	msg.Header.Set(topology.HeaderParkedField, record.Encode(missing.Field))
	msg.Header.Set(topology.HeaderParkedValue, record.Encode(missing.Value))
	if missing.Personal() {
		msg.Header.Set(topology.HeaderParkedPersonal, "true")
	}
	return msg
}

// hold makes the message that keeps a record in PARKED because of a quality rule.
func (m mapper) hold(o outcome, held *mapping.Held) *nats.Msg {
	msg := m.keep(o, topology.QualitySubject(m.name, held.Rule), o.before)
	msg.Header.Set(topology.HeaderParkedRule, record.Encode(held.Rule))
	msg.Header.Set(topology.HeaderParkedWhy, record.Encode(held.Why))
	return msg
}

// keep makes a message that keeps a record at a subject of PARKED. Its id says where it comes from, so that
// what is parked twice for one reason is stored once, while a record may return to a place where it was.
func (m mapper) keep(o outcome, subject string, before stay) *nats.Msg {
	if before.since.IsZero() {
		before.since = time.Now()
	}
	msg := nats.NewMsg(subject)
	msg.Data = o.record.Data()
	for name, values := range o.record.Headers() {
		if !strings.HasPrefix(name, "Nats-") {
			msg.Header[name] = values
		}
	}
	id := fmt.Sprintf("%s/%s/%d/%d", o.envelope.ID, msg.Subject, m.revision, before.sequence)
	msg.Header.Set(topology.HeaderMsgID, record.Encode(id))
	msg.Header.Set(topology.HeaderParkedRevision, strconv.FormatUint(m.revision, 10))
	msg.Header.Set(topology.HeaderParkedSince, before.since.Format(time.RFC3339Nano))
	msg.Header.Set(topology.HeaderParkedRaw, strconv.FormatUint(o.sequence, 10))
	if !o.envelope.Read.IsZero() {
		msg.Header.Set(topology.HeaderParkedRead, o.envelope.Read.Format(time.RFC3339Nano))
	}
	return msg
}

// park stores records in PARKED and returns when the server has them. What the server has seen before
// may have been released since: then it is stored anew.
func (t transform) park(ctx context.Context, msgs []*nats.Msg) error {
	if len(msgs) == 0 {
		return nil
	}
	stream, err := t.js.Stream(ctx, topology.Parked)
	if err != nil {
		return fmt.Errorf("stream %s: %w", topology.Parked, err)
	}
	for len(msgs) > 0 {
		acks, err := batch.Each(ctx, t.js, msgs)
		if err != nil {
			return fmt.Errorf("park %d records: %w", len(msgs), err)
		}
		seam.Reach(seam.TransformParked)
		if msgs, err = gone(ctx, stream, msgs, acks); err != nil {
			return err
		}
	}
	return nil
}

// gone returns those of the messages that the server took for known, and has no more, with new ids.
func gone(ctx context.Context, stream jetstream.Stream, msgs []*nats.Msg, acks []*jetstream.PubAck) ([]*nats.Msg, error) {
	var again []*nats.Msg
	for i, ack := range acks {
		if !ack.Duplicate {
			continue
		}
		_, err := stream.GetMsg(ctx, ack.Sequence)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			id := msgs[i].Header.Get(topology.HeaderMsgID)
			msgs[i].Header.Set(topology.HeaderMsgID, id+"/"+strconv.FormatUint(ack.Sequence, 10))
			again = append(again, msgs[i])
		case err != nil:
			return nil, fmt.Errorf("look for sequence %d of %s: %w", ack.Sequence, topology.Parked, err)
		}
	}
	return again, nil
}

// parkedHeader says what a parked record waits for, master data or a revision that a quality rule does not
// hold it from, since when, and which record it is.
type parkedHeader struct {
	missing  mapping.Missing
	rule     string
	revision uint64
	since    time.Time
	raw      uint64
}

// readParked reads the headers of a message of PARKED. What can't be read is of revision 0, which is no
// flow's.
func readParked(h nats.Header) (parkedHeader, error) {
	p := parkedHeader{missing: mapping.Missing{Collection: h.Get(topology.HeaderParkedCollection)}}
	var errs [6]error
	p.missing.Field, errs[0] = record.Decode(h.Get(topology.HeaderParkedField))
	p.missing.Value, errs[1] = record.Decode(h.Get(topology.HeaderParkedValue))
	p.revision, errs[2] = strconv.ParseUint(h.Get(topology.HeaderParkedRevision), 10, 64)
	p.since, errs[3] = time.Parse(time.RFC3339Nano, h.Get(topology.HeaderParkedSince))
	p.raw, errs[4] = strconv.ParseUint(h.Get(topology.HeaderParkedRaw), 10, 64)
	p.rule, errs[5] = record.Decode(h.Get(topology.HeaderParkedRule))
	if err := errors.Join(errs[:]...); err != nil {
		return parkedHeader{}, fmt.Errorf("headers of a parked record: %w", err)
	}
	return p, nil
}

// unpark maps a parked record.
func (t transform) unpark(ctx context.Context, stored *jetstream.RawStreamMsg) outcome {
	rec := recalled{stream: topology.Parked, sequence: stored.Sequence, subject: stored.Subject, stored: stored}
	parked, err := readParked(stored.Header)
	if err != nil {
		return outcome{record: rec, err: fault.Permanent("envelope", err)}
	}
	rec.stream, rec.sequence = topology.Raw, parked.raw
	rec.read, _ = time.Parse(time.RFC3339Nano, stored.Header.Get(topology.HeaderParkedRead)) // not known of all
	if e, err := record.Parse(stored.Header); err == nil {
		rec.subject = topology.RawSubject(t.feed.System, t.source, e.Key)
	}
	return t.apply(ctx, rec, t.lookup(), stay{sequence: stored.Sequence, since: parked.since, header: stored.Header})
}

// recalled is a parked record as the one in RAW that it is, or a record of RAW that was read again.
type recalled struct {
	stream, subject string
	sequence        uint64
	// read is when it came into RAW, the zero time where that is not known.
	read   time.Time
	stored *jetstream.RawStreamMsg
	// marks are headers that it has besides its own.
	marks nats.Header
}

var _ dead.Message = recalled{}

// Metadata says where the record is in RAW.
func (r recalled) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Stream: r.stream, Sequence: jetstream.SequencePair{Stream: r.sequence}, NumDelivered: 1, Timestamp: r.read}, nil
}

// Subject is the record's in RAW.
func (r recalled) Subject() string { return r.subject }

// Data is the record as the vendor said it.
func (r recalled) Data() []byte { return r.stored.Data }

// Headers are the record's own.
func (r recalled) Headers() nats.Header {
	own := nats.Header{}
	for name, values := range r.stored.Header {
		if !strings.HasPrefix(name, "Nats-") && !strings.HasPrefix(name, topology.HeaderParkedPrefix) {
			own[name] = values
		}
	}
	maps.Copy(own, r.marks)
	return own
}
