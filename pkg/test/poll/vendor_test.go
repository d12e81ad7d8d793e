package poll_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/poll"
)

// vendor is a source in memory that sorts by time of change at each call, so that an edit moves
// the rows behind it: what real vendors do.
type vendor struct {
	mu    sync.Mutex
	docs  map[int]doc
	ts    int
	calls int
	limit int
	// onCall runs before each answer, with the number of the call.
	onCall func(v *vendor, call int)
	// lie is added to every total.
	lie int
	// endless makes has_next always true.
	endless bool
	// noTotals leaves the totals out.
	noTotals bool
	// hidden documents are written and not committed yet, lost ones are counted and never served.
	hidden, lost map[int]bool
	// order sorts what is asked for by row version.
	order func(a, b doc) int
}

type doc struct {
	IOID     int    `json:"io_id"`
	TS       int    `json:"ts"`
	Modified string `json:"modified"`
	Content  int    `json:"content"`
}

var shanghai = time.FixedZone("Asia/Shanghai", 8*3600)

func newVendor(limit int) *vendor {
	return &vendor{
		docs: map[int]doc{}, limit: limit, onCall: func(*vendor, int) {}, hidden: map[int]bool{}, lost: map[int]bool{},
		order: func(a, b doc) int { return cmp.Compare(a.TS, b.TS) },
	}
}

// put changes a document at a time.
func (v *vendor) put(id int, at time.Time) {
	v.ts++
	v.docs[id] = doc{IOID: id, TS: v.ts, Modified: at.In(shanghai).Format(time.DateTime), Content: v.ts}
}

// find returns what the vendor has of what is asked for, in its order.
func (v *vendor) find(q poll.Query) []doc {
	var found []doc
	from, to := q.Feed.FormatTime(q.From), q.Feed.FormatTime(q.To)
	for id, d := range v.docs {
		in := from <= d.Modified && d.Modified <= to
		switch {
		case q.Feed.Snapshot:
			in = true
		case q.Since != nil:
			in = int64(d.TS) >= *q.Since
		}
		if in && !v.hidden[id] {
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b doc) int {
		switch {
		case q.Feed.Snapshot:
			return cmp.Compare(a.IOID, b.IOID)
		case q.Since != nil:
			return v.order(a, b)
		}
		return cmp.Or(cmp.Compare(a.Modified, b.Modified), cmp.Compare(a.IOID, b.IOID))
	})
	return found
}

func (v *vendor) Read(_ context.Context, q poll.Query) (poll.Page, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	v.onCall(v, v.calls)
	all := v.find(q)
	size := min(q.Size, v.limit)
	page := poll.Page{Total: len(all) + v.lie, Size: size}
	if v.noTotals {
		page.Total = -1
	}
	all = slices.DeleteFunc(all, func(d doc) bool { return v.lost[d.IOID] })
	begin := min((q.Page-1)*size, len(all))
	end := min(begin+size, len(all))
	page.HasNext = end < len(all) || v.endless
	for _, d := range all[begin:end] {
		row, err := json.Marshal(d)
		if err != nil {
			return page, fmt.Errorf("encode: %w", err)
		}
		page.Rows = append(page.Rows, row)
	}
	return page, nil
}

func source(f feed.Feed, start time.Time) poll.Source {
	return poll.Source{
		Name: "src", Connection: "conn", Feed: f, Start: start, Settle: time.Second,
		Overlap: time.Minute, Slice: 24 * time.Hour, PageSize: 50,
	}
}
