// Package check finds what does not fit together among documents, and compiles the mappings of
// flows. It is apart from package flow, so that a service that only reads documents carries no
// expression language.
package check

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/proto/contract"
)

// Set finds what does not fit together: names that nothing has, systems and kinds that differ,
// limits of a feed that are exceeded, mappings that don't compile. The error joins all faults as
// *flow.Error, in the order of kinds and names.
func Set(s flow.Set) error {
	var errs []error
	for _, name := range s.Names(flow.KindSource) {
		errs = append(errs, checkSource(s, s.Sources[name])...)
	}
	for _, name := range s.Names(flow.KindFlow) {
		errs = append(errs, checkFlow(s, s.Flows[name])...)
	}
	return errors.Join(errs...)
}

// checkSource checks what a source refers to, and the limits of its feed.
func checkSource(s flow.Set, source flow.Source) []error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, source.Fault(path, format, args...))
	}
	connection, known := s.Connections[source.Connection]
	if !known {
		fail("connection", "unknown connection %q%s", source.Connection, flow.DidYouMean(source.Connection, s.Names(flow.KindConnection)))
	}
	f, err := feed.Get(source.Feed)
	if err != nil {
		fail("feed", "unknown feed %q%s", source.Feed, flow.DidYouMean(source.Feed, feed.Names()))
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

// checkFlow checks what a flow refers to, and its mapping.
func checkFlow(s flow.Set, f flow.Flow) []error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, f.Fault(path, format, args...))
	}
	source, known := s.Sources[f.From]
	if !known {
		fail("from", "unknown source %q%s", f.From, flow.DidYouMean(f.From, s.Names(flow.KindSource)))
	}
	connection, ok := s.Connections[f.Target.Connection]
	switch {
	case !ok:
		fail("target.connection", "unknown connection %q%s", f.Target.Connection, flow.DidYouMean(f.Target.Connection, s.Names(flow.KindConnection)))
	case connection.System != f.Target.Kind:
		fail("target.kind", "is %s, and connection %s leads to %s", f.Target.Kind, connection.Name, connection.System)
	}
	md, err := message(f)
	if err != nil {
		return append(errs, err)
	}
	var from feed.Feed
	if known {
		from, _ = feed.Get(source.Feed) // an unknown one is the source's own fault
	}
	_, faults := compile(f, md, from)
	return append(errs, faults...)
}

// message returns the descriptor of the target message, which must be one of the target's kind; a
// sink of another team takes any.
func message(f flow.Flow) (protoreflect.MessageDescriptor, error) {
	mt, err := contract.Message(f.Target.Message)
	if err != nil {
		return nil, f.Fault("target.message", "unknown message %q%s", f.Target.Message, flow.DidYouMean(f.Target.Message, contract.Names()))
	}
	md := mt.Descriptor()
	want := "erpstream." + f.Target.Kind + ".v1"
	if slices.Contains(flow.Systems, f.Target.Kind) && string(md.ParentFile().Package()) != want {
		return nil, f.Fault("target.message", "%s is no message of %s: those are in package %s", f.Target.Message, f.Target.Kind, want)
	}
	return md, nil
}

// compile compiles the mapping; its faults point into the document.
func compile(f flow.Flow, md protoreflect.MessageDescriptor, from feed.Feed) (*mapping.Mapping, []error) {
	f.Spec.Zone, f.Spec.Layouts, f.Spec.Personal = from.Location(), from.Layouts, from.Personal
	m, issues := mapping.Compile(f.Spec, md)
	var errs []error
	for _, issue := range issues {
		msg := issue.Msg
		if issue.Hint != "" {
			msg = strings.TrimSuffix(msg, ":") + ": " + issue.Hint
		}
		errs = append(errs, f.FaultAt(issue.Pos, issue.Path, msg))
	}
	return m, errs
}

// Compile compiles the mapping of a flow for the records of a feed, whose time zone, forms of
// time and personal fields it takes over. The error joins all faults as *flow.Error. The flow must be
// one that flow.Parse made, from a source with that feed.
func Compile(f flow.Flow, source flow.Source, from feed.Feed) (*mapping.Mapping, error) {
	if f.From != source.Name || source.Feed != from.Name {
		return nil, f.Fault("from", "reads %s, not source %s with feed %s", f.From, source.Name, from.Name)
	}
	md, err := message(f)
	if err != nil {
		return nil, err
	}
	m, errs := compile(f, md, from)
	return m, errors.Join(errs...)
}
