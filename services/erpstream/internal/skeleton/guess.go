package skeleton

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
)

// candidate is a field of the record that a value may come from.
type candidate struct {
	samples.Field
	// name is the last part of its path, expression reads it.
	name, expression string
}

// scope is what a value may come from in one place.
type scope struct {
	// list is the list whose elements are walked, "" outside any.
	list       string
	candidates []candidate
	// all are those of the record and of all its lists, which within chooses from.
	all []samples.Field
}

// within returns the scope of a list's elements: theirs come before those of the record.
func (s scope) within(list string) scope {
	inner := scope{list: list, all: s.all}
	for _, f := range s.all {
		if name, ok := strings.CutPrefix(f.Path, list+"[]."); ok && isLeaf(f) && isName(name) {
			inner.candidates = append(inner.candidates, candidate{f, name, "item." + name})
		}
	}
	inner.candidates = append(inner.candidates, s.candidates...)
	return inner
}

func isLeaf(f samples.Field) bool {
	return !slices.Contains(f.Types, samples.List) && !slices.Contains(f.Types, samples.Object)
}

// isName reports whether a key can follow a dot.
func isName(key string) bool {
	for i, c := range key {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != ""
}

// guesser guesses where values come from.
type guesser struct {
	feed    feed.Feed
	fields  []samples.Field
	message protoreflect.MessageDescriptor
	title   string
}

func newGuesser(r Request) guesser {
	return guesser{feed: r.Feed, fields: r.Fields, message: r.Message, title: title(r.Feed)}
}

// record returns the scope outside any list.
func (g guesser) record() scope {
	s := scope{all: g.fields}
	for _, f := range g.fields {
		if isLeaf(f) && !strings.Contains(f.Path, "[]") && isPath(f.Path) {
			s.candidates = append(s.candidates, candidate{f, f.Path[strings.LastIndexByte(f.Path, '.')+1:], "record." + f.Path})
		}
	}
	return s
}

func isPath(path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if !isName(part) {
			return false
		}
	}
	return true
}

// list returns the list of the record whose elements fit a message best.
func (g guesser) list(md protoreflect.MessageDescriptor, from scope) (path string, ok bool) {
	best := 0
	for _, f := range g.fields {
		if !slices.Contains(f.Types, samples.List) || strings.Contains(f.Path, "[]") || !isPath(f.Path) {
			continue
		}
		inner := from.within(f.Path)
		score := 0
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if c, likeness := g.best(describe.One(fd), inner); likeness >= threshold && strings.HasPrefix(c.expression, "item.") {
				score++
			}
		}
		if score > best {
			path, best = f.Path, score
		}
	}
	return path, best > 0
}

// guess returns the expression for a field, "" when there is none near enough. It is sure where the
// names mean the same, or the field's part in the document says what it must be.
func (g guesser) guess(fd protoreflect.FieldDescriptor, f describe.Field, from scope) (expression string, sure bool) {
	if known := g.known(fd, f, from); known != "" {
		return known, true
	}
	if g.isOwnID(f) {
		return "", false
	}
	c, score := g.best(f, from)
	if score < threshold {
		return "", false
	}
	return convert(fd, f, c), score >= alike && !c.Personal
}

// isOwnID reports whether a field takes an id of the target: one of the source means something else there.
func (g guesser) isOwnID(f describe.Field) bool {
	return contract.Document(g.message) != nil && strings.HasSuffix(f.Name, "_id")
}

// convert writes a candidate as what the field takes.
func convert(fd protoreflect.FieldDescriptor, f describe.Field, c candidate) string {
	switch {
	case f.Type == describe.Time:
		return "datetime(" + c.expression + ")"
	case isDay(f):
		return "date(" + c.expression + ")"
	case isMoment(f):
		return `format_time(datetime(` + c.expression + `), "yyyy-MM-ddTHH:mm:ss")`
	case f.Type == describe.Decimal && contract.Wire(fd).GetNumber():
		return "decimal(" + c.expression + ")"
	default:
		return c.expression
	}
}

// isDay and isMoment report whether a text is a date, or a date with a time, as the contract's pattern says.
func isDay(f describe.Field) bool {
	return slices.Contains(f.Limits, "pattern ^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
}

func isMoment(f describe.Field) bool {
	return slices.ContainsFunc(f.Limits, func(limit string) bool { return strings.HasPrefix(limit, "pattern ^[0-9]{4}-[0-9]{2}-[0-9]{2}T") })
}

// best returns the candidate whose name is most like that of a field, and how like it is.
func (g guesser) best(f describe.Field, from scope) (best candidate, near int) {
	for _, c := range from.candidates {
		score := likeness(f, c.name)
		if from.list != "" {
			score = max(score, prefixed(f.Name, from.list, c))
			score += heads(f.Name, from, c)
		}
		if score > near && fits(f, c) {
			best, near = c, score
		}
	}
	return best, near
}

// prefixed sees that items_qty is the qty of an element of items.
func prefixed(name, list string, c candidate) int {
	if strings.HasPrefix(c.expression, "item.") && name == list+"_"+c.name {
		return same + 1
	}
	return 0
}

// heads prefers the record to the element for a row that names the fields of its elements with the name of
// their list: the others are those of the document's head.
func heads(name string, from scope, c candidate) int {
	if strings.HasPrefix(c.expression, "record.") && !strings.HasPrefix(name, from.list+"_") && strings.HasPrefix(c.expression, "record."+name) {
		return 1
	}
	return 0
}

// fits reports whether a candidate's example can be what the field takes.
func fits(f describe.Field, c candidate) bool {
	example := strings.Trim(c.Example, `"`)
	if example == "" || example == "null" {
		return true
	}
	isNumber := strings.Trim(example, "-.0123456789") == ""
	switch {
	case c.Personal && !f.Personal:
		return false
	case f.Type == describe.Time || isDay(f) || isMoment(f):
		return isTime(c)
	case f.Type == describe.Decimal || strings.Contains(f.Type, "int"):
		return isNumber
	case f.Type == "bool":
		return slices.Contains(c.Types, samples.Bool) || example == "0" || example == "1"
	default:
		return true
	}
}

// isTime reports whether a candidate's example is a time.
func isTime(c candidate) bool {
	example := strings.Trim(c.Example, `"`)
	if _, err := time.Parse(time.DateOnly, example[:min(len(example), len(time.DateOnly))]); err == nil {
		return true
	}
	return len(example) == 13 && strings.Trim(example, "0123456789") == "" && slices.Contains(tokens(c.name), "date") ||
		len(example) == 13 && (c.name == "modified" || c.name == "created")
}

// known returns what is known of a field by its part in the contract: the document's number, the text that
// it is found again by, its date, a row's key, ids of master data.
func (g guesser) known(fd protoreflect.FieldDescriptor, f describe.Field, from scope) string {
	table := contract.Table(g.message)
	switch {
	case contract.IsReference(fd.ContainingMessage()):
		return g.entry(f.Name)
	case contract.Document(g.message) != nil && from.list == "":
		return g.head(fd, f, from)
	case len(table.GetPrimaryKey()) == 1 && from.list != "" && f.Name == table.GetPrimaryKey()[0] && f.Type == describe.Text:
		return g.rowKey(from)
	default:
		return g.lookup(fd, from)
	}
}

// entry returns what a field of a piece of master data is.
func (g guesser) entry(name string) string {
	switch name {
	case "collection":
		return `"` + g.feed.Name + `"`
	case "id":
		return g.key()
	default:
		return ""
	}
}

// head returns what a field of a document's head is. The contract names those of a nested message with a
// dot.
func (g guesser) head(fd protoreflect.FieldDescriptor, f describe.Field, from scope) string {
	document := contract.Document(g.message)
	is := func(path string) bool { return path != "" && path[strings.LastIndexByte(path, '.')+1:] == f.Name }
	switch {
	case is(document.GetNumber()):
		return g.key()
	case is(document.GetMarker()):
		return `"` + g.title + ` " + ` + g.key()
	case is(document.GetDate()):
		return g.date(fd, f, from)
	case f.Name == "name":
		return g.name(from)
	default:
		return ""
	}
}

// key is the document's id at the source, as text.
func (g guesser) key() string {
	var parts []string
	for _, name := range g.feed.Key {
		parts = append(parts, "string(record."+name+")")
	}
	return strings.Join(parts, ` + "-" + `)
}

// name is the name of what the key is the id of: shop_name of shop_id.
func (g guesser) name(from scope) string {
	for _, c := range from.candidates {
		for _, key := range g.feed.Key {
			of := slices.DeleteFunc(tokens(key), func(token string) bool { return token == "id" || token == "no" })
			if slices.Equal(tokens(c.name), append(of, "name")) && !c.Personal {
				return c.expression
			}
		}
	}
	return ""
}

// rowKey is the id of a document with that of one of its lines.
func (g guesser) rowKey(from scope) string {
	for _, c := range from.candidates {
		isOwn := strings.HasPrefix(c.expression, "item.") && !slices.Contains(g.feed.Key, c.name)
		if isOwn && slices.Contains(tokens(c.name), "id") {
			return g.key() + ` + "-" + string(` + c.expression + ")"
		}
	}
	return ""
}

// date is the first time of the record that is not that of a change or of its making, else that of change.
func (g guesser) date(fd protoreflect.FieldDescriptor, f describe.Field, from scope) string {
	var last candidate
	for _, c := range from.candidates {
		if !isTime(c) {
			continue
		}
		if c.name != g.feed.Modified && !strings.HasPrefix(c.name, "modif") && !strings.HasPrefix(c.name, "creat") {
			return convert(fd, f, c)
		}
		last = c
	}
	if last.expression == "" {
		return ""
	}
	return convert(fd, f, last)
}

// reference says how an id of master data at a target is had from the source's number.
type reference struct {
	collection, by, gives string
	// from are the fields of a record that hold the number, the best first.
	from []string
}

var (
	goods      = []string{"goods_no", "spec_no", "sku_id", "sku_no", "i_id"}
	warehouses = []string{"warehouse_no", "wms_co_id", "wh_id", "warehouse"}
)

// references are the look-ups for fields of target messages, by kind of sink and name.
var references = map[string]reference{
	"kingdee.material_id": {"kingdee.material", "number", "id", goods},
	"kingdee.unit_id":     {"kingdee.material", "number", "base_unit_id", goods},
	"kingdee.stock_id":    {"kingdee.store", "number", "id", warehouses},
	"kis.item_id":         {"kis.material", "FNumber", "FItemID", goods},
	"kis.unit_id":         {"kis.material", "FNumber", "FUnitID", goods},
}

// lookup writes the look-up of an id that only the target knows.
func (g guesser) lookup(fd protoreflect.FieldDescriptor, from scope) string {
	r, ok := references[describe.Kind(g.message)+"."+string(fd.Name())]
	if !ok || from.list == "" {
		return ""
	}
	for _, name := range r.from {
		for _, c := range from.candidates {
			if c.name == name {
				return fmt.Sprintf("lookup(%q, %q, %s).%s", r.collection, r.by, c.expression, r.gives)
			}
		}
	}
	return ""
}
