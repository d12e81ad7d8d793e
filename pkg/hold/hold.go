// Package hold makes flows stand still and go on again. A hold is an entry in the bucket "control", which
// the transformers heed: it outlives them, covers records that were parked and replays too, and says who
// wants it and why. (A consumer that the server itself pauses would go on as soon as a service that
// starts brings its configuration up to date, and when it is made anew.)
package hold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Hold says that a flow is to stand still.
type Hold struct {
	Flow string `json:"flow"`
	// By is who wants it, Reason why; either may be empty.
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Since is when it began. Until is when the flow goes on by itself, the zero time for never.
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// Active reports whether the flow stands still at a time.
func (h Hold) Active(at time.Time) bool { return h.Until.IsZero() || at.Before(h.Until) }

// String says in a few words since when, until when, by whom and why, with times in loc.
func (h Hold) String(loc *time.Location) string {
	const layout = "2006-01-02 15:04:05 -0700"
	text := "since " + h.Since.In(loc).Format(layout)
	if !h.Until.IsZero() {
		text += " until " + h.Until.In(loc).Format(layout)
	}
	if h.By != "" {
		text += " by " + h.By
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

const prefix = "hold."

// Filter matches the keys of all holds in the bucket.
const Filter = prefix + "*"

// Put makes a flow stand still, in the place of an earlier hold of it. It returns when NATS has the hold;
// its transformers stop within a second, and finish what they have in hand.
func Put(ctx context.Context, js jetstream.JetStream, h Hold) error {
	kv, err := bucket(ctx, js)
	if err != nil {
		return err
	}
	value, err := json.Marshal(h)
	if err == nil {
		_, err = kv.Put(ctx, prefix+h.Flow, value)
	}
	if err != nil {
		return fmt.Errorf("pause flow %s: %w", h.Flow, err)
	}
	return nil
}

// Lift lets a flow go on. Where there is no hold it does nothing.
func Lift(ctx context.Context, js jetstream.JetStream, flow string) error {
	kv, err := bucket(ctx, js)
	if err == nil {
		err = kv.Purge(ctx, prefix+flow)
	}
	if err != nil {
		return fmt.Errorf("resume flow %s: %w", flow, err)
	}
	return nil
}

// All returns the holds that are active now, by flow.
func All(ctx context.Context, js jetstream.JetStream) (map[string]Hold, error) {
	kv, err := bucket(ctx, js)
	if err != nil {
		return nil, err
	}
	watch, err := kv.Watch(ctx, Filter, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read the holds in bucket %s: %w", topology.BucketControl, err)
	}
	defer func() { _ = watch.Stop() }()
	holds := map[string]Hold{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read the holds in bucket %s: %w", topology.BucketControl, ctx.Err())
		case entry, open := <-watch.Updates():
			if !open || entry == nil {
				return holds, nil
			}
			if h, ok := Read(entry); ok && h.Active(time.Now()) {
				holds[h.Flow] = h
			}
		}
	}
}

// Read reads a hold from an entry of the bucket; ok is false where the entry is something else. One that
// can't be read holds its flow all the same, and for good.
func Read(entry jetstream.KeyValueEntry) (h Hold, ok bool) {
	flow, ok := strings.CutPrefix(entry.Key(), prefix)
	if !ok || entry.Operation() != jetstream.KeyValuePut {
		return Hold{Flow: flow}, false
	}
	if err := json.Unmarshal(entry.Value(), &h); err != nil {
		h = Hold{Since: entry.Created(), Reason: "its hold can't be read"}
	}
	h.Flow = flow
	return h, true
}

func bucket(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, topology.BucketControl)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketControl, err)
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", topology.BucketControl, err)
	}
	return kv, nil
}
