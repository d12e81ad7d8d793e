package history

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/consume"
)

const (
	// readers is how many read a large stream at once, each its part: the server spends most of the time
	// on finding the messages of a subject, and can do that on several processors.
	readers = 4
	// large is from how many messages on a stream is.
	large = 50_000
)

// scan is the part of a stream that is read: the messages of a subject, from a time on where it has one,
// up to a time where it has one, and those beyond a sequence.
type scan struct {
	stream, subject string
	// bodies reads whole messages; otherwise headers only.
	bodies       bool
	since, until time.Time
	beyond       uint64
}

// take is given each message that is read, by several goroutines at once where the stream is large.
type take func(context.Context, jetstream.Msg, *jetstream.MsgMetadata) error

// read gives take each message that there is now.
func (s scan) read(ctx context.Context, js jetstream.JetStream, take take) (Search, error) {
	found := Search{Stream: s.stream, Subject: s.subject}
	stream, err := js.Stream(ctx, s.stream)
	if err != nil {
		return found, fmt.Errorf("stream %s: %w", s.stream, err)
	}
	state := stream.CachedInfo().State
	spans, err := s.spans(ctx, js, state)
	if err != nil {
		return found, fmt.Errorf("read %s of stream %s: %w", s.subject, s.stream, err)
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range spans {
		g.Go(func() error {
			n, since, err := s.part(ctx, js, r, take)
			mu.Lock()
			defer mu.Unlock()
			found.Messages += n
			if found.Since.IsZero() || !since.IsZero() && since.Before(found.Since) {
				found.Since = since
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return found, fmt.Errorf("read %s: %w", s.subject, err)
	}
	return found, nil
}

// spans are the sequences that are read, each by one reader.
func (s scan) spans(ctx context.Context, js jetstream.JetStream, state jetstream.StreamState) ([]span, error) {
	if state.Msgs == 0 {
		return nil, nil
	}
	first, last := state.FirstSeq, state.LastSeq
	var err error
	if !s.since.IsZero() {
		if first, err = s.firstAt(ctx, js, s.since, state.LastSeq+1); err != nil {
			return nil, err
		}
	}
	if !s.until.IsZero() {
		end, err := s.firstAt(ctx, js, s.until, state.LastSeq+1)
		if err != nil {
			return nil, err
		}
		last = end - 1
	}
	return pieces(first, last, s.beyond, state.LastSeq), nil
}

// pieces are the sequences from first to last, and those beyond that are behind them, up to the end.
func pieces(first, last, beyond, end uint64) []span {
	return append(parts(first, last), parts(max(first, last+1, beyond+1), end)...)
}

// firstAt is the sequence of the first message from a time on; none where there is none.
func (s scan) firstAt(ctx context.Context, js jetstream.JetStream, at time.Time, none uint64) (uint64, error) {
	messages, err := jetstreamext.GetBatch(ctx, js, s.stream, 1, jetstreamext.GetBatchSubject(s.subject), jetstreamext.GetBatchStartTime(at))
	if err != nil {
		return 0, err
	}
	for msg, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return none, nil
		case err != nil:
			return 0, err
		default:
			return msg.Sequence, nil
		}
	}
	return none, nil
}

// span is the sequences from first to last.
type span struct{ first, last uint64 }

// parts cuts a stream into what each reader reads.
func parts(first, last uint64) []span {
	if last < first || last == 0 {
		return nil
	}
	if last-first < large {
		return []span{{first, last}}
	}
	var all []span
	for i := range uint64(readers) {
		size := (last - first + 1) / readers
		all = append(all, span{first + i*size, first + (i+1)*size - 1})
	}
	all[readers-1].last = last
	return all
}

// part reads the messages of a span, in order. It says how many there were and of when the first was.
func (s scan) part(ctx context.Context, js jetstream.JetStream, r span, take take) (n int, since time.Time, err error) {
	what := consume.Reading{Filters: []string{s.subject}, From: r.first, To: r.last, HeadersOnly: !s.bodies}
	err = consume.Read(ctx, js, s.stream, what, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if n++; n == 1 {
			since = meta.Timestamp
		}
		return take(ctx, msg, meta)
	})
	return n, since, err
}
