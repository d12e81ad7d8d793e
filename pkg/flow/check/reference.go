package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/pkg/reference"
)

// kindReference is the kind of target that keeps master data. It serves every connection: the one
// that a flow names is that whose master data it is.
const kindReference = "reference"

// The fields of erpstream.reference.v1.Entry that are looked at, and the field that every entry has.
const (
	entryCollection = "collection"
	entryFields     = "fields"
	entryID         = "id"
)

// UnfedCollection is the code of a look-up that no flow of the set has master data for.
const UnfedCollection = "unfed-collection"

// checkReference checks a flow that keeps master data: the collection is written out and is the one
// that a document is removed from too.
func checkReference(f flow.Flow, source flow.Source) []error {
	want := reference.Collection(f.Target.Options[reference.OptionCollection], source.Feed)
	for _, field := range f.Spec.Fields {
		if field.Name != entryCollection || field.Value.Text == "" || unquote(field.Value.Text) == want {
			continue
		}
		msg := fmt.Sprintf("must be the text %q, the name of the feed; for another one write target.options.%s too", want, reference.OptionCollection)
		return []error{f.FaultAt(field.Value.At, field.Path, msg)}
	}
	return nil
}

// unquote returns the text that a literal of an expression is, "" when it is none.
func unquote(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != text[len(text)-1] || text[0] != '"' && text[0] != '\'' {
		return ""
	}
	return text[1 : len(text)-1]
}

// checkUses finds the look-ups of a flow that would wait for ever: no flow of the set fills the
// collection for the flow's connection, or none keeps the field.
func checkUses(s flow.Set, f flow.Flow, uses []mapping.Use) []error {
	if len(uses) == 0 {
		return nil
	}
	var errs []error
	filled := collections(s, f.Target.Connection)
	unknown := map[string]bool{}
	for _, use := range uses {
		kept, ok := filled[use.Collection]
		switch {
		case !ok && !unknown[use.Collection]:
			unknown[use.Collection] = true
			msg := fmt.Sprintf("no flow fills %s for connection %s%s", use.Collection, f.Target.Connection, choice(use.Collection, slices.Sorted(maps.Keys(filled))))
			errs = append(errs, unfed(f.FaultAt(use.CollectionAt, use.Path, msg)))
		case ok && !slices.Contains(kept, use.Field):
			msg := fmt.Sprintf("no flow keeps the field %s of %s for connection %s%s", use.Field, use.Collection, f.Target.Connection, choice(use.Field, kept))
			errs = append(errs, unfed(f.FaultAt(use.FieldAt, use.Path, msg)))
		}
	}
	return errs
}

func unfed(fault *flow.Error) *flow.Error {
	fault.Code = UnfedCollection
	return fault
}

// choice says what there is in the place of a name.
func choice(name string, known []string) string {
	if near := spec.Suggest(name, known); near != "" {
		return ": did you mean " + near + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return ": there are " + strings.Join(known, ", ")
}

// collections returns what the flows of a set keep of a connection's master data: the fields, sorted,
// by collection.
func collections(s flow.Set, connection string) map[string][]string {
	filled := map[string][]string{}
	for _, f := range s.Flows {
		if f.Target.Kind != kindReference || f.Target.Connection != connection {
			continue
		}
		name := reference.Collection(f.Target.Options[reference.OptionCollection], s.Sources[f.From].Feed)
		kept := slices.Concat(filled[name], []string{entryID})
		for _, field := range f.Spec.Fields {
			if field.Name != entryFields {
				continue
			}
			for _, pair := range field.Fields {
				kept = append(kept, pair.Name)
			}
		}
		slices.Sort(kept)
		filled[name] = slices.Compact(kept)
	}
	return filled
}
