package flowtest

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// FlowReport is what the tests of one flow showed.
type FlowReport struct {
	Flow     string       `json:"flow"`
	Failed   int          `json:"failed"`
	Coverage Coverage     `json:"coverage"`
	Tests    []TestReport `json:"tests"`
}

// TestReport is what one test showed.
type TestReport struct {
	Name string `json:"name"`
	File string `json:"file"`
	Line int    `json:"line"`
	// Passed says that what came out is what was expected.
	Passed bool `json:"passed"`
	// Want says what was expected, "" where nothing was. Got says what came out, Message is the target
	// message if one did.
	Want     string          `json:"want"`
	Got      string          `json:"got"`
	Warnings []string        `json:"warnings,omitempty"`
	Message  json.RawMessage `json:"message,omitempty"`
	// Changes are the fields that differ, old being what was expected. LackedWarnings did not come.
	Changes        []Difference `json:"changes,omitempty"`
	LackedWarnings []string     `json:"lacked_warnings,omitempty"`

	took time.Duration
	test flow.Test
	got  protoreflect.Message
	zone *time.Location
}

// Difference is a field that is not what was expected.
type Difference struct {
	fields.Change
	// Line is where the field is expected, 0 where it is not.
	Line int `json:"line,omitempty"`
}

func (t *TestReport) note(changes []fields.Change, lines map[string]int) {
	for _, c := range changes {
		t.Changes = append(t.Changes, Difference{Change: c, Line: lines[c.Path]})
	}
}

// lacks notes the warnings that were expected and did not come: the test fails then.
func (t *TestReport) lacks(expected []string) {
	for _, want := range expected {
		given := func(text string) bool { return strings.Contains(text, want) }
		if !slices.ContainsFunc(t.Warnings, given) {
			t.LackedWarnings = append(t.LackedWarnings, want)
			t.Passed = false
		}
	}
}

// WriteText writes a report for people: a line for each flow, and what went wrong below it. Verbose names
// the tests that passed too, coverage what no test expects.
func WriteText(out io.Writer, reports []FlowReport, verbose, coverage bool) error {
	var b strings.Builder
	for _, r := range reports {
		head := "ok  "
		if r.Failed > 0 {
			head = "FAIL"
		}
		fmt.Fprintf(&b, "%s  %s: %s, %d %% of %d target fields\n", head, r.Flow, Count(len(r.Tests), "test"), r.Coverage.Percent, r.Coverage.Fields)
		for _, t := range r.Tests {
			if !t.Passed || verbose {
				t.write(&b)
			}
		}
		if coverage {
			r.Coverage.write(&b)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (c Coverage) write(b *strings.Builder) {
	if len(c.Missing) > 0 {
		fmt.Fprintf(b, "      no test expects a value of %s\n", strings.Join(c.Missing, ", "))
	}
	for _, name := range c.Untried {
		fmt.Fprintf(b, "      no test has a record that is %s\n", strings.ReplaceAll(name, "\n", " "))
	}
}

// Count is a number with what it counts.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (t TestReport) write(b *strings.Builder) {
	head := "ok  "
	if !t.Passed {
		head = "FAIL"
	}
	fmt.Fprintf(b, "      %s %s  (%s:%d)\n", head, t.Name, t.File, t.Line)
	if t.Passed {
		return
	}
	for line := range strings.Lines(t.failure()) {
		b.WriteString("           " + line)
	}
}

// failure says what went wrong, on lines of its own.
func (t TestReport) failure() string {
	var b strings.Builder
	switch {
	case t.Want == "" && t.got == nil:
		fmt.Fprintf(&b, "nothing is expected; it came out as %s\n", t.Got)
		b.WriteString("write message, contains, filtered, dropped, dead or parked\n")
	case t.Want == "":
		fmt.Fprintf(&b, "nothing is expected; --update writes the message that came out\n")
	case len(t.Changes) > 0:
		fmt.Fprintf(&b, "- expected, + came out: %s\n", differ(len(t.Changes)))
		for _, c := range t.Changes {
			c.write(&b)
		}
	case len(t.LackedWarnings) == 0:
		fmt.Fprintf(&b, "- %s\n+ %s\n", t.Want, t.Got)
	}
	for _, w := range t.LackedWarnings {
		fmt.Fprintf(&b, "- warning: %s\n", w)
	}
	return b.String()
}

func differ(n int) string {
	if n == 1 {
		return "1 field differs"
	}
	return fmt.Sprintf("%d fields differ", n)
}

func (c Difference) write(b *strings.Builder) {
	if c.Old != "" {
		at := ""
		if c.Line > 0 {
			at = fmt.Sprintf("   (line %d)", c.Line)
		}
		fmt.Fprintf(b, "- %s: %s%s\n", c.Path, c.Old, at)
	}
	if c.New != "" {
		fmt.Fprintf(b, "+ %s: %s\n", c.Path, c.New)
	}
}
