package dryrun

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// Diff is how two revisions of a flow differ over the same records.
type Diff struct {
	// Records is how many were tried. Changed ones become something else, or a message that differs in some
	// field; the others are Unchanged.
	Records   int `json:"records"`
	Unchanged int `json:"unchanged"`
	Changed   int `json:"changed"`
	// Target names what differs in the target of the flow: kind, connection, message, options.
	Target []fields.Change `json:"target,omitempty"`
	// Verdicts counts the records that become something else, such as "mapped → dead"; Fields counts the
	// records in which a field differs, without the numbers of lines.
	Verdicts map[string]int `json:"verdicts"`
	Fields   map[string]int `json:"fields"`
	Rows     []DiffRow      `json:"rows"`
}

// DiffRow is a record of which the revisions make different things.
type DiffRow struct {
	Key         string       `json:"key"`
	Version     int64        `json:"version"`
	RawSequence uint64       `json:"raw_sequence,omitempty"`
	Old         verdict.Kind `json:"old"`
	New         verdict.Kind `json:"new"`
	// OldWhy and NewWhy are the reasons where no message is made.
	OldWhy  string          `json:"old_why,omitempty"`
	NewWhy  string          `json:"new_why,omitempty"`
	Changes []fields.Change `json:"changes,omitempty"`
}

// Same reports whether the revisions do the same.
func (d Diff) Same() bool { return d.Changed == 0 && len(d.Target) == 0 }

// Compare tries records with two revisions.
func Compare(before, after Revision, records []Record) (Diff, error) {
	d := Diff{Records: len(records), Target: targets(before, after), Verdicts: map[string]int{}, Fields: map[string]int{}, Rows: []DiffRow{}}
	for _, rec := range records {
		a, err := before.Preview(rec)
		if err != nil {
			return d, err
		}
		b, err := after.Preview(rec)
		if err != nil {
			return d, err
		}
		d.add(compareRows(a, b, after, rec))
	}
	d.Unchanged = d.Records - d.Changed
	return d, nil
}

// compareRows returns how two rows of a record differ.
func compareRows(a, b Row, after Revision, rec Record) DiffRow {
	row := DiffRow{Key: a.Key, Version: a.Version, RawSequence: a.RawSequence, Old: a.Verdict, New: b.Verdict, OldWhy: a.Why, NewWhy: b.Why}
	switch {
	case a.got == nil || b.got == nil:
	case a.got.Descriptor() == b.got.Descriptor():
		row.Changes = fields.Mask(fields.Compare(a.got, b.got, after.zone()), after.hidden(rec))
	default: // another message altogether
		row.Changes = []fields.Change{{Path: "", Old: string(a.shown), New: string(b.shown)}}
	}
	return row
}

func (d *Diff) add(row DiffRow) {
	if row.Old == row.New && row.OldWhy == row.NewWhy && len(row.Changes) == 0 {
		return
	}
	d.Changed++
	d.Rows = append(d.Rows, row)
	if row.Old != row.New {
		d.Verdicts[string(row.Old)+" → "+string(row.New)]++
	}
	seen := map[string]bool{}
	for _, c := range row.Changes {
		if field := c.Field(); !seen[field] {
			seen[field] = true
			d.Fields[field]++
		}
	}
}

// targets returns what differs in where the messages go.
func targets(before, after Revision) []fields.Change {
	a, b := before.Flow.Target, after.Flow.Target
	var changes []fields.Change
	note := func(path, x, y string) {
		if x != y {
			changes = append(changes, fields.Change{Path: path, Old: x, New: y})
		}
	}
	note("from", before.Flow.From, after.Flow.From)
	note("target.kind", a.Kind, b.Kind)
	note("target.connection", a.Connection, b.Connection)
	note("target.message", a.Message, b.Message)
	note("target.options", a.Query(), b.Query())
	return changes
}

// byCount returns names with their counts, the most frequent first.
func byCount(counts map[string]int) string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	var parts []string
	for _, name := range names {
		parts = append(parts, name+" "+strconv.Itoa(counts[name]))
	}
	return strings.Join(parts, ", ")
}
