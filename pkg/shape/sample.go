package shape

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/erpstream/erpstream/pkg/personal"
)

// maxSample is how long a sample is, in characters.
const maxSample = 40

// sample shows what a value looks like without telling it.
func (l learner) sample(path string, value any) string {
	if isPersonal(path, l.record.Personal) {
		return personal.Mask
	}
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return pattern(v.String())
	case string:
		return `"` + pattern(v) + `"`
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("an object of %d fields", len(v))
	default:
		return ""
	}
}

// isPersonal reports whether a field is at or below one of the dotted paths.
func isPersonal(path string, personal []string) bool {
	dotted := strings.ReplaceAll(path, "[]", "")
	return slices.ContainsFunc(personal, func(p string) bool {
		return p == "" || dotted == p || strings.HasPrefix(dotted, p+".")
	})
}

// pattern is the form of a text.
func pattern(text string) string {
	var b strings.Builder
	n := 0
	for _, c := range text {
		if n++; n > maxSample {
			b.WriteString("…")
			break
		}
		switch {
		case unicode.IsDigit(c):
			c = '9'
		case unicode.Is(unicode.Han, c):
			c = '文'
		case unicode.IsLetter(c):
			c = 'a'
		case !unicode.IsPrint(c):
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String()
}
