package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
)

// attempts is how often a window is read before it is left open.
const attempts = 4

// extraPages is how many pages beyond the counted ones are followed while the vendor says that
// there are more: enough for late commits, and an end for a vendor that never says no.
const extraPages = 20

// forwardPages bounds a reading that follows the vendor's word that there is a further page, and countedPages
// one that goes by the vendor's count: whatever it says, a reading ends, and other sources have their turn.
const (
	forwardPages = 10_000
	countedPages = 100_000
)

// NotProvedError says that a window or a snapshot could not be read whole: the vendor counts more
// documents than it serves, the counts never came to rest, or, where it counts none, no two readings
// brought the same documents. The window stays open and is read again.
type NotProvedError struct {
	// What names the window, the snapshot or the row versions, with the source.
	What string
	// TotalBefore and TotalAfter are the vendor's counts; of a vendor that does not count, how many
	// documents the last two readings brought.
	TotalBefore int
	TotalAfter  int
	Distinct    int
}

// Error names the window and the counts that don't agree.
func (e *NotProvedError) Error() string {
	return fmt.Sprintf("%s is not proved after %d readings: the vendor counted %d documents before and %d after, %d different ones were read",
		e.What, attempts, e.TotalBefore, e.TotalAfter, e.Distinct)
}

// document is one row with its identity, or the tombstone of one that is gone.
type document struct {
	feed.Identity
	id         string
	body       []byte
	unreadable bool
	removed    bool
}

// reading is what was read of one window or snapshot.
type reading struct {
	// turn is its number among the readings of the poller.
	turn      int
	from, to  time.Time
	divisible bool
	// counted is whether the vendor said how many documents there are; where it didn't the totals
	// are the numbers of documents in this reading and the one before.
	counted     bool
	totalBefore int
	totalAfter  int
	pages       int
	attempts    int
	documents   map[string]document
}

// tooLarge reports whether the window holds more than a batch and can be cut in time.
func (r reading) tooLarge() bool { return r.divisible && r.totalBefore > windowLimit }

// proved reports whether the window was read whole, going by the vendor's counts. Rows that leave it
// meanwhile were edited and come again in a later window; a row that enters it can push another past
// the reader.
func (r reading) proved() bool {
	return r.counted && len(r.documents) >= r.totalAfter && r.totalAfter <= r.totalBefore
}

// repeats reports whether a reading brought the same documents as the one before it. Where the
// vendor counts nothing that is the proof: had a row been passed over because rows before it left,
// a reading without that edit would have brought it.
func (r reading) repeats(before reading) bool {
	if before.documents == nil || len(r.documents) != len(before.documents) {
		return false
	}
	for key := range r.documents {
		if _, ok := before.documents[key]; !ok {
			return false
		}
	}
	return true
}

// hasUnreadable reports whether there are rows that nobody knows the key of.
func (r reading) hasUnreadable() bool {
	for _, d := range r.documents {
		if d.unreadable {
			return true
		}
	}
	return false
}

// read reads a window until it is proved. It returns early with nothing read when the window is
// too large.
func (p *Poller) read(ctx context.Context, src Source, from, to time.Time) (reading, error) {
	r := reading{from: from, to: to, divisible: to.Sub(from) > src.Feed.Window.Resolution}
	return p.prove(ctx, src, r, func(r, before reading) bool {
		return r.tooLarge() || r.proved() || !r.counted && r.repeats(before)
	})
}

// prove reads a window or a snapshot over and over, until a reading is as good as the caller wants,
// which judges it beside the one before.
func (p *Poller) prove(ctx context.Context, src Source, blank reading, good func(r, before reading) bool) (reading, error) {
	var before reading
	for pages, attempt := 0, 1; ; attempt++ {
		r, err := p.pass(ctx, src, blank)
		if err != nil {
			return r, fmt.Errorf("read %s: %w", src.window(r.from, r.to), err)
		}
		pages += r.pages
		r.pages, r.attempts = pages, attempt
		if !r.counted && before.documents != nil {
			r.totalBefore = len(before.documents)
		}
		if good(r, before) {
			return r, nil
		}
		if attempt == attempts {
			return r, &NotProvedError{src.window(r.from, r.to), r.totalBefore, r.totalAfter, len(r.documents)}
		}
		before = r
	}
}

// nextTurn is the number of a reading that begins.
func (p *Poller) nextTurn() int {
	p.turn++
	return p.turn
}

// pager reads the page of that number, counted from 0.
type pager func(n int) (Page, error)

// pass reads all pages of a window or a snapshot once.
func (p *Poller) pass(ctx context.Context, src Source, blank reading) (reading, error) {
	r := blank
	r.turn, r.documents = p.nextTurn(), map[string]document{}
	query := Query{Feed: src.Feed, Request: src.Request, Size: src.PageSize}
	if !src.Feed.Snapshot {
		query.From, query.To = r.from, r.to
	}
	page := func(n int) (Page, error) {
		r.pages++
		query.Page = src.Feed.Paging.Origin + n
		return p.call(ctx, query)
	}
	first, err := page(0)
	if err != nil {
		return r, err
	}
	if first.Total < 0 {
		return r, r.forward(src.Feed, first, page)
	}
	r.counted = true
	return r, r.backward(src, first, page)
}

// backward reads from the last page to the first: a row that is edited meanwhile leaves the window,
// and the rows behind it move into pages that are still to be read again or were read already. The
// first page is read at both ends and carries both totals.
func (r *reading) backward(src Source, first Page, page pager) error {
	r.totalBefore, r.totalAfter = first.Total, first.Total
	if r.tooLarge() {
		return nil
	}
	size := src.PageSize
	if first.Size > 0 {
		size = first.Size
	}
	if first.Total/size >= countedPages {
		return fmt.Errorf("the vendor counts %d documents, which would be more than %d pages: read less at once (slice)", first.Total, countedPages)
	}
	var err error
	last, back := (first.Total+size-1)/size-1, first
	if last > 0 {
		if back, err = page(last); err != nil {
			return err
		}
	}
	r.add(src.Feed, back)
	for n := last + 1; back.HasNext && len(back.Rows) > 0 && n <= last+extraPages; n++ {
		if back, err = page(n); err != nil {
			return err
		}
		r.add(src.Feed, back)
	}
	for n := last - 1; n >= 0; n-- {
		if back, err = page(n); err != nil {
			return err
		}
		r.add(src.Feed, back)
	}
	if back.Total < 0 {
		return errors.New("the vendor said how many documents there are, and then did not")
	}
	r.totalAfter = back.Total
	return nil
}

// forward reads from the first page on while the vendor says that there are more: without a total
// nobody knows which page is the last. It stops when the window turns out to be too large.
func (r *reading) forward(f feed.Feed, at Page, page pager) error {
	for n := 1; len(at.Rows) > 0; n++ {
		r.add(f, at)
		r.totalBefore, r.totalAfter = len(r.documents), len(r.documents)
		if !at.HasNext || r.tooLarge() {
			return nil
		}
		if n == forwardPages {
			return fmt.Errorf("the vendor says after %d pages that there are more", n)
		}
		next, err := page(n)
		if err != nil {
			return err
		}
		if sameRows(at, next) {
			return fmt.Errorf("page %d holds what page %d does: the vendor does not turn the page", n+1, n)
		}
		at = next
	}
	return nil
}

func sameRows(a, b Page) bool {
	return len(a.Rows) > 0 && slices.EqualFunc(a.Rows, b.Rows, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) })
}

// add keeps a page's documents; of two states of one document the later read stays.
func (r *reading) add(f feed.Feed, page Page) {
	for _, row := range page.Rows {
		d := identify(f, row)
		r.documents[d.Key] = d
	}
}

// identify returns a row as a document, one that is unreadable where its identity can't be read.
func identify(f feed.Feed, row json.RawMessage) document {
	id, err := f.Identify(row)
	if err != nil {
		return unreadable(row)
	}
	return document{Identity: id, body: row}
}
