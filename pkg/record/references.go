package record

import (
	"fmt"
	"strconv"
	"strings"
)

// Reference is an entry of master data that a mapping used: the one of a collection whose field has the
// value. The value is "" where it is personal data.
type Reference struct {
	Collection string `json:"collection"`
	Field      string `json:"field"`
	Value      string `json:"value,omitempty"`
	ID         string `json:"id"`
}

// longestReferences bounds the header with references, in bytes.
const longestReferences = 1024

// WriteReferences returns references as text for an envelope: a line each with collection, field, value
// and id between tabs. What does not fit in a kilobyte of header is counted in a last line: "+12".
func WriteReferences(references []Reference) string {
	var b strings.Builder
	left := longestReferences
	for i, r := range references {
		line := strings.Join([]string{oneLine(r.Collection), oneLine(r.Field), oneLine(r.Value), oneLine(r.ID)}, "\t") + "\n"
		if left -= len(Encode(line)); left < 0 {
			return b.String() + "+" + strconv.Itoa(len(references)-i)
		}
		b.WriteString(line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// oneLine puts blanks in the place of tabs and line breaks, which part references from one another.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		return r
	}, s)
}

// ReadReferences reads what WriteReferences wrote; more is how many further ones there were.
func ReadReferences(text string) (references []Reference, more int, err error) {
	if text == "" {
		return nil, 0, nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if count, ok := strings.CutPrefix(line, "+"); ok {
			if more, err = strconv.Atoi(count); err != nil {
				return nil, 0, fmt.Errorf("references: %q is no number of further ones", line)
			}
			continue
		}
		parts := strings.Split(line, "\t")
		if len(parts) != 4 {
			return nil, 0, fmt.Errorf("references: %q has %d parts, want collection, field, value and id", line, len(parts))
		}
		references = append(references, Reference{Collection: parts[0], Field: parts[1], Value: parts[2], ID: parts[3]})
	}
	return references, more, nil
}
