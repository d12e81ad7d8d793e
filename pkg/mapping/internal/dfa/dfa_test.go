package dfa_test

import (
	"regexp"
	"regexp/syntax"
	"testing"

	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/mapping/internal/dfa"
)

// contracts are patterns of the contracts, and others of their kind.
var contracts = []string{
	`^[0-9]+-[0-9]+$`, `^-?[0-9]{1,14}([.][0-9]{1,4})?$`, `^-?[0-9]{1,12}([.][0-9]+)?$`, `^$|^[0-9]{1,19}$`, `^(audit)?$`,
	`^[a-z][a-z0-9-]*([.][a-z][a-z0-9-]*)*$`, `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$`, `^$|^-?[0-9]{1,14}([.][0-9]{1,10})?$`,
	`[0-9]`, `^a`, `a$`, `ab|b`, ``, `^`, `$`, `^$`, `a*`, `(aab|aa)b`, `$^`, `$a`, `a^`, `[ab]{2}-?\d\z`, `\A[-.]`,
}

func TestMatchEqualsRegexp(t *testing.T) {
	type pair struct {
		dfa *dfa.Matcher
		re  *regexp.Regexp
	}
	var pairs []pair
	for _, text := range contracts {
		m := dfa.Compile(text)
		if m == nil {
			t.Fatalf("%q is not compiled", text)
		}
		pairs = append(pairs, pair{m, regexp.MustCompile(text)})
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(pairs).Draw(t, "pattern")
		text := rapid.OneOf(rapid.StringMatching(p.re.String()), rapid.StringMatching(`[-0-9.abT:\n]{0,24}`), rapid.String()).Draw(t, "text")
		if got, want := p.dfa.Match([]byte(text)), p.re.MatchString(text); got != want {
			t.Fatalf("%s of %q: %v, want %v", p.re, text, got, want)
		}
	})
}

// Any pattern that is made matches as that of package regexp.
func TestRandomPatterns(t *testing.T) {
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`\^?([ab]|\[ab\]|\(a\|b\)|\(ab?\)|\^|\$|[ab][*+?]|[ab]\{1,3\}|\|){0,6}\$?`).Draw(t, "pattern")
		if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
			t.Skip()
		}
		m := dfa.Compile(pattern)
		if m == nil {
			return
		}
		made++
		for range 10 {
			text := rapid.StringMatching(`[abé]{0,6}`).Draw(t, "text")
			if got, want := m.Match([]byte(text)), regexp.MustCompile(pattern).MatchString(text); got != want {
				t.Fatalf("%s of %q: %v, want %v", pattern, text, got, want)
			}
		}
	})
	if made == 0 {
		t.Error("no pattern was made")
	}
}

func TestOthersAreLeftToRegexp(t *testing.T) {
	for _, pattern := range []string{`.`, `[^a]`, `采`, `(?i)k`, `\bx`, `(?m)^a$`, `(`, `[0-9]{500}`, `(a|b)*a(a|b){9}`} {
		if dfa.Compile(pattern) != nil {
			t.Errorf("%q is compiled", pattern)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	const pattern = `^-?[0-9]{1,14}([.][0-9]{1,4})?$`
	text := []byte("-12345.6789")
	b.Run("dfa", func(b *testing.B) {
		m := dfa.Compile(pattern)
		for b.Loop() {
			m.Match(text)
		}
	})
	b.Run("regexp", func(b *testing.B) {
		re := regexp.MustCompile(pattern)
		for b.Loop() {
			re.Match(text)
		}
	})
}
