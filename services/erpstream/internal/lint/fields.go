package lint

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping/reads"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/proto/contract"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// enough is how many records must have been seen before a field that none of them had counts as one that
// there is not.
const enough = 30

// use is a field of the record that a flow reads.
type use struct {
	reads.Read
	// expr names the expression.
	expr string
	// into is the field of the target message that the value becomes part of, nil where it is none.
	into protoreflect.FieldDescriptor
}

// flow looks at one flow. What keeps it from compiling is told already.
func (l *linter) flow(f flow.Flow) {
	message, err := contract.Message(f.Target.Message)
	if err != nil {
		return
	}
	w := &walker{flow: f, linter: l}
	w.condition(f.Spec.Where)
	for _, rule := range f.Spec.Quality {
		w.rule(rule)
	}
	w.message(f.Spec.Fields, f.Spec.At, "map", message.Descriptor(), reads.Record())
	from, err := feed.Get(l.set.Sources[f.From].Feed)
	if err != nil {
		return
	}
	l.personal(f, from, w.uses)
	l.names(f, from, w.uses)
}

// walker walks the expressions of a flow.
type walker struct {
	flow   flow.Flow
	linter *linter
	uses   []use
}

func (w *walker) condition(e spec.Expr) { w.expression(e, reads.Record(), nil) }

func (w *walker) rule(r spec.Rule) {
	w.condition(r.Rule)
	if r.Check == nil {
		return
	}
	in := reads.Record()
	if r.Check.Each.Text != "" {
		w.condition(r.Check.Each)
		in = in.Within(reads.List(r.Check.Each, in))
	}
	w.expression(r.Check.Field, in, nil)
}

func (w *walker) expression(e spec.Expr, in reads.Scope, into protoreflect.FieldDescriptor) {
	for _, r := range reads.Of(e, in) {
		w.uses = append(w.uses, use{r, e.Path, into})
	}
}

// message walks the fields of one message, and tells those that it lacks.
func (w *walker) message(mapped []spec.Field, at spec.Pos, path string, md protoreflect.MessageDescriptor, in reads.Scope) {
	for i := range mapped {
		if fd := md.Fields().ByName(protoreflect.Name(mapped[i].Name)); fd != nil {
			w.field(mapped[i], fd, in)
		}
	}
	w.linter.unfilled(w.flow, mapped, at, path, md)
}

func (w *walker) field(f spec.Field, fd protoreflect.FieldDescriptor, in reads.Scope) {
	if f.Each.Text != "" {
		w.expression(f.Each, in, nil)
		in = in.Within(reads.List(f.Each, in))
	}
	switch {
	case f.Fields == nil:
		w.expression(f.Value, in, fd)
	case fd.IsMap():
		for _, pair := range f.Fields {
			w.expression(pair.Value, in, fd)
		}
	case fd.Message() != nil:
		w.message(f.Fields, f.At, f.Path+".map", fd.Message(), in)
	}
}

// unfilled tells the fields of a message that a flow never fills. A column that nothing fills is NULL in
// every row, which few want; documents have many fields that most leave to the system.
func (l *linter) unfilled(f flow.Flow, mapped []spec.Field, at spec.Pos, path string, md protoreflect.MessageDescriptor) {
	var names []string
	for i := range md.Fields().Len() {
		name := string(md.Fields().Get(i).Name())
		if !slices.ContainsFunc(mapped, func(f spec.Field) bool { return f.Name == name }) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	severity := Info
	if strings.HasPrefix(string(md.FullName()), "erpstream.mysql.") {
		severity = Warning
	}
	text := fmt.Sprintf("%s of %s that nothing fills: %s", fields(len(names)), md.Name(), strings.Join(names, ", "))
	l.at(f, at, path, text, UnfilledField, severity)
}

func fields(n int) string {
	if n == 1 {
		return "1 field"
	}
	return fmt.Sprintf("%d fields", n)
}

// personal tells which personal data a flow sends to its target. That the contract marks the field, so
// that it is masked, is no reason to send it.
func (l *linter) personal(f flow.Flow, from feed.Feed, uses []use) {
	for _, u := range uses {
		if u.into == nil || u.Search || !isPersonal(from, u.Path) {
			continue
		}
		text := fmt.Sprintf("personal data %s goes to connection %s", u.Path, f.Target.Connection)
		if marked, _ := proto.GetExtension(u.into.Options(), sinkv1.E_Personal).(bool); !marked {
			text += ", into a field that its contract does not mark as personal: nobody will mask it"
		}
		text += ": leave it out, or say why: # " + ignoreCommentMark + " " + PersonalField + " …"
		l.at(f, u.At, u.expr, text, PersonalField, Warning)
	}
}

// isPersonal reports whether a field of a feed, or what it is in, is marked as personal.
func isPersonal(from feed.Feed, path string) bool {
	dotted := strings.ReplaceAll(path, "[]", "")
	return slices.ContainsFunc(from.Personal, func(marked string) bool {
		return dotted == marked || strings.HasPrefix(dotted, marked+".")
	})
}

// names compares what a flow reads with what records have.
func (l *linter) names(f flow.Flow, from feed.Feed, uses []use) {
	s, whole := l.shape(f.From, from)
	told, read := map[string]bool{}, map[string]bool{}
	for _, u := range uses {
		read[u.Path] = true
		if m := s.misses(u.Path); m.path != "" && !told[u.expr+" "+m.path] {
			told[u.expr+" "+m.path] = true
			l.unknown(f, u, m, s.near(m.path), whole)
		}
	}
	var unread []string
	for _, one := range s.fields {
		isLeaf := !slices.Contains(one.Types, samples.List) && !slices.Contains(one.Types, samples.Object)
		if isLeaf && !s.isRead(one.Path, read) {
			unread = append(unread, one.Path)
		}
	}
	if len(unread) > 0 {
		text := fmt.Sprintf("%s of %s that the flow does not read: %s", fields(len(unread)), from.Name, strings.Join(unread, ", "))
		l.at(f, f.Spec.At, "map", text, UnusedField, Info)
	}
}

// unknown tells of a field that records don't have: how bad that is follows from how sure it is.
func (l *linter) unknown(f flow.Flow, u use, m miss, near string, whole bool) {
	severity := Info
	switch {
	case m.sure, near != "" && whole:
		severity = Error
	case near != "" || whole:
		severity = Warning
	}
	text := m.why
	if !m.sure {
		text += l.basis(f.From, whole)
		if near != "" {
			text += ": did you mean " + near + "?"
		}
	}
	l.at(f, u.At, u.expr, text, UnknownField, severity)
}

// basis says in a finding what it goes by.
func (l *linter) basis(source string, whole bool) string {
	if n := l.seen[source].Records; n > 0 {
		return fmt.Sprintf(" (of the recorded sample and %d records that were read)", n)
	}
	if whole {
		return ""
	}
	return " (of the recorded sample, which is not the vendor's whole list)"
}
