package httpcall

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Hidden are values that no text may show: secrets, tokens, signatures.
type Hidden []string

// Hide returns Hidden values. Values shorter than four bytes are no secrets, and can't be told
// from other text: they are left out.
func Hide(values ...string) Hidden {
	h := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) < 4 })
	// The longest first: one may begin another.
	slices.SortFunc(h, func(a, b string) int { return len(b) - len(a) })
	return h
}

// Mask replaces hidden values in text: plain, and as addresses, forms and JSON of any vendor write them.
func (h Hidden) Mask(text string) string {
	for _, value := range h {
		for _, written := range spellings(value) {
			text = strings.ReplaceAll(text, written, "***")
		}
	}
	return text
}

// spellings are the ways to write a value, the longest first. Most values are made of letters and digits,
// and have one.
func spellings(value string) []string {
	if !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) || r > unicode.MaxASCII }) {
		return []string{value}
	}
	all := []string{value, url.QueryEscape(value), url.PathEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20")}
	for _, quoted := range []string{quoted(value, false), quoted(value, true)} {
		all = append(all, quoted, strings.ReplaceAll(quoted, "/", `\/`))
	}
	for _, written := range all {
		all = append(all, escape.ReplaceAllStringFunc(written, strings.ToLower), escape.ReplaceAllStringFunc(written, upper))
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}

// quoted is a value within a JSON string.
func quoted(value string, html bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	_ = e.Encode(value) // text is always written
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// escape is one character in an address or in JSON, whose digits some write small and some large.
var escape = regexp.MustCompile(`%[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}`)

func upper(escape string) string {
	return escape[:1] + strings.ReplaceAll(strings.ToUpper(escape[1:]), "U", "u")
}

// longHex is what keys, tokens and signs look like.
var longHex = regexp.MustCompile(`[0-9a-fA-F]{32,}`)

// Size tells how long the answer is and of which type, and nothing of what it holds.
func (a Answer) Size() string {
	return fmt.Sprintf("%d bytes of %q", len(a.Body), Cut(a.ContentType, 100))
}

// Describe tells what came instead of a usable answer, without what is hidden. The beginning of a
// gateway's page helps; that of a half answer would show personal data.
func (a Answer) Describe(h Hidden) string {
	head := strings.TrimSpace(Cut(string(a.Body), 4096))
	half := strings.HasPrefix(head, "{") || strings.HasPrefix(head, "[")
	if head == "" || half && a.OK() {
		return a.Size()
	}
	return fmt.Sprintf("%s beginning %q", a.Size(), Cut(longHex.ReplaceAllString(h.Mask(head), "***"), 200))
}

// Cut returns at most n bytes of s, whole characters, and … where something is missing.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
