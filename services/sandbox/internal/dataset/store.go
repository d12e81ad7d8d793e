// Package dataset holds the documents that the imitated vendors answer from: made up, but the same
// for the same parameters, edited while they are read, and kept over a restart. Store and Journal
// serve documents of any kind; the kinds here are those of Jushuitan.
package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Document is what a Store holds. A Document that a Store gave out is never changed; an edit puts
// a new one in its place.
type Document interface {
	comparable
	// Key tells documents of one kind apart.
	Key() int64
	// Version grows with every edit of any document of its kind.
	Version() int64
	// Lines yields the id and quantity of each line.
	Lines() iter.Seq2[int64, Quantity]
}

// Kind is one kind of documents: those that there are before any edit, and how one is edited.
type Kind[D Document] struct {
	// Name is that of its journal.
	Name string
	// Seed chooses which documents EditAny changes.
	Seed uint64
	// Documents are all there are, by ascending key.
	Documents []D
	// Edit returns a changed copy of a document.
	Edit func(D, Edit) (D, error)
}

// Edit is one edit, with all that is new for it. The same Edit makes the same change.
type Edit struct {
	Change
	// Number is how many edits there were before.
	Number uint64
	// Version is the one that the document is to have, Line a line id that is free.
	Version, Line int64
	Now           time.Time
}

// Cause says why a document was edited.
type Cause string

// Stream edits come by themselves while the vendor is polled, Control edits were asked for, and
// Fault edits shift rows under a reader, and Late edits come by themselves like those of Stream, but
// are seen only some time after the time that they bear.
const (
	Stream  Cause = "stream"
	Control Cause = "control"
	Fault   Cause = "fault"
	Late    Cause = "late"
)

// ErrUnknown is the error of edits of a document that there is not.
var ErrUnknown = errors.New("no such document")

// Store holds the documents of one kind as they are now. All its methods may be called at once.
type Store[D Document] struct {
	kind    Kind[D]
	journal *Journal[entry[D]] // nil: nothing is kept

	mu       sync.RWMutex
	docs     []D // by ascending key
	version  int64
	lastLine int64
	edits    map[Cause]int
}

// entry is one edit in the journal: the whole document as it is since.
type entry[D Document] struct {
	Cause    Cause `json:"cause"`
	Document D     `json:"document"`
}

// New returns a Store of k that forgets its edits at the end.
func New[D Document](k Kind[D]) *Store[D] {
	s := &Store[D]{kind: k, docs: slices.Clone(k.Documents), edits: map[Cause]int{}}
	for _, d := range s.docs {
		s.note(d)
	}
	return s
}

// Open returns the Store of k that is kept in dir; if dir is nil, one that forgets its edits.
func Open[D Document](dir *Dir, k Kind[D]) (*Store[D], error) {
	s := New(k)
	if dir == nil {
		return s, nil
	}
	var err error
	s.journal, err = OpenJournal(dir.File(k.Name+".journal"), s.apply)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// apply makes the edit of an entry again.
func (s *Store[D]) apply(e entry[D]) error {
	var none D
	if e.Document == none {
		return errors.New("entry without a document")
	}
	s.replace(e.Document)
	s.edits[e.Cause]++
	return nil
}

// Close ends the Store. Nothing is left to be written: every edit already was.
func (s *Store[D]) Close() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.Close()
}

// Documents returns all documents as they are now, by ascending key. The slice is the caller's.
func (s *Store[D]) Documents() []D {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.docs)
}

// Len returns how many documents there are.
func (s *Store[D]) Len() int { return len(s.kind.Documents) } // edits neither add nor remove any

// Edits returns how many edits were made for each cause, those before a restart included.
func (s *Store[D]) Edits() map[Cause]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return map[Cause]int{Stream: s.edits[Stream], Control: s.edits[Control], Fault: s.edits[Fault], Late: s.edits[Late]}
}

// Edit changes the documents with the given keys, in that order, and returns them as they are now.
// Either all are changed or none.
func (s *Store[D]) Edit(keys []int64, c Change, cause Cause, now time.Time) ([]D, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.edit(keys, c, cause, now)
}

// EditAny changes n documents, or all if there are fewer, chosen by chance; the same choice for
// the same data and the same number of edits before.
func (s *Store[D]) EditAny(n int, c Change, cause Cause, now time.Time) ([]D, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rng := rand.New(rand.NewPCG(s.kind.Seed, choiceOfEdits<<48|s.number()))
	seen, keys := map[int]bool{}, []int64{}
	for len(keys) < min(n, len(s.docs)) {
		i := rng.IntN(len(s.docs))
		if !seen[i] {
			seen[i] = true
			keys = append(keys, s.docs[i].Key())
		}
	}
	return s.edit(keys, c, cause, now)
}

func (s *Store[D]) edit(keys []int64, c Change, cause Cause, now time.Time) ([]D, error) {
	var entries []entry[D]
	var changed []D
	newest := map[int64]D{}
	e := Edit{Change: c, Number: s.number(), Version: s.version, Line: s.lastLine, Now: now}
	for _, key := range keys {
		d, ok := newest[key]
		if !ok {
			i, found := s.find(key)
			if !found {
				return nil, fmt.Errorf("edit %s %d: %w", s.kind.Name, key, ErrUnknown)
			}
			d = s.docs[i]
		}
		e.Version, e.Line = e.Version+1, e.Line+1
		d, err := s.kind.Edit(d, e)
		if err != nil {
			return nil, fmt.Errorf("edit %s %d: %w", s.kind.Name, key, err)
		}
		e.Number++
		newest[key] = d
		changed, entries = append(changed, d), append(entries, entry[D]{cause, d})
	}
	if s.journal != nil && len(entries) > 0 {
		if err := s.journal.Append(entries...); err != nil {
			return nil, err
		}
	}
	for _, d := range changed {
		s.replace(d)
	}
	s.edits[cause] += len(changed)
	return changed, nil
}

// number returns how many edits were made so far.
func (s *Store[D]) number() uint64 {
	return uint64(s.edits[Stream] + s.edits[Control] + s.edits[Fault] + s.edits[Late])
}

// find returns the place of the document with the given key.
func (s *Store[D]) find(key int64) (int, bool) {
	return slices.BinarySearchFunc(s.docs, key, func(d D, key int64) int { return cmp.Compare(d.Key(), key) })
}

// replace puts d in the place of the document with its key.
func (s *Store[D]) replace(d D) {
	if i, ok := s.find(d.Key()); ok {
		s.docs[i] = d
		s.note(d)
	}
}

// note remembers the largest version and line id seen.
func (s *Store[D]) note(d D) {
	s.version = max(s.version, d.Version())
	for id := range d.Lines() {
		s.lastLine = max(s.lastLine, id)
	}
}
