package kis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// receipt is one 其他入库单. One that others may see is never changed: another takes its place.
type receipt struct {
	ID      int64          `json:"id"`
	Number  string         `json:"number"`
	Head    shape.Object   `json:"head"`
	Entry   []shape.Object `json:"entry"`
	Created time.Time      `json:"created"`
	Deleted bool           `json:"deleted,omitempty"`
}

// entry is one line of the journal.
type entry struct {
	Receipt *receipt `json:"receipt,omitempty"`
	Session *session `json:"session,omitempty"`
}

// books hold the bills and the session of the user. mu guards what follows it; who books a bill holds
// booking from the check of its number on.
type books struct {
	journal *dataset.Journal[entry] // nil: nothing is kept
	booking sync.Mutex

	mu       sync.Mutex
	receipts map[int64]*receipt
	numbers  map[string]int64 // the last bill with a number
	lastID   int64
	session  session
}

// firstID is where the FInterID of bills begin.
const firstID = 30000

// openBooks returns the books kept in the file at path. Without one, the user signs in now.
func openBooks(path string, u User, now time.Time) (*books, error) {
	b := &books{receipts: map[int64]*receipt{}, numbers: map[string]int64{}, lastID: firstID, session: signedIn(u, now)}
	if path == "" {
		return b, nil
	}
	signedIn := false
	var err error
	b.journal, err = dataset.OpenJournal(path, func(e entry) error {
		signedIn = signedIn || e.Session != nil
		b.apply(e)
		return nil
	})
	if err == nil && !signedIn {
		err = b.keepSession(b.session)
	}
	return b, err
}

func (b *books) close() error {
	if b.journal == nil {
		return nil
	}
	return b.journal.Close()
}

// keep writes e to disk and then to the books.
func (b *books) keep(e entry) error {
	if b.journal != nil {
		if err := b.journal.Append(e); err != nil {
			return fmt.Errorf("keep what was saved: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apply(e)
	return nil
}

func (b *books) apply(e entry) {
	if e.Session != nil {
		b.session = *e.Session
	}
	r := e.Receipt
	if r == nil {
		return
	}
	if old, found := b.receipts[r.ID]; found && b.numbers[old.Number] == r.ID {
		delete(b.numbers, old.Number)
	}
	b.lastID = max(b.lastID, r.ID)
	if r.Deleted {
		delete(b.receipts, r.ID)
		return
	}
	b.receipts[r.ID], b.numbers[r.Number] = r, r.ID
}

func (b *books) userSession() session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

func (b *books) keepSession(u session) error { return b.keep(entry{Session: &u}) }

// expireSession ends the life of the user's access token.
func (b *books) expireSession(now time.Time) error {
	u := b.userSession()
	u.AccessExpires = now
	return b.keepSession(u)
}

// newID returns an id that no bill had before, given that it is used.
func (b *books) newID() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lastID + 1
}

// find returns the bill with an id.
func (b *books) find(id int64) (*receipt, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, found := b.receipts[id]
	return r, found
}

// numbered returns the last bill with a number.
func (b *books) numbered(number string) (*receipt, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, found := b.numbers[number]
	return b.receipts[id], found
}

// all returns all bills by ascending id.
func (b *books) all() []*receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.receipts), func(x, y *receipt) int { return cmp.Compare(x.ID, y.ID) })
}
