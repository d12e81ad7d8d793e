package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/shopspring/decimal"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

const (
	// maxRuleName is how long the name of a quality rule may be, in characters.
	maxRuleName = 64
	// maxWithin bounds a window: what is remembered for it is remembered in memory too.
	maxWithin = 366 * 24 * time.Hour
	// maxValues is how many values a one_of may name.
	maxValues = 1000
	// maxBound is how many digits a bound may have, before the point and after it.
	maxBound = 100
)

// checkKinds are the checks by the key that they stand at.
var checkKinds = []spec.CheckKind{spec.Required, spec.Range, spec.OneOf, spec.Unique, spec.Fresh}

func (r *reader) quality(e entry) []spec.Rule {
	list, ok := e.value.(*ast.SequenceNode)
	if !ok {
		r.fail(r.pos(e.value), e.path, "must be a list of rules, is %s", describe(e.value))
		return nil
	}
	var rules []spec.Rule
	named := map[string]bool{}
	for i, n := range list.Values {
		path := fmt.Sprintf("%s[%d]", e.path, i)
		rule := r.rule(n, path)
		if rule.Name != "" && named[rule.Name] {
			r.fail(r.places[join(path, "name")], join(path, "name"), "there is a rule %q already", rule.Name)
		}
		named[rule.Name] = true
		rules = append(rules, rule)
	}
	return rules
}

// rule reads a quality rule: rule, or one of the checks, and its fate.
func (r *reader) rule(n ast.Node, path string) spec.Rule {
	var rule spec.Rule
	if isNull(n) {
		r.fail(r.places["quality"], path, "has no value")
		return rule
	}
	says := 0
	read := map[string]func(entry){
		"name": func(e entry) { rule.Name = r.ruleName(e) },
		"rule": func(e entry) { says++; rule.Rule = r.expression(e) },
		"else": func(e entry) { rule.Else = r.fate(e) },
	}
	for _, kind := range checkKinds {
		read[string(kind)] = func(e entry) { says++; rule.Check = r.check(kind, e) }
	}
	before := len(r.errs)
	r.object(n, path, read)
	if says != 1 && len(r.errs) == before {
		r.fail(r.pos(n), path, "needs one of rule, required, range, one_of, unique, fresh, and has %d of them", says)
	}
	r.need(r.pos(n), path, "else")
	return rule
}

// ruleName reads what messages and events call a rule.
func (r *reader) ruleName(e entry) string {
	name := r.text(e)
	switch {
	case utf8.RuneCountInString(name) > maxRuleName:
		r.fail(r.pos(e.value), e.path, "is longer than %d characters", maxRuleName)
	case strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		r.fail(r.pos(e.value), e.path, "must be one line of visible characters, without blanks around it")
	}
	return name
}

func (r *reader) fate(e entry) spec.Else {
	fate := spec.Else(r.text(e))
	if fate != "" && !slices.Contains(spec.Fates(), fate) {
		var known []string
		for _, one := range spec.Fates() {
			known = append(known, string(one))
		}
		r.fail(r.pos(e.value), e.path, "%q is no fate of a record%s", fate, DidYouMean(string(fate), known))
	}
	return fate
}

// check reads a check. That a value is required may be written with the value alone.
func (r *reader) check(kind spec.CheckKind, e entry) *spec.Check {
	c := &spec.Check{Kind: kind}
	read := map[string]func(entry){"field": func(e entry) { c.Field = r.expression(e) }}
	need := []string{"field"}
	if kind != spec.Unique {
		read["each"] = func(e entry) { c.Each = r.expression(e) }
	}
	switch kind {
	case spec.Required:
		if isText(e.value) {
			c.Field = r.expression(e)
			return c
		}
	case spec.Range:
		read["min"] = func(e entry) { c.Min = r.bound(e) }
		read["max"] = func(e entry) { c.Max = r.bound(e) }
	case spec.OneOf:
		need = append(need, "values")
		read["values"] = func(e entry) { c.Values = r.values(e) }
	case spec.Unique, spec.Fresh:
		need = append(need, "within")
		read["within"] = func(e entry) { c.Within = r.within(e) }
	}
	before := len(r.errs)
	r.object(e.value, e.path, read)
	if len(r.errs) > before {
		return c
	}
	r.need(r.pos(e.value), e.path, need...)
	if kind == spec.Range {
		r.bounds(e, c)
	}
	return c
}

func isText(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return true
	default:
		return false
	}
}

// bound reads a number as it is written.
func (r *reader) bound(e entry) string {
	text := r.scalar(e.value, e.path)
	d, err := decimal.NewFromString(text)
	if err != nil || len(text) > maxBound || d.Exponent() > maxBound || d.Exponent() < -maxBound {
		r.fail(r.pos(e.value), e.path, "%q is no decimal number of at most %d digits", text, maxBound)
		return ""
	}
	return text
}

// scalar reads text, a number or a boolean as text; a number keeps its digits.
func (r *reader) scalar(n ast.Node, path string) string {
	switch v := r.tree(n, path, maxNesting).(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		r.fail(r.pos(n), path, "must be text, a number or true or false, is %s", describe(n))
		return ""
	}
}

// bounds sees to it that there is something between the bounds.
func (r *reader) bounds(e entry, c *spec.Check) {
	if c.Min == "" && c.Max == "" {
		r.fail(r.pos(e.value), e.path, "needs min, max or both")
		return
	}
	low, lowErr := decimal.NewFromString(c.Min)
	high, highErr := decimal.NewFromString(c.Max)
	if lowErr == nil && highErr == nil && low.GreaterThan(high) {
		r.fail(r.places[join(e.path, "min")], join(e.path, "min"), "%s is more than max, %s: nothing is between", c.Min, c.Max)
	}
}

func (r *reader) values(e entry) []string {
	list, ok := e.value.(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 || len(list.Values) > maxValues {
		r.fail(r.pos(e.value), e.path, "must be a list of 1 to %d values", maxValues)
		return nil
	}
	var values []string
	for i, n := range list.Values {
		values = append(values, r.scalar(n, fmt.Sprintf("%s[%d]", e.path, i)))
	}
	return values
}

func (r *reader) within(e entry) time.Duration {
	d := r.duration(e, time.Second)
	if d > maxWithin {
		r.fail(r.pos(e.value), e.path, "must be at most %dd", maxWithin/(24*time.Hour))
	}
	return d
}

// quiet reads for how long nothing new may come of a source.
func (r *reader) quiet(e entry) time.Duration {
	d := r.duration(e, time.Minute)
	if d > MaxQuiet {
		r.fail(r.pos(e.value), e.path, "must be at most %dd", MaxQuiet/(24*time.Hour))
	}
	return d
}

// parseLength reads a length of time: as Go writes it, or in days.
func parseLength(text string) (time.Duration, error) {
	days, ok := strings.CutSuffix(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	return time.Duration(n) * 24 * time.Hour, err
}
