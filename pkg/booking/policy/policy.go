// Package policy reads what a flow wants to be done with the documents that it books. It is apart
// from booking, so that a flow can be checked without what books it.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Policy is what a flow wants to be done with its documents.
type Policy struct {
	// Search says that a document without a link is looked for before it is created; what is found
	// is taken over, and changed where it differs. Without, the target is only asked after a call
	// whose outcome is open, or which it refused because it has the number.
	Search bool
	// Change says that what is booked follows its record; without, a change is refused.
	Change bool
	// Remove says that what is booked is deleted with its record; without, it is kept.
	Remove bool
	// Append says that the marker is the field's text with the record's source and key after it,
	// for texts that don't identify the record.
	Append bool
}

// choice is an option with two values.
type choice struct {
	no, yes string
	field   *bool
}

// AuditFailure is the option of bills that says what becomes of one that was saved and could not be
// audited, and its values.
const (
	AuditFailure = "on_audit_failure"
	KeepDraft    = "keep_draft"
	DeleteDraft  = "delete"
)

// others returns the options of a message besides those of Policy, with their values.
func others(md protoreflect.MessageDescriptor) map[string][]string {
	if md.Fields().ByName("operation_key") == nil {
		return nil
	}
	return map[string][]string{AuditFailure: {KeepDraft, DeleteDraft}}
}

// choices are the options that say what p does.
func (p *Policy) choices() map[string]choice {
	return map[string]choice{
		"on_change": {"refuse", "update", &p.Change}, "on_removed": {"keep", "delete", &p.Remove},
		"search": {"intent", "always", &p.Search}, "marker": {"remark", "append", &p.Append},
	}
}

// Options returns the options that Read knows for a message, with their values.
func Options(md protoreflect.MessageDescriptor) map[string][]string {
	options := map[string][]string{}
	for name, c := range (&Policy{}).choices() {
		options[name] = []string{c.no, c.yes}
	}
	maps.Copy(options, others(md))
	return options
}

// Read returns usual with what the options of a flow say otherwise: on_change: update or
// refuse, on_removed: keep or delete, search: intent or always, marker: remark or append. Bills
// have AuditFailure besides. The error names every fault and is permanent.
func Read(options url.Values, usual Policy, md protoreflect.MessageDescriptor) (Policy, error) {
	others := others(md)
	p := usual
	choices := p.choices()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(options)) {
		value := options.Get(name)
		c, own := choices[name]
		values, other := others[name]
		switch {
		case own:
			values = []string{c.no, c.yes}
			*c.field = value == c.yes
		case !other:
			known := slices.Sorted(maps.Keys(choices))
			known = slices.AppendSeq(known, maps.Keys(others))
			slices.Sort(known)
			errs = append(errs, fmt.Errorf("option %s is unknown: there are %s", name, strings.Join(known, ", ")))
			continue
		}
		if !slices.Contains(values, value) {
			errs = append(errs, fmt.Errorf("option %s is %q: want %s", name, value, strings.Join(values, " or ")))
		}
	}
	return p, fault.Permanent("options", errors.Join(errs...))
}
