// Package documents holds the documents that the imitated Wangdiantong (旺店通) answers from:
// stock-in documents of its enterprise edition and refunds of its flagship edition. They are made
// up, but the same for the same parameters, and are edited while they are read.
package documents

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

// maxRecords keeps all ids within 32 bits, with room for edits.
const maxRecords = 5_000_000

// RefundTypes are the types that a refund can have: 1 before shipping, 2 return, 3 exchange,
// 4 money without return, 6 price protection, 7 wholesale return.
var RefundTypes = []int{1, 2, 3, 4, 6, 7}

// Params says what to make. Equal Params and an equal World make equal documents.
type Params struct {
	// Records is the number of refunds, and of stock-in documents that are stock gains (order type
	// 4) and done (status 80). About 15 % other stock-in documents come in addition.
	Records int `json:"records"`
	// Seed chooses among all possible data sets.
	Seed uint64 `json:"seed"`
	// Days is the span that the documents were modified in; it ends at Anchor.
	Days int `json:"days"`
	// Anchor is the time at which the data ends. Every document was modified before it.
	Anchor time.Time `json:"anchor"`
	// Types are the types of the refunds; nil means all RefundTypes.
	Types []int `json:"types,omitempty"`
}

// Check returns all that is wrong with p.
func (p Params) Check() error {
	var errs []error
	if p.Records < 0 || p.Records > maxRecords {
		errs = append(errs, fmt.Errorf("wangdiantong: records is %d, want 0 to %d", p.Records, maxRecords))
	}
	if p.Days < 1 {
		errs = append(errs, fmt.Errorf("wangdiantong: days is %d, want at least 1", p.Days))
	}
	for _, kind := range p.Types {
		if !slices.Contains(RefundTypes, kind) {
			errs = append(errs, fmt.Errorf("wangdiantong: refund type is %d, want one of %v", kind, RefundTypes))
		}
	}
	return errors.Join(errs...)
}

// What chance is used for. Each document has a source of its own, so that none depends on how
// many there are.
const (
	forStockIns uint64 = iota + 0x77647401
	forRefunds
	forStockInEdits
	forRefundEdits
	forNoise
)

func (p Params) rand(purpose, number uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.Seed, purpose<<32|number))
}

// span is when a document came to be and when it was last modified.
type span struct{ created, modified time.Time }

// spanOf returns the times of document i of n. They come evenly over the days; most are modified
// within minutes, some days later. About one in forty shares its second with the one before.
func (p Params) spanOf(rng *rand.Rand, i, n int, before span) span {
	end := p.Anchor.In(dataset.Shanghai).Truncate(time.Second)
	days := time.Duration(p.Days) * 24 * time.Hour
	last := end.Add(-time.Second)
	share := (float64(i) + rng.Float64()) / float64(n)
	created := end.Add(-days).Add(time.Duration(share * float64(days))).Truncate(time.Second)
	if created.After(last) {
		created = last
	}
	delay := pick(rng, []time.Duration{10 * time.Minute, 10 * time.Minute, 10 * time.Minute, 6 * time.Hour, 72 * time.Hour})
	delay = min(delay, last.Sub(created))
	s := span{created, created.Add(time.Duration(rng.Float64() * float64(delay))).Truncate(time.Second)}
	if i > 0 && (i == 1 || rng.Float64() < 1.0/40) {
		s.modified = before.modified
		if s.created.After(s.modified) {
			s.created = s.modified
		}
	}
	return s
}

// day writes the day of t as document numbers have it.
func day(t time.Time) string { return t.Format("060102") }

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// maybe returns v in the given share of cases, and else nothing.
func maybe[T any](rng *rand.Rand, share float64, v T) T {
	if rng.Float64() < share {
		return v
	}
	var nothing T
	return nothing
}

// unit is one in ten-thousandths, which all quantities and amounts are counted in.
const unit = 10_000

// quantity returns a number of pieces, now and then not a whole one.
func quantity(rng *rand.Rand) dataset.Decimal {
	whole := dataset.Decimal(1+rng.IntN(200)) * unit
	return whole + maybe(rng, 0.1, pick(rng, []dataset.Decimal{5000, 2500, 1250, 3333, 1}))
}

// times returns count times price, rounded half up to four decimals.
func times(count, price dataset.Decimal) dataset.Decimal {
	return dataset.Decimal((int64(count)*int64(price) + unit/2) / unit)
}

// Warehouse is a warehouse as documents name it.
type Warehouse struct {
	ID   int64  `json:"id"`
	No   string `json:"no"`
	Name string `json:"name"`
}

// Warehouses returns the warehouses of w.
func Warehouses(w *world.World) []Warehouse {
	all := make([]Warehouse, len(w.Warehouses))
	for i, house := range w.Warehouses {
		all[i] = Warehouse{ID: int64(11 + i), No: house.No, Name: house.Name}
	}
	return all
}

// Shop is a shop as documents name it.
type Shop struct {
	ID   int64  `json:"id"`
	No   string `json:"no"`
	Name string `json:"name"`
	// Platform is the id of the platform that it sells on.
	Platform int `json:"platform"`
}

// The platforms whose refunds the vendor treats differently.
const (
	Own       = 127 // the merchant's own shop: the only one whose buyers are named
	Taobao    = 1
	Pinduoduo = 39
)

var platforms = map[string]int{"商家自有商城": Own, "淘宝天猫": Taobao, "京东": 3, "拼多多": Pinduoduo, "头条放心购": 69}

// Shops returns the shops of w.
func Shops(w *world.World) []Shop {
	all := make([]Shop, len(w.Shops))
	for i, shop := range w.Shops {
		all[i] = Shop{ID: shop.ID, No: fmt.Sprintf("S%03d", i+1), Name: shop.Name, Platform: platforms[shop.Site]}
	}
	return all
}
