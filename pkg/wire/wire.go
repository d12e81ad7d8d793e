// Package wire writes target messages as the JSON of a vendor's API: the names and types that the
// contract declares, and nothing that a field leaves open.
package wire

import (
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/proto/contract"
)

// JSON returns msg as JSON: fields under the names of their wire options, text as text, whole
// numbers and text with wire.number as JSON numbers digit for digit, messages as objects, lists in
// their order, maps as objects. Fields that are unset or empty are left out. Equal messages give
// equal bytes, so their SHA-256 stands for the content. The error names the field that can't be
// written; it never holds the value.
func JSON(msg proto.Message) ([]byte, error) {
	object, err := Object(msg)
	if err != nil {
		return nil, err
	}
	return Encode(object)
}

// Encode returns what Object made, or was added to it, as JSON with sorted keys.
func Encode(object map[string]any) ([]byte, error) {
	text, err := httpcall.JSON(object)
	if err != nil {
		return nil, fmt.Errorf("encode as JSON: %w", err)
	}
	return text, nil
}

// Object returns msg as JSON does, before it is encoded, for callers that add to it. Numbers are
// json.Number, the other values string, bool, []any and map[string]any.
func Object(msg proto.Message) (map[string]any, error) { return object(msg.ProtoReflect(), "") }

// object returns a message; path leads to it in errors.
func object(m protoreflect.Message, path string) (map[string]any, error) {
	out := map[string]any{}
	var err error
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		var value any
		at := path + string(fd.Name())
		if value, err = field(fd, v, at); err == nil && !empty(value) {
			out[Name(fd)] = value
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Name returns the name of a field on the wire.
func Name(fd protoreflect.FieldDescriptor) string {
	if name := contract.Wire(fd).GetName(); name != "" {
		return name
	}
	return string(fd.Name())
}

// empty reports whether a value has nothing to say. Zero and false do: a field that is set to them
// says so.
func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return value == nil
	}
}

// field returns the value of a field of any shape.
func field(fd protoreflect.FieldDescriptor, v protoreflect.Value, at string) (any, error) {
	switch {
	case fd.IsMap():
		return entries(fd, v.Map(), at)
	case fd.IsList():
		return list(fd, v.List(), at)
	default:
		return scalar(fd, v, at)
	}
}

func entries(fd protoreflect.FieldDescriptor, m protoreflect.Map, at string) (any, error) {
	out := make(map[string]any, m.Len())
	var err error
	m.Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
		out[key.String()], err = scalar(fd.MapValue(), v, at+"["+key.String()+"]")
		return err == nil
	})
	return out, err
}

func list(fd protoreflect.FieldDescriptor, l protoreflect.List, at string) (any, error) {
	out := make([]any, 0, l.Len())
	for i := range l.Len() {
		value, err := scalar(fd, l.Get(i), at+"["+strconv.Itoa(i)+"]")
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// scalar returns one value. Floating point has no place in a contract: it can't be written digit
// for digit.
func scalar(fd protoreflect.FieldDescriptor, v protoreflect.Value, at string) (any, error) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return text(fd, v.String(), at)
	case protoreflect.BoolKind:
		return v.Bool(), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return json.Number(strconv.FormatInt(v.Int(), 10)), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return json.Number(strconv.FormatUint(v.Uint(), 10)), nil
	case protoreflect.MessageKind:
		return object(v.Message(), at+".")
	default:
		return nil, fmt.Errorf("field %s is of kind %s, which has no form on the wire", at, fd.Kind())
	}
}

// text returns text, or the number that it holds where the field says so.
func text(fd protoreflect.FieldDescriptor, s, at string) (any, error) {
	if !contract.Wire(fd).GetNumber() || s == "" {
		return s, nil
	}
	number, err := Number(s)
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", at, err)
	}
	return number, nil
}
