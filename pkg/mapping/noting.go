package mapping

import (
	"slices"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
)

// fewNoted is up to how many references a list is searched; more are kept in a map.
const fewNoted = 16

// noting is a Lookup that notes what one Apply finds with it, each reference once.
type noting struct {
	Lookup
	// personal says that the expression that is evaluated reads personal data.
	personal bool
	noted    []record.Reference
	known    map[record.Reference]bool
}

// Find notes the entry that there is one of.
func (n *noting) Find(collection, field, value string) []reference.Entry {
	entries := n.Lookup.Find(collection, field, value)
	if len(entries) == 1 {
		n.note(record.Reference{Collection: collection, Field: field, Value: value, ID: entries[0].ID})
	}
	return entries
}

// note keeps a reference; of one that is found by personal data all but that.
func (n *noting) note(r record.Reference) {
	if n.personal {
		r.Value = ""
	}
	if n.has(r) {
		return
	}
	n.noted = append(n.noted, r)
	switch {
	case len(n.noted) > fewNoted:
		n.known[r] = true
	case len(n.noted) == fewNoted:
		n.known = make(map[record.Reference]bool, 4*fewNoted)
		for _, noted := range n.noted {
			n.known[noted] = true
		}
	}
}

func (n *noting) has(r record.Reference) bool {
	if n.known != nil {
		return n.known[r]
	}
	return slices.Contains(n.noted, r)
}
