// Package poll reads source systems completely: from a tick to closed windows. A window is
// closed only with proof that it was read whole, in the same atomic batch as its records, fenced
// by the window before it; the last window of a source is its cursor.
package poll

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/feed"
)

// Reader reads pages of feeds from one account. Read blocks for as long as the account's call
// budget and the vendor want; it retries what passes by itself, so its errors are worth showing.
// It is not called twice at once.
type Reader interface {
	Read(ctx context.Context, q Query) (Page, error)
}

// Rester is a Reader that spends a budget of calls. Rest is called before a job when another replica
// has done the one before: the first call must keep its distance from the last of that.
type Rester interface {
	Reader
	Rest()
}

// Clocked is a Reader that hears the time from its vendor. Skew says between what times the vendor's
// clock was ahead of this machine's lately, negative: behind; both are 0 where nothing else is known.
type Clocked interface {
	Reader
	Skew() (least, most time.Duration)
}

// ReaderFunc lets a plain function be a Reader.
type ReaderFunc func(ctx context.Context, q Query) (Page, error)

// Read calls f.
func (f ReaderFunc) Read(ctx context.Context, q Query) (Page, error) { return f(ctx, q) }

// Query asks for one page of one window, or of all documents from a row version on.
type Query struct {
	Feed feed.Feed
	// Request holds the parameters besides window and page.
	Request map[string]any
	// From and To bound the window, both inclusive at the feed's resolution. A snapshot has none.
	From, To time.Time
	// Since asks for the documents of at least that row version in the place of a window, in
	// ascending order; nil asks by window. Besides it and the page only Request goes to the vendor,
	// not the feed's parameters. Only feeds with a row_version are asked so.
	Since *int64
	// Page is the number of the page, counted from the feed's origin; Size is in documents.
	Page, Size int
}

// Page is what the vendor answered.
type Page struct {
	// Rows are the documents, as the vendor said them.
	Rows []json.RawMessage
	// Total is how many documents the vendor counts in the window, on all pages; negative when it
	// doesn't say.
	Total int
	// Size is the page size that the vendor worked with, 0 when it doesn't say.
	Size int
	// HasNext is whether the vendor claims that a further page follows.
	HasNext bool
}

// Source is one feed of one connection, polled into RAW.
type Source struct {
	Name       string
	Connection string
	Feed       feed.Feed
	Request    map[string]any
	// ByVersion reads by row version instead of by time.
	ByVersion bool
	// Start is where the first poll begins.
	Start time.Time
	// Settle is how far behind now a window ends.
	Settle time.Duration
	// Overlap is how much of the time before the cursor each poll reads again; by row version, how
	// late a commit may become visible after greater row versions did.
	Overlap time.Duration
	// Slice is the widest window.
	Slice time.Duration
	// PageSize is in documents.
	PageSize int
	// Every is the time between ticks; when it is zero Cron (six fields) and Zone say when.
	Every time.Duration
	Cron  string
	Zone  string
	// RecountCron and RecountZone say when its closed windows are counted again; an empty RecountCron
	// means never.
	RecountCron string
	RecountZone string
}

// window names a window, or the snapshot, as errors do: times are in the zone of the feed.
func (s Source) window(from, to time.Time) string {
	if s.Feed.Snapshot {
		return "snapshot of source " + s.Name
	}
	show := func(t time.Time) string { return t.In(s.Feed.Location()).Format(time.RFC3339) }
	return fmt.Sprintf("window %s to %s of source %s", show(from), show(to), s.Name)
}

// Poller polls the sources of one account. Its methods must not be called at the same time, except that
// what runs between the calls of a job may poll.
type Poller struct {
	// Now tells the time; New sets the clock of the machine.
	Now func() time.Time

	js       jetstream.JetStream
	reader   Reader
	instance string
	log      *slog.Logger
	// between runs before each call, nil for nothing.
	between func(ctx context.Context)
	cursors map[string]*cursor
	known   map[string]*known
	widths  map[string]time.Duration
	ahead   map[string]scan
	// room is what has to be had while NATS is asked for something that takes it long; nil: nothing.
	room chan struct{}
	// turn is the number of the latest reading.
	turn int
	// closing is the window that is being closed while the next one is read, nil when there is none.
	closing *closing
}

// New returns a Poller that publishes what reader yields; instance names it in the windows.
func New(js jetstream.JetStream, reader Reader, instance string, log *slog.Logger) *Poller {
	return &Poller{
		js: js, reader: reader, instance: instance, log: log, Now: time.Now,
		cursors: map[string]*cursor{}, known: map[string]*known{}, widths: map[string]time.Duration{}, ahead: map[string]scan{},
	}
}

// JobTime is about how long one job may take before it makes room for others on its connection. A
// backfill, which lets live polls through between its calls, may take pastTime: where another replica has
// the next job, that one lets some calls pass unused.
const (
	JobTime  = time.Minute
	pastTime = 5 * time.Minute
)

// withRoom does something that takes NATS long, when there is room for it: where the ticks of a thousand
// connections come at once, all of it at once would take too long for each.
func (p *Poller) withRoom(ctx context.Context, do func() error) error {
	if p.room == nil {
		return do()
	}
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.room }()
	return do()
}

// call asks the reader for a page.
func (p *Poller) call(ctx context.Context, q Query) (Page, error) {
	if p.between != nil {
		p.between(ctx)
	}
	return p.reader.Read(ctx, q)
}

// Poll reads what changed since the source's cursor, up to now less the settle time; a snapshot it
// reads whole. It returns false when the job took its time and there is more to read. The error of
// what can't be proved is a *NotProvedError; what was closed before stays closed.
func (p *Poller) Poll(ctx context.Context, src Source) (done bool, err error) {
	cur, err := p.load(ctx, src)
	if err != nil {
		return false, err
	}
	end := p.end(src)
	if !cur.time.Before(end) {
		return true, nil
	}
	switch {
	case src.Feed.Snapshot:
		return true, p.snapshot(ctx, src, cur, end, "")
	case src.ByVersion:
		return p.versions(ctx, src, cur, end)
	}
	from := cur.time
	if cur.sequence > 0 {
		from = from.Add(-src.Overlap)
	}
	reached, err := p.walk(ctx, src, cur, from, end, "")
	return !reached.Before(p.notAfter(src, end)), err
}

// Backfill reads a stretch of the past again and leaves the cursor where it is. It returns how
// far it came when the job took its time. A snapshot has no past: it is read whole, as it is now.
func (p *Poller) Backfill(ctx context.Context, src Source, past Past) (reached time.Time, err error) {
	cur, err := p.load(ctx, src)
	if err != nil {
		return past.From, err
	}
	end := p.end(src)
	if src.Feed.Snapshot {
		return past.To, p.snapshot(ctx, src, cur, end, past.ID)
	}
	if past.To.Before(end) {
		end = past.To
	}
	return p.walk(ctx, src, cur, past.From, end, past.ID)
}

// end is the source time that a poll which begins now may read up to. Documents bear the time of the
// vendor's clock: where that is behind this machine's it is the one that counts, or what changes from
// now on would belong into windows that are closed.
func (p *Poller) end(src Source) time.Time {
	least, _ := p.skew()
	return p.Now().Add(least - src.Settle).Truncate(src.Feed.Window.Resolution)
}

// notAfter returns end, or what is the end now where the vendor's clock has turned out to be behind.
func (p *Poller) notAfter(src Source, end time.Time) time.Time {
	if now := p.end(src); now.Before(end) {
		return now
	}
	return end
}

// skew is that of the vendor's clock, as far as it is known.
func (p *Poller) skew() (least, most time.Duration) {
	if c, ok := p.reader.(Clocked); ok {
		return c.Skew()
	}
	return 0, 0
}

// walk closes one window after the other, each beginning where the last ended, until the end or
// until the job took its time. While a window is closed the next one is read. It returns how far it came.
func (p *Poller) walk(ctx context.Context, src Source, cur *cursor, from, end time.Time, backfill string) (reached time.Time, err error) {
	deadline := p.Now().Add(JobTime)
	if backfill != "" {
		deadline = p.Now().Add(pastTime)
	}
	reached = from
	defer func() {
		if failed := p.closed(&reached); failed != nil {
			err = failed
		}
	}()
	for from.Before(p.notAfter(src, end)) && p.Now().Before(deadline) {
		r, ok, err := p.window(ctx, src, from, p.notAfter(src, end))
		if err != nil {
			return reached, err
		}
		if err := p.closed(&reached); err != nil {
			return reached, err
		}
		if ok {
			p.startClosing(r.to, func() error { return p.close(ctx, src, cur, r, backfill) })
			from = r.to
		}
	}
	return reached, nil
}

// closing is a window that is being closed.
type closing struct {
	to   time.Time
	done chan struct{}
	err  error
}

// startClosing lets a window that ends at to be closed while the next one is read. No other one may be.
func (p *Poller) startClosing(to time.Time, run func() error) {
	c := &closing{to: to, done: make(chan struct{})}
	p.closing = c
	go func() {
		defer close(c.done)
		c.err = run()
	}()
}

// closed waits for the window that is being closed, if any. Where that went well it sets reached to its
// end.
func (p *Poller) closed(reached *time.Time) error {
	c := p.closing
	if c == nil {
		return nil
	}
	<-c.done
	p.closing = nil
	if c.err == nil {
		*reached = c.to
	}
	return c.err
}

// window reads and proves one window that begins at from, as wide as fits in a batch. It returns false
// when the vendor's clock turns out to be behind while it is read: the window would end too late.
func (p *Poller) window(ctx context.Context, src Source, from, end time.Time) (r reading, ok bool, err error) {
	width := min(src.Slice, end.Sub(from))
	narrow, narrowed := p.widths[src.Name]
	if narrowed {
		width = min(narrow, width)
	}
	for {
		r, err := p.read(ctx, src, from, from.Add(width))
		if err != nil || p.end(src).Before(r.to) {
			return r, false, err
		}
		if r.tooLarge() {
			narrow, narrowed = narrower(width, r.totalBefore, src.Feed.Window.Resolution), true
			width = narrow
			p.widths[src.Name] = narrow
			continue
		}
		if narrowed && width == narrow && r.totalBefore < windowTarget/2 {
			p.widths[src.Name] = min(2*width, src.Slice)
		}
		return r, true, nil
	}
}

// close publishes what is new in a reading of a window and closes it. A backfill leaves the cursor
// where it is.
func (p *Poller) close(ctx context.Context, src Source, cur *cursor, r reading, backfill string) error {
	known, err := p.knownOf(ctx, src, cur)
	if err != nil {
		return err
	}
	news, unchanged := known.split(src.Name, r)
	next := cur.position
	if backfill == "" && r.to.After(next.time) {
		next.time = r.to
	}
	return p.publish(ctx, src, cur, known, harvest{reading: r, news: news, unchanged: unchanged, next: next, backfill: backfill})
}

// windowTarget is how many documents a window should hold, and windowLimit how many it may: with
// the window message they fill one atomic batch.
const (
	windowTarget = 800
	windowLimit  = batchRecords
)

// narrower returns the width at which a window of that many documents would hold windowTarget,
// if they were spread evenly.
func narrower(width time.Duration, total int, resolution time.Duration) time.Duration {
	w := time.Duration(float64(width) * windowTarget / float64(total))
	return max(min(w, width/2).Truncate(resolution), resolution)
}
