package importing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// reference finds {{name|format}} and {name} in a value. A single bracket before anything but a name
// is part of the text.
var reference = regexp.MustCompile(`\{\{([^{}]+)\}\}|\{([^{}\s"':,]+)\}`)

// translator turns the platform's values into expressions.
type translator struct {
	scope
	// strict makes null in a text that is put together an error.
	strict bool
	// field is the name of the field that is made, as the platform has it.
	field string
	// collection names the collection of master data for a look-up.
	collection func(query) (string, error)
}

// value translates a value: a constant, text with fields in it, or one of the platform's functions.
func (t translator) value(text string) (expr, error) {
	trimmed := strings.TrimSpace(text)
	word, rest, _ := strings.Cut(trimmed, " ")
	switch {
	case word == "_function":
		return t.function(rest)
	case word == wordCollection || word == wordMongo:
		return t.lookUp(trimmed)
	case directive.MatchString(trimmed):
		return expr{}, fmt.Errorf("%s has no counterpart", shorten(directive.FindString(trimmed)))
	default:
		return t.template(text)
	}
}

// directive finds the words with which the platform marks what is no plain text.
var directive = regexp.MustCompile(`^_[a-zA-Z]+(\s|$)`)

// template translates text with fields in it.
func (t translator) template(text string) (expr, error) {
	var parts []expr
	last := 0
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > last {
			parts = append(parts, textLiteral(text[last:m[0]]))
		}
		part, err := t.reference(inner(text, m))
		if err != nil {
			return expr{}, err
		}
		parts = append(parts, part)
		last = m[1]
	}
	if last < len(text) {
		parts = append(parts, textLiteral(text[last:]))
	}
	switch len(parts) {
	case 0:
		return textLiteral(""), nil
	case 1:
		return parts[0], nil
	default:
		return join(parts, t.strict), nil
	}
}

// inner returns what stands within the brackets of a match of reference.
func inner(text string, m []int) string {
	if m[2] >= 0 {
		return text[m[2]:m[3]]
	}
	return text[m[4]:m[5]]
}

// The platform's own variables.
const (
	lastSync    = "LAST_SYNC_TIME"
	currentTime = "CURRENT_TIME"
)

// reference translates name|format.
func (t translator) reference(text string) (expr, error) {
	name, format, formatted := strings.Cut(text, "|")
	name = strings.TrimSpace(name)
	switch {
	case name == lastSync:
		return expr{}, errors.New("a mapping knows nothing of the last poll, so that it gives the same at any time")
	case name == currentTime:
		return expr{}, errors.New("a mapping has no clock, so that it gives the same at any time: meta.time is when the document changed last")
	}
	ref, err := t.ref(name)
	if err != nil || !formatted {
		return expr{cel: ref}, err
	}
	return formatAs(ref, strings.TrimSpace(format))
}

var formatCall = regexp.MustCompile(`^format\s*:\s*["']([^"']+)["']$`)

// formatAs applies one of the platform's formats.
func formatAs(ref, format string) (expr, error) {
	switch strings.ToLower(format) {
	case "datetime":
		return timeText(ref, layoutSecond), nil
	case "date":
		return timeText(ref, layoutDay), nil
	case "time":
		return timeText(ref, "HH:mm:ss"), nil
	}
	if m := formatCall.FindStringSubmatch(format); m != nil {
		return timeText(ref, m[1]), nil
	}
	return expr{}, fmt.Errorf("the format %q has no counterpart", shorten(format))
}

// usesClock reports whether a value depends on when the platform polls.
func usesClock(text string) bool {
	return strings.Contains(text, lastSync) || strings.Contains(text, currentTime)
}
