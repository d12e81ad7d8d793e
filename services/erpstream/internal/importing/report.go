package importing

import (
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// Kind says what became of a construct that is not simply carried over.
type Kind string

// The kinds of findings. All but Handled need somebody's look.
const (
	// Missing is left out in the metadata itself, as "..." or by a value that is not there.
	Missing Kind = "missing"
	// Unsupported has no counterpart, or none that is surely the same.
	Unsupported Kind = "unsupported"
	// Assumed is carried over with a guess.
	Assumed Kind = "assumed"
	// Handled is done by erpstream itself, or changed to what a contract wants: nothing is to be done.
	Handled Kind = "handled"
)

// Finding is one thing to know about an import, with its place in the metadata.
type Finding struct {
	Kind   Kind   `json:"kind"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	// Path is where it is in the result: request.status, where, map.rows.map.modified; "" is all of it.
	Path string `json:"path,omitempty"`
	// Text is what stood in the metadata, shortened.
	Text    string `json:"text,omitempty"`
	Message string `json:"message"`
}

// Need is a document that the result refers to and that was not among those given.
type Need struct {
	// Kind is connection or reference.
	Kind string `json:"kind"`
	// Name is that of the connection, or of the collection of master data.
	Name string `json:"name"`
	// System is that of the connection; Fields are those of the collection that look-ups read.
	System string   `json:"system,omitempty"`
	Fields []string `json:"fields,omitempty"`
}

// Result is what an import gives.
type Result struct {
	// Source and Flow are the names of the two documents.
	Source string `json:"source"`
	Flow   string `json:"flow"`
	// Text is the documents as YAML.
	Text string `json:"text"`
	// Complete is set when all was carried over: no finding is left to look at.
	Complete bool      `json:"complete"`
	Findings []Finding `json:"findings"`
	// Needs are the documents that must be there for the result to be applied.
	Needs []Need `json:"needs"`
}

// Open returns the findings that need somebody's look.
func (r Result) Open() []Finding {
	var open []Finding
	for _, f := range r.Findings {
		if f.Kind != Handled {
			open = append(open, f)
		}
	}
	return open
}

// finding makes a finding about a place.
func finding(k Kind, file string, at spec.Pos, text, msg string) Finding {
	return Finding{Kind: k, File: file, Line: at.Line, Column: at.Column, Text: shorten(text), Message: msg}
}

// comment is the finding as a comment of the result.
func (f Finding) comment() string {
	text := shorten(f.Message)
	if f.Text != "" {
		text += ": " + f.Text
	}
	if f.Kind == Handled {
		return "# " + text
	}
	return "# TODO import: " + string(f.Kind) + ": " + text
}
