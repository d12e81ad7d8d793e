// Package spec is what a flow document says about its mapping, as data. It is apart from the
// compiler, so that a service that only reads documents carries no expression language.
package spec

import "time"

// Spec is what a flow says about its mapping, with the places where it says so.
type Spec struct {
	// Where is the filter: records for which it is false are left out. Empty: all go on.
	Where Expr
	// Quality holds the rules that a record must meet, in order.
	Quality []Rule
	// Fields are the fields of the target message.
	Fields []Field
	// At is the place of the field tree, for faults that belong to no field of it.
	At Pos
	// Zone is the time zone of the record's times; nil is Asia/Shanghai.
	Zone *time.Location
	// Layouts are the forms that the record's times take, tried before the common ones.
	Layouts []string
	// Personal holds the paths in the record with personal data: their values are kept out of
	// errors.
	Personal []string
	// Tables are the value tables of the flow, by name.
	Tables map[string]Table
	// Settings are those of the target connection, which expressions may name; none is a secret. Nil
	// says that they are not known: then any name does.
	Settings map[string]string
}

// Table is a value table: what each code of the source is at the target.
type Table struct {
	// At is the place of the table's name, Path its path, for example tables.paytype.
	At   Pos
	Path string
	// Rows are the values by code.
	Rows map[string]string
	// File is the CSV file that holds the rows, "" when they are in Rows already.
	File string
}

// Pos is a place in a document, counted from 1; the zero Pos is unknown.
type Pos struct {
	Line, Column int
}

// Expr is an expression with its place.
type Expr struct {
	// Text is the expression; empty is none.
	Text string
	// At is where the text begins.
	At Pos
	// Path names the expression in errors, for example map.rows.each.
	Path string
	// Locate returns the place of the character at an offset in Text, counted in runes. Nil: the
	// text stands on one line, as it is.
	Locate func(offset int) Pos
}

// Place returns the place of a character of the expression, by its offset in runes.
func (e Expr) Place(offset int) Pos {
	switch {
	case e.Locate != nil:
		return e.Locate(offset)
	case e.At == Pos{}:
		return e.At
	default:
		return Pos{Line: e.At.Line, Column: e.At.Column + offset}
	}
}

// Field says how one field of a message is made: by Value alone, by Fields for a nested message,
// by Each with Fields for a list of messages, by Each with Value for a list of scalars.
type Field struct {
	// Name is the field's name in the .proto.
	Name string
	// At is the place of the name.
	At Pos
	// Path names the field in errors, for example map.rows.map.modified.
	Path string
	// Each is the list whose elements are walked as item.
	Each Expr
	// Value is the expression of a scalar.
	Value Expr
	// Fields are the fields of a nested message; not nil where the document says map.
	Fields []Field
}
