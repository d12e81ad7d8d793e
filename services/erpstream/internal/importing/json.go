package importing

import (
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Bounds of what is read: the files come from anywhere.
const (
	maxBytes = 1 << 20
	maxDepth = 64
	maxNodes = 20_000
)

// parseJSON reads JSON as people pass it on: copied from a page or a chat, with parts left out as
// "...", comments, trailing commas, typographic quotes, full-width punctuation, and leftovers of HTML
// between the values. What is left out stays as kindElided; a text may end after it. Anything else
// that is no JSON is an error with its place.
func parseJSON(file string, data []byte) (*node, error) {
	p := &parser{file: file, at: spec.Pos{Line: 1, Column: 1}}
	if len(data) > maxBytes {
		return nil, p.fail(p.at, "is larger than %d bytes", maxBytes)
	}
	if !utf8.Valid(data) {
		return nil, p.fail(p.at, "is not UTF-8")
	}
	p.rest = string(data)
	p.space()
	if p.rest == "" {
		return nil, p.fail(p.at, "is empty: the platform shows the metadata (元数据) of a scheme in its source view (源码视图)")
	}
	root, err := p.value(0)
	if err != nil {
		return nil, err
	}
	for p.space(); p.take(",", "，", ";", "；"); p.space() {
	}
	if p.rest != "" {
		return nil, p.fail(p.at, "text after the end of the metadata: %s; put each metadata into a file of its own", p.word())
	}
	return root, nil
}

// parser is at a place in a text.
type parser struct {
	file  string
	rest  string
	at    spec.Pos
	nodes int
}

func (p *parser) fail(at spec.Pos, format string, args ...any) error {
	return fault(p.file, at, fmt.Sprintf(format, args...))
}

// skip goes over the first n bytes of what is left.
func (p *parser) skip(n int) {
	for _, r := range p.rest[:n] {
		if r == '\n' {
			p.at.Line++
			p.at.Column = 1
		} else {
			p.at.Column++
		}
	}
	p.rest = p.rest[n:]
}

// take goes over one of the words if it comes next.
func (p *parser) take(words ...string) bool {
	for _, w := range words {
		if strings.HasPrefix(p.rest, w) {
			p.skip(len(w))
			return true
		}
	}
	return false
}

// word returns what comes next, for errors.
func (p *parser) word() string {
	text, _, _ := strings.Cut(p.rest, "\n")
	if runes := []rune(text); len(runes) > 20 {
		text = string(runes[:20]) + "…"
	}
	return strconv.Quote(text)
}

// space goes over blanks, comments and tags.
func (p *parser) space() {
	for p.rest != "" {
		if n := blank(p.rest); n > 0 {
			p.skip(n)
			continue
		}
		return
	}
}

// blank returns the length of what means nothing at the beginning of text, 0 when there is none.
func blank(text string) int {
	r, n := utf8.DecodeRuneInString(text)
	if unicode.IsSpace(r) || strings.ContainsRune("\ufeff\u200b\u200c\u200d\u2060", r) {
		return n
	}
	if strings.HasPrefix(text, "&nbsp;") {
		return len("&nbsp;")
	}
	if strings.HasPrefix(text, "//") {
		line, _, _ := strings.Cut(text, "\n")
		return len(line)
	}
	if strings.HasPrefix(text, "/*") {
		return ended(text, "*/", len(text))
	}
	if len(text) > 1 && text[0] == '<' && (text[1] == '/' || unicode.IsLetter(rune(text[1]))) {
		return ended(text, ">", 100)
	}
	return 0
}

// ended returns the length of text up to and with the end, 0 when that does not come within limit.
func ended(text, end string, limit int) int {
	i := strings.Index(text[:min(len(text), limit)], end)
	if i < 0 {
		return 0
	}
	return i + len(end)
}

// elision goes over dots that stand for something.
func (p *parser) elision() bool {
	n := 0
	for strings.HasPrefix(p.rest[n:], "…") {
		n += len("…")
	}
	if n == 0 {
		for strings.HasPrefix(p.rest[n:], ".") {
			n++
		}
		if n < 3 {
			return false
		}
	}
	p.skip(n)
	return true
}

func (p *parser) value(depth int) (*node, error) {
	n := &node{at: p.at}
	if p.nodes++; p.nodes > maxNodes {
		return nil, p.fail(p.at, "has more than %d values", maxNodes)
	}
	if depth > maxDepth {
		return nil, p.fail(p.at, "is nested deeper than %d", maxDepth)
	}
	switch {
	case p.elision():
		n.kind = kindElided
		return n, nil
	case p.take("{", "｛"):
		n.kind = kindObject
		return n, p.object(n, depth)
	case p.take("[", "［"):
		n.kind = kindList
		return n, p.list(n, depth)
	default:
		return n, p.atom(n)
	}
}

// atom reads text, a number, true, false or null.
func (p *parser) atom(n *node) error {
	text, isText, err := p.text()
	if err != nil {
		return err
	}
	if isText {
		n.kind, n.text = kindText, text
		return nil
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !strings.ContainsRune("+-.0123456789", r) && !unicode.IsLetter(r) })
	if end < 0 {
		end = len(p.rest)
	}
	switch word := p.rest[:end]; {
	case word == "null":
		n.kind = kindNull
	case word == "true" || word == "false":
		n.kind, n.text = kindBool, word
	case isNumber(word):
		n.kind, n.text = kindNumber, word
	default:
		return p.fail(p.at, "no value begins with %s: text stands in quotes", p.word())
	}
	p.skip(end)
	return nil
}

// isNumber reports whether text is a number of JSON.
func isNumber(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || len(text) > 100 || strings.ContainsAny(text, "xX_pPnN") {
		return false
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil || strings.Contains(err.Error(), "range")
}

// isWhole reports whether text is digits, with a sign perhaps.
func isWhole(text string) bool {
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil && !strings.HasPrefix(text, "+")
}

func (p *parser) object(n *node, depth int) error {
	for {
		p.separators()
		at := p.at
		switch {
		case p.take("}", "｝"):
			return nil
		case p.elision():
			n.members = append(n.members, member{at: at, value: &node{kind: kindElided, at: at}})
			continue
		case p.rest == "":
			return p.cut(n, len(n.members) > 0 && n.members[len(n.members)-1].value.endsElided())
		}
		m, err := p.member(depth)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(n.members, func(o member) bool { return o.key == m.key }) {
			return p.fail(m.at, "the key %q is there twice", m.key)
		}
		n.members = append(n.members, m)
	}
}

func (p *parser) member(depth int) (member, error) {
	m := member{at: p.at}
	key, isText, err := p.text()
	switch {
	case err != nil:
		return m, err
	case !isText || key == "":
		return m, p.fail(p.at, "a key in quotes must stand here, not %s", p.word())
	}
	p.space()
	if !p.take(":", "：") {
		return m, p.fail(p.at, "a colon must follow the key %q, not %s", shorten(key), p.word())
	}
	p.space()
	m.key = key
	m.value, err = p.value(depth + 1)
	return m, err
}

func (p *parser) list(n *node, depth int) error {
	for {
		p.separators()
		switch {
		case p.take("]", "］"):
			return nil
		case p.rest == "":
			return p.cut(n, len(n.items) > 0 && n.items[len(n.items)-1].endsElided())
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
}

// separators goes over blanks and commas. A comma too many or too few is no harm: the values tell.
func (p *parser) separators() {
	for p.space(); p.take(",", "，", "、"); p.space() {
	}
}

// endsElided reports whether the last that stands in a value is left out.
func (n *node) endsElided() bool {
	switch {
	case n.kind == kindElided:
		return true
	case len(n.items) > 0:
		return n.items[len(n.items)-1].endsElided()
	case len(n.members) > 0:
		return n.members[len(n.members)-1].value.endsElided()
	default:
		return false
	}
}

// cut is the end of the text within a value: allowed where it was left out, as "..." says.
func (p *parser) cut(n *node, elided bool) error {
	if elided {
		return nil
	}
	return p.fail(p.at, "the text ends within %s that begins at %d:%d", n.kind, n.at.Line, n.at.Column)
}

// The quotes that a text may begin with, and those that end it.
var quotes = []struct{ begin, end string }{
	{`"`, `"`}, {"'", "'"}, {"“", `”“"`}, {"”", `”“"`}, {"‘", "’‘"}, {"’", "’‘"}, {"＂", "＂"},
}

// text reads a text in quotes; ok is false when none comes next.
func (p *parser) text() (text string, ok bool, err error) {
	if p.take("&quot;") {
		inner, _, closed := strings.Cut(p.rest, "&quot;")
		if !closed || strings.Contains(inner, "\n") {
			return "", false, p.fail(p.at, "the text has no &quot; at its end")
		}
		p.skip(len(inner) + len("&quot;"))
		return html.UnescapeString(inner), true, nil
	}
	for _, q := range quotes {
		if begin := p.at; p.take(q.begin) {
			text, err = p.quoted(begin, q.end)
			return text, true, err
		}
	}
	return "", false, nil
}

// quoted reads a text up to one of the quotes that end it.
func (p *parser) quoted(begin spec.Pos, ends string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(p.rest); {
		r, size := utf8.DecodeRuneInString(p.rest[i:])
		switch {
		case strings.ContainsRune(ends, r):
			p.skip(i + size)
			return b.String(), nil
		case r == '\n':
			return "", p.fail(begin, "the text is not closed on its line")
		case r == '\\':
			size = unescape(&b, p.rest[i:])
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return "", p.fail(begin, "the text has no end")
}

// unescape writes what an escape at the beginning of text stands for and returns its length. One that
// is none stays as it is.
func unescape(b *strings.Builder, text string) int {
	if len(text) < 2 {
		b.WriteString(text)
		return len(text)
	}
	if i := strings.IndexByte(`"\/bfnrt'`, text[1]); i >= 0 {
		b.WriteByte("\"\\/\b\f\n\r\t'"[i])
		return 2
	}
	r, ok := hexRune(text)
	if !ok {
		b.WriteByte('\\')
		return 1
	}
	if low, ok := hexRune(text[6:]); ok && utf16.IsSurrogate(r) {
		b.WriteRune(utf16.DecodeRune(r, low))
		return 12
	}
	b.WriteRune(r)
	return 6
}

// hexRune reads \uXXXX.
func hexRune(text string) (rune, bool) {
	if len(text) < 6 || text[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 32)
	return rune(n), err == nil //nolint:gosec // four hex digits
}

// quote returns text as a literal of JSON and of expressions.
func quote(text string) string { return strconv.Quote(text) }
