package flowtest

import (
	"maps"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/reference"
)

// references is the master data of a test, by collection. It answers as reference.Store does.
type references map[string][]reference.Entry

// newReferences takes later lists over earlier ones, collection by collection.
func newReferences(lists ...[]flow.TestCollection) references {
	all := references{}
	for _, list := range lists {
		for _, c := range list {
			all[c.Name] = entries(c)
		}
	}
	return all
}

func entries(c flow.TestCollection) []reference.Entry {
	var all []reference.Entry
	for _, values := range c.Entries {
		own := maps.Clone(values)
		delete(own, "id")
		all = append(all, reference.NewEntry(values["id"], own))
	}
	return all
}

// Find returns the entries whose field has a value.
func (r references) Find(collection, field, value string) []reference.Entry {
	var found []reference.Entry
	for _, e := range r[collection] {
		if v, ok := e.Field(field); ok && strings.TrimSpace(v) == strings.TrimSpace(value) {
			found = append(found, e)
		}
	}
	return found
}

// checkReferences refuses master data that the flow does not look up: most is misspelt.
func (f Flow) checkReferences(t flow.Tests, list []flow.TestCollection) []error {
	var known []string
	for _, use := range f.judge.Mapping.Uses() {
		known = append(known, use.Collection)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	var errs []error
	for _, c := range list {
		if !slices.Contains(known, c.Name) {
			errs = append(errs, t.Fault(c.At, c.Path, "flow %s does not look up %s%s", f.flow.Name, c.Name, flow.DidYouMean(c.Name, known)))
		}
	}
	return errs
}
