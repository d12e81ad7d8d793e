package dryrun

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// narrowest is how wide each side is at least, in columns.
const narrowest = 24

// WriteRows writes rows for people, the record beside the message, in lines of at most width columns.
func WriteRows(out io.Writer, rows []Row, zone *time.Location, width int) error {
	side := max((width-3)/2, narrowest)
	var b strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&b, "%s  key %s, version %d, changed %s%s\n", strings.ToUpper(string(row.Verdict)), row.Key, row.Version, row.Modified.In(zone).Format("2006-01-02 15:04:05 -07:00"), sequence(row.RawSequence))
		if row.Why != "" {
			fmt.Fprintf(&b, "  %s\n", row.Why)
		}
		for _, w := range row.Warnings {
			fmt.Fprintf(&b, "  warning: %s\n", w)
		}
		sideBySide(&b, wrap(indented(row.Record), side), wrap(indented(row.shown), side), side)
		for _, r := range row.References {
			value := r.Value
			if value == "" {
				value = "***"
			}
			fmt.Fprintf(&b, "  %s with %s %q is %s\n", r.Collection, r.Field, value, r.ID)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: %s\n", plural(len(rows), "record"), Tally(rows))
	_, err := io.WriteString(out, b.String())
	return err
}

func sequence(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", RAW sequence %d", n)
}

// plural is a number with what it counts.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// indented is JSON on lines of its own.
func indented(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return strings.Split(string(text), "\n")
	}
	return strings.Split(b.String(), "\n")
}

// sideBySide writes two texts beside each other. Where one is missing the other has the line for itself.
func sideBySide(b *strings.Builder, left, right []string, side int) {
	for i := range max(len(left), len(right)) {
		l, r := at(left, i), at(right, i)
		if len(right) == 0 {
			b.WriteString(l + "\n")
			continue
		}
		line := l + strings.Repeat(" ", max(side-columns(l), 0)) + " | " + r
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// wrap cuts lines that are too long; what follows is indented as the line is.
func wrap(lines []string, side int) []string {
	var all []string
	for _, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if len(indent) > side/2 {
			indent = ""
		}
		for columns(line) > side {
			cut := fitting(line, side)
			all = append(all, line[:cut])
			line = indent + "  " + line[cut:]
		}
		all = append(all, line)
	}
	return all
}

// fitting returns how many bytes of a line take up to side columns.
func fitting(line string, side int) int {
	used := 0
	for i, c := range line {
		if used += wide(c); used > side {
			return i
		}
	}
	return len(line)
}

// columns is how many columns a text takes on a terminal.
func columns(text string) int {
	n := 0
	for _, c := range text {
		n += wide(c)
	}
	return n
}

// wide is how many columns a character takes: those of the East are twice as wide.
func wide(c rune) int {
	switch {
	case unicode.In(c, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), c >= 0x3000 && c <= 0x303F, c >= 0xFF01 && c <= 0xFF60, c >= 0x1F300 && c <= 0x1FAFF:
		return 2
	case unicode.Is(unicode.Mn, c):
		return 0
	default:
		return 1
	}
}

// WriteDiff writes a comparison for people: only what differs.
func WriteDiff(out io.Writer, d Diff) error {
	var b strings.Builder
	for _, c := range d.Target {
		fmt.Fprintf(&b, "- %s: %s\n+ %s: %s\n", c.Path, c.Old, c.Path, c.New)
	}
	for _, row := range d.Rows {
		fmt.Fprintf(&b, "key %s, version %d%s\n", row.Key, row.Version, sequence(row.RawSequence))
		if row.Old != row.New || row.OldWhy != row.NewWhy {
			fmt.Fprintf(&b, "  - %s\n  + %s\n", became(row.Old, row.OldWhy), became(row.New, row.NewWhy))
		}
		for _, c := range row.Changes {
			writeChange(&b, c)
		}
	}
	fmt.Fprintf(&b, "%s: %d unchanged, %d changed\n", plural(d.Records, "record"), d.Unchanged, d.Changed)
	if len(d.Verdicts) > 0 {
		fmt.Fprintf(&b, "became: %s\n", byCount(d.Verdicts))
	}
	if len(d.Fields) > 0 {
		fmt.Fprintf(&b, "fields: %s\n", byCount(d.Fields))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func became(kind verdict.Kind, why string) string {
	if why == "" {
		return string(kind)
	}
	return string(kind) + ": " + why
}

func writeChange(b *strings.Builder, c fields.Change) {
	name := c.Path
	if name == "" {
		name = "message"
	}
	if c.Old != "" {
		fmt.Fprintf(b, "  - %s: %s\n", name, c.Old)
	}
	if c.New != "" {
		fmt.Fprintf(b, "  + %s: %s\n", name, c.New)
	}
}
