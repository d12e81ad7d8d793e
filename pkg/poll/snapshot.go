package poll

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// refreshAfter is the age at which a record of a snapshot is published again although nothing
// changed. RAW keeps records for 30 days (package topology): without it a document that rests would
// fall out, a team that reads RAW later would never see it, and when it was gone at the source
// nobody would know that it had been there. The ten days between are for pollers that stand still.
const refreshAfter = 20 * 24 * time.Hour

// snapshot reads a feed whole and publishes what changed since RAW has it, and as tombstones what
// RAW has and the vendor has no more.
func (p *Poller) snapshot(ctx context.Context, src Source, cur *cursor, end time.Time, backfill string) error {
	known, err := p.knownOf(ctx, src, cur)
	if err != nil {
		return err
	}
	r, err := p.readWhole(ctx, src, known, reading{from: cur.time, to: end})
	if err != nil {
		return err
	}
	if gone := len(known.missing(r)); len(r.documents) == 0 && gone > 1 {
		return fmt.Errorf("%s: the vendor answers nothing, and %s has %d documents of it: taken for a fault, none is published as gone", src.window(cur.time, end), topology.Raw, gone)
	}
	news, unchanged := known.compare(src.Name, r, p.Now())
	next := cur.position
	if backfill == "" {
		next.time = end
	}
	return p.publish(ctx, src, cur, known, harvest{reading: r, news: news, unchanged: unchanged, next: next, backfill: backfill})
}

// readWhole reads a snapshot until it is proved. A reading that lacks something is believed only
// when the next one brings the same documents: the counts agree too when, between two pages, one row
// came and another went, and a row that is there must never be published as gone.
func (p *Poller) readWhole(ctx context.Context, src Source, known *known, blank reading) (reading, error) {
	return p.prove(ctx, src, blank, func(r, before reading) bool {
		if r.counted && !r.proved() {
			return false
		}
		return r.counted && len(known.missing(r)) == 0 || r.repeats(before)
	})
}

// missing returns the keys that RAW has and a reading lacks, sorted. There are none as long as a row
// can't be read: nobody knows which document it is.
func (k *known) missing(r reading) []string {
	if r.hasUnreadable() {
		return nil
	}
	var keys []string
	for key, was := range k.last {
		if _, ok := r.documents[key]; !ok && !was.removed && !was.unreadable {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// compare returns what of a whole reading goes into RAW, sorted by key and tombstones last, and the
// number of documents that RAW has with this content. What goes there has the time of reading for
// its version, or the next number after the version that RAW has, should a clock have gone back.
func (k *known) compare(source string, r reading, at time.Time) (news []document, unchanged int) {
	for key, d := range r.documents {
		was, ok := k.last[key]
		if ok && was.content() == contentOf(record.NewID(source, key, 0, d.body)) && at.Sub(was.published) < refreshAfter {
			unchanged++
			continue
		}
		news = append(news, was.successor(source, d, at))
	}
	slices.SortFunc(news, func(a, b document) int { return cmp.Compare(a.Key, b.Key) })
	for _, key := range k.missing(r) {
		gone := document{Identity: feed.Identity{Key: key}, removed: true}
		news = append(news, k.last[key].successor(source, gone, at))
	}
	return news, unchanged
}

// successor returns d as the state that follows r.
func (r knownRecord) successor(source string, d document, at time.Time) document {
	d.Version, d.Modified = max(at.UnixMilli(), r.version+1), at
	d.id = record.NewID(source, d.Key, d.Version, d.body)
	return d
}

// content is the part of the record's id that tells its content.
func (r knownRecord) content() string { return contentOf(r.id) }

func contentOf(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }
