// Package fields compares target messages field by field and writes them for people.
package fields

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/personal"
)

// Change is a field that differs between two messages.
type Change struct {
	// Path names the field, for example rows[2].items_qty.
	Path string `json:"path"`
	// Old and New are the values as JSON; "" where there is none.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// Field is the path without the numbers of the elements, for example rows.items_qty.
func (c Change) Field() string { return Field(c.Path) }

// Field takes the numbers of elements out of a path: rows[2].items_qty is rows.items_qty.
func Field(path string) string {
	var b strings.Builder
	for path != "" {
		before, after, ok := strings.Cut(path, "[")
		b.WriteString(before)
		if !ok {
			break
		}
		_, path, _ = strings.Cut(after, "]")
	}
	return b.String()
}

// Mask hides the values of changes at or below personal fields, which are given as dotted paths.
func Mask(changes []Change, paths []string) []Change {
	masked := slices.Clone(changes)
	for i, c := range masked {
		field := c.Field()
		for _, p := range paths {
			if field == p || strings.HasPrefix(field, p+".") || strings.HasPrefix(p, field+".") {
				masked[i].Old, masked[i].New = hidden(c.Old), hidden(c.New)
			}
		}
	}
	return masked
}

func hidden(value string) string {
	if value == "" || value == `""` {
		return value
	}
	return `"` + personal.Mask + `"`
}

// Compare returns the fields in which two messages of one type differ, in the order of the contract.
// Times are written in the zone. Lists are compared element by element.
func Compare(a, b protoreflect.Message, zone *time.Location) []Change {
	c := comparer{zone: zone}
	c.message("", a, b)
	return c.changes
}

// Missing returns the fields of want that got lacks or has otherwise; what else got has does not count. A
// list has to be as long as that of want.
func Missing(want, got protoreflect.Message, zone *time.Location) []Change {
	c := comparer{zone: zone, partial: true}
	c.message("", want, got)
	return c.changes
}

type comparer struct {
	zone    *time.Location
	partial bool
	changes []Change
}

func (c *comparer) note(path, before, after string) {
	if before != after {
		c.changes = append(c.changes, Change{Path: path, Old: before, New: after})
	}
}

func (c *comparer) message(prefix string, a, b protoreflect.Message) {
	for fd := range each(a.Descriptor().Fields()) {
		if c.partial && !a.Has(fd) || !a.Has(fd) && !b.Has(fd) {
			continue
		}
		c.field(prefix+string(fd.Name()), fd, a, b)
	}
}

// field compares one field that at least one of the messages has.
func (c *comparer) field(path string, fd protoreflect.FieldDescriptor, a, b protoreflect.Message) {
	switch {
	case fd.IsMap():
		c.pairs(path, fd, a.Get(fd).Map(), b.Get(fd).Map())
	case fd.IsList():
		c.list(path, fd, a.Get(fd).List(), b.Get(fd).List())
	case !a.Has(fd):
		c.note(path, "", Text(fd, b.Get(fd), c.zone))
	case !b.Has(fd):
		c.note(path, Text(fd, a.Get(fd), c.zone), "")
	default:
		c.value(path, fd, a.Get(fd), b.Get(fd))
	}
}

// value compares two values of a field, or of an element of a list.
func (c *comparer) value(path string, fd protoreflect.FieldDescriptor, a, b protoreflect.Value) {
	if isMessage(fd) {
		c.message(path+".", a.Message(), b.Message())
		return
	}
	c.note(path, Text(fd, a, c.zone), Text(fd, b, c.zone))
}

func (c *comparer) list(path string, fd protoreflect.FieldDescriptor, a, b protoreflect.List) {
	for i := range max(a.Len(), b.Len()) {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i >= a.Len():
			c.note(at, "", Text(fd, b.Get(i), c.zone))
		case i >= b.Len():
			c.note(at, Text(fd, a.Get(i), c.zone), "")
		default:
			c.value(at, fd, a.Get(i), b.Get(i))
		}
	}
}

func (c *comparer) pairs(path string, fd protoreflect.FieldDescriptor, a, b protoreflect.Map) {
	text := func(m protoreflect.Map, k protoreflect.MapKey) string {
		if !m.Has(k) {
			return ""
		}
		return Text(fd.MapValue(), m.Get(k), c.zone)
	}
	for _, k := range sortedKeys(a, b) {
		if !c.partial || a.Has(k) {
			c.note(path+"."+k.String(), text(a, k), text(b, k))
		}
	}
}

// sortedKeys returns the keys that the maps have together.
func sortedKeys(all ...protoreflect.Map) []protoreflect.MapKey {
	keys := map[string]protoreflect.MapKey{}
	for _, m := range all {
		m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			keys[k.String()] = k
			return true
		})
	}
	var sorted []protoreflect.MapKey
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		sorted = append(sorted, keys[name])
	}
	return sorted
}

// each yields the fields of a message in the order of the contract.
func each(fields protoreflect.FieldDescriptors) iter.Seq[protoreflect.FieldDescriptor] {
	return func(yield func(protoreflect.FieldDescriptor) bool) {
		for i := range fields.Len() {
			if !yield(fields.Get(i)) {
				return
			}
		}
	}
}
