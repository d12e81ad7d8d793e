package table

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Document is one message as rows.
type Document struct {
	// Key is the value of the document column as text.
	Key string
	// Value is the value of the document column.
	Value any
	// Rows hold a value for each column of the table; none when the document was removed.
	Rows [][]any
}

// Rows returns the rows of a message. Times are wall clock in loc, decimals stay text, an absent
// field is nil. A row of another document and a key that is there twice are errors: the first
// would never be found again, of the second one row would be lost.
func (t *Table) Rows(msg protoreflect.Message, loc *time.Location) (Document, error) {
	if !msg.Has(t.document) {
		return Document{}, fmt.Errorf("%s is missing", t.document.Name())
	}
	doc := Document{Value: t.Document.value(msg.Get(t.document), loc)}
	doc.Key = text(doc.Value)
	if err := checkDocument(doc.Key); err != nil {
		return Document{}, err
	}
	if t.rows == nil {
		row := t.row(msg, loc)
		_, err := t.key(row)
		doc.Rows = [][]any{row}
		return doc, err
	}
	list := msg.Get(t.rows).List()
	seen := make(map[string]bool, list.Len())
	for i := range list.Len() {
		row := t.row(list.Get(i).Message(), loc)
		if row[t.Document.at] != doc.Value {
			return Document{}, fmt.Errorf("%s[%d]: %s is %q, want that of its document, %q", t.rows.Name(), i, t.Document.Name, text(row[t.Document.at]), doc.Key)
		}
		key, err := t.key(row)
		if err != nil || seen[key] {
			return Document{}, fmt.Errorf("%s[%d]: %w", t.rows.Name(), i, orTwice(err, key))
		}
		seen[key] = true
		doc.Rows = append(doc.Rows, row)
	}
	return doc, nil
}

// Removed returns the document that a record's key names, without rows.
func (t *Table) Removed(key string) (Document, error) {
	doc := Document{Key: key, Value: key}
	if err := checkDocument(key); err != nil || t.document.Kind() == protoreflect.StringKind {
		return doc, err
	}
	n, err := strconv.ParseInt(key, 10, 64)
	doc.Value = n
	if u, unsigned := strconv.ParseUint(key, 10, 64); unsigned == nil && err != nil {
		doc.Value, err = u, nil
	}
	if err != nil || text(doc.Value) != key {
		return Document{}, fmt.Errorf("%s is a whole number in the contract, the record's key is %q", t.Document.Name, key)
	}
	return doc, nil
}

// KeyValues returns the values of a row that make its primary key, in the key's order.
func (t *Table) KeyValues(row []any) []any {
	values := make([]any, len(t.Key))
	for i := range t.Key {
		values[i] = row[t.Key[i].at]
	}
	return values
}

// row returns the values of one row.
func (t *Table) row(msg protoreflect.Message, loc *time.Location) []any {
	values := make([]any, len(t.Columns))
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.field.HasPresence() || msg.Has(c.field) {
			values[i] = c.value(msg.Get(c.field), loc)
		}
	}
	return values
}

// key returns a row's primary key as one text.
func (t *Table) key(row []any) (string, error) {
	parts := make([]string, len(t.Key))
	for i := range t.Key {
		c := &t.Key[i]
		if row[c.at] == nil {
			return "", fmt.Errorf("%s is missing, which is of the primary key", c.Name)
		}
		parts[i] = text(row[c.at])
	}
	return strings.Join(parts, "\x00"), nil
}

func orTwice(err error, key string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("the primary key %q is there twice", strings.ReplaceAll(key, "\x00", "/"))
}

// checkDocument refuses what the guard could not tell apart.
func checkDocument(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("the document's key is empty")
	case utf8.RuneCountInString(key) > MaxDocument:
		return fmt.Errorf("the document's key is longer than %d characters: %.40s…", MaxDocument, key)
	case strings.HasSuffix(key, " "):
		return fmt.Errorf("the document's key %q ends in a space, which a database does not tell from the one without", key)
	default:
		return nil
	}
}

// text returns a value as the guard holds it.
func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return fmt.Sprint(v)
	}
}

// valuer makes a value for the driver: int64, uint64, float64, string or []byte.
type valuer func(v protoreflect.Value, loc *time.Location) any

// valuerOf returns how values of a field are stored in a column.
func valuerOf(fd protoreflect.FieldDescriptor, form timeForm) valuer {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind: // a Timestamp: usualType refused others
		return func(v protoreflect.Value, loc *time.Location) any {
			return string(form.append(nil, instant(v.Message()), loc))
		}
	case protoreflect.EnumKind:
		return func(v protoreflect.Value, _ *time.Location) any { return enumName(fd, v.Enum()) }
	case protoreflect.BoolKind:
		return bit
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return func(v protoreflect.Value, _ *time.Location) any { return v.Int() }
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return func(v protoreflect.Value, _ *time.Location) any { return unsigned(v.Uint()) }
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return func(v protoreflect.Value, _ *time.Location) any { return v.Float() }
	case protoreflect.BytesKind:
		return func(v protoreflect.Value, _ *time.Location) any { return v.Bytes() }
	default:
		return func(v protoreflect.Value, _ *time.Location) any { return v.String() }
	}
}

// bit returns a bool as the number that it is in MySQL.
func bit(v protoreflect.Value, _ *time.Location) any {
	if v.Bool() {
		return int64(1)
	}
	return int64(0)
}

// unsigned returns n as the smaller kind of number where it fits, so that equal numbers are equal
// values.
func unsigned(n uint64) any {
	if n>>63 == 0 {
		return int64(n)
	}
	return n
}

// enumName returns the name of an enum's value, its number when the contract has no name for it.
func enumName(fd protoreflect.FieldDescriptor, n protoreflect.EnumNumber) string {
	if v := fd.Enum().Values().ByNumber(n); v != nil {
		return string(v.Name())
	}
	return strconv.Itoa(int(n))
}

// timeForm is how a column holds instants: cut to its digits, for servers differ in whether they round.
type timeForm struct {
	layout string
	utc    bool // TIMESTAMP holds an instant, and the session's zone is UTC
}

// timeFormOf returns the form of a column's type.
func timeFormOf(sqlType string) timeForm {
	base := baseType(sqlType)
	layout := map[string]string{"DATE": time.DateOnly, "TIME": time.TimeOnly}[base]
	if layout == "" {
		layout = time.DateTime
	}
	if _, digits, ok := strings.Cut(sqlType, "("); ok && isTime(base) {
		n, _ := strconv.Atoi(strings.TrimSuffix(digits, ")"))
		layout += "." + strings.Repeat("0", n)
		layout = strings.TrimSuffix(layout, ".")
	}
	return timeForm{layout, base == "TIMESTAMP"}
}

// append appends an instant, as wall clock in the connection's zone.
func (f timeForm) append(text []byte, at time.Time, loc *time.Location) []byte {
	if f.utc {
		loc = time.UTC
	}
	return at.In(loc).AppendFormat(text, f.layout)
}

// instant reads a google.protobuf.Timestamp of any Go type.
func instant(msg protoreflect.Message) time.Time {
	fields := msg.Descriptor().Fields()
	return time.Unix(msg.Get(fields.ByName("seconds")).Int(), msg.Get(fields.ByName("nanos")).Int())
}
