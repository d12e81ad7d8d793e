package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	// clockSlack is allowed between a source's clock and the server's: a record can't have been stored
	// longer than that before the time at which it changed.
	clockSlack = 48 * time.Hour
	// fetchers is how many records are asked for at once.
	fetchers = 16
)

// past is the records of RAW that a replay is about.
type past struct {
	js  jetstream.JetStream
	job replay.Job
}

// newest is the newest state of one document.
type newest struct {
	version  int64
	sequence uint64
	// at is when it changed.
	at time.Time
}

// partition returns the sequences of the records of a partition that are to be mapped again, beyond the one
// given, in order: of each document the newest state, where that is meant. Asked again it says the same,
// but for what left RAW by age. It keeps some ten bytes for each document of the partition in memory.
func (p past) partition(ctx context.Context, partition string, beyond uint64) ([]uint64, error) {
	documents := map[string]newest{}
	what := consume.Reading{Filters: []string{p.subject(partition)}, To: p.job.Last, HeadersOnly: true, Leave: true}
	if !p.job.From.IsZero() {
		what.Since = p.job.From.Add(-clockSlack)
	}
	err := consume.Read(ctx, p.js, topology.Raw, what, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		e, err := record.Parse(msg.Headers())
		if err != nil {
			return nil //nolint:nilerr // it has no time and no key, and its letter tells of it
		}
		if was, known := documents[e.Key]; !known || e.Version >= was.version {
			documents[e.Key] = newest{e.Version, meta.Sequence.Stream, e.Time}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var chosen []uint64
	for key, n := range documents {
		if n.sequence > beyond && p.job.Takes(key, n.at) {
			chosen = append(chosen, n.sequence)
		}
	}
	slices.Sort(chosen)
	return chosen, nil
}

func (p past) subject(partition string) string {
	return "raw." + p.job.System + "." + p.job.Source + "." + partition
}

// fetch returns records of RAW by their sequences; gone is how many of them RAW has no more.
func (p past) fetch(ctx context.Context, sequences []uint64) (records []recalled, gone uint64, err error) {
	raw, err := p.js.Stream(ctx, topology.Raw)
	if err != nil {
		return nil, 0, fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	stored := make([]*jetstream.RawStreamMsg, len(sequences))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for i, sequence := range sequences {
		g.Go(func() error {
			msg, err := raw.GetMsg(ctx, sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read sequence %d of %s: %w", sequence, topology.Raw, err)
			}
			stored[i] = msg
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	for _, msg := range stored {
		if msg == nil {
			gone++
			continue
		}
		records = append(records, recalled{
			stream: topology.Raw, sequence: msg.Sequence, subject: msg.Subject, read: msg.Time, stored: msg,
			marks: nats.Header{topology.HeaderReplayJob: {strconv.FormatUint(p.job.ID, 10)}},
		})
	}
	return records, gone, nil
}
