package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Cause says why a receipt was edited.
type Cause string

// Stream edits come by themselves while the vendor is polled, Control edits were asked for, and
// Fault edits shift rows under a reader.
const (
	Stream  Cause = "stream"
	Control Cause = "control"
	Fault   Cause = "fault"
)

// ErrUnknown is the error of edits of a receipt that there is not.
var ErrUnknown = errors.New("no such receipt")

// Store holds the receipts as they are now. All its methods may be called at once.
type Store struct {
	params  Params
	journal *journal // nil: nothing is kept
	lock    *os.File

	mu       sync.RWMutex
	receipts []*Receipt // by ascending io_id
	lastTS   int64
	lastLine int64
	edits    map[Cause]int
}

// New returns a Store with the receipts of p that forgets them at the end.
func New(p Params) *Store {
	s := &Store{params: p, receipts: Generate(p), edits: map[Cause]int{}, lastTS: firstTS, lastLine: firstIOIID}
	for _, r := range s.receipts {
		s.note(r)
	}
	return s
}

// Open returns the Store kept in the directory dir. An empty dir is filled with the receipts of
// p; else p has to be what the directory was made with (see Stored). One process at a time may
// have it open.
func Open(dir string, p Params) (*Store, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := open(dir, p)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

func open(dir string, p Params) (*Store, error) {
	stored, found, err := Stored(dir)
	switch {
	case err != nil:
		return nil, err
	case !found:
		if err := save(dir, p); err != nil {
			return nil, err
		}
	case !stored.equal(p):
		return nil, fmt.Errorf("data directory %s was made with other parameters: %+v, asked for %+v", dir, stored, p)
	}
	s := New(p)
	s.journal, err = openJournal(filepath.Join(dir, "receipts.journal"), func(e entry) {
		s.replace(e.Receipt)
		s.edits[e.Cause]++
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory %s: in use by another process: %w", dir, err), f.Close())
	}
	return f, nil
}

// stamp is what a data directory remembers of how it was made.
type stamp struct {
	Generation int    `json:"generation"`
	Params     Params `json:"params"`
}

// Stored returns the parameters with which the data directory dir was made, if it was.
func Stored(dir string) (p Params, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Params{}, false, nil
	}
	if err != nil {
		return Params{}, false, fmt.Errorf("read data directory: %w", err)
	}
	var st stamp
	if err := json.Unmarshal(text, &st); err != nil {
		return Params{}, false, fmt.Errorf("read data directory %s: dataset.json: %w", dir, err)
	}
	if st.Generation != generation {
		return Params{}, false, fmt.Errorf("data directory %s holds generation %d of the data, this program makes generation %d: use another directory", dir, st.Generation, generation)
	}
	return st.Params, true, nil
}

func save(dir string, p Params) error {
	text, err := json.MarshalIndent(stamp{generation, p}, "", "  ")
	if err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	return WriteFile(filepath.Join(dir, "dataset.json"), text)
}

func (p Params) equal(q Params) bool {
	same := p.Anchor.Equal(q.Anchor)
	p.Anchor, q.Anchor = time.Time{}, time.Time{}
	return same && p == q
}

// Close ends the Store. Nothing is left to be written: every edit already was.
func (s *Store) Close() error {
	if s.journal == nil {
		return nil
	}
	return errors.Join(s.journal.close(), s.lock.Close())
}

// Receipts returns all receipts as they are now, by ascending io_id. The slice is the caller's.
func (s *Store) Receipts() []*Receipt {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.receipts)
}

// Edits returns how many edits were made for each cause, those before a restart included.
func (s *Store) Edits() map[Cause]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return map[Cause]int{Stream: s.edits[Stream], Control: s.edits[Control], Fault: s.edits[Fault]}
}

// Edit changes the receipts with the given ids, in that order, and returns them as they are now.
// Either all are changed or none.
func (s *Store) Edit(ids []int64, c Change, cause Cause, now time.Time) ([]*Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.edit(ids, c, cause, now)
}

// EditAny changes n receipts, or all if there are fewer, chosen by chance; the same choice for
// the same data and the same number of edits before.
func (s *Store) EditAny(n int, c Change, cause Cause, now time.Time) ([]*Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rng := s.params.rand(4, s.number())
	seen, ids := map[int]bool{}, []int64{}
	for len(ids) < min(n, len(s.receipts)) {
		i := rng.IntN(len(s.receipts))
		if !seen[i] {
			seen[i] = true
			ids = append(ids, s.receipts[i].IOID)
		}
	}
	return s.edit(ids, c, cause, now)
}

func (s *Store) edit(ids []int64, c Change, cause Cause, now time.Time) ([]*Receipt, error) {
	var entries []entry
	var changed []*Receipt
	newest := map[int64]*Receipt{}
	ts, line := s.lastTS, s.lastLine
	for i, id := range ids {
		r, ok := newest[id]
		if !ok {
			if r, ok = s.find(id); !ok {
				return nil, fmt.Errorf("edit receipt %d: %w", id, ErrUnknown)
			}
		}
		ts, line = ts+1, line+1
		r, err := s.params.edit(r, c, s.number()+uint64(i), ts, line, now)
		if err != nil {
			return nil, err
		}
		newest[id] = r
		changed, entries = append(changed, r), append(entries, entry{cause, r})
	}
	if s.journal != nil && len(entries) > 0 {
		if err := s.journal.append(entries); err != nil {
			return nil, err
		}
	}
	for _, r := range changed {
		s.replace(r)
	}
	s.edits[cause] += len(changed)
	return changed, nil
}

// number returns how many edits were made so far.
func (s *Store) number() uint64 {
	return uint64(s.edits[Stream] + s.edits[Control] + s.edits[Fault])
}

// find returns the receipt with the given id. Ids are dense, so it is found by its place.
func (s *Store) find(id int64) (*Receipt, bool) {
	i := id - firstIOID
	if i < 0 || i >= int64(len(s.receipts)) {
		return nil, false
	}
	return s.receipts[i], true
}

// replace puts r in the place of the receipt with its id.
func (s *Store) replace(r *Receipt) {
	if _, ok := s.find(r.IOID); ok {
		s.receipts[r.IOID-firstIOID] = r
		s.note(r)
	}
}

// note remembers the largest ids seen.
func (s *Store) note(r *Receipt) {
	s.lastTS = max(s.lastTS, r.TS)
	for _, l := range r.Items {
		s.lastLine = max(s.lastLine, l.IOIID)
	}
}
