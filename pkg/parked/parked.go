// Package parked shows the records that wait in PARKED, and lets those go on that a quality rule holds.
package parked

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/personal"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Record is a record that waits: for master data, or, where Rule is set, because of a quality rule.
type Record struct {
	Flow string `json:"flow"`
	Key  string `json:"key"`
	// RawSequence is its sequence in RAW, Sequence that in PARKED.
	RawSequence uint64 `json:"raw_sequence"`
	Sequence    uint64 `json:"sequence"`
	// Since is when it was parked first, Revision the revision of the flow that parked it last.
	Since    time.Time `json:"since"`
	Revision uint64    `json:"flow_revision"`
	// Collection, Field and Value are the master data; Value is masked where it is personal data.
	Collection string `json:"collection,omitempty"`
	Field      string `json:"field,omitempty"`
	Value      string `json:"value,omitempty"`
	// Rule is the quality rule, Why how the record breaks it.
	Rule string `json:"rule,omitempty"`
	Why  string `json:"why,omitempty"`
	// Subject is where it is in PARKED.
	Subject string `json:"-"`
}

// Filter says which records are meant; what is left zero does not matter.
type Filter struct {
	Flow string
	Rule string
	Keys []string
}

func (f Filter) takes(r Record) bool {
	return (f.Rule == "" || f.Rule == r.Rule) && (len(f.Keys) == 0 || slices.Contains(f.Keys, r.Key))
}

// subjects are where the records of the filter can be.
func (f Filter) subjects() []string {
	flow := f.Flow
	if flow == "" {
		flow = "*"
	}
	if f.Rule != "" {
		return []string{topology.QualitySubject(flow, f.Rule)}
	}
	return []string{topology.ParkedFilter(flow)}
}

// List returns the records that a filter takes, the oldest in PARKED first. Dead letters that are about to
// be mapped again wait for nothing and are left out.
func List(ctx context.Context, js jetstream.JetStream, f Filter) ([]Record, error) {
	var all []Record
	err := consume.Read(ctx, js, topology.Parked, consume.Reading{Filters: f.subjects(), HeadersOnly: true}, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		r, err := read(msg.Headers())
		if err != nil {
			return err
		}
		r.Sequence, r.Subject, r.Flow = meta.Sequence.Stream, msg.Subject(), strings.Split(msg.Subject(), ".")[1]
		if (r.Rule != "" || r.Collection != "") && f.takes(r) {
			all = append(all, r)
		}
		return nil
	})
	return all, err
}

// read reads the headers of a message of PARKED.
func read(h nats.Header) (Record, error) {
	r := Record{Collection: h.Get(topology.HeaderParkedCollection)}
	var errs []error
	text := func(name string) string {
		v, err := record.Decode(h.Get(name))
		errs = append(errs, err)
		return v
	}
	number := func(name string) uint64 {
		n, err := strconv.ParseUint(h.Get(name), 10, 64)
		errs = append(errs, err)
		return n
	}
	r.Key, r.Field, r.Value = text(topology.HeaderSubject), text(topology.HeaderParkedField), text(topology.HeaderParkedValue)
	r.Rule, r.Why = text(topology.HeaderParkedRule), text(topology.HeaderParkedWhy)
	r.RawSequence, r.Revision = number(topology.HeaderParkedRaw), number(topology.HeaderParkedRevision)
	var err error
	r.Since, err = time.Parse(time.RFC3339Nano, h.Get(topology.HeaderParkedSince))
	if h.Get(topology.HeaderParkedPersonal) != "" {
		r.Value = personal.Mask
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return Record{}, fmt.Errorf("headers of a parked record: %w", err)
	}
	return r, nil
}

// Release lets records go on that the filter's rule holds: they are mapped as if that rule was not there.
// Another rule may hold them then. It returns how many it released, also with an error; what was released
// once and comes again, because it was interrupted, is mapped twice with the same result.
func Release(ctx context.Context, js jetstream.JetStream, f Filter) (int, error) {
	if f.Flow == "" || f.Rule == "" {
		return 0, errors.New("release parked records: name the flow and the rule")
	}
	all, err := List(ctx, js, f)
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, topology.Parked)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", topology.Parked, err)
	}
	released := 0
	for _, r := range all {
		switch err := release(ctx, js, stream, r); {
		case errors.Is(err, jetstream.ErrMsgNotFound): // it went on by itself
		case err != nil:
			return released, fmt.Errorf("release document %s: %w", r.Key, err)
		default:
			released++
		}
	}
	return released, nil
}

// release moves a record to where those are that are mapped anew at once. It is there before it leaves its
// place.
func release(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, r Record) error {
	stored, err := stream.GetMsg(ctx, r.Sequence)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(topology.ReplaySubject(r.Flow))
	msg.Data = stored.Data
	for name, values := range stored.Header {
		if !strings.HasPrefix(name, "Nats-") && name != topology.HeaderParkedRule && name != topology.HeaderParkedWhy {
			msg.Header[name] = values
		}
	}
	msg.Header.Set(topology.HeaderMsgID, fmt.Sprintf("release/%s/%d", r.Flow, r.Sequence))
	msg.Header.Set(topology.HeaderWaived, record.Encode(r.Rule))
	msg.Header.Set(topology.HeaderParkedRevision, "0") // of no revision of the flow
	if _, err := js.PublishMsg(ctx, msg); err != nil {
		return err
	}
	if err := stream.DeleteMsg(ctx, r.Sequence); err != nil {
		if _, gone := stream.GetMsg(ctx, r.Sequence); !errors.Is(gone, jetstream.ErrMsgNotFound) {
			return err
		}
	}
	return nil
}
