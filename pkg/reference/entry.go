package reference

import (
	"maps"
	"slices"
	"strings"
)

// fieldID is the field that every entry has.
const fieldID = "id"

// Entry is one piece of master data of a connection: a material, a store, a unit. It does not change.
type Entry struct {
	// ID is its id in the connection.
	ID string

	shape  *shape
	values []string
}

// shape is the names of an entry's fields, sorted. Entries of a collection mostly share one.
type shape struct {
	names []string
}

// NewEntry returns an entry. A field with an empty value is none.
func NewEntry(id string, fields map[string]string) Entry { return newShapes().entry(id, fields) }

// Field returns the value of a field as the vendor wrote it, and whether the entry has it. Every entry
// has the field id.
func (e Entry) Field(name string) (value string, ok bool) {
	if name == fieldID {
		return e.ID, true
	}
	if e.shape == nil {
		return "", false
	}
	i, ok := slices.BinarySearch(e.shape.names, name)
	if !ok {
		return "", false
	}
	return e.values[i], true
}

// equal reports whether two entries have the same id and fields.
func (e Entry) equal(o Entry) bool {
	return e.ID == o.ID && slices.Equal(e.shape.names, o.shape.names) && slices.Equal(e.values, o.values)
}

// shapes holds the shapes in use, each once: a hundred thousand materials have the same names.
type shapes map[string]*shape

func newShapes() shapes { return shapes{} }

// entry makes an entry whose texts lie in one piece of memory.
func (s shapes) entry(id string, fields map[string]string) Entry {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if strings.TrimSpace(fields[name]) != "" {
			names = append(names, name)
		}
	}
	key := strings.Join(names, "\x00")
	if s[key] == nil {
		s[key] = &shape{names: names}
	}
	var all strings.Builder
	all.WriteString(id)
	for _, name := range names {
		all.WriteString(fields[name])
	}
	rest := all.String()
	e := Entry{ID: rest[:len(id)], shape: s[key], values: make([]string, len(names))}
	rest = rest[len(id):]
	for i, name := range names {
		n := len(fields[name])
		e.values[i], rest = rest[:n], rest[n:]
	}
	return e
}
