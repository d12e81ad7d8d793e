package dataset

import (
	"cmp"
	"slices"
	"time"
)

// Shanghai is the zone of all wall-clock times of the vendors. It has had no daylight saving
// since 1991, so a fixed offset needs no zone database.
var Shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// Confirmed is the status of a document that has taken effect.
const Confirmed = "Confirmed"

// Head is what all documents of the warehouse begin with.
type Head struct {
	IOID int64 `json:"io_id"`
	// TS is the row version: it grows with every change of any document.
	TS       int64     `json:"ts"`
	IODate   time.Time `json:"io_date"`
	Modified time.Time `json:"modified"`
	Status   string    `json:"status"`
	SOID     *string   `json:"so_id"`
}

// Key returns the document's number.
func (h *Head) Key() int64 { return h.IOID }

// Version returns the row version.
func (h *Head) Version() int64 { return h.TS }

// firstTS is the smallest row version. All stay far below 2^31: some clients keep them in 32 bits.
const firstTS = 1_000_000_001

// settle gives documents their final times and their row versions, which ascend in the order in
// which the documents were modified.
func (p Params) settle(heads []*Head) {
	byChange := func(a, b *Head) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.IOID, b.IOID))
	}
	slices.SortFunc(heads, byChange)
	p.shareSeconds(heads)
	slices.SortFunc(heads, byChange)
	ts, rng := int64(firstTS), p.rand(choiceOfVersions, 1)
	for _, h := range heads {
		h.TS = ts
		ts += 1 + rng.Int64N(9)
	}
}

// shareSeconds puts about one document in a hundred into the same second as its neighbours, in
// groups of two to five, and Burst documents into one second.
func (p Params) shareSeconds(byChange []*Head) {
	rng := p.rand(choiceOfSeconds, 0)
	if n := len(byChange); n >= 10 {
		for left := max(2, n/100); left >= 2; {
			size := min(left, 2+rng.IntN(4))
			join(byChange, rng.IntN(n-size+1), size)
			left -= size
		}
	}
	join(byChange, (len(byChange)-p.Burst)/2, p.Burst)
}

// join gives size documents the modification time of the first of them.
func join(byChange []*Head, from, size int) {
	for i := range size {
		h := byChange[from+i]
		h.Modified = byChange[from].Modified
		if h.IODate.After(h.Modified) {
			h.IODate = h.Modified
		}
	}
}

// times returns when document number i of n came to be and when it was last modified. Documents
// come evenly over the span; most are modified within minutes, some days later.
func (p Params) times(d dice, i, n int) (created, modified time.Time) {
	end := p.Anchor.In(Shanghai).Truncate(time.Second)
	span := time.Duration(p.Days) * 24 * time.Hour
	created = end.Add(-span).Add(time.Duration((float64(i) + d.Float64()) / float64(n) * float64(span))).Truncate(time.Second)
	if last := end.Add(-time.Second); created.After(last) {
		created = last
	}
	delay := pick(d, []time.Duration{10 * time.Minute, 10 * time.Minute, 10 * time.Minute, 6 * time.Hour, 72 * time.Hour})
	delay = min(delay, end.Add(-time.Second).Sub(created))
	modified = created.Add(time.Duration(d.Float64() * float64(delay))).Truncate(time.Second)
	return created, modified
}

// between returns a time from begin to before end, by chance.
func (d dice) between(begin, end time.Time) time.Time {
	return begin.Add(time.Duration(float64(end.Sub(begin)) * d.Float64())).Truncate(time.Second)
}

// amount returns quantity times price, rounded half up to cents.
func amount(q Quantity, price Decimal) Decimal {
	tenThousandths := q.Value * int64(price) / unit
	return Decimal((tenThousandths + 50) / 100 * 100)
}
