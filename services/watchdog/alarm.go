package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
)

// alarms are raised once and resolved once, whichever replica looks: they stand in a bucket until then.
type alarms struct {
	js jetstream.JetStream
	kv jetstream.KeyValue
}

// alarm is one that is raised.
type alarm struct {
	Since time.Time `json:"since"`
	// Sequence is from where a consumer was set back for it.
	Sequence uint64 `json:"sequence,omitempty"`
}

// get returns an alarm, nil where it isn't raised.
func (s alarms) get(ctx context.Context, kind, subject string) (*alarm, error) {
	entry, err := s.kv.Get(ctx, alarmKey(kind, subject))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read alarm %s of %s: %w", kind, subject, err)
	}
	a := new(alarm)
	if err := json.Unmarshal(entry.Value(), a); err != nil {
		return nil, fmt.Errorf("read alarm %s of %s: %w", kind, subject, err)
	}
	return a, nil
}

// raise tells operators, where the alarm isn't raised already.
func (s alarms) raise(ctx context.Context, e event.Event) error {
	raised, err := s.get(ctx, e.Kind, e.Subject)
	if err != nil || raised != nil {
		return err
	}
	return s.renew(ctx, e, 0)
}

// renew tells operators in any case. The event comes first: one that is told twice is better than none.
func (s alarms) renew(ctx context.Context, e event.Event, sequence uint64) error {
	if err := event.Publish(ctx, s.js, e); err != nil {
		return err
	}
	value, err := json.Marshal(alarm{Since: time.Now(), Sequence: sequence})
	if err != nil {
		return fmt.Errorf("encode alarm %s of %s: %w", e.Kind, e.Subject, err)
	}
	if _, err := s.kv.Put(ctx, alarmKey(e.Kind, e.Subject), value); err != nil {
		return fmt.Errorf("note alarm %s of %s: %w", e.Kind, e.Subject, err)
	}
	return nil
}

// resolve tells operators that an alarm is over, where it was raised: with an event of the kind resolved.
func (s alarms) resolve(ctx context.Context, kind, resolved, subject, text string) error {
	raised, err := s.get(ctx, kind, subject)
	if err != nil || raised == nil {
		return err
	}
	if err := event.Publish(ctx, s.js, event.Event{Severity: event.Info, Kind: resolved, Subject: subject, Text: text}); err != nil {
		return err
	}
	if err := s.kv.Purge(ctx, alarmKey(kind, subject)); err != nil {
		return fmt.Errorf("end alarm %s of %s: %w", kind, subject, err)
	}
	return nil
}

func alarmKey(kind, subject string) string { return "alarm." + kind + "." + subject }
