package booking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/topology"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
)

// doubt says when documents may have been booked of which the links know nothing.
type doubt struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Doubt says that documents may have been booked between two moments of which the links know nothing, as after a
// restore: from now on all desks take a record without a link for one whose call was never answered, and ask the target
// before they book it, for what was made in that time. That costs a call for each new document, until Trust. Calls
// that were made before to may still be under way.
func Doubt(ctx context.Context, js jetstream.JetStream, from, to time.Time) error {
	links, err := js.KeyValue(ctx, topology.BucketLinks)
	var value []byte
	if err == nil {
		value, err = json.Marshal(doubt{from.UTC(), to.UTC()})
	}
	if err == nil {
		_, err = links.Put(ctx, topology.DoubtKey, value)
	}
	if err != nil {
		return fmt.Errorf("put bucket %s in doubt: %w", topology.BucketLinks, err)
	}
	return nil
}

// Trust ends the doubt: whatever was booked has a link again. It reports whether there was one.
func Trust(ctx context.Context, js jetstream.JetStream) (was bool, err error) {
	links, err := js.KeyValue(ctx, topology.BucketLinks)
	if err == nil {
		_, err = links.Get(ctx, topology.DoubtKey)
	}
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	if err == nil {
		err = links.Purge(ctx, topology.DoubtKey)
	}
	if err != nil {
		return false, fmt.Errorf("trust bucket %s: %w", topology.BucketLinks, err)
	}
	return true, nil
}

// mayHaveMore reports whether the target may have a document for the message of which the link knows nothing.
func (t *task) mayHaveMore() bool {
	booked := t.link.GetExternalId() != "" || t.link.GetState() == bookingv1.State_STATE_INTENT
	return !booked && t.doc.Message != nil && t.m.Newer(t.link.GetVersion(), t.link.GetRawSequence())
}

// doubted returns what is taken for a link that leads to no document: the link itself or, while links are in
// doubt, the intent of a call that was never answered.
func (t *task) doubted(ctx context.Context) (*bookingv1.Link, error) {
	e, err := t.desk.get(ctx, topology.DoubtKey)
	if err != nil || e.value == nil {
		return t.link, err
	}
	var d doubt
	if err := json.Unmarshal(e.value, &d); err != nil {
		return nil, fault.Permanent("link", fmt.Errorf("entry %s of bucket %s: %w", topology.DoubtKey, topology.BucketLinks, err))
	}
	clue := t.doc.Clue
	clue.MadeFrom, clue.MadeTo = d.From.Add(-clocksApart), d.To.Add(t.desk.opts.Longest+clocksApart)
	return &bookingv1.Link{
		State: bookingv1.State_STATE_INTENT.Enum(), Content: t.doc.Content, Clue: proto.String(clue.encode()),
		Version: t.link.Version, RawSequence: t.link.RawSequence,
		Intended: timestamppb.New(d.To), Instance: proto.String("a replica from before a restore"),
	}, nil
}

// clocksApart is how far the target's clock may be from ours.
const clocksApart = time.Hour
