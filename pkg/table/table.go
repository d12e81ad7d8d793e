// Package table derives a MySQL table from the contract of a target message: its columns, its
// key, its statement of creation, and the rows of one message. A new table is a .proto file.
package table

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/proto/contract"
)

// Table is the table of one target message.
type Table struct {
	// Name is the table's name, without a database.
	Name string
	// Message is the full name of the target message.
	Message string
	// Comment says what the table holds.
	Comment string
	// Document is the column that all rows of one document share.
	Document Column
	// Key is the primary key, in order.
	Key []Column
	// Columns are all columns, in the order of the contract.
	Columns []Column

	document protoreflect.FieldDescriptor // of the message; Document.field is that of its rows
	rows     protoreflect.FieldDescriptor // nil where the message is the one row of its document
}

// Column is one column of a table.
type Column struct {
	// Name is the column's name.
	Name string
	// Type is its SQL type, without NULL or NOT NULL.
	Type string
	// Nullable is false for required fields, for the key and for the document.
	Nullable bool
	// Comment says what the column holds.
	Comment string

	field protoreflect.FieldDescriptor
	times timeForm
	value valuer
	at    int // position among the columns
}

// Of returns the table of a target message. Its error names all that is wrong with the contract.
func Of(md protoreflect.MessageDescriptor) (Table, error) {
	options := contract.Table(md)
	if options == nil {
		return Table{}, fmt.Errorf("message %s has no option (erpstream.sink.v1.table): it is stored in no table", md.FullName())
	}
	t := Table{Name: options.GetName(), Message: string(md.FullName()), Comment: options.GetComment()}
	row := md
	if options.GetRows() != "" {
		t.rows = md.Fields().ByName(protoreflect.Name(options.GetRows()))
		if t.rows == nil || !t.rows.IsList() || t.rows.Message() == nil {
			return Table{}, fmt.Errorf("message %s: rows is %q, want the name of a repeated message field", md.FullName(), options.GetRows())
		}
		row = t.rows.Message()
	}
	err := errors.Join(
		checkName("table", t.Name),
		t.readColumns(row),
		t.readDocument(md, row, options.GetDocument()),
		t.readKey(row, options.GetPrimaryKey()),
	)
	if err != nil {
		return Table{}, fmt.Errorf("message %s: %w", md.FullName(), err)
	}
	return t, nil
}

// readColumns makes a column of each field of a row.
func (t *Table) readColumns(row protoreflect.MessageDescriptor) error {
	var errs []error
	seen := map[string]bool{}
	fields := row.Fields()
	for i := range fields.Len() {
		c, err := columnOf(fields.Get(i))
		c.at = i
		if seen[strings.ToLower(c.Name)] {
			err = errors.Join(err, fmt.Errorf("column %s is there twice", c.Name))
		}
		seen[strings.ToLower(c.Name)] = true
		errs = append(errs, err)
		t.Columns = append(t.Columns, c)
	}
	return errors.Join(errs...)
}

// readDocument finds the document in the message and in its rows.
func (t *Table) readDocument(md, row protoreflect.MessageDescriptor, name string) error {
	t.document = md.Fields().ByName(protoreflect.Name(name))
	if t.document == nil {
		return fmt.Errorf("document is %q, which is no field of the message", name)
	}
	c := t.column(name)
	if c == nil {
		return fmt.Errorf("document is %q, which is no field of %s: the rows of a document could not be found", name, row.FullName())
	}
	if c.field.Kind() != t.document.Kind() || c.field.IsList() != t.document.IsList() {
		return fmt.Errorf("document %q is a %s in the message and a %s in its rows", name, t.document.Kind(), c.field.Kind())
	}
	if !identifies(c.field) {
		return fmt.Errorf("document %q is a %s, want a whole number or a string", name, c.field.Kind())
	}
	err := c.asKey("document")
	t.Document = *c
	return err
}

// readKey finds the primary key among the columns.
func (t *Table) readKey(row protoreflect.MessageDescriptor, names []string) error {
	if len(names) == 0 {
		return errors.New("primary_key is missing")
	}
	var errs []error
	for _, name := range names {
		c := t.column(name)
		if c == nil {
			errs = append(errs, fmt.Errorf("primary_key has %q, which is no field of %s", name, row.FullName()))
			continue
		}
		errs = append(errs, c.asKey("primary key"))
		t.Key = append(t.Key, *c)
	}
	return errors.Join(errs...)
}

// HasBytes reports whether a column holds bytes that need not be text.
func (t *Table) HasBytes() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.field.Kind() == protoreflect.BytesKind })
}

// column returns the column of the row field with that name, nil when there is none.
func (t *Table) column(field string) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return string(c.field.Name()) == field })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

// columnOf returns the column of a field.
func columnOf(fd protoreflect.FieldDescriptor) (Column, error) {
	options := contract.Column(fd)
	c := Column{
		Name: cmp.Or(options.GetName(), string(fd.Name())), Comment: options.GetComment(),
		Nullable: !rules(fd).GetRequired(), field: fd,
	}
	usual, err := usualType(fd)
	if err != nil {
		return c, err
	}
	c.Type = cmp.Or(options.GetType(), usual)
	if err := errors.Join(checkName("column", c.Name), checkType(&c)); err != nil {
		return c, err
	}
	c.times = timeFormOf(c.Type)
	c.value = valuerOf(fd, c.times)
	return c, nil
}

// asKey makes the column fit to be compared: never NULL, and text byte by byte, for the usual
// collations take "a" and "A" for the same.
func (c *Column) asKey(role string) error {
	c.Nullable = false
	base := baseType(c.Type)
	if strings.HasSuffix(base, "TEXT") || strings.HasSuffix(base, "BLOB") || base == "JSON" || base == "FLOAT" || base == "DOUBLE" {
		return fmt.Errorf("column %s is of type %s, which can't be the %s: give it a type such as VARCHAR(64)", c.Name, c.Type, role)
	}
	if !isText(base) || strings.HasSuffix(c.Type, binary) {
		return nil
	}
	if c.isUsual() {
		c.Type = usualKeyType
	}
	c.Type += binary
	return nil
}

// binary makes a text column compare byte by byte.
const binary = " COLLATE utf8mb4_bin"

// isUsual reports whether the contract leaves the type and the length of a text to us.
func (c *Column) isUsual() bool {
	return contract.Column(c.field).GetType() == "" && rules(c.field).GetString().GetMaxLen() == 0
}

// identifies reports whether values of a field can name a document.
func identifies(fd protoreflect.FieldDescriptor) bool {
	return !fd.IsList() && !fd.IsMap() && (fd.Kind() == protoreflect.StringKind || integers[fd.Kind()])
}

// integers are the kinds of whole numbers.
var integers = map[protoreflect.Kind]bool{
	protoreflect.Int32Kind: true, protoreflect.Int64Kind: true, protoreflect.Uint32Kind: true, protoreflect.Uint64Kind: true,
	protoreflect.Sint32Kind: true, protoreflect.Sint64Kind: true, protoreflect.Fixed32Kind: true, protoreflect.Fixed64Kind: true,
	protoreflect.Sfixed32Kind: true, protoreflect.Sfixed64Kind: true,
}

// maxName is the longest name that the servers take, in characters.
const maxName = 64

// checkName refuses names that a server would, or that would leave their quotes.
func checkName(what, name string) error {
	bad := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' }
	if name == "" || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%s name %q: up to %d letters, digits, _ and $", what, name, maxName)
	}
	return nil
}
