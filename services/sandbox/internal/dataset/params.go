package dataset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// generation names the rules by which documents are made. The same Params give the same documents
// only within one generation.
const generation = 2

// maxRecords keeps line ids and row versions within 32 bits, with room for edits.
const maxRecords = 5_000_000

// Params says what to make. Equal Params make equal documents.
type Params struct {
	// Records is the number of documents of each kind. Of kinds that a flow filters at the vendor
	// it is the number of those that the flow takes; others come on top.
	Records int `json:"records"`
	// Seed chooses among all possible data sets.
	Seed uint64 `json:"seed"`
	// Days is the span that the documents were modified in; it ends at Anchor.
	Days int `json:"days"`
	// Anchor is the time at which the data ends. Every document was modified before it.
	Anchor time.Time `json:"anchor"`
	// Burst is how many documents share one second in the middle of the span.
	Burst int `json:"burst"`

	// Goods, Shops and LateShare choose the master data (see world.Params).
	Goods     int     `json:"goods"`
	Shops     int     `json:"shops"`
	LateShare float64 `json:"late_share"`

	// Unconfirmed is the share (0 to 1) of purchase receipts whose status is not Confirmed.
	Unconfirmed float64 `json:"unconfirmed"`
	// NullItems is the share of purchase receipts whose items are null or empty.
	NullItems float64 `json:"null_items"`
	// QuotedQty is the share of lines of purchase receipts whose quantity is text.
	QuotedQty float64 `json:"quoted_qty"`
	// FractionalQty is the share of lines of purchase receipts whose quantity is not whole.
	FractionalQty float64 `json:"fractional_qty"`
}

// Check returns all that is wrong with p.
func (p Params) Check() error {
	var errs []error
	reject := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	reject(p.Records < 0 || p.Records > maxRecords, "records is %d, want 0 to %d", p.Records, maxRecords)
	reject(p.Days < 1, "days is %d, want at least 1", p.Days)
	reject(p.Burst < 0 || p.Burst > p.Records, "burst is %d, want 0 to the number of records, %d", p.Burst, p.Records)
	reject(p.Goods < 1, "goods is %d, want at least 1", p.Goods)
	reject(p.Shops < 0, "shops is %d, want 0 or more", p.Shops)
	for _, share := range []struct {
		name  string
		value float64
	}{
		{"late share", p.LateShare},
		{"unconfirmed share", p.Unconfirmed}, {"null items share", p.NullItems},
		{"quoted quantity share", p.QuotedQty}, {"fractional quantity share", p.FractionalQty},
	} {
		reject(!(share.value >= 0 && share.value <= 1), "%s is %v, want 0 to 1", share.name, share.value)
	}
	return errors.Join(errs...)
}

// World returns the parameters of the master data that the documents refer to.
func (p Params) World() world.Params {
	return world.Params{Seed: p.Seed, Goods: p.Goods, Shops: p.Shops, LateShare: p.LateShare}
}

func (p Params) equal(q Params) bool {
	same := p.Anchor.Equal(q.Anchor)
	p.Anchor, q.Anchor = time.Time{}, time.Time{}
	return same && p == q
}

// The purposes that chance serves.
const (
	choiceOfVersions = iota
	choiceOfDocument
	choiceOfSeconds
	choiceOfEdit
	choiceOfEdits
	choiceOfNoise
	choiceOfDelays
)

// rand returns the source of chance for one purpose. Each document has one of its own, so that no
// document depends on how many there are.
func (p Params) rand(purpose, number uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.Seed, purpose<<48|number))
}

// of returns p with a seed of its own for one kind of documents, so that the kinds differ.
func (p Params) of(kind uint64) Params {
	p.Seed ^= kind
	return p
}

// dice is chance with a few shapes that the data needs.
type dice struct{ *rand.Rand }

func (d dice) chance(share float64) bool { return d.Float64() < share }

// text returns s with the given share, and otherwise one of the vendor's two ways to say nothing.
func (d dice) text(share float64, s string) *string {
	switch {
	case d.chance(share):
		return &s
	case d.chance(0.5):
		return new("")
	default:
		return nil
	}
}

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

func maybe[T any](d dice, share float64, v T) *T {
	if d.chance(share) {
		return &v
	}
	return nil
}
