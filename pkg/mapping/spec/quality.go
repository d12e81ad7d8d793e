package spec

import (
	"strings"
	"time"
)

// Rule is one quality rule: Rule says with an expression what must be so, or Check what must be so of one
// value.
type Rule struct {
	// Name is what messages and events call the rule; empty: see Label.
	Name string
	// Rule must be true for a record; its text is empty where there is a Check.
	Rule Expr
	// Check is nil where there is a Rule.
	Check *Check
	// Else is what becomes of a record that breaks the rule.
	Else Else
}

// Label is the name of the rule, or else what it says.
func (r Rule) Label() string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Check != nil:
		return string(r.Check.Kind) + " " + strings.TrimSpace(r.Check.Field.Text)
	default:
		return strings.TrimSpace(r.Rule.Text)
	}
}

// Place is the expression by which faults of the rule as a whole are placed.
func (r Rule) Place() Expr {
	if r.Check != nil {
		return r.Check.Field
	}
	return r.Rule
}

// Check is what must be so of one value. All kinds but Required hold for a value that is absent, null or
// "": whether there must be one is a rule of its own.
type Check struct {
	Kind CheckKind
	// Each is the list whose elements are checked, as item; its text is empty where Field is of the record.
	Each Expr
	// Field is the value.
	Field Expr
	// Min and Max are the bounds of a Range, both inclusive, as decimal numbers; "" is none.
	Min, Max string
	// Values are those of OneOf. Numbers and booleans are compared as they are written.
	Values []string
	// Within is how long no other document may have the value of Unique, counted from the first that had
	// it, and how old the time of Fresh may be when the record is read.
	Within time.Duration
}

// CheckKind is what a Check asks.
type CheckKind string

// The kinds of checks, as a flow document writes them.
const (
	Required CheckKind = "required"
	Range    CheckKind = "range"
	OneOf    CheckKind = "one_of"
	Fresh    CheckKind = "fresh"
	Unique   CheckKind = "unique"
)

// Else is what becomes of a record that breaks a quality rule.
type Else string

// The fates of a record that breaks a rule.
const (
	// Dead makes it a dead letter.
	Dead Else = "dead"
	// Drop leaves it out.
	Drop Else = "drop"
	// Warn lets it go on, and operators hear of it.
	Warn Else = "warn"
	// Park lets it wait until there is another revision of the flow, or it is released by hand.
	Park Else = "park"
)

// Fates are all fates.
func Fates() []Else { return []Else{Dead, Drop, Warn, Park} }
