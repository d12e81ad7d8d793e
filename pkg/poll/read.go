package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
)

// attempts is how often a window is read before it is left open.
const attempts = 4

// extraPages is how many pages beyond the counted ones are followed while the vendor says that
// there are more: enough for late commits, and an end for a vendor that never says no.
const extraPages = 20

// NotProvedError says that a window could not be read whole: the vendor counts more documents
// than it serves, or the counts never came to rest. The window stays open and is read again.
type NotProvedError struct {
	Source      string
	From, To    time.Time
	TotalBefore int
	TotalAfter  int
	Distinct    int
}

// Error names the window and the counts that don't agree.
func (e *NotProvedError) Error() string {
	return fmt.Sprintf("window %s to %s of source %s is not proved after %d readings: the vendor counted %d documents before and %d after, %d different ones were read",
		e.From.Format(time.RFC3339), e.To.Format(time.RFC3339), e.Source, attempts, e.TotalBefore, e.TotalAfter, e.Distinct)
}

// document is one row with its identity.
type document struct {
	feed.Identity
	id         string
	body       []byte
	unreadable bool
}

// reading is what was read of one window.
type reading struct {
	from, to    time.Time
	divisible   bool
	totalBefore int
	totalAfter  int
	pages       int
	attempts    int
	documents   map[string]document
}

// tooLarge reports whether the window holds more than a batch and can be cut in time.
func (r reading) tooLarge() bool { return r.divisible && r.totalBefore > windowLimit }

// proved reports whether the window was read whole. Rows that leave it meanwhile were edited and
// come again in a later window; a row that enters it can push another past the reader.
func (r reading) proved() bool {
	return len(r.documents) >= r.totalAfter && r.totalAfter <= r.totalBefore
}

// read reads a window until it is proved. It returns early with nothing read when the window is
// too large.
func (p *Poller) read(ctx context.Context, src Source, from, to time.Time) (reading, error) {
	pages := 0
	for attempt := 1; ; attempt++ {
		r, err := p.pass(ctx, src, from, to)
		if err != nil {
			return r, fmt.Errorf("read window %s to %s of source %s: %w", src.show(from), src.show(to), src.Name, err)
		}
		pages += r.pages
		r.pages, r.attempts = pages, attempt
		if r.tooLarge() || r.proved() {
			return r, nil
		}
		if attempt == attempts {
			return r, &NotProvedError{src.Name, from.In(src.Feed.Location()), to.In(src.Feed.Location()), r.totalBefore, r.totalAfter, len(r.documents)}
		}
	}
}

// pass reads all pages of a window once, from the last to the first: a row that is edited
// meanwhile leaves the window, and the rows behind it move into pages that are still to be read
// again or were read already. The first page is read at both ends and carries both totals.
func (p *Poller) pass(ctx context.Context, src Source, from, to time.Time) (reading, error) {
	r := reading{
		from: from, to: to, documents: map[string]document{},
		divisible: to.Sub(from) > src.Feed.Window.Resolution,
	}
	page := func(n int) (Page, error) {
		r.pages++
		return p.reader.Read(ctx, Query{
			Feed: src.Feed, Request: src.Request, From: from, To: to,
			Page: src.Feed.Paging.Origin + n, Size: src.PageSize,
		})
	}
	first, err := page(0)
	if err != nil {
		return r, err
	}
	if first.Total < 0 {
		return r, errors.New("the vendor does not say how many documents there are")
	}
	r.totalBefore, r.totalAfter = first.Total, first.Total
	if r.tooLarge() {
		return r, nil
	}
	size := src.PageSize
	if first.Size > 0 {
		size = first.Size
	}
	last, back := (first.Total+size-1)/size-1, first
	if last > 0 {
		if back, err = page(last); err != nil {
			return r, err
		}
	}
	r.add(src.Feed, back)
	for n := last + 1; back.HasNext && len(back.Rows) > 0 && n <= last+extraPages; n++ {
		if back, err = page(n); err != nil {
			return r, err
		}
		r.add(src.Feed, back)
	}
	for n := last - 1; n >= 0; n-- {
		if back, err = page(n); err != nil {
			return r, err
		}
		r.add(src.Feed, back)
	}
	r.totalAfter = back.Total
	return r, nil
}

// add keeps a page's documents; of two states of one document the later read stays.
func (r *reading) add(f feed.Feed, page Page) {
	for _, row := range page.Rows {
		d := document{body: row}
		var err error
		if d.Identity, err = f.Identify(row); err != nil {
			d = unreadable(row)
		}
		r.documents[d.Key] = d
	}
}
