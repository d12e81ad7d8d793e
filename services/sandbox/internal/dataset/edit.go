package dataset

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Change says how to edit a document. The zero Change does what a clerk would do: another
// quantity, remark or price, now and then a line more or a line less; another name for a shop.
type Change struct {
	// AddLine adds a line, RemoveLine removes the last one where there is more than one.
	AddLine, RemoveLine bool
	// Status is the status to give; none if empty.
	Status string
	// Name is the name to give to a shop; none if empty.
	Name string
	// ModifiedAgo dates the edit back, as if its transaction had committed late.
	ModifiedAgo time.Duration
	// Late keeps the time of an edit that is dated back from going before that of the last one: the
	// transaction that commits late held the row.
	Late bool
}

// ErrChange is the error of changes that documents of a kind do not have.
var ErrChange = errors.New("no such change")

// The shares of undirected edits that add or remove a line.
const (
	addShare    = 0.15
	removeShare = 0.15
)

// Modified returns when a document is modified by e that was modified before at the given time.
func (e Edit) Modified(before time.Time) time.Time {
	at := e.Now.Add(-e.ModifiedAgo).In(Shanghai).Truncate(time.Second)
	if e.Late && at.Before(before) {
		return before
	}
	return at
}

// edited changes what all documents have in common.
func (h *Head) edited(e Edit) error {
	if e.Version > math.MaxInt32 || e.Line > math.MaxInt32 {
		return errors.New("ids would not fit 32 bits any more")
	}
	if e.Name != "" {
		return fmt.Errorf("%w: a name", ErrChange)
	}
	h.TS = e.Version
	h.Modified = e.Modified(h.Modified)
	if e.Status != "" {
		h.Status = e.Status
	}
	return nil
}

// editedLines returns lines after the edit e: one more, one less, or as they were.
func editedLines[L any](d dice, lines []L, e Edit, line func(dice, int64) L) []L {
	undirected := !e.AddLine && !e.RemoveLine
	adds, removes := undirected && d.chance(addShare), undirected && d.chance(removeShare)
	if n := len(lines); (e.RemoveLine || removes) && n > 1 {
		lines = lines[:n-1]
	}
	if e.AddLine || adds {
		lines = append(lines, line(d, e.Line))
	}
	return lines
}
