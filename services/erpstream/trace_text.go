package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/history"
	"github.com/erpstream/erpstream/pkg/personal"
)

// margin stands before what belongs to the line above.
var margin = strings.Repeat(" ", 45)

// writeHistory writes a history for people.
func writeHistory(out io.Writer, h history.History) error {
	var b strings.Builder
	fmt.Fprintf(&b, "flow %s, key %s of source %s\n", h.Flow, h.Key, h.Source)
	for _, v := range h.Versions {
		fmt.Fprintf(&b, "\nversion %d, RAW sequence %d: %s\n", v.Version, v.RawSequence, standing(v.Standing, h.Flow))
		for _, e := range v.Events {
			writeEvent(&b, e)
		}
	}
	if h.Link != nil {
		b.WriteString("\n" + linkText(*h.Link) + "\n")
	}
	for _, text := range h.Unreadable {
		fmt.Fprintf(&b, "\nunreadable: %s\n", text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// standing says in words where a version is.
func standing(s history.Standing, flow string) string {
	switch s {
	case history.Waiting:
		return "waiting for the transformer"
	case history.Parked:
		return "parked, it goes on when what it waits for comes, or a person lets it"
	case history.InFlight:
		return "in flight, the sink has not settled it yet"
	case history.Dead:
		return "dead, `erpstream dead` lists what can be done"
	case history.Missing:
		return fmt.Sprintf("MISSING: it has no outcome and is nowhere; `erpstream audit --flow %s` names all that are", flow)
	default:
		return string(s)
	}
}

// writeEvent writes one event: a line with its time, and those that belong to it.
func writeEvent(b *strings.Builder, e history.Event) {
	kind, lines := string(e.Kind), []string(nil)
	switch {
	case e.Reading != nil:
		lines = readingText(*e.Reading)
	case e.Kind == history.Park:
		lines = []string{waitText(*e.Wait)}
	case e.Kind == history.Release:
		lines = []string{"after " + e.Time.Sub(e.Wait.Since).Round(time.Millisecond).String() + prefixed(", held by the quality rule ", e.Wait.Rule)}
	case e.Mapping != nil:
		lines = mappingText(*e.Mapping)
	case e.Outcome != nil:
		kind, lines = e.Outcome.Outcome, outcomeText(*e.Outcome)
	case e.Letter != nil:
		l := e.Letter
		lines = []string{fmt.Sprintf("letter %d at stage %s, class %s, attempt %d", l.Sequence, l.Stage, l.Class, l.Attempts), l.Reason}
	case e.Note != nil:
		kind, lines = e.Note.Action, []string{fmt.Sprintf("letter %d by %s%s", e.Note.Letter, e.Note.By, prefixed(": ", e.Note.Why))}
	}
	fmt.Fprintf(b, "  %s  %-11s", e.Time.Local().Format("2006-01-02 15:04:05.000 -07:00"), kind)
	for i, line := range strings.Split(strings.Join(lines, "\n"), "\n") {
		if i > 0 {
			b.WriteString(margin)
		}
		b.WriteString(line + "\n")
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func readingText(r history.Reading) []string {
	first := r.Feed
	switch {
	case r.Removed:
		first += ": the source has the document no more"
	case r.Unreadable:
		first += ": a row without key or time"
	case r.Window != nil && r.Window.From.IsZero():
		first += ", as it was at " + local(r.Modified)
	default:
		first += ", changed at the source " + local(r.Modified)
	}
	lines := []string{first}
	if w := r.Window; w != nil {
		lines = append(lines,
			fmt.Sprintf("%s (RAW sequence %d)", windowText(*w), w.Sequence),
			fmt.Sprintf("%d documents at the vendor, %d published, %d %s, %d %s, by %s%s",
				w.Total, w.Published, w.Pages, plural(int(w.Pages), "page"), w.Attempts, plural(int(w.Attempts), "attempt"), w.Poller, prefixed(", backfill ", w.Backfill)))
	} else {
		lines = append(lines, "RAW has no window for it")
	}
	return append(lines, jsonText(r.Record)...)
}

// windowText names a window; a feed that is read whole has none that begins somewhere.
func windowText(w history.Window) string {
	text := fmt.Sprintf("window %s to %s", local(w.From), local(w.To))
	if w.From.IsZero() {
		text = "all documents up to " + local(w.To)
	}
	if !w.Closed {
		return "step of " + text
	}
	return text
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func waitText(w history.Wait) string {
	if w.Replay {
		return "a dead letter that is mapped again"
	}
	if w.Rule != "" {
		return fmt.Sprintf("held by the quality rule %q since %s: %s", w.Rule, local(w.Since), w.Why)
	}
	return fmt.Sprintf("waits for %s with %s %q, since %s", w.Collection, w.Field, w.Value, local(w.Since))
}

func mappingText(m history.Mapping) []string {
	lines := []string{fmt.Sprintf("by revision %d to %s for %s (TARGET sequence %d)", m.FlowRevision, m.Schema, m.Connection, m.TargetSequence)}
	if m.ReplayJob > 0 {
		lines = append(lines, fmt.Sprintf("mapped by replay %d of the flow's past", m.ReplayJob))
	}
	if m.Replays > 0 {
		lines = append(lines, fmt.Sprintf("replay of letter %d", m.Replays))
	}
	for _, r := range m.References {
		value := r.Value
		if value == "" {
			value = personal.Mask
		}
		lines = append(lines, fmt.Sprintf("%s with %s %q is %s", r.Collection, r.Field, value, r.ID))
	}
	if m.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more references", m.More))
	}
	if m.Unreadable != "" {
		return append(lines, "the message can't be shown: "+m.Unreadable)
	}
	return append(lines, jsonText(m.Message)...)
}

func outcomeText(o history.Outcome) []string {
	line := fmt.Sprintf("at attempt %d by %s (%s), flow revision %d%s", o.Attempts, o.Service, o.Instance, o.FlowRevision, prefixed(", external id ", o.ExternalID))
	if o.Error == "" {
		return []string{line}
	}
	return []string{line, fmt.Sprintf("%s: %s", o.Class, o.Error)}
}

// jsonText indents JSON.
func jsonText(body json.RawMessage) []string {
	if len(body) == 0 {
		return nil
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", "  "); err != nil {
		return []string{string(body)}
	}
	return []string{indented.String()}
}

func linkText(l history.Link) string {
	text := "link: " + l.State
	if l.ExternalID != "" {
		text += " as " + l.ExternalID
	}
	text += prefixed(", number ", l.Number)
	text += fmt.Sprintf(", version %d, RAW sequence %d, written %s by %s", l.Version, l.RawSequence, local(l.Written), l.Instance)
	if !l.Intended.IsZero() {
		text += ", call decided on " + local(l.Intended)
	}
	return text
}
