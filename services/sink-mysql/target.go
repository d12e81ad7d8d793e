package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/proto/contract"
)

// modes are how rows can be written. upsert changes those that are there; replace deletes and
// inserts them, which fires triggers and empties columns that the contract does not know.
const (
	modeUpsert  = "upsert"
	modeReplace = "replace"
)

// target is a table with the statements that write its rows in one mode.
type target struct {
	table.Table
	mode string

	// An insert is head, a mark for each row with commas between, and tail.
	head, mark, tail string
	// find asks for rows of documents; keys and keyMark are their key and its parameters in a list.
	find, keys, keyMark string
	// remove is followed by a keyMatch for each row, with OR between.
	remove, keyMatch string

	inspected bool
}

// targets are the targets met so far, by message and mode.
type targets map[[2]string]*target

// of returns the target that a message asks for.
func (ts targets) of(m *sink.Message) (*target, error) {
	mode := cmp.Or(m.Options.Get("mode"), modeUpsert)
	id := [2]string{m.Schema, mode}
	if t := ts[id]; t != nil {
		return t, nil
	}
	if mode != modeUpsert && mode != modeReplace {
		return nil, fault.Permanent("options", fmt.Errorf("option mode is %q: want %s or %s", mode, modeUpsert, modeReplace))
	}
	mt, err := contract.Message(m.Schema)
	if err != nil {
		return nil, fault.Permanent("schema", err)
	}
	tab, err := table.Of(mt.Descriptor())
	if err != nil {
		return nil, fault.Permanent("schema", err)
	}
	ts[id] = newTarget(&tab, mode)
	return ts[id], nil
}

// newTarget prepares the texts of a target's statements.
func newTarget(tab *table.Table, mode string) *target {
	t := &target{Table: *tab, mode: mode, mark: marks(len(tab.Columns)), keyMark: "?"}
	into := table.Quote(tab.Name) + " (" + table.QuoteAll(tab.Columns) + ") VALUES "
	t.head = "INSERT INTO " + into
	if mode == modeReplace {
		t.head = "REPLACE INTO " + into
	} else {
		t.tail = " ON DUPLICATE KEY UPDATE " + updates(tab)
	}
	t.keys = table.QuoteAll(tab.Key)
	name := table.Quote(tab.Name)
	t.find = "SELECT " + t.keys + " FROM " + name + " WHERE " + table.Quote(tab.Document.Name) + " IN "
	if len(tab.Key) > 1 {
		t.keys, t.keyMark = "("+t.keys+")", marks(len(tab.Key))
	}
	// Row constructors are no range for every server, and a scan would wait for others' rows.
	t.remove = "DELETE " + name + " FROM " + name + " FORCE INDEX (`PRIMARY`) WHERE "
	t.keyMatch = match(tab.Key)
	return t
}

// match returns the condition that a row has a key.
func match(key []table.Column) string {
	equals := make([]string, len(key))
	for i := range key {
		equals[i] = table.Quote(key[i].Name) + " = ?"
	}
	return "(" + strings.Join(equals, " AND ") + ")"
}

// updates returns the assignments of an upsert. Values() is the form that both MySQL and MariaDB
// know.
func updates(tab *table.Table) string {
	set := make([]string, len(tab.Columns))
	for i := range tab.Columns {
		name := table.Quote(tab.Columns[i].Name)
		set[i] = name + " = VALUES(" + name + ")"
	}
	return strings.Join(set, ", ")
}

// marks returns n parameters in brackets.
func marks(n int) string { return "(" + list("?", n, ",") + ")" }

// list returns n times mark with sep between.
func list(mark string, n int, sep string) string {
	return strings.TrimSuffix(strings.Repeat(mark+sep, n), sep)
}
