package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Tests are the tests of one flow: a document of its own, in the file of the flow or in another. It
// stays in the files: Apply does not store it.
type Tests struct {
	// Flow is the name of the flow.
	Flow string
	// References is the master data that all cases see, by collection.
	References []TestCollection
	Cases      []Test

	at places
}

// At is where the document begins.
func (t Tests) At() spec.Pos { return t.at.fields[""] }

// Fault returns an error about a place in the document.
func (t Tests) Fault(at spec.Pos, path, format string, args ...any) *Error {
	return &Error{File: t.at.file, Line: at.Line, Column: at.Column, Path: path, Msg: fmt.Sprintf(format, args...)}
}

// TestCollection is a collection of master data.
type TestCollection struct {
	Name string
	// At is the place of the name, Path names it in errors.
	At      spec.Pos
	Path    string
	Entries []map[string]string
}

// Test is one case: a record, and what is expected of it.
type Test struct {
	Name string
	// At is where the case begins, Path names it in errors.
	At   spec.Pos
	Path string
	// Record is the record; a text is taken as it is. RecordFile is a file with the record in its place.
	Record     *Node
	RecordFile string
	// Key, Version and Time are the record's, where they are not to follow from it; Read is when it was
	// read. Zero values are not set.
	Key        string
	Version    int64
	Time, Read time.Time
	// References take the place of those of the document, collection by collection.
	References []TestCollection
	Want       Expectation
}

// Expectation is what a test expects. At most one of Message, Contains, Filtered, Dropped, Dead and
// Parked is set; none leaves it to `erpstream flow test --update` to write the message.
type Expectation struct {
	// Message is the target message with all its fields, Contains some of its fields.
	Message, Contains *Node
	// Filtered: the flow's where leaves the record out.
	Filtered bool
	// Dropped is part of the rule that leaves it out, Dead part of the error.
	Dropped, Dead string
	Parked        *ParkedTest
	// Warns are parts of the rules that the record breaks with else: warn.
	Warns []string
	// At is where the expectation stands.
	At spec.Pos
}

// ParkedTest is the master data that a record waits for, or the quality rule that lets it wait; "" is any.
type ParkedTest struct {
	Collection, Field, Value string
	Rule                     string
}

func (r *reader) tests(root ast.Node, at spec.Pos) *Tests {
	t := &Tests{at: places{r.file, r.places}}
	r.object(root, "", map[string]func(entry){
		"tests":      r.name(&t.Flow),
		"references": func(e entry) { t.References = r.collections(e) },
		"cases":      func(e entry) { t.Cases = r.cases(e) },
	})
	r.need(at, "", "tests", "cases")
	return t
}

func (r *reader) cases(e entry) []Test {
	list, ok := e.value.(*ast.SequenceNode)
	if !ok {
		r.fail(r.pos(e.value), e.path, "must be a list of cases, is %s", describe(e.value))
		return nil
	}
	var cases []Test
	lines := map[string]int{}
	for i, n := range list.Values {
		path := e.path + "[" + strconv.Itoa(i) + "]"
		if isNull(n) {
			r.fail(e.at, path, "has no value")
			continue
		}
		one := r.test(n, path)
		if line, twice := lines[one.Name]; twice && one.Name != "" {
			r.fail(one.At, path+".name", "there is a case %q already, on line %d", one.Name, line)
		}
		lines[one.Name] = one.At.Line
		cases = append(cases, one)
	}
	return cases
}

func (r *reader) test(n ast.Node, path string) Test {
	t := Test{At: r.pos(n), Path: path}
	fields := map[string]func(entry){
		"name": r.string(&t.Name),
		"record": func(e entry) {
			record := r.node(e.value, e.path, 0)
			t.Record = &record
		},
		"record_file": r.string(&t.RecordFile),
		"meta":        func(e entry) { r.testMeta(e, &t) },
		"references":  func(e entry) { t.References = r.collections(e) },
	}
	var given []entry
	for name, read := range r.expectation(&t.Want) {
		fields[name] = func(e entry) {
			read(e)
			if name != "warns" {
				given = append(given, e)
				t.Want.At = e.at
			}
		}
	}
	r.object(n, path, fields)
	r.need(t.At, path, "name")
	for _, second := range given[min(1, len(given)):] {
		r.fail(second.at, second.path, "%s and %s exclude one another", given[0].key, second.key)
	}
	switch {
	case t.Record == nil && t.RecordFile == "":
		r.fail(t.At, path, "needs record or record_file")
	case t.Record != nil && t.RecordFile != "":
		r.fail(t.At, path, "record and record_file exclude one another")
	case t.Record != nil && t.Record.Kind != ObjectNode && t.Record.Kind != TextNode:
		r.fail(t.Record.At, t.Record.Path, "must be the record as a mapping, or its JSON as text")
	}
	return t
}

// expectation returns what reads the fields that say what is expected.
func (r *reader) expectation(w *Expectation) map[string]func(entry) {
	message := func(into **Node) func(entry) {
		return func(e entry) {
			n := r.node(e.value, e.path, 0)
			if n.Kind != ObjectNode {
				r.fail(n.At, e.path, "must be a mapping of the message's fields, is %s", describe(e.value))
			}
			*into = &n
		}
	}
	return map[string]func(entry){
		"message":  message(&w.Message),
		"contains": message(&w.Contains),
		"filtered": func(e entry) {
			v, ok := e.value.(*ast.BoolNode)
			if w.Filtered = ok && v.Value; !w.Filtered {
				r.fail(r.pos(e.value), e.path, "must be true, or left out")
			}
		},
		"dropped": r.string(&w.Dropped),
		"dead":    r.string(&w.Dead),
		"parked": func(e entry) {
			w.Parked = &ParkedTest{}
			r.object(e.value, e.path, map[string]func(entry){
				"collection": r.string(&w.Parked.Collection),
				"field":      r.string(&w.Parked.Field),
				"value":      func(e entry) { w.Parked.Value = r.literal(e) },
				"rule":       r.string(&w.Parked.Rule),
			})
			if (w.Parked.Collection == "") == (w.Parked.Rule == "") {
				r.fail(r.pos(e.value), e.path, "needs collection, or rule")
			}
		},
		"warns": func(e entry) {
			list, ok := e.value.(*ast.SequenceNode)
			if !ok {
				r.fail(r.pos(e.value), e.path, "must be a list of rules, is %s", describe(e.value))
				return
			}
			for i, n := range list.Values {
				one := entry{path: e.path + "[" + strconv.Itoa(i) + "]", at: e.at, value: n}
				w.Warns = append(w.Warns, r.text(one))
			}
		},
	}
}

func (r *reader) testMeta(e entry, t *Test) {
	r.object(e.value, e.path, map[string]func(entry){
		"key": func(e entry) { t.Key = r.literal(e) },
		"version": func(e entry) {
			version, err := strconv.ParseInt(r.literal(e), 10, 64)
			if err != nil {
				r.fail(r.pos(e.value), e.path, "must be a whole number")
			}
			t.Version = version
		},
		"time": r.instant(&t.Time),
		"read": r.instant(&t.Read),
	})
}

func (r *reader) instant(into *time.Time) func(entry) {
	return func(e entry) {
		text := r.text(e)
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			r.fail(r.pos(e.value), e.path, "%q is no time with a zone: write one such as 2026-10-01T08:00:00+08:00", text)
		}
		*into = at
	}
}

// literal reads a text, or a number as it is written.
func (r *reader) literal(e entry) string {
	n := r.node(e.value, e.path, 0)
	if n.Kind != TextNode && n.Kind != NumberNode {
		r.fail(r.pos(e.value), e.path, "must be text or a number, is %s", describe(e.value))
	}
	return n.Text
}

// collections reads master data: lists of entries by collection. An entry has an id, and fields with text.
func (r *reader) collections(e entry) []TestCollection {
	var all []TestCollection
	for _, one := range r.entries(e.value, e.path) {
		c := TestCollection{Name: one.key, At: one.at, Path: one.path}
		list, ok := one.value.(*ast.SequenceNode)
		if !ok {
			r.fail(one.at, one.path, "must be a list of entries, is %s", describe(one.value))
			continue
		}
		for i, n := range list.Values {
			c.Entries = append(c.Entries, r.referenceEntry(n, one, i))
		}
		all = append(all, c)
	}
	return all
}

func (r *reader) referenceEntry(n ast.Node, of entry, i int) map[string]string {
	path := of.path + "[" + strconv.Itoa(i) + "]"
	if isNull(n) {
		r.fail(of.at, path, "has no value")
		return nil
	}
	values := map[string]string{}
	for _, field := range r.entries(n, path) {
		values[field.key] = r.literal(field)
	}
	if strings.TrimSpace(values["id"]) == "" {
		r.fail(r.pos(n), path, "needs an id")
	}
	return values
}
