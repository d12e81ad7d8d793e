package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// rule is a compiled quality rule: a condition, or a check of one value.
type rule struct {
	// name is the one that the document gives it, label what it is called anyway.
	name, label string
	otherwise   Else
	condition   *expression
	check       *valueCheck
}

// valueCheck is what must be so of a value: broken says how it isn't, "" when it is. A unique one has none, for
// that is not to be seen in one record.
type valueCheck struct {
	each, field *expression
	broken      func(v any, s *scope) (string, error)
	unique      bool
	within      time.Duration
}

// Held is the error of a record that has to wait because it breaks a quality rule with else: park. It goes
// on when another revision of the flow takes it, or when it is released by hand.
type Held struct {
	// Rule names the rule, Why says how the record breaks it.
	Rule, Why string
}

// Error implements error.
func (h *Held) Error() string { return fmt.Sprintf("quality: held by rule %q: %s", h.Rule, h.Why) }

// Claim is a value of a record that no other document may have for a while.
type Claim struct {
	// Rule names the rule, Field is the expression of the value.
	Rule, Field string
	// Value is the value as text. It may be personal data.
	Value string
	// Within is for how long, from the first document that had it.
	Within time.Duration
	// Else is what becomes of a record of another document.
	Else Else
}

// Waive returns the mapping without the quality rules of that name.
func (m *Mapping) Waive(name string) *Mapping {
	without := *m
	without.onePass = m.onePass.without(name)
	without.quality = slices.DeleteFunc(slices.Clone(m.quality), func(r rule) bool { return r.label == name })
	return &without
}

// judge applies the quality rules. All that kill the record are named; they go before those that drop it,
// and those before the ones that let it wait.
func (m *Mapping) judge(s *scope) (Result, error) {
	var result Result
	var dead []error
	var held *Held
	for _, r := range m.quality {
		why, err := r.judge(s, &result)
		switch {
		case err != nil:
			dead = append(dead, err)
		case why == "":
		case r.otherwise == Drop && result.Dropped == "":
			result.Dropped = r.label
		case r.otherwise == Warn:
			result.Warnings = append(result.Warnings, r.label)
		case r.otherwise == Park && held == nil:
			held = &Held{Rule: r.label, Why: why}
		case r.otherwise == Dead:
			dead = append(dead, errors.New(r.named(why)))
		}
	}
	switch {
	case len(dead) > 0:
		return Result{}, verdict("quality", "quality: ", dead)
	case result.Dropped != "":
		result.Claims = nil
		return result, nil
	case held != nil:
		return Result{}, held
	default:
		return result, nil
	}
}

// judge says how a record breaks the rule, "" when it doesn't.
func (r *rule) judge(s *scope, result *Result) (why string, err error) {
	switch {
	case r.condition != nil:
		holds, err := r.condition.truth(s)
		if err != nil || holds {
			return "", err
		}
		return shorten(r.condition.text) + ": not so", nil
	case r.check.unique:
		return "", r.claim(s, result)
	case r.check.each == nil:
		why, err = r.check.look(s)
	default:
		why, err = r.check.lookAtEach(s)
	}
	if err != nil || why == "" {
		return "", err
	}
	return shorten(r.check.field.text) + " " + why, nil
}

// named puts the name of the rule, where it has one, before what it is about.
func (r *rule) named(text string) string {
	if r.name == "" {
		return text
	}
	return r.name + ": " + text
}

// look checks the one value.
func (c *valueCheck) look(s *scope) (string, error) {
	v, err := c.field.value(s)
	if err != nil {
		return "", err
	}
	return c.broken(v, s)
}

// lookAtEach checks the value of each element of a list, up to the first that is not as it must be.
func (c *valueCheck) lookAtEach(s *scope) (string, error) {
	items, err := c.each.elements(s)
	if err != nil {
		return "", err
	}
	for i, item := range items {
		why, err := c.look(s.within(item))
		if err != nil {
			return "", fmt.Errorf("%s[%d]: %w", shorten(c.each.text), i, err)
		}
		if why != "" {
			return fmt.Sprintf("of %s[%d] %s", shorten(c.each.text), i, why), nil
		}
	}
	return "", nil
}

// claim notes the value that must be this document's own.
func (r *rule) claim(s *scope, result *Result) error {
	v, err := r.check.field.value(s)
	if err != nil || isAbsent(v) {
		return err
	}
	text, ok := scalarText(v)
	if !ok {
		return fmt.Errorf("%s is %s, and only text, numbers, times and booleans can be unique", shorten(r.check.field.text), kindOf(v))
	}
	result.Claims = append(result.Claims, Claim{Rule: r.label, Field: r.check.field.text, Value: text, Within: r.check.within, Else: r.otherwise})
	return nil
}

// isAbsent reports whether there is no value: it is missing, null or "".
func isAbsent(v any) bool { return v == nil || v == "" }

// scalarText returns a value as text; a number keeps its digits.
func scalarText(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), true
	default:
		return "", false
	}
}

// rule compiles a quality rule.
func (c *checker) rule(r Rule) rule {
	compiled := rule{name: r.Name, label: r.Label(), otherwise: r.Else}
	if !slices.Contains(spec.Fates(), r.Else) {
		c.fail(r.Place().At, r.Place().Path, fmt.Sprintf("else is %q", r.Else), "one of dead, drop, warn, park")
	}
	if r.Check == nil {
		compiled.condition = c.condition(r.Rule)
		return compiled
	}
	compiled.check = c.check(*r.Check)
	return compiled
}

// check compiles the check of a value.
func (c *checker) check(from spec.Check) *valueCheck {
	compiled := &valueCheck{unique: from.Kind == spec.Unique, within: from.Within}
	depth := 0
	if from.Each.Text != "" {
		compiled.each = c.list(from.Each, 0)
		depth = 1
	}
	compiled.field = c.expression(from.Field, depth)
	hidden := compiled.field != nil && compiled.field.personal
	switch from.Kind {
	case spec.Required:
		compiled.broken = isMissing
	case spec.Range:
		compiled.broken = c.inRange(from, hidden)
	case spec.OneOf:
		compiled.broken = oneOf(from.Values, hidden)
	case spec.Fresh:
		compiled.broken = c.fresh(from.Within, hidden)
	case spec.Unique:
	default:
		c.fail(from.Field.At, from.Field.Path, fmt.Sprintf("unknown check %q", from.Kind), "one of required, range, one_of, unique, fresh")
	}
	return compiled
}

func isMissing(v any, _ *scope) (string, error) {
	switch v {
	case nil:
		return "is missing", nil
	case "":
		return `is ""`, nil
	default:
		return "", nil
	}
}

// shown is a value as a message tells it.
func shown(v any, hidden bool) string {
	text, ok := scalarText(v)
	switch {
	case hidden:
		return "what it is"
	case !ok:
		return kindOf(v)
	default:
		if _, isText := v.(string); isText {
			return strconv.Quote(shorten(text))
		}
		return shorten(text)
	}
}

// inRange compares numbers, and text that is one, as decimals.
func (c *checker) inRange(from spec.Check, hidden bool) func(any, *scope) (string, error) {
	bound := func(text string) *number {
		if text == "" {
			return nil
		}
		n, err := parseNumber(text)
		if err != nil {
			c.fail(from.Field.At, from.Field.Path, fmt.Sprintf("the bound %q is no number", shorten(text)), "")
		}
		return n
	}
	low, high := bound(from.Min), bound(from.Max)
	return func(v any, _ *scope) (string, error) {
		if isAbsent(v) {
			return "", nil
		}
		n := numberOf(v)
		switch {
		case n == nil:
			return fmt.Sprintf("is %s, not a number", shown(v, hidden)), nil
		case low != nil && n.value.LessThan(low.value):
			return fmt.Sprintf("is %s, less than %s", shown(v, hidden), low.literal), nil
		case high != nil && n.value.GreaterThan(high.value):
			return fmt.Sprintf("is %s, more than %s", shown(v, hidden), high.literal), nil
		default:
			return "", nil
		}
	}
}

// numberOf returns a value as a number, nil where it is none.
func numberOf(v any) *number {
	text, _ := scalarText(v)
	n, err := parseNumber(text)
	if err != nil {
		return nil
	}
	return n
}

// maxShown is how many of the values that may be are told.
const maxShown = 10

func oneOf(values []string, hidden bool) func(any, *scope) (string, error) {
	known := values
	if len(known) > maxShown {
		known = append(slices.Clone(known[:maxShown]), "…")
	}
	return func(v any, _ *scope) (string, error) {
		if text, ok := scalarText(v); isAbsent(v) || ok && slices.Contains(values, text) {
			return "", nil
		}
		return fmt.Sprintf("is %s, not one of %s", shown(v, hidden), strings.Join(known, ", ")), nil
	}
}

// fresh measures the age of a time at the moment when the record was read: the mapping has no clock, and
// the same record must fare the same whenever it is mapped.
func (c *checker) fresh(within time.Duration, hidden bool) func(any, *scope) (string, error) {
	return func(v any, s *scope) (string, error) {
		at, ok := v.(time.Time)
		if !ok {
			switch read := c.times.datetime(wrap(v)).(type) {
			case types.Timestamp:
				at = read.Time
			case *types.Err:
				return fmt.Sprintf("is %s, not a time", shown(v, hidden)), nil
			default:
				return "", nil
			}
		}
		read := s.envelope.Read
		if read.IsZero() {
			read = s.envelope.Time
		}
		if age := read.Sub(at); age > within {
			return fmt.Sprintf("is %s, %s before it was read, more than %s", shown(v, hidden), age.Round(time.Second), within), nil
		}
		return "", nil
	}
}
