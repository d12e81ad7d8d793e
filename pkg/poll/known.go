package poll

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// dedupeWindow is how long RAW remembers ids: what was published since must be known here, or a
// batch would be refused for it.
const dedupeWindow = 2 * time.Minute

// known is what RAW has of a source's recent records: enough to leave out what the overlap
// brings again. Of a snapshot it is all of them, for what the vendor has no more can only be told by
// what RAW has. It is a copy; RAW itself is read where another poller was at work in between.
type known struct {
	// whole is set where nothing may be forgotten.
	whole bool
	// upTo is the sequence of the window to which the copy is complete.
	upTo uint64
	// last holds the newest record of each key.
	last map[string]knownRecord
	// swept is how many records were left after the last sweep.
	swept int
}

type knownRecord struct {
	id         string
	version    int64
	modified   time.Time
	published  time.Time
	removed    bool
	unreadable bool
	// turn is the reading that brought it, 0 where another poller's did.
	turn int
}

// newKnown returns what is kept of a record. One that says no time of its own can be met again for
// as long as if it had changed when it was published.
func newKnown(e record.Envelope, published time.Time) knownRecord {
	r := knownRecord{id: e.ID, version: e.Version, modified: e.Time, published: published, removed: e.Removed(), unreadable: e.Unreadable()}
	if r.unreadable {
		r.modified = published
	}
	return r
}

// split parts what was read into what RAW lacks, oldest change first, and the number of documents that it
// has in this very state, or in one that a later reading brought: a live poll between the calls of this one.
func (k *known) split(source string, r reading) (news []document, unchanged int) {
	for _, d := range r.documents {
		d.id = record.NewID(source, d.Key, d.Version, d.body)
		was := k.last[d.Key]
		if was.id == d.id || was.turn > r.turn && was.version >= d.Version {
			unchanged++
			continue
		}
		news = append(news, d)
	}
	slices.SortFunc(news, func(a, b document) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.Key, b.Key))
	})
	return news, unchanged
}

// remember adds what was published of a reading with the window of that sequence.
func (k *known) remember(src Source, docs []document, turn int, window uint64, now time.Time) {
	for _, d := range docs {
		r := newKnown(d.envelope(src), now)
		r.turn = turn
		k.last[d.Key] = r
	}
	k.upTo = window
}

// sweep forgets what neither the overlap nor the server's own memory can meet again.
func (k *known) sweep(modifiedSince, publishedSince time.Time) {
	if k.whole || len(k.last) < 2*k.swept+batchRecords {
		return
	}
	for key, r := range k.last {
		if r.modified.Before(modifiedSince) && r.published.Before(publishedSince) {
			delete(k.last, key)
		}
	}
	k.swept = len(k.last)
}

// knownOf returns what RAW has of the source up to the cursor, reading what is missing here.
func (p *Poller) knownOf(ctx context.Context, src Source, cur *cursor) (*known, error) {
	k := p.known[src.Name]
	if k == nil || k.whole != src.Feed.Snapshot {
		k = &known{whole: src.Feed.Snapshot, last: map[string]knownRecord{}}
		p.known[src.Name] = k
	}
	overlap, published := cur.time.Add(-src.Overlap), p.Now().Add(-2*dedupeWindow)
	if overlap.Before(published) {
		published = overlap
	}
	if k.upTo != cur.sequence {
		if err := p.withRoom(ctx, func() error { return p.readKnown(ctx, src, k, missingHere(k, published)) }); err != nil {
			return nil, fmt.Errorf("read what %s has of source %s: %w", topology.Raw, src.Name, err)
		}
		k.upTo = cur.sequence
	}
	k.sweep(overlap, published)
	return k, nil
}

// missingHere says from where on RAW is to be read; a first time since is early enough where not all
// is needed.
func missingHere(k *known, since time.Time) consume.Reading {
	switch {
	case k.upTo > 0:
		return consume.Reading{From: k.upTo + 1}
	case k.whole:
		return consume.Reading{}
	default:
		return consume.Reading{Since: since}
	}
}

// readKnown reads the headers of the source's records in RAW from a place on.
func (p *Poller) readKnown(ctx context.Context, src Source, k *known, from consume.Reading) error {
	return p.readHeaders(ctx, src, from, func(e record.Envelope, published time.Time) {
		k.last[e.Key] = newKnown(e, published)
	})
}

// readHeaders reads the envelopes of the source's records in RAW from a place on, with the time at which
// each was published.
func (p *Poller) readHeaders(ctx context.Context, src Source, from consume.Reading, take func(record.Envelope, time.Time)) error {
	from.Filters, from.HeadersOnly, from.Leave = []string{topology.RawFilter(src.Feed.System, src.Name)}, true, true
	return consume.Read(ctx, p.js, topology.Raw, from, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		e, err := record.Parse(msg.Headers())
		if err == nil {
			take(e, meta.Timestamp)
		}
		return err
	})
}
