// Package describe says of target messages what their contracts do: types, limits, names at the target,
// and the words of their comments.
package describe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/proto/comments"
	"github.com/erpstream/erpstream/proto/contract"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// Message is a target message, or one inside of it.
type Message struct {
	Name string `json:"message"`
	// Kind is the kind of sink that takes it.
	Kind string `json:"kind"`
	// Stored says where it goes: the table, the API's path, or master data.
	Stored  string  `json:"stored,omitempty"`
	Comment string  `json:"comment,omitempty"`
	Fields  []Field `json:"fields"`
}

// Field is one field of a message.
type Field struct {
	Name   string `json:"name"`
	Number int    `json:"number"`
	// Type is what a mapping gives it: text, decimal, int64, time, a message's name, map of text.
	Type     string `json:"type"`
	Repeated bool   `json:"repeated,omitempty"`
	Required bool   `json:"required,omitempty"`
	// Limits are the other rules of the contract, such as max_len 30.
	Limits []string `json:"limits,omitempty"`
	// Target is the name at the target where it differs, with the SQL type of a column.
	Target   string `json:"target,omitempty"`
	Personal bool   `json:"personal,omitempty"`
	Comment  string `json:"comment,omitempty"`
	// Fields are those of a nested message.
	Fields []Field `json:"fields,omitempty"`
}

// Line describes a field in a line: what it is, then its type, whether it must be there, and its limits.
func (f Field) Line() string {
	kind := f.Type
	if f.Repeated {
		kind = "list of " + kind
	}
	facts := []string{kind}
	if f.Required {
		facts = append(facts, "required (必填)")
	}
	facts = append(facts, f.Limits...)
	if f.Target != "" {
		facts = append(facts, "at the target "+f.Target)
	}
	if f.Personal {
		facts = append(facts, "personal data (个人信息)")
	}
	return strings.TrimSpace(f.Comment + " [" + strings.Join(facts, "; ") + "]")
}

// Text is the type of a field that takes any text.
const (
	Text    = "text"
	Decimal = "decimal"
	Time    = "time"
)

// Of describes a message.
func Of(md protoreflect.MessageDescriptor) Message {
	return Message{
		Name: string(md.FullName()), Kind: Kind(md), Stored: stored(md), Comment: comments.Of(md), Fields: fields(md, nil),
	}
}

// Kind is the kind of sink that takes a message: the second part of its name.
func Kind(md protoreflect.MessageDescriptor) string {
	parts := strings.Split(string(md.FullName()), ".")
	return parts[min(1, len(parts)-1)]
}

func stored(md protoreflect.MessageDescriptor) string {
	switch {
	case contract.Table(md) != nil:
		return "table " + contract.Table(md).GetName()
	case contract.Document(md) != nil:
		return contract.Document(md).GetEndpoint()
	case contract.IsReference(md):
		return "master data (基础资料)"
	default:
		return ""
	}
}

// fields describes the fields of a message; within are the messages around it, which are not repeated.
func fields(md protoreflect.MessageDescriptor, within []protoreflect.FullName) []Field {
	if slices.Contains(within, md.FullName()) {
		return nil
	}
	within = append(slices.Clone(within), md.FullName())
	var all []Field
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f := One(fd)
		if IsNested(fd) {
			f.Fields = fields(fd.Message(), within)
		}
		all = append(all, f)
	}
	return all
}

// IsNested reports whether a field holds messages whose fields are mapped.
func IsNested(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsMap() && !isTime(fd)
}

// One describes a field without those that are nested in it.
func One(fd protoreflect.FieldDescriptor) Field {
	f := Field{Name: string(fd.Name()), Number: int(fd.Number()), Type: typeOf(fd), Repeated: fd.IsList(), Target: target(fd)}
	f.Personal, _ = proto.GetExtension(fd.Options(), sinkv1.E_Personal).(bool)
	f.Required, f.Limits = rules(fd)
	f.Comment = comments.Of(fd)
	if title := contract.Column(fd).GetComment(); title != "" && !strings.Contains(f.Comment, title) {
		f.Comment = strings.TrimSpace(title + ". " + f.Comment)
	}
	return f
}

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp"
}

func typeOf(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return fmt.Sprintf("map of %s", typeOf(fd.MapValue()))
	case isTime(fd):
		return Time
	case fd.Message() != nil:
		return string(fd.Message().Name())
	case fd.Kind() != protoreflect.StringKind:
		return fd.Kind().String()
	case contract.Wire(fd).GetNumber() || strings.HasPrefix(strings.ToUpper(contract.Column(fd).GetType()), "DECIMAL"):
		return Decimal
	default:
		return Text
	}
}

// target is the name and the type of a field at the target, where they are not its own.
func target(fd protoreflect.FieldDescriptor) string {
	column := contract.Column(fd)
	name := cmp.Or(contract.Wire(fd).GetName(), column.GetName())
	return strings.TrimSpace(name + " " + column.GetType())
}

// rules returns whether a field is required, and its other rules as the contract names them.
func rules(fd protoreflect.FieldDescriptor) (required bool, limits []string) {
	found, err := protovalidate.ResolveFieldRules(fd)
	if err != nil || found == nil {
		return false, nil
	}
	found.ProtoReflect().Range(func(rule protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case rule.Name() == "required":
			required = v.Bool()
		case rule.Message() != nil && !rule.IsList():
			v.Message().Range(func(one protoreflect.FieldDescriptor, value protoreflect.Value) bool {
				if one.Message() == nil {
					limits = append(limits, fmt.Sprintf("%s %s", one.Name(), value.String()))
				}
				return true
			})
		}
		return true
	})
	slices.Sort(limits)
	return required || isNeeded(limits), limits
}

// isNeeded reports whether a rule lets no empty list be.
func isNeeded(limits []string) bool {
	return slices.ContainsFunc(limits, func(limit string) bool {
		return strings.HasPrefix(limit, "min_items ") && limit != "min_items 0"
	})
}
