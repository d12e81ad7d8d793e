package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/topology"
)

// tail reads a stream from where it stopped the last time.
type tail struct {
	js     jetstream.JetStream
	stream string
	// filters are the subjects that are read, all when there are none.
	filters []string
	// since leaves out what was stored before; the zero time leaves out nothing.
	since       time.Time
	headersOnly bool
	take        func(jetstream.Msg) error
	// next is the first sequence that was not read yet.
	next uint64
	// progress hears of every so many messages; it may be nil.
	progress func(stream string, read, total uint64)
}

// progressEvery is after how many messages progress hears.
const progressEvery = 10_000

// read takes everything that is in the stream now. What can't be read is told in the end and does not
// hide what comes after it.
func (t *tail) read(ctx context.Context) error {
	var errs []error
	var n uint64
	what := consume.Reading{Filters: t.filters, From: t.next, Since: t.since, HeadersOnly: t.headersOnly}
	err := consume.Read(ctx, t.js, t.stream, what, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if err := t.take(msg); err != nil {
			errs = append(errs, fmt.Errorf("sequence %d of %s: %w", meta.Sequence.Stream, t.stream, err))
		}
		t.next = meta.Sequence.Stream + 1
		if n++; t.progress != nil && n%progressEvery == 0 {
			t.progress(t.stream, n, n+meta.NumPending)
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// shelf is what is in PARKED, by flow. It is read anew where something came or went.
type shelf struct {
	js     jetstream.JetStream
	state  jetstream.StreamState
	parked map[string]sequences
}

func (s *shelf) read(ctx context.Context) error {
	stream, err := s.js.Stream(ctx, topology.Parked)
	if err != nil {
		return err
	}
	now := stream.CachedInfo().State
	if s.parked != nil && now.Msgs == s.state.Msgs && now.LastSeq == s.state.LastSeq && now.FirstSeq == s.state.FirstSeq {
		return nil
	}
	parked, err := readParked(ctx, s.js)
	if err == nil {
		s.state, s.parked = now, parked
	}
	return err
}

// rounds is how often PARKED is read on for what came while it was read.
const rounds = 8

// readParked returns which records are parked, by flow: those of the flows named, of all when none is.
// One that moves from one place in PARKED to another comes to the new one before it leaves the old one, and so is
// met there, unless it moves on each time before it is read.
func readParked(ctx context.Context, js jetstream.JetStream, flows ...string) (map[string]sequences, error) {
	parked := map[string]sequences{}
	t := tail{js: js, stream: topology.Parked, headersOnly: true, take: func(msg jetstream.Msg) error {
		sequence, ok := number(msg, topology.HeaderParkedRaw)
		if !ok {
			return nil // of no record, and a dead letter soon
		}
		flow := strings.Split(msg.Subject(), ".")[1]
		if parked[flow] == nil {
			parked[flow] = sequences{}
		}
		parked[flow].add(sequence)
		return nil
	}}
	for _, flow := range flows {
		t.filters = append(t.filters, topology.ParkedFilter(flow))
	}
	for range rounds {
		from := t.next
		if err := t.read(ctx); err != nil {
			return nil, err
		}
		if t.next == from {
			break
		}
	}
	return parked, nil
}
