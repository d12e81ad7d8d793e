package poll

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// firstVersion is the row version from which a source is read that was never read by row version.
const firstVersion = 1

// recounts is how often the vendor counts before a chunk is read again: while it is written to, two
// counts one after the other can't agree each time.
const recounts = 3

// scan is how far reading by row version has come. It runs ahead of the cursor, which is held back
// as long as commits may become visible late.
type scan struct {
	// sequence is the window that a scan goes on from: another one means another poller.
	sequence uint64
	// next is the row version from which it is read on.
	next int64
	// hold is the row version that the cursor must not pass, 0 when there is none yet.
	hold int64
	// horizon is the time of change, by this machine's clock, before which nothing can become visible any
	// more.
	horizon time.Time
}

// versions reads by row version, chunk by chunk, until the vendor has no more or until the job took
// its time. It returns false when there is more.
func (p *Poller) versions(ctx context.Context, src Source, cur *cursor, end time.Time) (done bool, err error) {
	deadline := p.Now().Add(JobTime)
	s, ok := p.ahead[src.Name]
	if !ok || s.sequence != cur.sequence {
		s = scan{next: max(cur.version, firstVersion), horizon: p.Now().Add(-src.Overlap)}
	}
	for p.Now().Before(deadline) {
		c, err := p.chunk(ctx, src, s.next)
		if err != nil {
			return false, err
		}
		least, most := p.skew() // of the vendor's clock, which documents bear the time of
		s = s.behind(c, s.horizon.Add(least), p.Now().Add(most+src.Overlap))
		if err := p.closeChunk(ctx, src, cur, c, s.position(c, cur, p.notAfter(src, end))); err != nil {
			return false, err
		}
		if c.ended {
			delete(p.ahead, src.Name)
			return true, nil
		}
		s.sequence = cur.sequence
		p.ahead[src.Name] = s
	}
	return false, nil
}

// behind returns the scan behind a chunk. A row version is given out when a row is written and seen
// when that is committed, so a smaller one may turn up behind greater ones. From the first document
// on that changed after the horizon all row versions are as young as that, and are read again. A
// time of change beyond latest is a mistake and would hold the cursor for as long as it lies ahead.
func (s scan) behind(c chunk, horizon, latest time.Time) scan {
	if s.hold == 0 {
		s.hold = c.firstYoung(horizon, latest)
	}
	s.next = c.next()
	return s
}

// position is where the source stands behind a chunk that the scan has passed. Its time moves when
// all was read.
func (s scan) position(c chunk, cur *cursor, end time.Time) position {
	to := position{time: cur.time, version: s.next}
	if s.hold > 0 {
		to.version = min(s.hold, s.next)
	}
	to.version = max(to.version, cur.version)
	if c.ended && end.After(cur.time) {
		to.time = end
	}
	return to
}

// closeChunk publishes what is new in a chunk and moves the cursor behind it.
func (p *Poller) closeChunk(ctx context.Context, src Source, cur *cursor, c chunk, next position) error {
	known, err := p.knownOf(ctx, src, cur)
	if err != nil {
		return err
	}
	c.from, c.to = cur.time, next.time
	news, unchanged := known.split(src.Name, c.reading)
	return p.publish(ctx, src, cur, known, harvest{reading: c.reading, news: news, unchanged: unchanged, next: next})
}

// chunk is a piece of a source by row version.
type chunk struct {
	reading
	// since is the row version that it begins with, at the greatest that was met.
	since, at int64
	// versions are the row versions of the documents.
	versions map[string]int64
	// ended is whether the vendor had no more behind it.
	ended bool
	// cut is whether only what lies before at is proved, though the vendor had no more.
	cut bool
	// undecided is whether what came while the vendor counted explains that it counts more.
	undecided bool
}

// next is the row version from which it is read on. Where the vendor had no more, all of the
// greatest row version was read; else there may be more of it.
func (c chunk) next() int64 {
	if c.ended && !c.cut && len(c.documents) > 0 {
		return c.at + 1
	}
	return c.at
}

// firstYoung returns the row version behind the last document before the first one that changed
// between horizon and latest, 0 when there is none. A row that says no time is taken for old.
func (c chunk) firstYoung(horizon, latest time.Time) int64 {
	first := int64(0)
	for key, d := range c.documents {
		young := !d.unreadable && !d.Modified.Before(horizon) && !d.Modified.After(latest)
		if v := c.versions[key]; young && (first == 0 || v < first) {
			first = v
		}
	}
	if first == 0 {
		return 0
	}
	hold := c.since
	for _, v := range c.versions {
		if v < first && v >= hold {
			hold = v + 1
		}
	}
	return hold
}

// within is how many documents lie before the row version that it is read on from.
func (c chunk) within() int {
	if c.ended && !c.cut {
		return len(c.documents)
	}
	n := 0
	for _, v := range c.versions {
		if v < c.at {
			n++
		}
	}
	return n
}

// full reports whether the chunk holds enough, and so much that the next one gets on.
func (c chunk) full() bool { return len(c.documents) >= windowTarget && c.at > c.since }

// chunk reads a piece from a row version on until it is proved. Where documents come faster than the
// vendor counts, two readings in which nothing new turned up are the proof for what lies before the
// end of the first.
func (p *Poller) chunk(ctx context.Context, src Source, since int64) (chunk, error) {
	var before chunk
	for pages, attempt := 0, 1; ; attempt++ {
		c := chunk{reading: reading{turn: p.nextTurn(), counted: true, documents: map[string]document{}, attempts: attempt}, since: since, at: since, versions: map[string]int64{}}
		proved, err := p.readChunk(ctx, src, &c)
		pages += c.pages
		c.pages = pages
		switch {
		case err != nil:
			return c, fmt.Errorf("read source %s from row version %d on: %w", src.Name, since, err)
		case proved:
			return c, nil
		case c.undecided && before.undecided && c.addsNothing(before):
			return c.upTo(before), nil
		case attempt == attempts:
			what := fmt.Sprintf("source %s from row version %d on", src.Name, since)
			return c, &NotProvedError{What: what, TotalBefore: c.totalBefore, TotalAfter: c.totalAfter, Distinct: c.within()}
		}
		before = c
	}
}

// addsNothing reports whether nothing turned up before the end of an earlier reading that this had
// not read.
func (c chunk) addsNothing(before chunk) bool {
	for key, v := range c.versions {
		if _, ok := before.versions[key]; !ok && v < before.at {
			return false
		}
	}
	return c.at >= before.at
}

// upTo returns the chunk with the end of an earlier reading.
func (c chunk) upTo(before chunk) chunk {
	c.at, c.ended, c.cut = before.at, before.ended, true
	c.totalBefore, c.totalAfter = before.within(), c.within()
	return c
}

// readChunk reads a piece once and has it counted. What came behind the end meanwhile is read too.
func (p *Poller) readChunk(ctx context.Context, src Source, c *chunk) (proved bool, err error) {
	for range recounts {
		if err := p.collect(ctx, src, c); err != nil {
			return false, err
		}
		if proved, err = p.countChunk(ctx, src, c); err != nil || proved {
			return proved, err
		}
	}
	return false, nil
}

// countChunk asks how many documents there are from the beginning of the chunk on, less those behind
// it, and reports whether as many were read. What is behind it is counted first: what is written
// between the two questions then makes the chunk look larger, never smaller. Where it does, counting
// what is behind it again tells whether that can be the reason.
func (p *Poller) countChunk(ctx context.Context, src Source, c *chunk) (bool, error) {
	behind := 0
	var err error
	if !c.ended {
		if behind, err = p.count(ctx, src, c, c.next()); err != nil {
			return false, err
		}
	}
	all, err := p.count(ctx, src, c, c.since)
	if err != nil {
		return false, err
	}
	c.totalBefore, c.totalAfter = all-behind, all-behind
	if c.within() >= all-behind {
		return true, nil
	}
	if behind, err = p.count(ctx, src, c, c.next()); err != nil {
		return false, err
	}
	c.undecided = c.within() >= all-behind
	return false, nil
}

// count asks how many documents have at least that row version.
func (p *Poller) count(ctx context.Context, src Source, c *chunk, since int64) (int, error) {
	c.pages++
	page, err := p.call(ctx, Query{
		Feed: src.Feed, Request: src.Feed.RowVersion.Count, Since: &since, Page: src.Feed.Paging.Origin, Size: src.PageSize,
	})
	if err != nil {
		return 0, err
	}
	if page.Total < 0 {
		return 0, errors.New("the vendor does not say how many documents there are: read the source by time (cursor: window)")
	}
	return page.Total, nil
}

// collect reads on from the greatest row version met, until the chunk is full or the vendor has no
// more. Pages behind the first are read only where the first one brings no greater row version: rows
// that are edited leave their page, and those behind them would be passed over.
func (p *Poller) collect(ctx context.Context, src Source, c *chunk) error {
	if c.full() {
		c.ended = false // by now there may be more, which is the next chunk's
	}
	var before Page
	for n := 0; !c.full(); {
		if n == forwardPages {
			return fmt.Errorf("%d pages have no row version above %d", n, c.at)
		}
		c.pages++
		at := c.at
		page, err := p.call(ctx, Query{
			Feed: src.Feed, Request: src.Feed.RowVersion.Request, Since: &at, Page: src.Feed.Paging.Origin + n, Size: src.PageSize,
		})
		if err != nil {
			return err
		}
		if n > 0 && sameRows(before, page) {
			return fmt.Errorf("page %d from row version %d on holds what page %d does: reading does not get on", n+1, at, n)
		}
		if err := c.take(src, page, at); err != nil {
			return err
		}
		if c.ended = !page.HasNext || len(page.Rows) == 0; c.ended {
			return nil
		}
		before, n = page, n+1
		if c.at > at {
			n = 0
		}
	}
	return nil
}

// take adds a page that was asked for from a row version on. Its rows must be in the order of their
// row versions: out of order, what is behind the greatest would not have been read.
func (c *chunk) take(src Source, page Page, since int64) error {
	last := since
	for _, row := range page.Rows {
		d := identify(src.Feed, row)
		v, err := src.Feed.RowVersionOf(row)
		switch {
		case err != nil && !d.unreadable:
			return fmt.Errorf("document %s: %w: read the source by time (cursor: window)", d.Key, err)
		case err != nil:
			v = last // where it stands in the order
		case v < last:
			return fmt.Errorf("document %s has row version %d and stands behind %d: the vendor does not sort by row version, read the source by time (cursor: window)", d.Key, v, last)
		}
		c.documents[d.Key], c.versions[d.Key], last = d, v, v
	}
	c.at = max(c.at, last)
	return nil
}
