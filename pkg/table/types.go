package table

import (
	"fmt"
	"regexp"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// usualKeyType is the type of a text key whose length the contract leaves open; four bytes a
// character still fit an index of any server.
const usualKeyType = "VARCHAR(190)"

// usualTypes are the types of fields that name none. Times are kept to the second, as the vendors
// say them; DATETIME(3) in the contract keeps more.
var usualTypes = map[protoreflect.Kind]string{
	protoreflect.BoolKind:     "TINYINT(1)",
	protoreflect.Int32Kind:    "INT",
	protoreflect.Sint32Kind:   "INT",
	protoreflect.Sfixed32Kind: "INT",
	protoreflect.Uint32Kind:   "INT UNSIGNED",
	protoreflect.Fixed32Kind:  "INT UNSIGNED",
	protoreflect.Int64Kind:    "BIGINT",
	protoreflect.Sint64Kind:   "BIGINT",
	protoreflect.Sfixed64Kind: "BIGINT",
	protoreflect.Uint64Kind:   "BIGINT UNSIGNED",
	protoreflect.Fixed64Kind:  "BIGINT UNSIGNED",
	protoreflect.FloatKind:    "FLOAT",
	protoreflect.DoubleKind:   "DOUBLE",
	protoreflect.BytesKind:    "BLOB",
	protoreflect.EnumKind:     "VARCHAR(64)",
}

// usualType returns the type that follows from a field and its rules.
func usualType(fd protoreflect.FieldDescriptor) (string, error) {
	switch {
	case fd.IsList() || fd.IsMap():
		return "", fmt.Errorf("field %s is repeated, which can't be a column", fd.Name())
	case isTimestamp(fd):
		return "DATETIME", nil
	case fd.Kind() == protoreflect.StringKind:
		return stringType(rules(fd).GetString().GetMaxLen()), nil
	}
	usual, ok := usualTypes[fd.Kind()]
	if !ok {
		return "", fmt.Errorf("field %s is a message, which can't be a column; of messages only google.protobuf.Timestamp can", fd.Name())
	}
	return usual, nil
}

// stringType returns the type of a string of at most limit characters, 0 for no limit. Long ones
// are no VARCHAR, for all VARCHAR columns of a row share 64 KiB.
func stringType(limit uint64) string {
	switch {
	case limit == 0:
		return "VARCHAR(255)"
	case limit <= 1000:
		return fmt.Sprintf("VARCHAR(%d)", limit)
	case limit <= 16_383: // of four bytes
		return "TEXT"
	default:
		return "MEDIUMTEXT"
	}
}

// typeForm is a name, what is in brackets, and UNSIGNED.
var typeForm = regexp.MustCompile(`^[A-Za-z]+(\(\d+(, ?\d+)?\))?( (UNSIGNED|unsigned))?$`)

// checkType refuses type texts that are no single type, and time columns for other fields' values.
func checkType(c *Column) error {
	if !typeForm.MatchString(c.Type) {
		return fmt.Errorf("column %s: type %q: want one such as VARCHAR(64), DECIMAL(14,4) or BIGINT UNSIGNED", c.Name, c.Type)
	}
	base := baseType(c.Type)
	if isTimestamp(c.field) && !isTime(base) && !isText(base) {
		return fmt.Errorf("column %s: a google.protobuf.Timestamp can't be stored as %s", c.Name, c.Type)
	}
	return nil
}

// baseType returns the name of a type, in capitals.
func baseType(sqlType string) string {
	name, _, _ := strings.Cut(strings.ToUpper(sqlType), "(")
	name, _, _ = strings.Cut(name, " ")
	return name
}

func isText(base string) bool {
	return strings.HasSuffix(base, "CHAR") || strings.HasSuffix(base, "TEXT")
}

func isTime(base string) bool {
	return base == "DATETIME" || base == "TIMESTAMP" || base == "DATE" || base == "TIME"
}

func isTimestamp(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp"
}

// rules returns a field's validation rules; nil is fine to ask.
func rules(fd protoreflect.FieldDescriptor) *validate.FieldRules {
	r, ok := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
	if !ok {
		return nil
	}
	return r
}
