// Package skeleton writes the first version of a flow: every field of the target message with its type,
// limits and description, and a guess by name at where its value comes from.
package skeleton

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/describe"
)

// Request says what is wanted.
type Request struct {
	Feed feed.Feed
	// Fields are those of the feed's records.
	Fields []samples.Field
	// Message is the target message.
	Message protoreflect.MessageDescriptor
	// Flow and Source are the names of the two documents; Connection is that of the target.
	Flow, Source, Connection string
	// SourceConnection is the connection that the source is read through; empty: the source is there
	// already, and only the flow is written.
	SourceConnection string
	// Start is the source time at which the source begins.
	Start time.Time
}

// Result is a skeleton.
type Result struct {
	// Text is the YAML of the documents.
	Text string
	// Guessed is how many fields have a guess, Of how many there are.
	Guessed, Of int
	// Todo are the required fields without a guess, by their paths in map.
	Todo []string
}

// Write writes a skeleton. With the connections that it names it passes `flow check`, unless there is
// something in Todo.
func Write(r Request) Result {
	w := &writer{request: r, guesser: newGuesser(r)}
	if r.SourceConnection != "" {
		w.source()
	}
	w.flow()
	w.result.Text = w.text.String()
	return w.result
}

// writer writes the lines of a skeleton.
type writer struct {
	request Request
	guesser guesser
	text    strings.Builder
	result  Result
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func (w *writer) source() {
	r := w.request
	w.line("# %s of %s.", title(r.Feed), r.Feed.System)
	w.line("source: %s", r.Source)
	w.line("connection: %s", r.SourceConnection)
	w.line("feed: %s", r.Feed.Name)
	w.line("every: 5m")
	if !r.Feed.Snapshot {
		w.line("start: %s", r.Start.In(r.Feed.Location()).Format(time.RFC3339))
	}
	w.line("---")
}

func title(f feed.Feed) string {
	if f.Title == "" {
		return f.Name
	}
	return f.Title
}

func (w *writer) flow() {
	r := w.request
	w.comment("", fmt.Sprintf("%s as %s. The expressions are guesses by name: read each. Lines with TODO want a decision; "+
		"fields that are not required (必填) may go.", title(r.Feed), r.Message.Name()))
	w.line("flow: %s", r.Flow)
	w.line("from: %s", r.Source)
	w.line("target:")
	w.line("  kind: %s", describe.Kind(r.Message))
	w.line("  connection: %s", r.Connection)
	w.line("  message: %s", r.Message.FullName())
	w.line("map:")
	w.message(r.Message, w.guesser.record(), "  ", "")
}

// message writes the fields of a message, the required ones first.
func (w *writer) message(md protoreflect.MessageDescriptor, from scope, indent, path string) {
	var needed, others []protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if describe.One(fd).Required {
			needed = append(needed, fd)
		} else {
			others = append(others, fd)
		}
	}
	for _, fd := range slices.Concat(needed, others) {
		f := describe.One(fd)
		w.comment(indent, f.Line())
		at := strings.TrimPrefix(path+"."+f.Name, ".")
		switch {
		case fd.IsMap():
			w.pairs(fd, indent)
		case describe.IsNested(fd):
			w.nested(fd, f, from, indent, at)
		default:
			w.field(fd, f, from, indent, at)
		}
	}
}

// field writes a field with a value.
func (w *writer) field(fd protoreflect.FieldDescriptor, f describe.Field, from scope, indent, path string) {
	w.result.Of++
	expression, sure := "", false
	if !fd.IsList() {
		expression, sure = w.guesser.guess(fd, f, from)
	}
	switch {
	case expression != "" && sure:
		w.result.Guessed++
		w.line("%s%s: %s", indent, f.Name, quoted(expression))
	case expression != "" && f.Required:
		w.result.Guessed++
		w.line("%s%s: %s # TODO check: the names are only like one another", indent, f.Name, quoted(expression))
	case expression != "":
		w.line("%s# TODO perhaps %s: %s", indent, f.Name, quoted(expression))
	case f.Required:
		w.result.Todo = append(w.result.Todo, path)
		w.line("%s# TODO required: %s:", indent, f.Name)
	default:
		w.line("%s# TODO %s:", indent, f.Name)
	}
}

// nested writes a message in a message, or a list of them. One that is not required and has no guess in it
// is written as a comment.
func (w *writer) nested(fd protoreflect.FieldDescriptor, f describe.Field, from scope, indent, path string) {
	inner := &writer{request: w.request, guesser: w.guesser}
	within := from
	if fd.IsList() {
		list, ok := w.guesser.list(fd.Message(), from)
		if !ok {
			list = "TODO"
		}
		within = from.within(list)
		inner.line("%s%s:", indent, f.Name)
		inner.line("%s  each: record.%s", indent, list)
		inner.line("%s  map:", indent)
	} else {
		inner.line("%s%s:", indent, f.Name)
		inner.line("%s  map:", indent)
	}
	inner.message(fd.Message(), within, indent+"    ", path)
	w.result.Of += inner.result.Of
	if len(inner.result.Todo) > 0 && !f.Required || inner.result.Guessed == 0 || within.list == "TODO" {
		w.hide(inner.text.String(), indent, f.Required)
		if f.Required {
			w.result.Todo = append(w.result.Todo, path)
		}
		return
	}
	w.result.Guessed += inner.result.Guessed
	w.result.Todo = append(w.result.Todo, inner.result.Todo...)
	w.text.WriteString(inner.text.String())
}

// hide writes lines as comments.
func (w *writer) hide(text, indent string, required bool) {
	mark := "TODO"
	if required {
		mark = "TODO required:"
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		line = strings.TrimPrefix(line, indent)
		if i == 0 {
			line = mark + " " + line
		}
		w.line("%s# %s", indent, line)
	}
}

// pairs writes a map of names to values: master data takes all fields of the record.
func (w *writer) pairs(fd protoreflect.FieldDescriptor, indent string) {
	w.result.Of++
	if !contract.IsReference(fd.ContainingMessage()) {
		w.line("%s# TODO %s:", indent, fd.Name())
		w.line("%s#   map:", indent)
		w.line("%s#     name: record.field", indent)
		return
	}
	w.result.Guessed++
	w.line("%s%s:", indent, fd.Name())
	w.line("%s  map:", indent)
	for _, c := range w.guesser.record().candidates {
		if !c.Personal && c.name == c.Path {
			w.line("%s    %s: string(%s)", indent, c.name, c.expression)
		}
	}
}

// width is how long lines of comments get, in characters.
const width = 110

// comment writes text as lines of a comment.
func (w *writer) comment(indent, text string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(indent+"# "+line+" "+word) > width {
			w.line("%s# %s", indent, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	w.line("%s# %s", indent, line)
}

// quoted writes an expression as YAML.
func quoted(expression string) string {
	if strings.ContainsAny(expression[:1], "\"'[{>|*&!%#@`-?:,") || strings.Contains(expression, ": ") || strings.Contains(expression, " #") {
		return "'" + strings.ReplaceAll(expression, "'", "''") + "'"
	}
	return expression
}
