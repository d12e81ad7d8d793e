package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/personal"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/proto/contract"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// isKey reports whether a message is about the key.
func (t *teller) isKey(h nats.Header) bool {
	key, err := record.Decode(h.Get(topology.HeaderSubject))
	return err == nil && key == t.Key
}

// raw takes a record, and looks for the window that it was read in.
func (t *teller) raw(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	if !t.isKey(msg.Headers()) {
		return nil
	}
	e, err := record.Parse(msg.Headers())
	if err != nil {
		t.skip(topology.Raw, meta.Sequence.Stream, err)
	}
	window, err := t.window(ctx, meta.Sequence.Stream)
	if err != nil {
		return err
	}
	r := Reading{Feed: e.Type, Modified: e.Time, Removed: e.Removed(), Unreadable: e.Unreadable(), Window: window}
	if t.Records {
		if r.Record, err = t.document(ctx, e.Type, meta.Sequence.Stream); err != nil {
			return err
		}
	}
	t.add(meta.Sequence.Stream, e.Version, func(v *version) {
		v.Events = append(v.Events, Event{Time: meta.Timestamp, Kind: Read, Reading: &r})
	})
	return nil
}

// fetch returns a message, nil where it is gone.
func (t *teller) fetch(ctx context.Context, stream string, sequence uint64, opts ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	s, err := t.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	msg, err := s.GetMsg(ctx, sequence, opts...)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sequence %d of stream %s: %w", sequence, stream, err)
	}
	return msg, nil
}

// window returns the window that owns a sequence of RAW: the next one behind it, if it published that
// many records.
func (t *teller) window(ctx context.Context, sequence uint64) (*Window, error) {
	msg, err := t.fetch(ctx, topology.Raw, sequence+1, jetstream.WithGetMsgSubject(topology.WindowSubject(t.source)))
	if msg == nil || err != nil {
		return nil, err
	}
	w := new(ledgerv1.Window)
	if err := proto.Unmarshal(msg.Data, w); err != nil {
		t.skip(topology.Raw, msg.Sequence, fmt.Errorf("window: %w", err))
		return nil, nil
	}
	if sequence+uint64(max(w.GetPublished(), 0)) < msg.Sequence {
		return nil, nil
	}
	return &Window{
		Sequence: msg.Sequence, From: w.GetFrom().AsTime(), To: w.GetTo().AsTime(), Closed: w.GetClosed(),
		Total: w.GetTotalAfter(), Published: w.GetPublished(), Pages: w.GetPages(), Attempts: w.GetAttempts(),
		Poller: w.GetPoller(), Backfill: w.GetBackfill(),
	}, nil
}

// document returns a record as the source said it.
func (t *teller) document(ctx context.Context, kind string, sequence uint64) (json.RawMessage, error) {
	msg, err := t.fetch(ctx, topology.Raw, sequence)
	if msg == nil || err != nil || len(msg.Data) == 0 {
		return nil, err
	}
	body := msg.Data
	if !t.Personal {
		if body, err = personal.Record(kind, body); err != nil {
			return json.Marshal(err.Error())
		}
	}
	if !json.Valid(body) {
		return json.Marshal(string(body))
	}
	return body, nil
}

// target takes a target message.
func (t *teller) target(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	if !t.isKey(msg.Headers()) {
		return nil
	}
	e, err := record.Parse(msg.Headers())
	if err != nil {
		t.skip(topology.Target, meta.Sequence.Stream, err)
		return nil
	}
	tokens := strings.Split(msg.Subject(), ".")
	m := Mapping{TargetSequence: meta.Sequence.Stream, FlowRevision: e.FlowRevision, Kind: tokens[1], Connection: tokens[2], Schema: e.Schema}
	if m.References, m.More, err = record.ReadReferences(e.References); err != nil {
		t.skip(topology.Target, meta.Sequence.Stream, err)
	}
	m.Replays = number(msg.Headers(), topology.HeaderReplay)
	m.ReplayJob = number(msg.Headers(), topology.HeaderReplayJob)
	if err := t.message(ctx, e, &m); err != nil {
		return err
	}
	events := []Event{{Time: meta.Timestamp, Kind: Map, Mapping: &m}}
	if w, ok := waited(msg.Headers()); ok {
		events = append(events, Event{Time: w.Since, Kind: Park, Wait: &w}, Event{Time: meta.Timestamp, Kind: Release, Wait: &w})
	}
	t.add(e.RawSequence, e.Version, func(v *version) {
		v.Events = append(v.Events, events...)
		v.targets = append(v.targets, target{
			sequence: meta.Sequence.Stream, at: meta.Timestamp,
			foreign: m.Kind != t.flow.Target.Kind || m.Connection != t.flow.Target.Connection,
		})
	})
	return nil
}

// message reads a target message.
func (t *teller) message(ctx context.Context, e record.Envelope, m *Mapping) error {
	msg, err := t.fetch(ctx, topology.Target, m.TargetSequence)
	if msg == nil || err != nil || e.Removed() || len(msg.Data) == 0 {
		return err
	}
	if m.Message, err = t.show(e, msg.Data); err != nil {
		m.Unreadable = err.Error()
	}
	return nil
}

// show returns a target message as JSON.
func (t *teller) show(e record.Envelope, body []byte) (json.RawMessage, error) {
	mt, err := contract.Message(e.Schema)
	if err != nil {
		return nil, err
	}
	msg := mt.New().Interface()
	if err := proto.Unmarshal(body, msg); err != nil {
		return nil, fmt.Errorf("it is no %s: %w", e.Schema, err)
	}
	if t.Personal {
		return protojson.MarshalOptions{UseProtoNames: true}.Marshal(msg)
	}
	return personal.Message(e.Type, msg)
}

// waited reads what a message says of the record's wait.
func waited(h nats.Header) (Wait, bool) {
	w := Wait{Collection: h.Get(topology.HeaderParkedCollection)}
	var errs [5]error
	w.Field, errs[0] = record.Decode(h.Get(topology.HeaderParkedField))
	w.Value, errs[1] = record.Decode(h.Get(topology.HeaderParkedValue))
	w.Since, errs[2] = time.Parse(time.RFC3339Nano, h.Get(topology.HeaderParkedSince))
	w.Rule, errs[3] = record.Decode(h.Get(topology.HeaderParkedRule))
	w.Why, errs[4] = record.Decode(h.Get(topology.HeaderParkedWhy))
	if w.Rule != "" {
		return w, errors.Join(errs[:]...) == nil
	}
	if w.Value == "" || h.Get(topology.HeaderParkedPersonal) != "" {
		w.Value = personal.Mask
	}
	return w, w.Collection != "" && errors.Join(errs[:]...) == nil
}

// parked takes a record that waits.
func (t *teller) parked(_ context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	if !t.isKey(msg.Headers()) {
		return nil
	}
	w, ok := waited(msg.Headers())
	if !ok {
		w = Wait{Replay: number(msg.Headers(), topology.HeaderReplay) > 0}
	}
	t.add(number(msg.Headers(), topology.HeaderParkedRaw), number64(msg.Headers(), topology.HeaderRecordVersion), func(v *version) {
		v.isParked = true
		v.Events = append(v.Events, Event{Time: meta.Timestamp, Kind: Park, Wait: &w})
	})
	return nil
}

// receipts takes what services said of the records of a batch.
func (t *teller) receipts(_ context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	all := new(ledgerv1.Receipts)
	if err := proto.Unmarshal(msg.Data(), all); err != nil {
		t.skip(topology.Receipts, meta.Sequence.Stream, err)
		return nil
	}
	for _, r := range all.GetReceipts() {
		if r.GetKey() != t.Key {
			continue
		}
		o := Outcome{
			Outcome: strings.ToLower(strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_")), Service: all.GetService(), Instance: all.GetInstance(),
			Attempts: r.GetAttempts(), FlowRevision: r.GetFlowRevision(), ExternalID: r.GetExternalId(), Error: r.GetError(), Class: r.GetErrorClass(),
		}
		kind := Settle
		if r.GetOutcome() == ledgerv1.Outcome_OUTCOME_RETRIED {
			kind = Retry
		}
		t.add(r.GetRawSequence(), r.GetVersion(), func(v *version) {
			v.Events = append(v.Events, Event{Time: meta.Timestamp, Kind: kind, Outcome: &o})
			if kind == Settle {
				v.outcome = Standing(o.Outcome)
			}
		})
	}
	return nil
}

// dead takes the key's dead letters, and what was done with them.
func (t *teller) dead(ctx context.Context) error {
	search := Search{Stream: topology.Dead, Subject: topology.DeadSubject("*", t.Flow)}
	for letter, err := range dead.List(ctx, t.js, dead.Filter{Flow: t.Flow, Key: t.Key, All: true}) {
		if err != nil {
			return err
		}
		if search.Messages++; search.Messages == 1 {
			search.Since = letter.Time
		}
		t.add(letter.RawSequence, letter.Version, func(v *version) {
			v.letters = append(v.letters, letter)
			v.Events = append(v.Events, Event{Time: letter.Time, Kind: Die, Letter: &letter})
			if letter.Note != nil {
				v.Events = append(v.Events, Event{Time: letter.Note.Time, Kind: Annotate, Note: &Noted{letter.Sequence, *letter.Note}})
			}
		})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.searched = append(t.searched, search)
	return nil
}

// books reports whether the flow's target is a document of a finance system.
func (t *teller) books() bool {
	mt, err := contract.Message(t.flow.Target.Message)
	return err == nil && contract.Document(mt.Descriptor()) != nil
}

// linked reads the link of the document, where the flow's target has such.
func (t *teller) linked(ctx context.Context) error {
	if !t.books() {
		return nil
	}
	bucket, err := t.js.KeyValue(ctx, topology.BucketLinks)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", topology.BucketLinks, err)
	}
	key := booking.LinkKey(t.flow.Target.Connection, t.flow.Target.Message, t.source, t.Key)
	entry, err := bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", key, err)
	}
	link := new(bookingv1.Link)
	if err := proto.Unmarshal(entry.Value(), link); err != nil {
		return fmt.Errorf("link %s: %w", key, err)
	}
	l := Link{
		State:   strings.ToLower(strings.TrimPrefix(link.GetState().String(), "STATE_")),
		Version: link.GetVersion(), RawSequence: link.GetRawSequence(), ExternalID: link.GetExternalId(), Number: link.GetNumber(),
		Instance: link.GetInstance(), Written: entry.Created(),
	}
	if link.Intended != nil {
		l.Intended = link.GetIntended().AsTime()
	}
	t.link = &l
	return nil
}

// number reads a sequence from a header, 0 where there is none.
func number(h nats.Header, name string) uint64 {
	n, err := strconv.ParseUint(h.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func number64(h nats.Header, name string) int64 {
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
