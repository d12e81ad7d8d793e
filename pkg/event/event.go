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
	// Text says what happened and what to do.
	Text string `json:"text"`
	// Time is when it happened.
	Time time.Time `json:"time"`
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
	if _, err := js.Publish(ctx, topology.EventSubject(e.Severity, e.Kind), body); err != nil {
		return fmt.Errorf("publish event %s: %w", e.Kind, err)
	}
	return nil
}
