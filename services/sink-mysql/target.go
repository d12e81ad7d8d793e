package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

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

// target is a table with the texts of the statements that write its rows in one mode.
type target struct {
	table.Table
	mode    string
	encoder *table.Encoder

	// An insert is head, the rows in brackets with commas between, and tail.
	head, tail string
	// find asks for rows by the documents in brackets behind it; keys is their key, in brackets where
	// that is of several columns.
	find, keys string
	// delete is followed by a keyMatch for each row, with OR between.
	delete, keyMatch string
	// load follows the name of a file with the rows; in mode upsert it inserts them.
	load string

	inspected bool
	// resting is how many large batches more are not loaded, because one could not be; less than 0 where
	// none was.
	resting int
}

// targets are the targets met so far, by message and mode.
type targets struct {
	location *time.Location
	known    map[[2]string]*target
}

// of returns the target that a message asks for.
func (ts targets) of(m *sink.Message) (*target, error) {
	mode := cmp.Or(m.Options.Get("mode"), modeUpsert)
	id := [2]string{m.Schema, mode}
	if t := ts.known[id]; t != nil {
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
	t := newTarget(&tab, mode)
	t.encoder = tab.Encoder(ts.location)
	ts.known[id] = t
	return t, nil
}

// forget lets all targets use the memory of the last batch again.
func (ts targets) forget() {
	for _, t := range ts.known {
		t.encoder.Reset()
	}
}

// newTarget prepares the texts of a target's statements.
func newTarget(tab *table.Table, mode string) *target {
	t := &target{Table: *tab, mode: mode}
	into := table.Quote(tab.Name) + " (" + table.QuoteAll(tab.Columns) + ") VALUES "
	t.head = "INSERT INTO " + into
	if mode == modeReplace {
		t.head = "REPLACE INTO " + into
	} else {
		t.tail = " ON DUPLICATE KEY UPDATE " + updates(tab)
	}
	t.keys = table.QuoteAll(tab.Key)
	name := table.Quote(tab.Name)
	t.find = "SELECT " + t.keys + " FROM " + name + " WHERE " + table.Quote(tab.Document.Name) + " IN ("
	if len(tab.Key) > 1 {
		t.keys = "(" + t.keys + ")"
	}
	// Row constructors are no range for every server, and a scan would wait for others' rows.
	t.delete = "DELETE " + name + " FROM " + name + " FORCE INDEX (`PRIMARY`) WHERE "
	t.keyMatch = match(tab.Key)
	t.load = " INTO TABLE " + name + loadFormat + "(" + table.QuoteAll(tab.Columns) + ")"
	if mode == modeReplace {
		t.load = " REPLACE" + t.load
	}
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
