package flowtest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// expected reads the message that a test expects.
type expected struct {
	zone *time.Location
	fail func(at spec.Pos, path, format string, args ...any)
	// lines says where each field is expected, by its path in the message.
	lines map[string]int
}

// message fills m from an object.
func (x *expected) message(n flow.Node, m protoreflect.Message, prefix string) {
	if n.Kind != flow.ObjectNode {
		x.fail(n.At, n.Path, "must be a mapping of the fields of %s", m.Descriptor().Name())
		return
	}
	for _, field := range n.Fields {
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(field.Name))
		if fd == nil {
			known := fieldNames(m.Descriptor())
			x.fail(field.At, field.Value.Path, "%s has no field %q%s", m.Descriptor().Name(), field.Name, flow.DidYouMean(field.Name, known))
			continue
		}
		x.lines[prefix+field.Name] = field.At.Line
		x.field(field.Value, fd, m, prefix+field.Name)
	}
}

func fieldNames(md protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	slices.Sort(names)
	return names
}

func (x *expected) field(n flow.Node, fd protoreflect.FieldDescriptor, m protoreflect.Message, path string) {
	switch {
	case fd.IsMap():
		x.pairs(n, fd, m, path)
	case fd.IsList():
		x.list(n, fd, m, path)
	case isMessage(fd):
		x.message(n, m.Mutable(fd).Message(), path+".")
	default:
		if v, ok := x.scalar(n, fd, m); ok {
			m.Set(fd, v)
		}
	}
}

func (x *expected) list(n flow.Node, fd protoreflect.FieldDescriptor, m protoreflect.Message, path string) {
	if n.Kind != flow.ListNode {
		x.fail(n.At, n.Path, "must be a list")
		return
	}
	list := m.Mutable(fd).List()
	for i, item := range n.Items {
		at := path + "[" + strconv.Itoa(i) + "]"
		x.lines[at] = item.At.Line
		if isMessage(fd) {
			x.message(item, list.AppendMutable().Message(), at+".")
			continue
		}
		if v, ok := x.scalar(item, fd, m); ok {
			list.Append(v)
		}
	}
}

func (x *expected) pairs(n flow.Node, fd protoreflect.FieldDescriptor, m protoreflect.Message, path string) {
	if n.Kind != flow.ObjectNode {
		x.fail(n.At, n.Path, "must be a mapping of names to values")
		return
	}
	values := m.Mutable(fd).Map()
	for _, field := range n.Fields {
		x.lines[path+"."+field.Name] = field.At.Line
		if v, ok := x.scalar(field.Value, fd.MapValue(), m); ok {
			values.Set(protoreflect.ValueOfString(field.Name).MapKey(), v)
		}
	}
}

// isMessage reports whether the values of a field are written as fields of their own.
func isMessage(fd protoreflect.FieldDescriptor) bool { return fd.Message() != nil && !isTime(fd) }

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp"
}

// scalar reads a value of a field. Text may be written as a number, and keeps its digits then.
func (x *expected) scalar(n flow.Node, fd protoreflect.FieldDescriptor, in protoreflect.Message) (v protoreflect.Value, ok bool) {
	refuse := func(want string) (protoreflect.Value, bool) {
		x.fail(n.At, n.Path, "must be %s", want)
		return protoreflect.Value{}, false
	}
	switch {
	case n.Kind == flow.NullNode:
		return refuse("a value: a field that is absent is not written")
	case n.Kind == flow.ListNode || n.Kind == flow.ObjectNode:
		return refuse("one value")
	case fd.Kind() == protoreflect.StringKind && n.Kind == flow.BoolNode:
		return refuse("text: put it in quotes")
	case fd.Kind() == protoreflect.StringKind:
		return protoreflect.ValueOfString(n.Text), true
	case isTime(fd):
		at, err := x.time(n.Text)
		if err != nil {
			return refuse("a time such as 2026-10-01T08:00:00+08:00, or 2026-10-01 08:00:00 in the zone of the feed")
		}
		n.Kind, n.Text = flow.TextNode, at.UTC().Format(time.RFC3339Nano)
	}
	if v, ok = decode(n, fd, in.New()); !ok {
		return refuse(article(fd))
	}
	return v, true
}

// decode lets protobuf read a value, as the only one of a message.
func decode(n flow.Node, fd protoreflect.FieldDescriptor, alone protoreflect.Message) (v protoreflect.Value, ok bool) {
	if fd.ContainingMessage() != alone.Descriptor() {
		return v, false // a map of something else than text, which no contract has
	}
	value := string(n.JSON())
	if fd.IsList() {
		value = "[" + value + "]"
	}
	if err := protojson.Unmarshal([]byte(`{"`+string(fd.Name())+`":`+value+"}"), alone.Interface()); err != nil {
		return v, false
	}
	if fd.IsList() {
		return alone.Get(fd).List().Get(0), true
	}
	return alone.Get(fd), true
}

// article names the kind of value that a field takes.
func article(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		var names []string
		for i := range fd.Enum().Values().Len() {
			names = append(names, string(fd.Enum().Values().Get(i).Name()))
		}
		return "one of " + strings.Join(names, ", ")
	case protoreflect.BoolKind:
		return "true or false"
	default:
		return "a value of type " + fd.Kind().String()
	}
}

func (x *expected) time(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	return time.ParseInLocation(time.DateTime, text, x.zone)
}
