// Package shape checks a JSON object against the fields that an API declares, as strictly as a vendor
// whose types are fixed.
package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Kind is the declared type of a field.
type Kind int

// The kinds of fields. null stands for no value in each of them.
const (
	Text Kind = iota
	Number
	Integer
	Boolean
	// ID is an integer or its digits as text.
	ID
	// Texts is a list of texts.
	Texts
	// Map is an object with texts for values.
	Map
	// List is a list of objects.
	List
	// Nested is one object.
	Nested
)

var names = map[Kind]string{
	Text: "string", Number: "number", Integer: "int32", Boolean: "bool", ID: "int64", Texts: "repeated string", Map: "map<string,string>",
	List: "repeated message", Nested: "message",
}

// String returns the name of k.
func (k Kind) String() string { return names[k] }

// Field is one declared field.
type Field struct {
	Kind Kind
	// Fields are those of the objects in a List, or of a Nested.
	Fields Fields
}

// Fields are the declared fields of an object, by name.
type Fields map[string]Field

// Object is what was read: texts as string, numbers as json.Number, lists as []any, no nulls.
type Object map[string]any

// Rules say what is let pass.
type Rules struct {
	// IgnoreUnknown drops fields that are not declared, except those that Allow keeps.
	IgnoreUnknown bool
	// Lenient takes text for a number and a number for text.
	Lenient bool
	// Allow keeps a field that is not declared; may be nil.
	Allow func(name string) bool
	// Rename gives a field the name that it is declared by; may be nil.
	Rename func(name string, fields Fields) string
}

// Mistake is what is wrong with a field.
type Mistake struct {
	// Field is its path, such as material_entity[2].qty.
	Field string
	// Unknown says that it is not declared; else its value is not of the Kind.
	Unknown bool
	Kind    Kind
	// Value is the JSON of a wrong value.
	Value string
}

// Error describes the mistake.
func (m *Mistake) Error() string {
	if m.Unknown {
		return fmt.Sprintf("unknown field %q", m.Field)
	}
	return fmt.Sprintf("invalid value for %s field %s: %s", m.Kind, m.Field, m.Value)
}

// UnmarshalJSON reads one JSON object. Numbers stay as they were written.
func (o *Object) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec.Decode((*map[string]any)(o))
}

// Decode reads one JSON object, and nothing after it.
func Decode(text []byte) (Object, error) {
	var o Object
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("decode object: %w", err)
	}
	if o == nil {
		return nil, errors.New("decode object: there is none")
	}
	return o, nil
}

// Read returns o with what f declares, or the first Mistake by the order of names.
func (r Rules) Read(o Object, f Fields) (Object, error) { return r.object(o, f, "") }

func (r Rules) object(o Object, f Fields, path string) (Object, error) {
	read := Object{}
	for _, name := range sorted(o) {
		value := o[name]
		if r.Rename != nil {
			name = r.Rename(name, f)
		}
		field, declared := f[name]
		switch {
		case !declared && r.Allow != nil && r.Allow(name):
			read[name] = value
			continue
		case !declared && r.IgnoreUnknown || value == nil:
			continue
		case !declared:
			return nil, &Mistake{Field: path + name, Unknown: true}
		}
		checked, err := r.value(value, field, path+name)
		if err != nil {
			return nil, err
		}
		read[name] = checked
	}
	return read, nil
}

func sorted(o Object) []string {
	var all []string
	for name := range o {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (r Rules) value(v any, f Field, path string) (any, error) {
	switch f.Kind {
	case Texts, List:
		return r.list(v, f, path)
	case Map, Nested:
		return r.nested(v, f, path)
	default:
		if checked, ok := r.scalar(v, f.Kind); ok {
			return checked, nil
		}
		return nil, mistake(v, f, path)
	}
}

func (r Rules) list(v any, f Field, path string) (any, error) {
	all, ok := v.([]any)
	if !ok {
		return nil, mistake(v, f, path)
	}
	element := Field{Kind: Text}
	if f.Kind == List {
		element = Field{Kind: Nested, Fields: f.Fields}
	}
	read := make([]any, len(all))
	for i, one := range all {
		var err error
		if read[i], err = r.value(one, element, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return nil, err
		}
	}
	return read, nil
}

func (r Rules) nested(v any, f Field, path string) (any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, mistake(v, f, path)
	}
	if f.Kind == Nested {
		return r.object(o, f.Fields, path+".")
	}
	for name, one := range o {
		if _, ok := r.scalar(one, Text); !ok {
			return nil, mistake(one, Field{Kind: Text}, path+"."+name)
		}
	}
	return Object(o), nil
}

var (
	digits  = regexp.MustCompile(`^-?[0-9]{1,18}$`)
	decimal = regexp.MustCompile(`^-?[0-9]{1,40}([.][0-9]{1,40})?$`)
)

// scalar returns v in the Go type of k, if it may stand for it.
func (r Rules) scalar(v any, k Kind) (any, bool) {
	switch v := v.(type) {
	case bool:
		return v, k == Boolean
	case string:
		whole := (k == ID || k == Integer && r.Lenient) && digits.MatchString(v)
		if whole || k == Number && r.Lenient && decimal.MatchString(v) {
			return json.Number(v), true
		}
		return v, k == Text
	case json.Number:
		if k == Text && r.Lenient {
			return v.String(), true
		}
		whole := digits.MatchString(v.String())
		return v, k == Number || (k == Integer || k == ID) && whole
	default:
		return nil, false
	}
}

// mistake names a wrong value, but never at length.
func mistake(v any, f Field, path string) error {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("?")
	}
	return &Mistake{Field: path, Kind: f.Kind, Value: fmt.Sprintf("%.80s", text)}
}

// Text returns the text of a field; empty if there is none. Numbers come as they were written.
func (o Object) Text(name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// True reports whether a field is true.
func (o Object) True(name string) bool { return o[name] == true }

// Objects returns the objects of a List, and whether there is one.
func (o Object) Objects(name string) ([]Object, bool) {
	list, found := o[name].([]any)
	var all []Object
	for _, one := range list {
		if object, ok := one.(Object); ok {
			all = append(all, object)
		}
	}
	return all, found
}

// Texts returns the elements of a Texts.
func (o Object) Texts(name string) []string {
	list, _ := o[name].([]any)
	var all []string
	for _, one := range list {
		if text, ok := one.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// Scalar returns the text of a decoded text, number or truth value; empty for anything else.
func Scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}
