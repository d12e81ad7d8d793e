package mapping

import (
	"fmt"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Compile checks a mapping against the message that it makes: every field name, every type,
// every required field, every function and variable. It returns all faults at once, in the order
// of the document, and no Mapping when there is one.
func Compile(spec Spec, md protoreflect.MessageDescriptor) (*Mapping, []Issue) {
	return compile(spec, md, false)
}

func compile(spec Spec, md protoreflect.MessageDescriptor, forceCEL bool) (*Mapping, []Issue) {
	c, err := newChecker(spec)
	if err != nil {
		return nil, []Issue{{Pos: spec.At, Path: "map", Msg: err.Error()}}
	}
	c.forceCEL = forceCEL
	m := &Mapping{message: messageType(md), validator: validatorOf(md)}
	if strings.TrimSpace(spec.Where.Text) != "" {
		m.where = c.condition(spec.Where)
	}
	for _, r := range spec.Quality {
		m.quality = append(m.quality, c.rule(r))
	}
	m.plan = c.message(spec.Fields, md, spec.At, "map", 0)
	if len(c.issues) > 0 {
		slices.SortStableFunc(c.issues, func(a, b Issue) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, c.issues
	}
	m.slots, m.uses = c.slots, c.uses
	m.onePass = c.onePass(m)
	for _, x := range c.computed {
		x.checked = nil
	}
	return m, nil
}

// messageType returns the generated type of a message where this program has one.
func messageType(md protoreflect.MessageDescriptor) protoreflect.MessageType {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(md.FullName())
	if err == nil && mt.Descriptor() == md {
		return mt
	}
	return dynamicpb.NewMessageType(md)
}

// condition compiles an expression that is true or false.
func (c *checker) condition(e Expr) *expression {
	x := c.expression(e, 0)
	if x != nil && x.static.Kind() != cel.BoolKind && x.static.Kind() != cel.DynKind {
		c.fail(e.At, e.Path, fmt.Sprintf("the result is %s, not bool", typeName(x.static)), "write a comparison")
	}
	return x
}

// message compiles the fields of one message.
func (c *checker) message(fields []Field, md protoreflect.MessageDescriptor, at Pos, path string, depth int) *plan {
	p := &plan{}
	mapped := map[protoreflect.Name]bool{}
	for i := range fields {
		f := fields[i]
		fd := md.Fields().ByName(protoreflect.Name(f.Name))
		switch {
		case fd == nil:
			c.fail(f.At, f.Path, fmt.Sprintf("%s has no field %q", md.Name(), f.Name), didYouMean(f.Name, fieldNames(md)))
			continue
		case mapped[fd.Name()]:
			c.fail(f.At, f.Path, "the field is mapped twice", "")
			continue
		}
		mapped[fd.Name()] = true
		c.oneof(f, fd, mapped)
		if compiled := c.field(f, fd, depth); compiled != nil {
			p.fields = append(p.fields, *compiled)
		}
	}
	c.required(md, mapped, at, path)
	return p
}

func fieldNames(md protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	return names
}

// oneof refuses a second field of one choice: the last would win without a word.
func (c *checker) oneof(f Field, fd protoreflect.FieldDescriptor, mapped map[protoreflect.Name]bool) {
	choice := fd.ContainingOneof()
	if choice == nil || choice.IsSynthetic() {
		return
	}
	for i := range choice.Fields().Len() {
		if other := choice.Fields().Get(i); other != fd && mapped[other.Name()] {
			c.fail(f.At, f.Path, fmt.Sprintf("%s is mapped already, and only one field of %s can be set", other.Name(), choice.Name()), "")
		}
	}
}

// required finds the fields that the contract wants and the mapping lacks.
func (c *checker) required(md protoreflect.MessageDescriptor, mapped map[protoreflect.Name]bool, at Pos, path string) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if mapped[fd.Name()] {
			continue
		}
		rules, err := protovalidate.ResolveFieldRules(fd)
		if err == nil && rules.GetRequired() {
			c.fail(at, path, fmt.Sprintf("required field %s of %s is not mapped", fd.Name(), md.Name()), "")
		}
	}
}

// field compiles one field by its shape, nil when it is wrong.
func (c *checker) field(f Field, fd protoreflect.FieldDescriptor, depth int) *field {
	walks := f.Each.Text != "" || f.Each.At != Pos{}
	switch {
	case fd.IsMap():
		return c.pairs(f, fd, depth)
	case fd.IsList() && !walks:
		c.fail(f.At, f.Path, "is a list", "write each: <list> with map: or value:")
		return nil
	case !fd.IsList() && walks:
		c.fail(f.At, f.Path, "each is for lists, and "+string(fd.Name())+" is none", "")
		return nil
	case f.Fields != nil:
		return c.nested(f, fd, depth)
	default:
		return c.scalar(f, fd, depth)
	}
}

// nested compiles a field with map.
func (c *checker) nested(f Field, fd protoreflect.FieldDescriptor, depth int) *field {
	if fd.Message() == nil || fd.Message().FullName() == "google.protobuf.Timestamp" {
		c.fail(f.At, f.Path, "map is for messages, and "+string(fd.Name())+" is a "+kindName(fd), "")
		return nil
	}
	compiled := &field{fd: fd}
	if fd.IsList() {
		compiled.each = c.list(f.Each, depth)
		depth++
	}
	compiled.message = c.message(f.Fields, fd.Message(), f.At, f.Path+".map", depth)
	return compiled
}

// pairs compiles a map field: names with an expression each.
func (c *checker) pairs(f Field, fd protoreflect.FieldDescriptor, depth int) *field {
	switch {
	case fd.MapKey().Kind() != protoreflect.StringKind || fd.MapValue().Message() != nil:
		c.fail(f.At, f.Path, fmt.Sprintf("%s is a map of %s to %s, which a mapping can't fill", fd.Name(), fd.MapKey().Kind(), kindName(fd.MapValue())), "")
		return nil
	case f.Fields == nil || f.Each.Text != "":
		c.fail(f.At, f.Path, "is a map of names to values", "write map: with a name and an expression each")
		return nil
	}
	compiled := &field{fd: fd, pairs: []pair{}}
	named := map[string]bool{}
	for i := range f.Fields {
		one := f.Fields[i]
		switch {
		case one.Fields != nil || one.Each.Text != "":
			c.fail(one.At, one.Path, "a value of a map is one expression", "")
			continue
		case named[one.Name]:
			c.fail(one.At, one.Path, "the name is there twice", "")
			continue
		}
		named[one.Name] = true
		if value := c.scalar(one, fd.MapValue(), depth); value != nil {
			compiled.pairs = append(compiled.pairs, pair{name: one.Name, value: value})
		}
	}
	return compiled
}

// isRequiredText reports whether a field must have a text: then an empty one is none.
func isRequiredText(fd protoreflect.FieldDescriptor) bool {
	if fd.Kind() != protoreflect.StringKind || fd.IsList() {
		return false
	}
	rules, err := protovalidate.ResolveFieldRules(fd)
	return err == nil && rules.GetRequired()
}

func kindName(fd protoreflect.FieldDescriptor) string {
	if fd.Message() != nil {
		return string(fd.Message().Name())
	}
	return fd.Kind().String()
}

// list compiles the expression of each.
func (c *checker) list(e Expr, depth int) *expression {
	x := c.expression(e, depth)
	if x != nil && x.static.Kind() != cel.ListKind && x.static.Kind() != cel.DynKind {
		c.fail(e.At, e.Path, fmt.Sprintf("the result is %s, not a list", typeName(x.static)), "")
	}
	return x
}

// scalar compiles a field with an expression.
func (c *checker) scalar(f Field, fd protoreflect.FieldDescriptor, depth int) *field {
	takes, err := columnOf(fd)
	if err != nil {
		c.fail(f.At, f.Path, string(fd.Name())+" "+err.Error(), "")
		return nil
	}
	compiled := &field{fd: fd, coerce: takes.coerce}
	if isRequiredText(fd) {
		compiled.coerce = emptyIsAbsent(takes.coerce)
	}
	if fd.IsList() {
		compiled.each = c.list(f.Each, depth)
		depth++
	}
	compiled.value = c.expression(f.Value, depth)
	if compiled.value == nil {
		return compiled
	}
	c.fits(f, takes, compiled.value)
	if depth > 0 && !compiled.value.ofItem {
		c.slots++
		compiled.slot = c.slots
	}
	return compiled
}

// fits checks the type of an expression, and a constant by its value.
func (c *checker) fits(f Field, takes column, x *expression) {
	if !takes.fits(x.static) {
		c.fail(f.Value.At, f.Value.Path, fmt.Sprintf("the expression is %s, %s wants %s", typeName(x.static), f.Name, takes.names()), takes.hint)
		return
	}
	if x.varies {
		return
	}
	v, err := x.value(&scope{})
	if err != nil {
		c.fail(f.Value.At, f.Value.Path, err.Error(), "")
		return
	}
	if _, _, err = takes.coerce(v); err != nil {
		c.fail(f.Value.At, f.Value.Path, err.Error(), takes.hint)
	}
}
