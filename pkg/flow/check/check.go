// Package check finds what does not fit together among documents, and compiles the mappings of
// flows. It is apart from package flow, so that a service that only reads documents carries no
// expression language.
package check

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/proto/contract"
)

// Set finds what does not fit together: names that nothing has, systems and kinds that differ,
// settings and limits of a feed that are wrong, mappings that don't compile, look-ups of master data
// that no flow keeps. The error joins all faults as *flow.Error, in the order of kinds and names.
func Set(s flow.Set) error {
	var errs []error
	for _, name := range s.Names(flow.KindConnection) {
		errs = append(errs, checkConnection(s.Connections[name])...)
	}
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
	if source.ByVersion && !f.Snapshot {
		errs = append(errs, checkByVersion(source, f)...)
	}
	if f.Snapshot {
		errs = append(errs, checkSnapshot(source, f)...)
	} else {
		errs = append(errs, checkWindow(source, f)...)
	}
	if source.PageSize > f.Paging.Max {
		fail("page_size", "%d is more than %d, the largest page of feed %s", source.PageSize, f.Paging.Max, f.Name)
	}
	for _, name := range []string{f.Window.Begin, f.Window.End, f.RowVersion.Param, f.Paging.Index, f.Paging.Size} {
		if _, ok := source.Request[name]; ok {
			fail("request."+name, "is set by the poller: use start, slice, cursor and page_size")
		}
	}
	return errs
}

// checkWindow checks the limits of a feed that is read by time. A source that is read by row version
// is too, where its past is read again.
func checkWindow(source flow.Source, f feed.Feed) []error {
	var errs []error
	if source.Slice > f.Window.Max {
		errs = append(errs, source.Fault("slice", "%v is wider than %v, the most that feed %s takes", source.Slice, f.Window.Max, f.Name))
	}
	if tuned := source.Tune(f); tuned.Window.Max <= tuned.Window.Overlap {
		errs = append(errs, source.Fault("slice", "a slice of %v is not wider than the overlap of %v: polling would never get on", tuned.Window.Max, tuned.Window.Overlap))
	}
	return errs
}

// checkSnapshot refuses what would do nothing in a source that is read whole each time.
func checkSnapshot(source flow.Source, f feed.Feed) []error {
	var errs []error
	refuse := func(given bool, path string) {
		if given {
			errs = append(errs, source.Fault(path, "feed %s is read whole each time: take %s away", f.Name, path))
		}
	}
	refuse(source.ByVersion, "cursor")
	refuse(source.Slice > 0, "slice")
	refuse(source.Overlap != nil, "overlap")
	return errs
}

// checkByVersion checks a source that is read by row version: only paging may go along with a row
// version, so what the request or start would leave out is the flow's business.
func checkByVersion(source flow.Source, f feed.Feed) []error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, source.Fault(path, format, args...))
	}
	if f.RowVersion.Param == "" {
		fail("cursor", "feed %s can't be read by row version: use cursor: window", f.Name)
		return errs
	}
	if !source.Start.IsZero() {
		fail("start", "reading by row version begins with all that there is: take start away, and leave out what is too old with where in the flow")
	}
	for _, name := range slices.Sorted(maps.Keys(source.Request)) {
		fail("request."+name, "can't go along with %s, the row version: leave records out with where in the flow", f.RowVersion.Param)
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
	case f.Target.Kind == kindReference: // master data of any connection
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
	m, faults := compile(f, md, from, settingsOf(connection, ok))
	errs = append(errs, faults...)
	if contract.Document(md) != nil {
		if _, err := policy.Read(f.Target.Values(), policy.Policy{}, md); err != nil {
			fail("target.options", "%v", err)
		}
	}
	if f.Target.Kind == kindReference && known {
		errs = append(errs, checkReference(f, source)...)
	}
	if m != nil && ok {
		errs = append(errs, checkUses(s, f, m.Uses())...)
	}
	return errs
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
	if (f.Target.Kind == kindReference || slices.Contains(flow.Systems, f.Target.Kind)) && string(md.ParentFile().Package()) != want {
		return nil, f.Fault("target.message", "%s is no message of %s: those are in package %s", f.Target.Message, f.Target.Kind, want)
	}
	return md, nil
}

// compile compiles the mapping; its faults point into the document.
func compile(f flow.Flow, md protoreflect.MessageDescriptor, from feed.Feed, settings map[string]string) (*mapping.Mapping, []error) {
	f.Spec.Zone, f.Spec.Layouts, f.Spec.Personal = from.Location(), from.Layouts, from.Personal
	f.Spec.Settings = settings
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

// settingsOf returns the settings that expressions may name, nil when the connection is not known:
// that it is missing is the fault to tell then.
func settingsOf(c flow.Connection, known bool) map[string]string {
	if !known {
		return nil
	}
	settings := map[string]string{}
	maps.Copy(settings, c.Settings)
	return settings
}

// Compile compiles the mapping of a flow for the records of a feed, whose time zone, forms of
// time and personal fields it takes over, and for its target connection, whose settings it may name.
// The error joins all faults as *flow.Error. The flow must be one that flow.Parse made, from a source
// with that feed. A connection that is not there is a zero one: it has no settings.
func Compile(f flow.Flow, source flow.Source, from feed.Feed, target flow.Connection) (*mapping.Mapping, error) {
	if f.From != source.Name || source.Feed != from.Name {
		return nil, f.Fault("from", "reads %s, not source %s with feed %s", f.From, source.Name, from.Name)
	}
	if target.Name != "" && f.Target.Connection != target.Name {
		return nil, f.Fault("target.connection", "is %s, not %s", f.Target.Connection, target.Name)
	}
	md, err := message(f)
	if err != nil {
		return nil, err
	}
	m, errs := compile(f, md, from, settingsOf(target, true))
	return m, errors.Join(errs...)
}
