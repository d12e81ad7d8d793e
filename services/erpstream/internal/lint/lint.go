// Package lint finds what is allowed in a flow or a source and yet likely a mistake: fields that no record
// has, personal data that leaves, columns that stay empty, schedules that an account's budget can't hold.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/erpstream/erpstream/pkg/feed/catalog/samples"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Severity says how bad a finding is.
type Severity string

// The severities: what is wrong, what is likely wrong or has to be justified, and what is good to know.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Severities are all of them, the worst first.
var Severities = []Severity{Error, Warning, Info}

// AtLeast reports whether s is as bad as other, or worse.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities, s) <= slices.Index(Severities, other)
}

// The codes of findings, which ignore comments name.
const (
	Invalid           = "invalid"
	UnfedCollection   = check.UnfedCollection
	UnknownField      = "unknown-field"
	UnusedField       = "unused-field"
	PersonalField     = "personal-field"
	UnfilledField     = "unfilled-field"
	OverBudget        = "over-budget"
	SettleAdvice      = "settle-advice"
	UnsafeConnection  = "unsafe-connection"
	IgnoreComment     = "ignore-comment"
	ignoreCommentMark = "lint:ignore"
)

// Code is a kind of finding.
type Code struct {
	Name string `json:"code"`
	// What says what the finding means, in one line.
	What string `json:"what"`
}

// Codes are all kinds of findings.
var Codes = []Code{
	{Invalid, "the document does not pass `flow check`"},
	{UnfedCollection, "a lookup of master data (基础资料) that no flow keeps: its records would wait for ever"},
	{UnknownField, "a field of the record that neither the recorded sample nor the records seen have: it is always null"},
	{UnusedField, "fields of the record that the flow does not read"},
	{PersonalField, "personal data (个人信息) that goes to a target: say why, or leave it out"},
	{UnfilledField, "fields of the target message that the flow never fills"},
	{OverBudget, "schedules that need more calls than the account has (频次超限)"},
	{SettleAdvice, "a settle or an overlap below what the vendor's API needs, so that late records are missed (漏单)"},
	{UnsafeConnection, "a connection without TLS, or that takes any certificate: others could read or change what it carries"},
	{IgnoreComment, "a lint:ignore comment that names no code, gives no reason or ignores nothing"},
}

// Finding is one thing that was found, with its place.
type Finding struct {
	File string `json:"file"`
	// Line and Column count from 1.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path names the field of the document.
	Path     string   `json:"path,omitempty"`
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
}

// String returns the finding on one line.
func (f Finding) String() string {
	at := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		at += f.Path + ": "
	}
	return fmt.Sprintf("%s%s: %s [%s]", at, f.Severity, f.Message, f.Code)
}

// Seen are the fields that records of a source were seen to have.
type Seen struct {
	Fields []samples.Field
	// Records is how many were looked at.
	Records int
}

// Input is what is looked at.
type Input struct {
	// Documents are those that findings are wanted about.
	Documents []flow.Document
	// Set holds them and what they refer to.
	Set flow.Set
	// Seen holds what records had, by source; without, the recorded samples alone count.
	Seen map[string]Seen
}

// Run returns what is found in the documents, by file and place. It asks no server.
func Run(in Input) []Finding {
	l := &linter{set: in.Set, seen: in.Seen}
	l.checked()
	l.budgets()
	for _, d := range in.Documents {
		switch {
		case d.Connection != nil:
			if risk := d.Connection.Risk(); risk != nil {
				l.add(risk, UnsafeConnection, Warning)
			}
		case d.Source != nil:
			l.source(*d.Source)
		case d.Flow != nil:
			l.flow(*d.Flow)
		}
	}
	found := ignore(in.Documents, l.found)
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return found
}

// linter gathers findings.
type linter struct {
	set   flow.Set
	seen  map[string]Seen
	found []Finding
}

// add keeps a finding at the place of a fault.
func (l *linter) add(at *flow.Error, code string, severity Severity) {
	l.found = append(l.found, Finding{at.File, at.Line, at.Column, at.Path, code, severity, at.Msg})
}

// at keeps a finding at a place of a flow.
func (l *linter) at(f flow.Flow, place spec.Pos, path, text, code string, severity Severity) {
	l.add(f.FaultAt(place, path, text), code, severity)
}

// checked takes over what `flow check` finds.
func (l *linter) checked() {
	for _, err := range flatten(check.Set(l.set)) {
		if fault, ok := errors.AsType[*flow.Error](err); ok {
			l.add(fault, cmp.Or(fault.Code, Invalid), Error)
		}
	}
}

// flatten returns the errors that were joined.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
