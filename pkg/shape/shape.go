// Package shape learns what the records of a source look like: which fields they have, of which types, how
// often. It tells when that changes, once for each change.
package shape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is the type of a JSON value. Whole numbers and decimals are one, for vendors write 2 and 2.00 for the
// same; text that holds a number is text.
type Kind string

// The kinds.
const (
	Text   Kind = "text"
	Number Kind = "number"
	Bool   Kind = "bool"
	Null   Kind = "null"
	Object Kind = "object"
	List   Kind = "list"
)

// Bounds of what is kept of one source: records come from outside.
const (
	// maxPaths is how many fields are kept.
	maxPaths = 1000
	// maxRootKeys and maxKeys are how many names the record itself, and an object in it, may have before the
	// names count as data: they are one field then, called *.
	maxRootKeys = 500
	maxKeys     = 100
	maxDepth    = 20
	maxPath     = 200
	maxChanges  = 200
)

// anyName stands for all names of an object whose names are data.
const anyName = "*"

// Shape is what is known of the records of one source. Fields are by path: qty, receiver.town, items[] for
// the elements of a list, items[].qty for a field of theirs, prices.* where the names of an object are data.
type Shape struct {
	Source string `json:"source"`
	// Feed is the ce-type of the records, the name of their feed.
	Feed string `json:"feed"`
	// Records is how many were looked at, the first and the last stored in RAW at First and Last.
	Records int64     `json:"records"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	// Learned is set once the shape is known well enough to tell a change.
	Learned bool              `json:"learned"`
	Fields  map[string]*Field `json:"fields"`
	// Left is how often a field was not kept because there were too many of them.
	Left int64 `json:"left,omitempty"`
	// Changes are those since the shape was accepted last, the oldest first. Of very many the oldest are
	// forgotten.
	Changes []Change `json:"changes,omitempty"`
}

// Field is what is known of one field.
type Field struct {
	// Seen is how often it was there, Kinds how often with which type.
	Seen  int64          `json:"seen"`
	Kinds map[Kind]int64 `json:"kinds"`
	First time.Time      `json:"first"`
	Last  time.Time      `json:"last"`
	// Begun and Met count the objects that may have it: how many there were when it was met first and last.
	Begun int64 `json:"begun"`
	Met   int64 `json:"met"`
	// Gone is set when it was always there, and is there no more.
	Gone bool `json:"gone,omitempty"`
}

// ChangeKind is what changed.
type ChangeKind string

// The kinds of changes.
const (
	// Appeared: a field that no record had.
	Appeared ChangeKind = "field appeared"
	// Gone: a field that was always there is in none of the last records.
	Gone ChangeKind = "field gone"
	// Back: a field that was gone is there again.
	Back ChangeKind = "field back"
	// TypeChanged: a value of a type that the field never had.
	TypeChanged ChangeKind = "type changed"
)

// Change is one change of the shape.
type Change struct {
	Kind ChangeKind `json:"kind"`
	Path string     `json:"path"`
	// Time is when the record was stored in RAW that showed it, Key that record's document.
	Time time.Time `json:"time"`
	Key  string    `json:"key"`
	// From and To are the types before and with it, with commas between.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Sample is the form of the value: letters are a, digits 9, Chinese characters 文, for nobody knows yet
	// whether it is personal data. What is known to be is masked.
	Sample string `json:"sample,omitempty"`
	// Told is set when operators heard of it.
	Told bool `json:"told,omitempty"`
}

// Rules say when a shape is known and when a field is gone.
type Rules struct {
	// Records and For are how many records and how much time of RAW it takes to know a shape; where fewer
	// come, a day's worth of For (24 times) is enough.
	Records int64
	For     time.Duration
	// Absent is how many objects in a row must lack a field that was always there.
	Absent int64
}

// minSeen is how often a field must have been there to be missed.
const minSeen = 20

// Record is one record as Learn takes it.
type Record struct {
	Body []byte
	// Key is its document, Time when it was stored in RAW.
	Key  string
	Time time.Time
	// Personal are the dotted paths of its personal data; an empty one stands for all of it.
	Personal []string
}

// New returns the shape of a source of which nothing is known.
func New(source string) *Shape { return &Shape{Source: source, Fields: map[string]*Field{}} }

// Learn takes in a record. One that is no JSON object is left out, with an error that tells nothing of it.
func (s *Shape) Learn(r Record, rules Rules) error {
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return fmt.Errorf("record of document %s is no JSON object", r.Key)
	}
	if s.Records == 0 {
		s.First = r.Time
	}
	if r.Time.After(s.Last) {
		s.Last = r.Time
	}
	span := s.Last.Sub(s.First)
	if s.Records >= rules.Records && span >= rules.For || s.Records > 0 && span >= 24*rules.For {
		s.Learned = true
	}
	s.Records++
	l := learner{shape: s, record: r, quiet: !s.Learned}
	l.object("", object, 0)
	s.miss(r, rules)
	s.Changes = s.Changes[max(0, len(s.Changes)-maxChanges):]
	return nil
}

// learner takes in one record. It is quiet where nothing counts as a change.
type learner struct {
	shape  *Shape
	record Record
	quiet  bool
}

// object takes in the fields of an object.
func (l learner) object(path string, object map[string]any, depth int) {
	if depth > maxDepth {
		return
	}
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names) // so that the same records give the same shape, also beyond the bounds
	for _, name := range names {
		l.value(l.shape.child(path, name), object[name], depth+1)
	}
}

// child is the path of a field of an object. Names that are numbers, or too long, or too many, are data.
func (s *Shape) child(parent, name string) string {
	path := join(parent, name)
	if s.Fields[path] != nil {
		return path
	}
	switch {
	case s.Fields[join(parent, anyName)] != nil, isData(name), len(path) > maxPath:
	case parent == "" && s.count(parent) < maxRootKeys, parent != "" && s.count(parent) < maxKeys:
		return path
	case parent != "":
		s.collapse(parent)
	}
	return join(parent, anyName)
}

func isData(name string) bool {
	return name == "" || strings.Trim(name, "0123456789") == ""
}

// join writes a name as it stands in an expression behind its parent.
func join(parent, name string) string {
	if strings.ContainsAny(name, `.[]"`) {
		return parent + "[" + strconv.Quote(name) + "]"
	}
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// count is how many fields an object has.
func (s *Shape) count(parent string) int {
	n := 0
	for path := range s.Fields {
		if parentOf(path) == parent {
			n++
		}
	}
	return n
}

// collapse makes one field of all that an object has, for its names are data.
func (s *Shape) collapse(parent string) {
	all := &Field{Kinds: map[Kind]int64{}}
	for path, f := range s.Fields {
		if !strings.HasPrefix(path, parent+".") && !strings.HasPrefix(path, parent+`["`) {
			continue
		}
		delete(s.Fields, path)
		if parentOf(path) != parent {
			continue
		}
		for kind, n := range f.Kinds {
			all.Kinds[kind] += n
		}
		all.Seen += f.Seen
		if all.First.IsZero() || f.First.Before(all.First) {
			all.First = f.First
		}
		if f.Last.After(all.Last) {
			all.Last = f.Last
		}
	}
	s.Fields[join(parent, anyName)] = all
}

// value takes in one value.
func (l learner) value(path string, value any, depth int) {
	kind := kindOf(value)
	f := l.shape.Fields[path]
	if f == nil {
		if len(l.shape.Fields) >= maxPaths {
			l.shape.Left++
			return
		}
		f = &Field{Kinds: map[Kind]int64{}, First: l.record.Time, Begun: l.shape.objects(path)}
		l.shape.Fields[path] = f
		l.changed(Change{Kind: Appeared, Path: path, To: string(kind), Sample: l.sample(path, value)})
	}
	l.meet(path, f, kind, value)
	switch v := value.(type) {
	case map[string]any:
		l.object(path, v, depth)
	case []any:
		l.quiet = l.quiet || l.shape.Fields[path+"[]"] == nil // the first elements of a list that was always empty are no news
		for _, element := range v {
			l.value(path+"[]", element, depth+1)
		}
	}
}

// meet notes that a field is there.
func (l *learner) meet(path string, f *Field, kind Kind, value any) {
	before := f.kinds()
	switch {
	case kind == Null || f.Kinds[kind] > 0:
	case before == "":
		l.quiet = true // it is new, or was always null: what is in it is no change of its own
	default:
		l.changed(Change{Kind: TypeChanged, Path: path, From: before, To: string(kind), Sample: l.sample(path, value)})
		l.quiet = true
	}
	if f.Gone {
		f.Gone = false
		f.Begun, f.Seen = l.shape.objects(path), 0
		l.changed(Change{Kind: Back, Path: path, To: string(kind)})
	}
	f.Seen++
	f.Kinds[kind]++
	f.Met = l.shape.objects(path)
	if l.record.Time.After(f.Last) {
		f.Last = l.record.Time
	}
}

// changed notes a change.
func (l *learner) changed(c Change) {
	if l.quiet {
		return
	}
	c.Time, c.Key = l.record.Time, l.record.Key
	l.shape.Changes = append(l.shape.Changes, c)
}

// kinds are the types that a field had but for null, with commas between.
func (f *Field) kinds() string {
	var kinds []string
	for kind := range f.Kinds {
		if kind != Null {
			kinds = append(kinds, string(kind))
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}

// objects is how many objects there were that may have a field.
func (s *Shape) objects(path string) int64 {
	parent := parentOf(path)
	if parent == "" {
		return s.Records
	}
	f := s.Fields[parent]
	switch {
	case f == nil:
		return 0
	case strings.HasSuffix(path, "[]"):
		return f.Kinds[List]
	default:
		return f.Kinds[Object]
	}
}

// parentOf is the path of what a field is in, "" for the record.
func parentOf(path string) string {
	if before, ok := strings.CutSuffix(path, "[]"); ok {
		return before
	}
	if strings.HasSuffix(path, `"]`) {
		return path[:strings.LastIndex(path, `["`)]
	}
	return path[:max(0, strings.LastIndexByte(path, '.'))]
}

// Share is which part of the objects that may have it has a field, from 0 to 1, since it was there first.
func (s *Shape) Share(path string) float64 {
	f := s.Fields[path]
	if f == nil {
		return 0
	}
	objects := s.objects(path) - max(f.Begun, 1) + 1
	return min(1, float64(f.Seen)/float64(max(objects, 1)))
}

// miss finds the fields that were always there and are no more.
func (s *Shape) miss(r Record, rules Rules) {
	if !s.Learned || s.Records%10 != 0 {
		return // that is soon enough, and costs less
	}
	for _, path := range s.Paths() {
		f := s.Fields[path]
		absent := s.objects(path) - f.Met
		always := f.Seen >= minSeen && f.Seen*100 >= 99*(f.Met-f.Begun+1)
		if f.Gone || absent < rules.Absent || !always || strings.HasSuffix(path, "[]") || strings.Contains(path, anyName) {
			continue
		}
		f.Gone = true
		s.Changes = append(s.Changes, Change{Kind: Gone, Path: path, From: f.kinds(), Time: r.Time, Key: r.Key})
	}
}

// Paths returns the paths of the fields, sorted.
func (s *Shape) Paths() []string {
	paths := make([]string, 0, len(s.Fields))
	for path := range s.Fields {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Accept takes the shape for normal as it is: nothing has changed, and what is gone is not missed.
func (s *Shape) Accept() {
	for path, f := range s.Fields {
		if f.Gone {
			delete(s.Fields, path)
		}
	}
	s.Changes, s.Learned = nil, s.Records > 0
}

func kindOf(value any) Kind {
	switch value.(type) {
	case nil:
		return Null
	case bool:
		return Bool
	case json.Number:
		return Number
	case string:
		return Text
	case []any:
		return List
	default:
		return Object
	}
}
