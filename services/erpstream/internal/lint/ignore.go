package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/flow"
)

// comment is a comment that ignores findings: # lint:ignore code[,code] reason. One behind a value is
// about its line, one on a line of its own about the next line with all that is nested below it, and so
// one above the first line of a document about the whole document.
type comment struct {
	file         string
	line, column int
	codes        []string
	// from and to are the lines that it is about.
	from, to int
	used     bool
}

var ignoring = regexp.MustCompile(`(^|\s)#\s*` + ignoreCommentMark + `\b(.*)$`)

// ignore returns findings about the documents without those that a comment ignores, and with those about
// the comments.
func ignore(documents []flow.Document, found []Finding) []Finding {
	var comments []*comment
	var kept []Finding
	for _, d := range documents {
		some, faults := commentsOf(d)
		comments, kept = append(comments, some...), append(kept, faults...)
	}
	for _, f := range found {
		if !slices.ContainsFunc(documents, func(d flow.Document) bool { return d.File == f.File }) {
			continue // about a document that is referred to only
		}
		if !ignored(comments, f) {
			kept = append(kept, f)
		}
	}
	for _, c := range comments {
		if !c.used {
			kept = append(kept, Finding{c.file, c.line, c.column, "", IgnoreComment, Warning,
				"ignores nothing: there is no " + strings.Join(c.codes, " or ") + " here any more"})
		}
	}
	return kept
}

func ignored(comments []*comment, f Finding) bool {
	hit := false
	for _, c := range comments {
		if c.file == f.File && c.from <= f.Line && f.Line <= c.to && slices.Contains(c.codes, f.Code) {
			c.used, hit = true, true
		}
	}
	return hit
}

// commentsOf returns the ignoring comments of a document, and what is wrong with some.
func commentsOf(d flow.Document) ([]*comment, []Finding) {
	lines := strings.Split(d.Text, "\n")
	before := d.Line - 1 - slices.IndexFunc(lines, isContent) // lines of the file before the text
	var comments []*comment
	var faults []Finding
	for i, line := range lines {
		match := ignoring.FindStringSubmatchIndex(line)
		if match == nil {
			continue
		}
		column := len([]rune(line[:match[0]])) + 1
		names, reason, _ := strings.Cut(strings.TrimSpace(line[match[4]:]), " ")
		if fault := wrong(names, reason); fault != "" {
			faults = append(faults, Finding{d.File, before + i + 1, column, "", IgnoreComment, Warning, fault})
			continue
		}
		from, to := about(lines, i, isContent(line))
		comments = append(comments, &comment{d.File, before + i + 1, column, strings.Split(names, ","), before + from + 1, before + to + 1, false})
	}
	return comments, faults
}

// wrong says what is wrong with the codes or the reason of a comment, "" when nothing is.
func wrong(names, reason string) string {
	var known []string
	for _, c := range Codes {
		known = append(known, c.Name)
	}
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(known, name) {
			return fmt.Sprintf("unknown code %q%s", name, flow.DidYouMean(name, known))
		}
	}
	if strings.TrimSpace(reason) == "" {
		return "gives no reason: write # " + ignoreCommentMark + " " + names + " why it is right so"
	}
	return ""
}

// about returns the first and the last line that the comment on line i is about.
func about(lines []string, i int, behindValue bool) (from, to int) {
	if behindValue {
		return i, i
	}
	from = i + 1
	for from < len(lines) && !isContent(lines[from]) {
		from++
	}
	if from >= len(lines) || !slices.ContainsFunc(lines[:i], isContent) {
		return 0, len(lines)
	}
	to = from
	for j := from + 1; j < len(lines); j++ {
		switch {
		case !isContent(lines[j]):
		case indent(lines[j]) > indent(lines[from]):
			to = j
		default:
			return from, to
		}
	}
	return from, to
}

// isContent reports whether a line holds more than a comment.
func isContent(line string) bool {
	text := strings.TrimSpace(line)
	return text != "" && !strings.HasPrefix(text, "#")
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
