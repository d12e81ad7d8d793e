package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"
)

// path is an expression that only reads: record.io_id, item.qty, record.a.b[0].c. It is followed
// without CEL.
type path struct {
	root  string
	steps []step
}

// step is a key of an object, or an index of a list when key is "".
type step struct {
	key   string
	index int
}

// roots are the variables that hold JSON.
var roots = []string{"record", "item", "parent"}

// parsePath returns the path that text is, and whether it is one.
func parsePath(text string) (path, bool) {
	text = strings.TrimSpace(text)
	root, rest := cutName(text)
	p := path{root: root}
	if !slices.Contains(roots, root) {
		return path{}, false
	}
	for rest != "" {
		s, after, ok := parseStep(rest)
		if !ok {
			return path{}, false
		}
		p.steps, rest = append(p.steps, s), after
	}
	return p, true
}

func parseStep(text string) (s step, rest string, ok bool) {
	switch {
	case strings.HasPrefix(text, "."):
		s.key, rest = cutName(text[1:])
		return s, rest, s.key != "" && !reserved[s.key]
	case strings.HasPrefix(text, `["`):
		s.key, rest, ok = strings.Cut(text[2:], `"]`)
		return s, rest, ok && s.key != "" && !strings.ContainsAny(s.key, `"\`)
	case strings.HasPrefix(text, "["):
		digits, rest, ok := strings.Cut(text[1:], "]")
		n, err := strconv.ParseUint(digits, 10, 31)
		return step{index: int(n)}, rest, ok && err == nil
	default:
		return step{}, "", false
	}
}

// reserved can't follow a dot in CEL, and so not here.
var reserved = map[string]bool{"in": true, "true": true, "false": true, "null": true}

// cutName cuts an identifier off the front of text.
func cutName(text string) (name, rest string) {
	n := 0
	for n < len(text) && (isLetter(text[n]) || n > 0 && text[n] >= '0' && text[n] <= '9') {
		n++
	}
	return text[:n], text[n:]
}

// isName reports whether a key can follow a dot.
func isName(key string) bool {
	name, rest := cutName(key)
	return name != "" && rest == ""
}

func isLetter(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// String returns the path as an expression.
func (p path) String() string {
	var b strings.Builder
	b.WriteString(p.root)
	for i := range p.steps {
		b.WriteString(p.steps[i].String())
	}
	return b.String()
}

// String returns the step as it stands in an expression.
func (s step) String() string {
	switch {
	case s.key == "":
		return "[" + strconv.Itoa(s.index) + "]"
	case reserved[s.key] || !isName(s.key):
		return `["` + s.key + `"]`
	default:
		return "." + s.key
	}
}

// follow returns what the path leads to; null, a missing key and an index behind the end are
// nil, and so is everything in them. The wrong kind on the way is an error.
func (p path) follow(s *scope) (any, error) { return p.from(s.root(p.root)) }

// from is follow from the value of the root on.
func (p path) from(v any) (any, error) {
	for i := range p.steps {
		next, ok := p.steps[i].in(v)
		if !ok {
			return nil, fmt.Errorf("%s is %s", path{p.root, p.steps[:i]}, kindOf(v))
		}
		v = next
	}
	return v, nil
}

// in takes one step into v; ok is false when v is of the wrong kind.
func (s *step) in(v any) (next any, ok bool) {
	switch v := v.(type) {
	case nil, null:
		return nil, true
	case map[string]any:
		return v[s.key], s.key != ""
	case object:
		return v[s.key], s.key != ""
	case list:
		return s.in(v.items)
	case []any:
		if s.key != "" {
			return nil, false
		}
		if s.index >= len(v) {
			return nil, true
		}
		return v[s.index], true
	case traits.Mapper: // one that an expression made
		next, _ := v.Find(types.String(s.key))
		return next, s.key != ""
	default:
		return nil, false
	}
}
