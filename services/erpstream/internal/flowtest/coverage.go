package flowtest

import (
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// Coverage says what of a flow its tests expect something of.
type Coverage struct {
	// Percent is the share of the fields that some test expects with a value, rounded down.
	Percent int `json:"percent"`
	// Fields is how many fields of the message the flow maps, Missing those that no test expects.
	Fields  int      `json:"fields"`
	Missing []string `json:"missing"`
	// Conditions is how many ways a record can be left out, parked, or dead by a rule, Untried those that no
	// test has.
	Conditions int      `json:"conditions"`
	Untried    []string `json:"untried"`
}

type coverage struct {
	fields map[string]bool
	// order is that of the flow.
	order      []string
	conditions []condition
}

// condition is a way in which a record does not become a message, or becomes one with a warning.
type condition struct {
	name  string
	tried func(verdict.Verdict) bool
	done  bool
}

func newCoverage(f Flow) *coverage {
	c := &coverage{fields: map[string]bool{}}
	c.leaves(f.flow.Spec.Fields, "")
	if f.flow.Spec.Where.Text != "" {
		c.conditions = append(c.conditions, condition{name: "where: " + f.flow.Spec.Where.Text, tried: func(v verdict.Verdict) bool { return v.Kind == verdict.Filtered }})
	}
	for _, r := range f.flow.Spec.Quality {
		if r.Check != nil && r.Check.Kind == spec.Unique {
			continue // takes more than one record
		}
		c.conditions = append(c.conditions, condition{name: string(r.Else) + " by " + r.Label(), tried: breaks(r)})
	}
	for _, use := range f.judge.Mapping.Uses() {
		name := "parked for " + use.Collection + " by " + use.Field
		known := func(o condition) bool { return o.name == name }
		if !use.Searched || slices.ContainsFunc(c.conditions, known) {
			continue
		}
		c.conditions = append(c.conditions, condition{name: name, tried: func(v verdict.Verdict) bool {
			return v.Missing != nil && v.Missing.Collection == use.Collection && v.Missing.Field == use.Field
		}})
	}
	return c
}

// breaks returns what tells whether a record broke a quality rule: the reason names the rule, or says what
// it does. Long texts are cut short there.
func breaks(r spec.Rule) func(verdict.Verdict) bool {
	said := r.Label()
	if r.Name == "" && r.Check != nil && r.Else == spec.Dead {
		said = r.Check.Field.Text
	}
	runes := []rune(strings.TrimSpace(said))
	said = string(runes[:min(len(runes), 40)])
	return func(v verdict.Verdict) bool {
		named := func(text string) bool { return strings.Contains(text, said) }
		return v.Held != nil && v.Held.Rule == r.Label() || named(v.Why()) || slices.ContainsFunc(v.Result.Warnings, named)
	}
}

// leaves notes the fields that have a value of their own.
func (c *coverage) leaves(all []spec.Field, prefix string) {
	for _, f := range all {
		if f.Fields != nil {
			c.leaves(f.Fields, prefix+f.Name+".")
			continue
		}
		c.order = append(c.order, prefix+f.Name)
		c.fields[prefix+f.Name] = false
	}
}

// add notes what a test that passed expects.
func (c *coverage) add(t testCase, v verdict.Verdict) {
	for path := range t.lines {
		field := fields.Field(path)
		if _, ok := c.fields[field]; ok {
			c.fields[field] = true
		}
	}
	for i := range c.conditions {
		c.conditions[i].done = c.conditions[i].done || c.conditions[i].tried(v)
	}
}

func (c *coverage) report() Coverage {
	r := Coverage{Percent: 100, Fields: len(c.order), Missing: []string{}, Conditions: len(c.conditions), Untried: []string{}}
	for _, name := range c.order {
		if !c.fields[name] {
			r.Missing = append(r.Missing, name)
		}
	}
	for _, one := range c.conditions {
		if !one.done {
			r.Untried = append(r.Untried, one.name)
		}
	}
	if r.Fields > 0 {
		r.Percent = 100 * (r.Fields - len(r.Missing)) / r.Fields
	}
	return r
}
