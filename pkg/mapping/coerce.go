package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/proto/contract"
)

// coercion turns a value of an expression into one of a field; set is false when there is none.
type coercion func(v any) (value protoreflect.Value, set bool, err error)

// column is what a field takes: how values become its own, and which static types fit.
type column struct {
	coerce coercion
	// takes names the static types that fit besides dyn.
	takes []*cel.Type
	// strict refuses dyn.
	strict bool
	// hint says what to write when a type does not fit.
	hint string
}

// columnOf returns what a scalar field, or an element of a list of scalars, takes. The error
// says why no expression can fill the field.
func columnOf(fd protoreflect.FieldDescriptor) (column, error) {
	whole := []*cel.Type{cel.IntType, cel.UintType, decimalType}
	switch fd.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return column{coerce: coerceInt(32), takes: whole, hint: "write int(…)"}, nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return column{coerce: coerceInt(64), takes: whole, hint: "write int(…)"}, nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return column{coerce: coerceUint(32), takes: whole, hint: "write int(…)"}, nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return column{coerce: coerceUint(64), takes: whole, hint: "write int(…)"}, nil
	case protoreflect.BoolKind:
		return column{coerce: coerceBool, takes: []*cel.Type{cel.BoolType}, hint: "write a comparison"}, nil
	case protoreflect.StringKind:
		if isDecimal(fd) {
			return column{coerce: coerceDecimal, takes: append(whole, cel.StringType), hint: "write decimal(…)"}, nil
		}
		return column{coerce: coerceString, takes: []*cel.Type{cel.StringType, decimalType}, hint: "write string(…)"}, nil
	case protoreflect.EnumKind:
		return column{coerce: coerceEnum(fd.Enum()), takes: []*cel.Type{cel.StringType}, hint: "write the name of the value as text"}, nil
	case protoreflect.MessageKind:
		if fd.Message().FullName() == "google.protobuf.Timestamp" {
			return column{coerce: coerceTime, takes: []*cel.Type{cel.TimestampType}, strict: true, hint: "use datetime(…)"}, nil
		}
		return column{}, fmt.Errorf("is a %s: it needs map", fd.Message().Name())
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return column{}, errors.New("is a floating point number, which loses digits: make it a string with a DECIMAL column")
	default:
		return column{}, fmt.Errorf("is of kind %s, which a mapping can't fill", fd.Kind())
	}
}

// isDecimal reports whether a string field holds a decimal.
func isDecimal(fd protoreflect.FieldDescriptor) bool {
	sqlType := strings.ToUpper(contract.Column(fd).GetType())
	return strings.HasPrefix(sqlType, "DECIMAL") || strings.HasPrefix(sqlType, "NUMERIC")
}

// fits reports whether a static type may go into the column; dyn is judged at run time.
func (c column) fits(t *cel.Type) bool {
	if t.Kind() == cel.DynKind || t.Kind() == cel.TypeParamKind {
		return !c.strict
	}
	if t.Kind() == cel.NullTypeKind {
		return true
	}
	for _, want := range c.takes {
		if want.IsExactType(t) {
			return true
		}
	}
	return t.TypeName() == "optional_type" && c.fits(t.Parameters()[0])
}

// names returns the static types that the column takes, for people.
func (c column) names() string {
	var names []string
	for _, t := range c.takes {
		names = append(names, typeName(t))
	}
	return strings.Join(names, ", ")
}

func typeName(t *cel.Type) string {
	if t.Kind() == cel.TimestampKind {
		return "timestamp"
	}
	return t.String()
}

func refuse(v any, want string) (protoreflect.Value, bool, error) {
	return protoreflect.Value{}, false, fmt.Errorf("%s is not %s", kindOf(v), want)
}

// empty reports whether a value means no value, for fields that are not text.
func empty(v any) bool { return v == nil || v == "" }

func coerceInt(bits int) coercion {
	return func(v any) (protoreflect.Value, bool, error) {
		if empty(v) {
			return protoreflect.Value{}, false, nil
		}
		text, err := wholeText(v)
		if err != nil {
			return protoreflect.Value{}, false, err
		}
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return protoreflect.Value{}, false, fmt.Errorf("a number is out of the range of int%d", bits)
		}
		if bits == 32 {
			return protoreflect.ValueOfInt32(int32(n)), true, nil
		}
		return protoreflect.ValueOfInt64(n), true, nil
	}
}

func coerceUint(bits int) coercion {
	return func(v any) (protoreflect.Value, bool, error) {
		if empty(v) {
			return protoreflect.Value{}, false, nil
		}
		text, err := wholeText(v)
		if err != nil {
			return protoreflect.Value{}, false, err
		}
		n, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return protoreflect.Value{}, false, fmt.Errorf("a number is out of the range of uint%d", bits)
		}
		if bits == 32 {
			return protoreflect.ValueOfUint32(uint32(n)), true, nil
		}
		return protoreflect.ValueOfUint64(n), true, nil
	}
}

// wholeText returns the digits of a whole number, written as number or text: 2.0 and 2e0 are 2.
func wholeText(v any) (string, error) {
	text, err := numericText(v)
	if err != nil {
		return "", err
	}
	if _, digits := cutDigits(strings.TrimPrefix(text, "-")); digits == len(strings.TrimPrefix(text, "-")) {
		return text, nil
	}
	d, err := parseDecimal(text)
	switch {
	case err != nil:
		return "", err
	case !d.IsInteger():
		return "", fmt.Errorf("%s has a fraction: not a whole number", kindOf(v))
	default:
		return d.BigInt().String(), nil
	}
}

// numericText returns the literal of a number, written as number or text.
func numericText(v any) (string, error) {
	switch v := v.(type) {
	case json.Number:
		return string(v), nil
	case string:
		text := strings.TrimSpace(v)
		if !isNumeric(text) {
			return "", errors.New("text is not a number")
		}
		return strings.TrimPrefix(text, "+"), nil
	default:
		return "", fmt.Errorf("%s is not a number", kindOf(v))
	}
}

func coerceBool(v any) (protoreflect.Value, bool, error) {
	if empty(v) {
		return protoreflect.Value{}, false, nil
	}
	text, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		text, ok = string(n), true
	}
	if b, isBool := v.(bool); isBool {
		return protoreflect.ValueOfBool(b), true, nil
	}
	switch {
	case ok && (text == "1" || strings.EqualFold(text, "true")):
		return protoreflect.ValueOfBool(true), true, nil
	case ok && (text == "0" || strings.EqualFold(text, "false")):
		return protoreflect.ValueOfBool(false), true, nil
	default:
		return refuse(v, "true, false, 1 or 0")
	}
}

func coerceString(v any) (protoreflect.Value, bool, error) {
	switch v := v.(type) {
	case nil:
		return protoreflect.Value{}, false, nil
	case string:
		return protoreflect.ValueOfString(v), true, nil
	case json.Number:
		return protoreflect.ValueOfString(string(v)), true, nil
	case bool:
		return protoreflect.ValueOfString(strconv.FormatBool(v)), true, nil
	default:
		return refuse(v, "text")
	}
}

// emptyIsAbsent leaves a field whose value is "" absent, so that the contract sees that it is missing.
func emptyIsAbsent(coerce coercion) coercion {
	return func(v any) (protoreflect.Value, bool, error) {
		if v == "" {
			return protoreflect.Value{}, false, nil
		}
		return coerce(v)
	}
}

// coerceDecimal writes plain digits: no exponent, and every digit that the source wrote.
func coerceDecimal(v any) (protoreflect.Value, bool, error) {
	if empty(v) {
		return protoreflect.Value{}, false, nil
	}
	text, err := numericText(v)
	if err != nil {
		return protoreflect.Value{}, false, err
	}
	if !isPlainDecimal(text) {
		d, err := parseDecimal(text)
		if err != nil {
			return protoreflect.Value{}, false, err
		}
		text = plainText(d)
	}
	return protoreflect.ValueOfString(text), true, nil
}

// isPlainDecimal reports whether text needs no change: -12.50, and not 1e2, .5, 5. or 007.
func isPlainDecimal[T string | []byte](text T) bool {
	begin := 0
	if len(text) > 0 && text[0] == '-' {
		begin = 1
	}
	point := begin + digitsAt(text, begin)
	whole := point - begin
	if whole == 0 || whole > 1 && text[begin] == '0' || len(text) > maxDigits {
		return false
	}
	if point == len(text) {
		return true
	}
	fraction := digitsAt(text, point+1)
	return text[point] == '.' && fraction > 0 && point+1+fraction == len(text)
}

// digitsAt counts the digits from a place on.
func digitsAt[T string | []byte](text T, i int) int {
	n := 0
	for i+n < len(text) && text[i+n] >= '0' && text[i+n] <= '9' {
		n++
	}
	return n
}

func coerceEnum(ed protoreflect.EnumDescriptor) coercion {
	return func(v any) (protoreflect.Value, bool, error) {
		if empty(v) {
			return protoreflect.Value{}, false, nil
		}
		name, ok := v.(string)
		if !ok {
			return refuse(v, "the name of a value of "+string(ed.Name()))
		}
		value := ed.Values().ByName(protoreflect.Name(name))
		if value == nil {
			return protoreflect.Value{}, false, fmt.Errorf("text is no name of a value of %s", ed.Name())
		}
		return protoreflect.ValueOfEnum(value.Number()), true, nil
	}
}

func coerceTime(v any) (protoreflect.Value, bool, error) {
	switch v := v.(type) {
	case nil:
		return protoreflect.Value{}, false, nil
	case time.Time:
		if year := v.UTC().Year(); year < 1 || year > 9999 {
			return refuse(v, "between the years 1 and 9999")
		}
		return protoreflect.ValueOfMessage(timestamppb.New(v).ProtoReflect()), true, nil
	default:
		return refuse(v, "a time")
	}
}
