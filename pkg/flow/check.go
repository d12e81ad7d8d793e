package flow

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/proto/contract"
)

// Set is all the documents that belong together, by name.
type Set struct {
	Connections map[string]Connection
	Sources     map[string]Source
	Flows       map[string]Flow
}

// With returns a set that has the documents too, in the place of those of the same kind and
// name. It does not change s.
func (s Set) With(documents ...Document) Set {
	t := s.clone()
	for _, d := range documents {
		switch {
		case d.Connection != nil:
			t.Connections[d.Name] = *d.Connection
		case d.Source != nil:
			t.Sources[d.Name] = *d.Source
		case d.Flow != nil:
			t.Flows[d.Name] = *d.Flow
		}
	}
	return t
}

// Without returns a set that lacks a document. It does not change s.
func (s Set) Without(kind, name string) Set {
	t := s.clone()
	switch kind {
	case KindConnection:
		delete(t.Connections, name)
	case KindSource:
		delete(t.Sources, name)
	case KindFlow:
		delete(t.Flows, name)
	}
	return t
}

func (s Set) clone() Set {
	t := Set{Connections: maps.Clone(s.Connections), Sources: maps.Clone(s.Sources), Flows: maps.Clone(s.Flows)}
	if t.Connections == nil {
		t.Connections = map[string]Connection{}
	}
	if t.Sources == nil {
		t.Sources = map[string]Source{}
	}
	if t.Flows == nil {
		t.Flows = map[string]Flow{}
	}
	return t
}

// Check finds what does not fit together: names that nothing has, systems and kinds that differ,
// limits of a feed that are exceeded, mappings that don't compile. The error joins all faults as
// *Error, in the order of kinds and names.
func Check(s Set) error {
	var errs []error
	for _, name := range keys(s.Sources) {
		errs = append(errs, s.checkSource(s.Sources[name])...)
	}
	for _, name := range keys(s.Flows) {
		errs = append(errs, s.checkFlow(s.Flows[name])...)
	}
	return errors.Join(errs...)
}

func (s Set) checkSource(source Source) []error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, source.at.fault(path, format, args...))
	}
	connection, known := s.Connections[source.Connection]
	if !known {
		fail("connection", "unknown connection %q%s", source.Connection, suggest(source.Connection, keys(s.Connections)))
	}
	f, err := feed.Get(source.Feed)
	if err != nil {
		fail("feed", "unknown feed %q%s", source.Feed, suggest(source.Feed, feed.Names()))
		return errs
	}
	if known && connection.System != f.System {
		fail("feed", "feed %s is one of %s, and connection %s leads to %s", f.Name, f.System, connection.Name, connection.System)
	}
	if source.Slice > f.Window.Max {
		fail("slice", "%v is wider than %v, the most that feed %s takes", source.Slice, f.Window.Max, f.Name)
	}
	if source.PageSize > f.Paging.Max {
		fail("page_size", "%d is more than %d, the largest page of feed %s", source.PageSize, f.Paging.Max, f.Name)
	}
	if tuned := source.Tune(f); tuned.Window.Max <= tuned.Window.Overlap {
		fail("slice", "a slice of %v is not wider than the overlap of %v: polling would never get on", tuned.Window.Max, tuned.Window.Overlap)
	}
	for _, name := range []string{f.Window.Begin, f.Window.End, f.Paging.Index, f.Paging.Size} {
		if _, ok := source.Request[name]; ok {
			fail("request."+name, "is set by the poller: use start, slice and page_size")
		}
	}
	return errs
}

func (s Set) checkFlow(f Flow) []error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, f.at.fault(path, format, args...))
	}
	source, known := s.Sources[f.From]
	if !known {
		fail("from", "unknown source %q%s", f.From, suggest(f.From, keys(s.Sources)))
	}
	connection, ok := s.Connections[f.Target.Connection]
	switch {
	case !ok:
		fail("target.connection", "unknown connection %q%s", f.Target.Connection, suggest(f.Target.Connection, keys(s.Connections)))
	case connection.System != f.Target.Kind:
		fail("target.kind", "is %s, and connection %s leads to %s", f.Target.Kind, connection.Name, connection.System)
	}
	md, err := f.message()
	if err != nil {
		return append(errs, err)
	}
	var from feed.Feed
	if known {
		from, _ = feed.Get(source.Feed) // an unknown one is the source's own fault
	}
	_, faults := f.compile(md, from)
	return append(errs, faults...)
}

// message returns the descriptor of the target message, which must be one of the target's kind; a
// sink of another team takes any.
func (f Flow) message() (protoreflect.MessageDescriptor, error) {
	mt, err := contract.Message(f.Target.Message)
	if err != nil {
		return nil, f.at.fault("target.message", "unknown message %q%s", f.Target.Message, suggest(f.Target.Message, contract.Names()))
	}
	md := mt.Descriptor()
	want := "erpstream." + f.Target.Kind + ".v1"
	if slices.Contains(Systems, f.Target.Kind) && string(md.ParentFile().Package()) != want {
		return nil, f.at.fault("target.message", "%s is no message of %s: those are in package %s", f.Target.Message, f.Target.Kind, want)
	}
	return md, nil
}

// compile compiles the mapping; its faults point into the document.
func (f Flow) compile(md protoreflect.MessageDescriptor, from feed.Feed) (*mapping.Mapping, []error) {
	spec := f.Spec
	spec.Zone, spec.Layouts, spec.Personal = from.Location(), from.Layouts, from.Personal
	m, issues := mapping.Compile(spec, md)
	var errs []error
	for _, issue := range issues {
		msg := issue.Msg
		if issue.Hint != "" {
			msg = strings.TrimSuffix(msg, ":") + ": " + issue.Hint
		}
		errs = append(errs, &Error{File: f.at.file, Line: issue.Line, Column: issue.Column, Path: issue.Path, Msg: msg})
	}
	return m, errs
}

// Compile compiles the mapping of a flow for the records of a feed, whose time zone, forms of
// time and personal fields it takes over. The error joins all faults as *Error. The flow must be
// one that Parse made, from a source with that feed.
func Compile(f Flow, source Source, from feed.Feed) (*mapping.Mapping, error) {
	if f.From != source.Name || source.Feed != from.Name {
		return nil, f.at.fault("from", "reads %s, not source %s with feed %s", f.From, source.Name, from.Name)
	}
	md, err := f.message()
	if err != nil {
		return nil, err
	}
	m, errs := f.compile(md, from)
	return m, errors.Join(errs...)
}

// Names returns the names of a set's documents of a kind, sorted.
func (s Set) Names(kind string) []string {
	switch kind {
	case KindConnection:
		return slices.Sorted(maps.Keys(s.Connections))
	case KindSource:
		return slices.Sorted(maps.Keys(s.Sources))
	case KindFlow:
		return slices.Sorted(maps.Keys(s.Flows))
	default:
		return nil
	}
}
