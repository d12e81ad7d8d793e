package httpcall

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
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

// Mask replaces hidden values in text, plain or percent-encoded.
func (h Hidden) Mask(text string) string {
	for _, value := range h {
		text = strings.ReplaceAll(text, value, "***")
		text = strings.ReplaceAll(text, url.QueryEscape(value), "***")
	}
	return text
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
