package xingchen

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/shape"
)

// The kinds of records that are saved.
const (
	kindCustomer = "customer"
	kindGain     = "gain"
	kindLoss     = "loss"
	kindOtherIn  = "other-in"
)

// The states of a bill.
const (
	draft   = "Z"
	audited = "C"
)

// record is one customer or bill. A record that others may see is never changed: a changed copy
// takes its place.
type record struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	// Number is the number of a customer, the bill_no of a bill.
	Number   string       `json:"number"`
	Status   string       `json:"status,omitempty"`
	Created  time.Time    `json:"created"`
	Modified time.Time    `json:"modified"`
	Audited  time.Time    `json:"audited,omitzero"`
	Fields   shape.Object `json:"fields,omitempty"`
	Lines    []line       `json:"lines,omitempty"`
	Deleted  bool         `json:"deleted,omitempty"`
}

// line is one line of a bill.
type line struct {
	ID     string       `json:"id"`
	Fields shape.Object `json:"fields"`
}

// copy returns a record that may be changed, but for its lines.
func (r *record) copy() *record {
	c := *r
	c.Fields = maps.Clone(r.Fields)
	c.Lines = slices.Clone(r.Lines)
	return &c
}

// books hold all records. Who uses them holds mu.
type books struct {
	mu      sync.Mutex
	journal *dataset.Journal[*record]     // nil: nothing is kept
	records map[string]map[string]*record // by kind and id
	numbers map[string]map[string]string  // ids by kind and number
	names   map[string]string             // ids of customers by name
	lastID  int64
	serials map[string]int // the highest serial given for PYD-20251010 and its like
}

// firstID makes ids of 19 digits, as the vendor has them: a double cannot hold them.
const firstID = 1990000000000000000

// openBooks returns the books kept in the file at path.
func openBooks(path string) (*books, error) {
	b := &books{
		records: map[string]map[string]*record{}, numbers: map[string]map[string]string{}, names: map[string]string{},
		lastID: firstID, serials: map[string]int{},
	}
	for _, kind := range []string{kindCustomer, kindGain, kindLoss, kindOtherIn} {
		b.records[kind], b.numbers[kind] = map[string]*record{}, map[string]string{}
	}
	if path == "" {
		return b, nil
	}
	var err error
	b.journal, err = dataset.OpenJournal(path, func(r *record) error {
		if b.records[r.Kind] == nil {
			return fmt.Errorf("record %s is of the unknown kind %q", r.ID, r.Kind)
		}
		b.apply(r)
		return nil
	})
	return b, err
}

func (b *books) close() error {
	if b.journal == nil {
		return nil
	}
	return b.journal.Close()
}

// put writes records to disk and then to the books: all of them or none.
func (b *books) put(records ...*record) error {
	if b.journal != nil {
		if err := b.journal.Append(records...); err != nil {
			return fmt.Errorf("keep what was saved: %w", err)
		}
	}
	for _, r := range records {
		b.apply(r)
	}
	return nil
}

var serial = regexp.MustCompile(`^([A-Z]+-[0-9]{8})-([0-9]{5,9})$`)

// apply puts r in the place of the record with its id.
func (b *books) apply(r *record) {
	if old, found := b.records[r.Kind][r.ID]; found {
		delete(b.numbers[r.Kind], old.Number)
		if r.Kind == kindCustomer {
			delete(b.names, old.Fields.Text("name"))
		}
	}
	b.note(r.ID)
	for _, l := range r.Lines {
		b.note(l.ID)
	}
	if parts := serial.FindStringSubmatch(r.Number); parts != nil {
		if n, err := strconv.Atoi(parts[2]); err == nil {
			b.serials[parts[1]] = max(b.serials[parts[1]], n)
		}
	}
	if r.Deleted {
		delete(b.records[r.Kind], r.ID)
		return
	}
	b.records[r.Kind][r.ID] = r
	b.numbers[r.Kind][r.Number] = r.ID
	if r.Kind == kindCustomer {
		b.names[r.Fields.Text("name")] = r.ID
	}
}

// note remembers that an id is taken.
func (b *books) note(id string) {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		b.lastID = max(b.lastID, n)
	}
}

// newID returns an id that no record or line had before.
func (b *books) newID() string {
	b.lastID++
	return strconv.FormatInt(b.lastID, 10)
}

// newNumber returns the next number of the series, such as PYD-20251010.
func (b *books) newNumber(kind, series string) string {
	for n := b.serials[series] + 1; ; n++ {
		number := fmt.Sprintf("%s-%05d", series, n)
		if _, taken := b.numbers[kind][number]; !taken {
			return number
		}
	}
}

// find returns the record with an id or, where that is empty, with a number.
func (b *books) find(kind, id, number string) (*record, bool) {
	if id == "" {
		id = b.numbers[kind][number]
	}
	r, found := b.records[kind][id]
	return r, found
}

// all returns the records of a kind, the oldest first.
func (b *books) all(kind string) []*record {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Collect(maps.Values(b.records[kind]))
	slices.SortFunc(all, func(x, y *record) int { return compareIDs(x.ID, y.ID) })
	return all
}

// compareIDs compares ids as numbers.
func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}
