package importing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// scope is where names of the record are looked up.
type scope struct {
	// lists are the lists that are walked, outer first, as paths in the record.
	lists []string
	// flat is the list whose fields the platform put beside those of the record (beatFlat): its field
	// sku_id is named <flat>_sku_id. It is the last of lists.
	flat string
	// spread is a list whose lines the platform makes documents of, and that is not walked.
	spread string
	// made are the fields that the platform makes of others, and that no record has.
	made []string
	// sample is a record of the feed, nil when there is none.
	sample *node
}

// within returns the scope of the elements of a list.
func (s scope) within(list string) scope {
	s.lists = append(slices.Clone(s.lists), list)
	return s
}

// variable is how the elements of the list number i are called.
func (s scope) variable(i int) (string, error) {
	switch len(s.lists) - 1 - i {
	case 0:
		return "item", nil
	case 1:
		return "parent", nil
	default:
		return "", fmt.Errorf("the lines of %s are not in reach here: only those of the last two lists are", s.lists[i])
	}
}

// ref returns the expression that reads a field of the record by the platform's name for it.
func (s scope) ref(name string) (string, error) {
	steps, err := splitPath(name)
	if err != nil {
		return "", err
	}
	for i, list := range slices.Backward(s.lists) {
		prefix, _ := splitPath(list)
		if len(steps) <= len(prefix) || !slices.Equal(steps[:len(prefix)], prefix) {
			continue
		}
		if index.MatchString(steps[len(prefix)]) {
			return "record" + path(steps), nil
		}
		root, err := s.variable(i)
		return root + path(steps[len(prefix):]), err
	}
	if rest, ok := strings.CutPrefix(name, s.flat+"_"); ok && s.flat != "" {
		inner, err := splitPath(rest)
		return "item" + path(inner), err
	}
	if slices.Contains(s.made, steps[0]) {
		return "", fmt.Errorf("%s is made by formatResponse, which has no counterpart: format the field that it is made of", steps[0])
	}
	if s.spread != "" && (strings.HasPrefix(name, s.spread+"_") || steps[0] == s.spread) {
		return "", fmt.Errorf("%s is of a line: the platform makes a document of each line of %s (beatFlat), and here a record is one message", name, s.spread)
	}
	if len(s.lists) == 0 || s.flat != "" {
		return "record" + path(steps), nil
	}
	return s.unclear(steps), nil
}

// unclear returns the expression for a name within a list that may be one of the line or of the
// record. The platform looks at the line first; a sample tells which it is.
func (s scope) unclear(steps []string) string {
	line, head := s.element(s.lists[len(s.lists)-1]), s.sample
	switch {
	case line.has(steps[0]):
		return "item" + path(steps)
	case head.has(steps[0]), !isIdentifier(steps[0]):
		return "record" + path(steps)
	default:
		return fmt.Sprintf("(has(item%s) ? item%s : record%s)", path(steps[:1]), path(steps), path(steps))
	}
}

// element returns the first line of a list of the sample, nil when there is none.
func (s scope) element(list string) *node {
	n := s.sample
	steps, _ := splitPath(list)
	for _, key := range steps {
		if n = n.get(key); n != nil && n.kind == kindList && len(n.items) > 0 {
			n = n.items[0]
		}
	}
	return n
}

// has reports whether an object has a key, be it null.
func (n *node) has(key string) bool {
	return n != nil && slices.ContainsFunc(n.members, func(m member) bool { return m.key == key })
}

// splitPath splits a.b[0].c and a.b.0.c at its steps; an index stays a number in brackets.
func splitPath(name string) ([]string, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 500 || strings.ContainsAny(name, "{}\"'\\\n") {
		return nil, fmt.Errorf("%q is no name of a field", shorten(name))
	}
	name = indexes.ReplaceAllString(name, ".$1")
	steps := strings.Split(name, ".")
	for i, step := range steps {
		steps[i] = strings.TrimSpace(step)
		if steps[i] == "" {
			return nil, fmt.Errorf("%q is no name of a field", shorten(name))
		}
	}
	return steps, nil
}

var (
	indexes    = regexp.MustCompile(`\[(\d{1,6})\]`)
	index      = regexp.MustCompile(`^\d{1,6}$`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// reserved words can't follow a dot everywhere.
var reserved = []string{
	"in", "true", "false", "null", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
	"package", "namespace", "return", "var", "void", "while",
}

func isIdentifier(step string) bool {
	return identifier.MatchString(step) && !slices.Contains(reserved, step)
}

// path writes steps as they follow a variable.
func path(steps []string) string {
	var b strings.Builder
	for i, step := range steps {
		switch {
		case index.MatchString(step) && i > 0:
			b.WriteString("[" + step + "]")
		case isIdentifier(step):
			b.WriteString("." + step)
		default:
			b.WriteString("[" + quote(step) + "]")
		}
	}
	return b.String()
}
