// Package dryrun shows what a flow would make of real records, without effects: it reads, and writes nothing.
package dryrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Record is a record to try.
type Record struct {
	Envelope record.Envelope
	Body     []byte
	// Sequence is the record's in RAW, Stored when it came there; zero values for one from a file.
	Sequence uint64
	Stored   time.Time
}

// Sampling says which records of a source are wanted: the newest version of each document.
type Sampling struct {
	System, Source string
	// Last is how many at most, the newest first.
	Last int
	// Keys are those of the documents; none is any.
	Keys []string
	// Since leaves out what was stored before.
	Since time.Time
	// Progress, if not nil, is told now and then how many messages of the stream were passed, of how many.
	Progress func(passed, all uint64)
}

// The stream is read backwards in steps that grow, for a source may have few of its messages. A step is
// bounded, so that what is kept of one is.
const (
	firstStep  = 1 << 10
	longest    = 1 << 18
	bodiesOnce = 16
)

// Newest reads records from RAW, the newest first. It reads the headers of the messages that it passes and
// the bodies of those that it returns. It blocks until it has them, or ctx is done.
func Newest(ctx context.Context, js jetstream.JetStream, s Sampling) ([]Record, error) {
	stream, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w (has `erpstream provision` been run?)", topology.Raw, err)
	}
	state := stream.CachedInfo().State
	found := map[string]Record{}
	high, step := state.LastSeq, uint64(max(firstStep, 4*s.Last))
	for high >= state.FirstSeq && high > 0 && !s.complete(found) {
		low := state.FirstSeq
		if high-low >= step {
			low = high - step + 1
		}
		older, err := s.step(ctx, js, low, high, found)
		if err != nil {
			return nil, err
		}
		if s.Progress != nil {
			s.Progress(state.LastSeq-low+1, state.LastSeq-state.FirstSeq+1)
		}
		if older {
			break
		}
		high, step = low-1, min(2*step, longest)
	}
	newest := slices.SortedFunc(maps.Values(found), func(a, b Record) int { return cmpDown(a.Sequence, b.Sequence) })
	return bodies(ctx, stream, newest[:min(s.Last, len(newest))])
}

func cmpDown(a, b uint64) int {
	if a > b {
		return -1
	}
	return 1
}

// complete reports whether nothing older is wanted.
func (s Sampling) complete(found map[string]Record) bool {
	return len(found) >= s.Last || len(s.Keys) > 0 && len(found) >= len(s.Keys)
}

// step adds the documents between two sequences that are not known yet, and reports whether there were some
// that are too old.
func (s Sampling) step(ctx context.Context, js jetstream.JetStream, low, high uint64, found map[string]Record) (older bool, err error) {
	newest := map[string]Record{}
	what := consume.Reading{Filters: s.subjects(), From: low, To: high, HeadersOnly: true}
	err = consume.Read(ctx, js, topology.Raw, what, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if meta.Timestamp.Before(s.Since) {
			older = true
			return nil
		}
		if e, ok := s.wants(msg); ok {
			e.Read = meta.Timestamp
			newest[e.Key] = Record{Envelope: e, Sequence: meta.Sequence.Stream, Stored: meta.Timestamp}
		}
		return nil
	})
	for key, r := range newest {
		if _, known := found[key]; !known {
			found[key] = r
		}
	}
	return older, err
}

// wants reports whether a message is a record of a document that is wanted. What has no envelope is none of
// ours: the transformer would bury it, and there is nothing to show.
func (s Sampling) wants(msg jetstream.Msg) (record.Envelope, bool) {
	e, err := record.Parse(msg.Headers())
	return e, err == nil && (len(s.Keys) == 0 || slices.Contains(s.Keys, e.Key))
}

// subjects are those that the records are on.
func (s Sampling) subjects() []string {
	if len(s.Keys) == 0 {
		return []string{topology.RawFilter(s.System, s.Source)}
	}
	var subjects []string
	for _, key := range s.Keys {
		subjects = append(subjects, topology.RawSubject(s.System, s.Source, key))
	}
	slices.Sort(subjects)
	return slices.Compact(subjects)
}

// bodies reads the bodies of records; one that is gone meanwhile is left out.
func bodies(ctx context.Context, stream jetstream.Stream, records []Record) ([]Record, error) {
	gone := make([]bool, len(records))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(bodiesOnce)
	for i := range records {
		g.Go(func() error {
			msg, err := stream.GetMsg(ctx, records[i].Sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				gone[i] = true
				return nil
			}
			if err != nil {
				return fmt.Errorf("read sequence %d of %s: %w", records[i].Sequence, topology.Raw, err)
			}
			records[i].Body = msg.Data
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var whole []Record
	for i, r := range records {
		if !gone[i] {
			whole = append(whole, r)
		}
	}
	return whole, nil
}

// Samples reads records from JSON: one, several one after the other, or a list of them.
func Samples(in io.Reader, j verdict.Judge) ([]Record, error) {
	decoder := json.NewDecoder(in)
	var records []Record
	for {
		var one json.RawMessage
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		list := []json.RawMessage{one}
		if bytes.HasPrefix(one, []byte("[")) {
			if err := json.Unmarshal(one, &list); err != nil {
				return nil, err
			}
		}
		for _, body := range list {
			records = append(records, Record{Envelope: j.Envelope(body), Body: body})
		}
	}
}
