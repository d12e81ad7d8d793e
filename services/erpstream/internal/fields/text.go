package fields

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Decode reads a target message.
func Decode(mt protoreflect.MessageType, body []byte) (protoreflect.Message, error) {
	m := mt.New()
	if err := proto.Unmarshal(body, m.Interface()); err != nil {
		return nil, fmt.Errorf("read %s: %w", mt.Descriptor().FullName(), err)
	}
	return m, nil
}

// JSON returns a message as JSON for people: the fields that are set, with the names of the .proto and in
// its order, whole numbers as numbers, times in the zone.
func JSON(m protoreflect.Message, zone *time.Location) []byte {
	w := writer{zone: zone}
	w.message(m)
	return w.Bytes()
}

// Text returns a value of a field as JSON on one line. A time is written in the zone.
func Text(fd protoreflect.FieldDescriptor, v protoreflect.Value, zone *time.Location) string {
	w := writer{zone: zone}
	w.value(fd, v)
	return w.String()
}

type writer struct {
	bytes.Buffer
	zone *time.Location
}

func (w *writer) message(m protoreflect.Message) {
	w.WriteByte('{')
	first := true
	for fd := range each(m.Descriptor().Fields()) {
		if !m.Has(fd) {
			continue
		}
		w.name(string(fd.Name()), &first)
		switch v := m.Get(fd); {
		case fd.IsMap():
			w.pairs(fd, v.Map())
		case fd.IsList():
			w.list(fd, v.List())
		default:
			w.value(fd, v)
		}
	}
	w.WriteByte('}')
}

// name begins a field, after a comma where it is not the first.
func (w *writer) name(name string, first *bool) {
	if !*first {
		w.WriteByte(',')
	}
	*first = false
	w.text(name)
	w.WriteByte(':')
}

func (w *writer) list(fd protoreflect.FieldDescriptor, list protoreflect.List) {
	w.WriteByte('[')
	for i := range list.Len() {
		if i > 0 {
			w.WriteByte(',')
		}
		w.value(fd, list.Get(i))
	}
	w.WriteByte(']')
}

func (w *writer) pairs(fd protoreflect.FieldDescriptor, m protoreflect.Map) {
	w.WriteByte('{')
	first := true
	for _, k := range sortedKeys(m) {
		w.name(k.String(), &first)
		w.value(fd.MapValue(), m.Get(k))
	}
	w.WriteByte('}')
}

func (w *writer) value(fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case isTime(fd):
		w.text(asTime(v.Message()).In(w.zone).Format(time.RFC3339Nano))
	case fd.Message() != nil:
		w.message(v.Message())
	case fd.Kind() == protoreflect.EnumKind:
		w.text(enumName(fd, v.Enum()))
	case fd.Kind() == protoreflect.StringKind:
		w.text(v.String())
	case fd.Kind() == protoreflect.BytesKind:
		encoded, _ := json.Marshal(v.Bytes()) // bytes can always be written
		w.Write(encoded)
	default:
		w.WriteString(v.String())
	}
}

func (w *writer) text(text string) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text can always be written
	w.Truncate(w.Len() - 1)  // without the line break
}

func enumName(fd protoreflect.FieldDescriptor, n protoreflect.EnumNumber) string {
	if value := fd.Enum().Values().ByNumber(n); value != nil {
		return string(value.Name())
	}
	return strconv.Itoa(int(n))
}

// isMessage reports whether the values of a field have fields of their own: a time is one value.
func isMessage(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && !fd.IsMap() && !isTime(fd)
}

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp"
}

// asTime reads a Timestamp, generated or dynamic.
func asTime(m protoreflect.Message) time.Time {
	fields := m.Descriptor().Fields()
	return time.Unix(m.Get(fields.ByName("seconds")).Int(), m.Get(fields.ByName("nanos")).Int())
}
