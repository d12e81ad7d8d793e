package booking

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Route returns where a message is booked and how. Its errors are those of the message.
type Route func(m *sink.Message) (System, policy.Policy, error)

// Sink books messages. It is a sink.Paced and a sink.Rester; Write may be called at once.
type Sink struct {
	desk     *Desk
	route    Route
	rest     func()
	inFlight int
}

// Settings are what a connection says of booking.
type Settings struct {
	// InFlight is how many messages are booked side by side at most: in_flight.
	InFlight int
	// Longest and Settle are those of Options: booking_longest, 1m; booking_settle, 30s.
	Longest, Settle time.Duration
}

// ReadSettings reads a connection's settings, which may leave out in_flight; its error names every fault.
func ReadSettings(get func(name string) string, inFlight int) (Settings, error) {
	s := Settings{InFlight: inFlight, Longest: UsualLongest, Settle: UsualSettle}
	var errs []error
	if text := get("in_flight"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			errs = append(errs, fmt.Errorf("setting in_flight is %q, not a number from 1", text))
		}
		s.InFlight = n
	}
	for name, into := range map[string]*time.Duration{"booking_longest": &s.Longest, "booking_settle": &s.Settle} {
		if text := get(name); text != "" {
			d, err := time.ParseDuration(text)
			if err != nil || d <= 0 {
				errs = append(errs, fmt.Errorf("setting %s is %q, not a time such as 30s", name, text))
			}
			*into = d
		}
	}
	return s, errors.Join(errs...)
}

// Open returns the bucket of links.
func Open(ctx context.Context, js jetstream.JetStream) (Links, error) {
	links, err := js.KeyValue(ctx, topology.BucketLinks)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", topology.BucketLinks, err)
	}
	return links, nil
}

// NewSink returns a sink that books at desk, each message where route says, and that many messages side by
// side. route may be called at once. rest is that of the client that calls the system.
func NewSink(desk *Desk, inFlight int, route Route, rest func()) *Sink {
	return &Sink{desk: desk, route: route, rest: rest, inFlight: inFlight}
}

// Rest makes the next call keep its distance from that of another replica.
func (s *Sink) Rest() { s.rest() }

// InFlight is how many messages are booked side by side at most.
func (s *Sink) InFlight() int { return s.inFlight }

// Write books the messages of a batch one after the other. A BatchError names those that were not booked; when the
// target is down the rest is not tried.
func (s *Sink) Write(ctx context.Context, batch []sink.Message) error {
	errs := map[int]error{}
	var down error
	for i := range batch {
		err := down
		if err == nil {
			err = s.book(ctx, &batch[i])
		}
		if fault.KindOf(err) == fault.DownKind {
			down = err
		}
		if err != nil {
			errs[i] = err
		}
	}
	switch {
	case len(errs) == 0:
		return nil
	case len(batch) == 1:
		return errs[0]
	default:
		return &sink.BatchError{Errs: errs}
	}
}

// book books one message.
func (s *Sink) book(ctx context.Context, m *sink.Message) error {
	system, policy, err := s.route(m)
	if err != nil {
		return err
	}
	return s.desk.Book(ctx, m, system, policy)
}
