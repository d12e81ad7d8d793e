// Package event is what operators should hear of: messages on EVENTS.
package event

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Event is one thing that an operator should hear of.
type Event struct {
	// Severity is info, warning or critical.
	Severity string `json:"severity"`
	// Kind is a stable word for routing: window-not-proved, breaker-open, …
	Kind string `json:"kind"`
	// Subject is the source, flow or connection that it is about.
	Subject string `json:"subject"`
	// Part is what of the subject it is about where several parts can be in trouble at once, such as a
	// collection of master data that a flow waits for. It may be empty.
	Part string `json:"part,omitempty"`
	// Text says what happened and what to do.
	Text string `json:"text"`
	// Time is when it happened.
	Time time.Time `json:"time"`

	// ID makes events that are published with the same one within two minutes one event, for replicas
	// that see the same thing. It may be empty.
	ID string `json:"-"`
}

// The severities.
const (
	Info     = "info"
	Warning  = "warning"
	Critical = "critical"
)

// Publish stores the event and waits for the server. It sets Time when that is zero.
func Publish(ctx context.Context, js jetstream.Publisher, e Event) error {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", e.Kind, err)
	}
	var once []jetstream.PublishOpt
	if e.ID != "" {
		once = append(once, jetstream.WithMsgID(e.ID))
	}
	if _, err := js.Publish(ctx, topology.EventSubject(e.Severity, e.Kind), body, once...); err != nil {
		return fmt.Errorf("publish event %s: %w", e.Kind, err)
	}
	return nil
}
