package mapping

import (
	"fmt"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

type (
	// Spec is what a flow document says about its mapping; package spec describes it and its parts.
	Spec = spec.Spec
	// Expr is an expression with its place.
	Expr = spec.Expr
	// Rule is one quality rule.
	Rule = spec.Rule
	// Else is what becomes of a record that breaks a quality rule.
	Else = spec.Else
	// Field says how one field of a message is made.
	Field = spec.Field
	// Pos is a place in a document.
	Pos = spec.Pos
)

// The fates of a record that breaks a rule.
const (
	Dead = spec.Dead
	Drop = spec.Drop
	Warn = spec.Warn
	Park = spec.Park
)

// Issue is a fault that Compile found.
type Issue struct {
	Pos
	// Path names the field or expression, for example map.rows.map.modified.
	Path string
	// Msg is what is wrong, Hint what to do about it, "" when that is plain.
	Msg, Hint string
}

// String returns the whole fault on one line.
func (i Issue) String() string {
	text := fmt.Sprintf("%d:%d: %s: %s", i.Line, i.Column, i.Path, i.Msg)
	if i.Hint != "" {
		text += " (" + i.Hint + ")"
	}
	return text
}
