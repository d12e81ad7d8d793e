// Package flow holds the documents that users write: connections, sources and flows, as YAML. It
// parses them strictly and keeps them in the configuration bucket; package check finds what does
// not fit together. Every fault names its line and column.
package flow

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/mapping/spec"
)

// The kinds of documents. A document begins with its kind as key and its name as value.
const (
	KindConnection = "connection"
	KindSource     = "source"
	KindFlow       = "flow"
	// KindTests are the tests of the flow with that name. They stay in the files.
	KindTests = "tests"
)

// Document is one document of a YAML stream. Exactly one of Connection, Source, Flow and Tests is set,
// the one that Kind names.
type Document struct {
	Kind, Name string
	// Text is the document as it was written, comments included, without the --- around it.
	Text string
	// File and Line say where the document begins.
	File string
	Line int

	Connection *Connection
	Source     *Source
	Flow       *Flow
	Tests      *Tests
}

// Connection is one account on one system. Secrets are never in it: they are files.
type Connection struct {
	Name string
	// System is one of Systems.
	System string
	// Endpoint is the URL of the system's API, mysql://host:port/database, or "sandbox".
	Endpoint string
	// TimeZone is the name of the account's time zone.
	TimeZone string
	// Budget bounds the calls.
	Budget Budget
	// Settings are what only this system knows.
	Settings map[string]string

	at places
}

// Budget bounds the calls of a connection; 0 is the vendor's own limit.
type Budget struct {
	PerSecond, PerMinute int
}

// Sandbox reports whether the connection leads to the built-in sandbox.
func (c Connection) Sandbox() bool { return c.Endpoint == sandboxEndpoint }

// Location is the time zone of the account.
func (c Connection) Location() *time.Location { return location(c.TimeZone) }

// Getter returns a function that looks up a setting of the connection by name: "connection" is its
// name, "time_zone" the document's, others are looked up in Settings, then with secret, which returns
// the text of a secret file. What is nowhere is "". It may be called later too, to read a secret that
// was rotated.
//
// "endpoint" is that of the secrets where there is one, for whoever keeps the secrets decides where they
// go, not who writes documents; one that can't be read is "". Else it is the document's.
func (c Connection) Getter(secret func(connection, field string) (string, error)) func(name string) string {
	return func(name string) string {
		switch name {
		case "connection":
			return c.Name
		case "endpoint":
			return c.endpoint(secret)
		case "time_zone":
			return c.TimeZone
		}
		if value, ok := c.Settings[name]; ok {
			return value
		}
		value, err := secret(c.Name, name)
		if err != nil {
			return ""
		}
		return value
	}
}

func (c Connection) endpoint(secret func(connection, field string) (string, error)) string {
	pinned, err := secret(c.Name, "endpoint")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.Endpoint
	case err != nil:
		return ""
	default:
		return strings.TrimSpace(pinned)
	}
}

// Source is what is polled.
type Source struct {
	Name, Connection string
	// Feed is the name of the query API.
	Feed string
	// Every is the time between two polls, 0 when Cron says when.
	Every time.Duration
	// Cron is a schedule of six fields, seconds first, in Zone.
	Cron, Zone string
	// ByVersion reads by row version instead of by time, where the feed can be (cursor: version).
	ByVersion bool
	// Start is the source time at which the first poll begins. A snapshot may do without, and when
	// it has one is read from then on. A source that is read by row version has none: the first
	// poll reads all that there is.
	Start time.Time
	// Request holds parameters over those of the feed: text, bool, int64, json.Number for what
	// is no int64, []any, map[string]any and nil.
	Request map[string]any
	// Settle and Overlap replace those of the feed; nil leaves them.
	Settle, Overlap *time.Duration
	// Slice is the widest window, PageSize the documents of a page; 0 leaves the feed's. Overlap says
	// for a row version too how late a commit may become visible.
	Slice    time.Duration
	PageSize int
	// Recount is the time of day, "15:04" in the zone of the connection, at which the closed windows of
	// the last days are counted again; empty leaves the choice to the poller, RecountOff means never.
	Recount string
	// Quiet is how long nothing new may come of the source before an event says so; 0 is for ever.
	Quiet time.Duration

	at places
}

// MaxQuiet bounds Quiet: what came longer ago is not looked for.
const MaxQuiet = 28 * 24 * time.Hour

// RecountOff is the Recount of a source that is never counted again.
const RecountOff = "off"

// Tune returns the feed as this source uses it: with the source's window, page size and request
// parameters in the place of the feed's. It does not change f.
func (s Source) Tune(f feed.Feed) feed.Feed {
	if s.Settle != nil {
		f.Window.Settle = *s.Settle
	}
	if s.Overlap != nil {
		f.Window.Overlap = *s.Overlap
	}
	if s.Slice > 0 {
		f.Window.Max = s.Slice
	}
	if s.PageSize > 0 {
		f.Paging.Max = s.PageSize
	}
	request := make(map[string]any, len(f.Request)+len(s.Request))
	for _, from := range []map[string]any{f.Request, s.Request} {
		maps.Copy(request, from)
	}
	f.Request = request
	return f
}

// Flow makes target messages of the records of a source.
type Flow struct {
	Name string
	// From is the name of the source.
	From   string
	Target Target
	// Spec is the filter, the quality rules and the fields, as they are written. Its zone, forms
	// of time and personal fields are those of the feed, which Compile adds.
	Spec spec.Spec

	at places
	// files are those of value tables that were not read yet.
	files []tableFile
}

// Target is where the messages of a flow go.
type Target struct {
	// Kind is the kind of sink, the system of the connection.
	Kind string
	// Connection is the name of the connection that the sink writes to.
	Connection string
	// Message is the full name of the target message.
	Message string
	// Options are what the flow asks of the sink.
	Options map[string]string
}

// Values returns the options as a sink gets them.
func (t Target) Values() url.Values {
	values := url.Values{}
	for name, value := range t.Options {
		values.Set(name, value)
	}
	return values
}

// Query returns the options as URL query text, sorted, as the envelope carries them.
func (t Target) Query() string { return t.Values().Encode() }

// Error is one fault of a document, with its place. Line and Column count from 1.
type Error struct {
	File         string
	Line, Column int
	// Path names the field, for example map.rows.map.modified; "" is the document as a whole.
	Path string
	Msg  string
	// Code names the kind of fault for those that tools tell apart; "" for all others.
	Code string
}

// Error returns file:line:column: path: message.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, e.Path, e.Msg)
}

// places holds where the values of a document stand, by path; "" is the document.
type places struct {
	file   string
	fields map[string]spec.Pos
}

// fault returns an error about the value at a path; of a value that is not there, about the
// document.
func (p places) fault(path, format string, args ...any) *Error {
	at, ok := p.fields[path]
	if !ok {
		at = p.fields[""]
	}
	return &Error{File: p.file, Line: at.Line, Column: at.Column, Path: path, Msg: fmt.Sprintf(format, args...)}
}

// Fault returns an error about the value at a path of the connection's document.
func (c Connection) Fault(path, format string, args ...any) *Error {
	return c.at.fault(path, format, args...)
}

// Fault returns an error about the value at a path of the source's document.
func (s Source) Fault(path, format string, args ...any) *Error {
	return s.at.fault(path, format, args...)
}

// Fault returns an error about the value at a path of the flow's document.
func (f Flow) Fault(path, format string, args ...any) *Error {
	return f.at.fault(path, format, args...)
}

// FaultAt returns an error about a place in the flow's document.
func (f Flow) FaultAt(at spec.Pos, path, msg string) *Error {
	return &Error{File: f.at.file, Line: at.Line, Column: at.Column, Path: path, Msg: msg}
}

// defaultZone is where the vendors' clocks are.
const defaultZone = "Asia/Shanghai"

// location returns a zone that was checked when its document was parsed.
func location(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.FixedZone(defaultZone, 8*60*60)
	}
	return zone
}
