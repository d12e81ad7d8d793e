package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/poll"
)

// reach is how far back documents are looked for, at most.
const reach = 30 * 24 * time.Hour

// Feed signs in and asks for a few pages of a feed through the reader that its poller uses. Where a
// page can't be had the findings end there.
func Feed(ctx context.Context, reader poll.Reader, src poll.Source, now time.Time) []Finding {
	p := prober{reader: reader, src: src, now: now.Add(-src.Feed.Window.Settle)}
	page, in, err := p.sample(ctx)
	if fault.KindOf(err) == fault.DownKind {
		return []Finding{found("sign in", Fail, "%v", err)}
	}
	findings := []Finding{found("sign in", OK, "the account and its signature are accepted")}
	if err != nil {
		return append(findings, found("read a page", Fail, "feed %s: %v", src.Feed.Name, err))
	}
	findings = append(findings, p.readable(page, in), p.clamp(ctx, page, in))
	if !src.Feed.Snapshot {
		findings = append(findings, p.order(page), p.bounds(ctx, page))
	}
	return findings
}

// prober asks for pages of one feed.
type prober struct {
	reader poll.Reader
	src    poll.Source
	now    time.Time
}

// slice is a stretch of source time; a snapshot is of one moment.
type slice struct{ from, to time.Time }

func (p prober) read(ctx context.Context, in slice, size int) (poll.Page, error) {
	return p.reader.Read(ctx, poll.Query{
		Feed: p.src.Feed, Request: p.src.Request, From: in.from, To: in.to, Page: p.src.Feed.Paging.Origin, Size: size,
	})
}

// sample reads the first page of the newest slice that has documents.
func (p prober) sample(ctx context.Context) (page poll.Page, in slice, err error) {
	if p.src.Feed.Snapshot {
		in = slice{p.now, p.now}
		page, err = p.read(ctx, in, p.src.Feed.Paging.Max)
		return page, in, err
	}
	to := p.now.Truncate(p.src.Feed.Window.Resolution)
	for ; to.After(p.now.Add(-reach)); to = in.from {
		in = slice{to.Add(-p.src.Feed.Window.Max), to}
		page, err = p.read(ctx, in, p.src.Feed.Paging.Max)
		if err != nil || len(page.Rows) > 0 {
			return page, in, err
		}
	}
	return page, in, nil
}

// readable says what the first page brought.
func (p prober) readable(page poll.Page, in slice) Finding {
	counted := "the vendor does not count them"
	if page.Total >= 0 {
		counted = fmt.Sprintf("the vendor counts %d", page.Total)
	}
	if p.src.Feed.Snapshot {
		return found("read a page", OK, "feed %s: %d documents on the first page, %s", p.src.Feed.Name, len(page.Rows), counted)
	}
	return found("read a page", OK, "feed %s: %d documents on the first page from %s to %s, %s", p.src.Feed.Name, len(page.Rows), p.show(in.from), p.show(in.to), counted)
}

// clamp asks for a page larger than the documented largest.
func (p prober) clamp(ctx context.Context, page poll.Page, in slice) Finding {
	const check = "page clamp"
	largest := p.src.Feed.Paging.Max
	if len(page.Rows) < largest && !page.HasNext {
		return found(check, Unknown, "there are fewer documents than fit on a page of %d: ask again when there are more", largest)
	}
	larger, err := p.read(ctx, in, 2*largest)
	switch {
	case err != nil:
		return found(check, OK, "a page of %d is refused: %v", 2*largest, err)
	case len(larger.Rows) > largest:
		return found(check, OK, "a page of %d is served with %d documents: the documented largest, %d, is not enforced", 2*largest, len(larger.Rows), largest)
	default:
		return found(check, OK, "a page of %d is cut to %d documents without a word: pages must never be larger", 2*largest, len(larger.Rows))
	}
}

// order says how the documents of a page are sorted by the time of their last change.
func (p prober) order(page poll.Page) Finding {
	const check = "sort order"
	var times []time.Time
	for _, row := range page.Rows {
		if id, err := p.src.Feed.Identify(row); err == nil {
			times = append(times, id.Modified)
		}
	}
	up := slices.IsSortedFunc(times, time.Time.Compare)
	down := slices.IsSortedFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	switch {
	case len(times) < 2 || up && down:
		return found(check, Unknown, "too few different times on the page")
	case up:
		return found(check, OK, "oldest change first, in one page of %d", len(times))
	case down:
		return found(check, OK, "newest change first, in one page of %d", len(times))
	default:
		return found(check, OK, "not by time of change, in one page of %d", len(times))
	}
}

// bounds asks for a document by windows that only touch the time of its last change.
func (p prober) bounds(ctx context.Context, page poll.Page) Finding {
	const check = "window bounds"
	if len(page.Rows) == 0 {
		return found(check, Unknown, "there is no document to ask for")
	}
	id, err := p.src.Feed.Identify(page.Rows[0])
	if err != nil {
		return found(check, Unknown, "the first document: %v", err)
	}
	step := p.src.Feed.Window.Resolution
	at := id.Modified.Truncate(step)
	begins, err := p.holds(ctx, slice{at, at.Add(step)}, id.Key)
	if err != nil {
		return found(check, Unknown, "%v", err)
	}
	ends, err := p.holds(ctx, slice{at.Add(-step), at}, id.Key)
	if err != nil {
		return found(check, Unknown, "%v", err)
	}
	if !begins && !ends {
		return found(check, Unknown, "document %s is in no window that touches its last change: it was changed meanwhile, or windows are by another time", id.Key)
	}
	return found(check, OK, "begin is %s, end is %s", inclusive(begins), inclusive(ends))
}

// holds reports whether the first page of a window has a document.
func (p prober) holds(ctx context.Context, in slice, key string) (bool, error) {
	page, err := p.read(ctx, in, p.src.Feed.Paging.Max)
	return slices.ContainsFunc(page.Rows, func(row json.RawMessage) bool {
		id, err := p.src.Feed.Identify(row)
		return err == nil && id.Key == key
	}), err
}

func inclusive(yes bool) string {
	if yes {
		return "inclusive"
	}
	return "exclusive"
}

func (p prober) show(t time.Time) string {
	return t.In(p.src.Feed.Location()).Format(time.DateTime)
}

// Usual names the feed that is read of a system where no source of the connection does: one that
// any account may read.
func Usual(system, edition string) (feed.Feed, error) {
	names := map[string]string{
		"jushuitan": "jushuitan.shops", "kingdee": "kingdee.measure-unit", "kis": "kis.unit",
		"wangdiantong": "wangdiantong.warehouse",
	}
	if edition == "flagship" {
		names["wangdiantong"] = "wangdiantong.flagship-warehouse"
	}
	name, ok := names[system]
	if !ok {
		return feed.Feed{}, fmt.Errorf("no feed of system %s is known", system)
	}
	return feed.Get(name)
}
