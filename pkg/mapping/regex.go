package mapping

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Bounds of a pattern: its length in characters, and the steps that it is compiled to. Matching takes at
// most text times steps: the expressions are RE2, without back-references.
const (
	maxPattern = 500
	maxSteps   = 5_000
)

// pattern is a compiled regular expression with the number of its steps.
type pattern struct {
	*regexp.Regexp
	steps int
}

func compilePattern(text string) (pattern, error) {
	if utf8.RuneCountInString(text) > maxPattern {
		return pattern{}, fmt.Errorf("pattern is longer than %d characters", maxPattern)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return pattern{}, fmt.Errorf("pattern: %w", err)
	}
	compiled, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return pattern{}, fmt.Errorf("pattern: %w", err)
	}
	if len(compiled.Inst) > maxSteps {
		return pattern{}, fmt.Errorf("pattern takes %d steps, more than %d: its repetitions are too many", len(compiled.Inst), maxSteps)
	}
	re, err := regexp.Compile(text)
	return pattern{re, len(compiled.Inst)}, err
}

func regexFunctions() []function {
	s := cel.StringType
	return []function{
		{"extract", []form{member(s, s, s)}, nil},
		{"extract_all", []form{member(cel.ListType(s), s, s)}, nil},
		{"regex_replace", []form{member(s, s, s, s)}, nil},
	}
}

// regexFunction returns what a function with a pattern does.
func regexFunction(name, text string) (func(*call) ref.Val, error) {
	p, err := compilePattern(text)
	if err != nil {
		return nil, err
	}
	do := map[string]func(*call, string) ref.Val{
		"matches": func(_ *call, text string) ref.Val { return types.Bool(p.MatchString(text)) },
		"extract": func(_ *call, text string) ref.Val {
			if found := p.FindStringSubmatch(text); found != nil {
				return types.String(wanted(found))
			}
			return types.NullValue
		},
		"extract_all":   p.extractAll,
		"regex_replace": p.replace,
	}[name]
	return func(c *call) ref.Val {
		text := c.text(0)
		c.spend(len(text) * p.steps / 10)
		return do(c, text)
	}, nil
}

// wanted is the first group of a match, all of it where the pattern has none.
func wanted(match []string) string {
	if len(match) > 1 {
		return match[1]
	}
	return match[0]
}

func (p pattern) extractAll(c *call, text string) ref.Val {
	found := p.FindAllStringSubmatch(text, maxElements+1)
	if len(found) > maxElements {
		return c.fail("the list would have more than %d elements", maxElements)
	}
	parts := make([]string, 0, len(found))
	for _, match := range found {
		parts = append(parts, wanted(match))
	}
	return types.NewStringList(types.DefaultTypeAdapter, parts)
}

// replace replaces all matches; $1 and ${name} are the groups of the match.
func (p pattern) replace(c *call, text string) ref.Val {
	with := c.text(2)
	var made []byte
	done := 0
	for _, match := range p.FindAllStringSubmatchIndex(text, -1) {
		made = append(made, text[done:match[0]]...)
		made = p.ExpandString(made, with, text, match)
		done = match[1]
		if len(made) > maxText {
			return c.fail("the text would have more than %d bytes", maxText)
		}
	}
	return c.made(len(made)+len(text)-done, func() string { return string(append(made, text[done:]...)) })
}
