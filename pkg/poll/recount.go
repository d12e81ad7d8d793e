package poll

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// A recount asks the vendor again how many documents the closed windows hold, and compares that with
// what RAW has. More means that something became visible after its window was closed, later than the
// overlap allows for; fewer that something is gone at the source. It is for sources that are read by
// windows of time: a snapshot is read whole by each poll, and a poll by row version counts all from its
// cursor on.

// recountDays is how far back the recount of a night goes, recountWidth how wide the spans are that it
// counts. A total can't show a late change of a document that is in the same span in an older version:
// the narrower the spans, the fewer go unseen, and the more calls a night costs.
const (
	recountDays  = 3
	recountWidth = time.Hour
)

// recountFrom is when the recounts of sources begin that say no time of their own, recountSpread over how
// long they are spread, by name, so that not all begin at once.
const (
	recountFrom   = 3*time.Hour + 30*time.Minute
	recountSpread = time.Hour
)

// clockSlack is how far this machine's clock and the times of documents may differ beyond what is known.
const clockSlack = 2 * time.Second

// publishSlack is how much earlier than it changed a document may be in RAW, by the clocks.
const publishSlack = time.Hour

// recountCron is the daily schedule of a source's recount, "" when it has none.
func recountCron(s flow.Source, f feed.Feed) string {
	if s.Recount == flow.RecountOff || s.ByVersion || f.Snapshot {
		return ""
	}
	at := recountFrom
	if t, err := time.Parse("15:04", s.Recount); err == nil {
		at = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	} else {
		h := fnv.New32a()
		_, _ = h.Write([]byte(s.Name))
		at += time.Duration(h.Sum32()) * time.Second % recountSpread
	}
	return fmt.Sprintf("%d %d %d * * *", int(at.Seconds())%60, int(at.Minutes())%60, int(at.Hours()))
}

// Span is a stretch of closed windows that the vendor counted again.
type Span struct {
	From, To time.Time
	// Counted is how many documents the vendor counts.
	Counted int
	// Least and Most are how many it can be, going by what RAW has: documents change while it counts,
	// and one that changed right at an end of the span may belong to it or not.
	Least, Most int
	// before and after are the times around the counting, by the clock of the source.
	before, after time.Time
}

// More is how many documents the vendor counts that RAW never had.
func (s Span) More() int { return max(0, s.Counted-s.Most) }

// Fewer is how many documents RAW has, as far as it is known, and the vendor counts no more.
func (s Span) Fewer() int { return max(0, s.Least-s.Counted) }

// errNotCounted means that a vendor says no totals.
var errNotCounted = errors.New("the vendor does not say how many documents there are")

// RecountableFrom is the source time from which on closed windows of a source can be counted again: that
// of its first window, and not so long ago that records have left RAW by age. The error is
// jetstream.ErrMsgNotFound when the source was never polled.
func RecountableFrom(ctx context.Context, js jetstream.JetStream, source string) (time.Time, error) {
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return time.Time{}, fmt.Errorf("look up stream %s: %w", topology.Raw, err)
	}
	msg, err := raw.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(topology.WindowSubject(source)))
	if err != nil {
		return time.Time{}, fmt.Errorf("first window of source %s: %w", source, err)
	}
	w := new(ledgerv1.Window)
	if err := proto.Unmarshal(msg.Data, w); err != nil {
		return time.Time{}, fmt.Errorf("first window of source %s, sequence %d: %w", source, msg.Sequence, err)
	}
	from := w.GetFrom().AsTime()
	if age := raw.CachedInfo().Config.MaxAge; age > 0 {
		// What changed after this was published after it, and is there still.
		if kept := time.Now().Add(publishSlack - age); msg.Time.Before(kept) && from.Before(kept) {
			from = kept
		}
	}
	return from, nil
}

// Recount has the vendor count the closed windows of a stretch again, in spans of an hour at most, and
// compares that with what RAW has. The zero Past means the last days. It returns the rest, which is not
// empty, when the job took its time. What the overlap of the next poll reads anyway is left out.
func (p *Poller) Recount(ctx context.Context, src Source, past Past) (spans []Span, rest Past, err error) {
	cur, err := p.load(ctx, src)
	if err != nil {
		return nil, rest, err
	}
	if rest, err = p.recountable(ctx, src, cur, past); err != nil {
		return nil, rest, err
	}
	deadline := p.Now().Add(JobTime)
	for rest.From.Before(rest.To) && p.Now().Before(deadline) {
		s := Span{From: rest.From, To: rest.From.Add(min(src.Slice, recountWidth, rest.To.Sub(rest.From)))}
		if err := p.countSpan(ctx, src, &s); err != nil {
			return nil, rest, fmt.Errorf("recount %s: %w", src.window(s.From, s.To), err)
		}
		spans, rest.From = append(spans, s), s.To
	}
	return spans, rest, p.compare(ctx, src, spans)
}

// recheck compares what was counted before with what RAW has now; known is false as long as not all
// is read that had changed by then.
func (p *Poller) recheck(ctx context.Context, src Source, j recountJob) (s Span, known bool, err error) {
	cur, err := p.load(ctx, src)
	if err != nil || !cur.time.Add(-src.Overlap).After(j.at) {
		return s, false, err
	}
	one := []Span{{From: j.past.From, To: j.past.To, Counted: j.counted, before: j.at, after: j.at}}
	err = p.compare(ctx, src, one)
	return one[0], true, err
}

// recountable narrows a stretch to what is closed, is not read again anyway, and is in RAW still.
func (p *Poller) recountable(ctx context.Context, src Source, cur *cursor, past Past) (Past, error) {
	if cur.sequence == 0 {
		return Past{ID: past.ID}, nil
	}
	since, err := RecountableFrom(ctx, p.js, src.Name)
	if err != nil {
		return past, err
	}
	if past.From.IsZero() {
		past.From = p.Now().AddDate(0, 0, -recountDays)
	}
	if past.From.Before(since) {
		past.From = since
	}
	closed := cur.time.Add(-src.Overlap)
	if past.To.IsZero() || past.To.After(closed) {
		past.To = closed
	}
	past.From, past.To = past.From.Truncate(src.Feed.Window.Resolution), past.To.Truncate(src.Feed.Window.Resolution)
	return past, nil
}

// countSpan asks the vendor for the total of a span, with one page of one document.
func (p *Poller) countSpan(ctx context.Context, src Source, s *Span) error {
	least, most := p.skew()
	s.before = p.Now().Add(least - clockSlack)
	page, err := p.call(ctx, Query{Feed: src.Feed, Request: src.Request, From: s.From, To: s.To, Page: src.Feed.Paging.Origin, Size: 1})
	if err != nil {
		return err
	}
	if page.Total < 0 {
		return errNotCounted
	}
	s.Counted, s.after = page.Total, p.Now().Add(most+clockSlack)
	return nil
}

// compare works out what the totals of spans can be. It reads RAW after the vendor has counted, so that
// nothing counts as missed that came meanwhile.
func (p *Poller) compare(ctx context.Context, src Source, spans []Span) error {
	if len(spans) == 0 {
		return nil
	}
	h, err := p.readHistory(ctx, src, spans[0].From)
	if err != nil {
		return fmt.Errorf("read what %s has of source %s: %w", topology.Raw, src.Name, err)
	}
	for i := range spans {
		spans[i].Least, spans[i].Most = h.bounds(spans[i])
	}
	return nil
}

// history is when the documents of a source changed, as far as RAW knows.
type history struct {
	// changes are the times of change of each document, in the order of RAW.
	changes map[string][]change
	// unreadable is how many rows there are that nobody knows the time of.
	unreadable int
}

type change struct {
	version int64
	at      time.Time
}

// readHistory reads the headers of all records that can have changed since a time.
func (p *Poller) readHistory(ctx context.Context, src Source, since time.Time) (history, error) {
	h := history{changes: map[string][]change{}}
	from := missingHere(&known{}, since.Add(-publishSlack))
	err := p.readHeaders(ctx, src, from, func(e record.Envelope, _ time.Time) {
		if e.Unreadable() {
			h.unreadable++
			return
		}
		h.changes[e.Key] = append(h.changes[e.Key], change{e.Version, e.Time})
	})
	return h, err
}

// bounds returns how many documents a span has at least and at most. At least those that changed within
// it and not since; at most those, too, that can have changed since the vendor began to count.
func (h history) bounds(s Span) (least, most int) {
	most = h.unreadable
	for _, changes := range h.changes {
		var newest, then change
		for _, c := range changes {
			if c.version >= newest.version {
				newest = c
			}
			if c.version >= then.version && !c.at.After(s.before) {
				then = c
			}
		}
		if newest.at.After(s.From) && newest.at.Before(s.To) {
			least++
		}
		if !then.at.Before(s.From) && !then.at.After(s.To) {
			most++
		}
	}
	return least, most
}
