package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Identity is what a feed knows of one document besides its content.
type Identity struct {
	// Key is the document's id at the source.
	Key string
	// Version grows with each change: the row version where the feed has one, else ms.
	Version int64
	// Modified is when the document changed last, in the feed's zone.
	Modified time.Time
}

// Identify reads key, version and time of change from a document as the vendor said it. Numbers
// may be written as text. It does not keep or change body.
func (f Feed) Identify(body []byte) (Identity, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return Identity{}, fmt.Errorf("document is not a JSON object: %w", err)
	}
	var id Identity
	keys := make([]string, len(f.Key))
	for i, name := range f.Key {
		if keys[i] = scalar(fields[name]); keys[i] == "" {
			return Identity{}, fmt.Errorf("document has no %s", name)
		}
	}
	id.Key = strings.Join(keys, "/")
	modified, err := f.ParseTime(scalar(fields[f.Modified]))
	if err != nil {
		return Identity{}, fmt.Errorf("document %s: %s: %w", id.Key, f.Modified, err)
	}
	id.Modified = modified
	id.Version = modified.UnixMilli()
	if f.Version == "" {
		return id, nil
	}
	if id.Version, err = strconv.ParseInt(scalar(fields[f.Version]), 10, 64); err != nil {
		return Identity{}, fmt.Errorf("document %s: %s is not a whole number: %q", id.Key, f.Version, scalar(fields[f.Version]))
	}
	return id, nil
}

// scalar returns the text of a JSON string or the literal of a number, "" for anything else.
func scalar(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n' || raw[0] == 't' || raw[0] == 'f':
		return ""
	case raw[0] == '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	default:
		return string(raw)
	}
}

// ParseTime reads a time of this feed in one of its layouts, in its zone.
func (f Feed) ParseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("time is missing")
	}
	for _, layout := range f.Layouts {
		if t, err := time.ParseInLocation(layout, text, f.location); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is none of the forms %s", text, strings.Join(f.Layouts, ", "))
}

// FormatTime writes a time as the feed's window parameters want it, in its zone.
func (f Feed) FormatTime(t time.Time) string {
	return t.In(f.location).Format(f.Window.Layout)
}

// Location is the zone of the feed's times.
func (f Feed) Location() *time.Location { return f.location }
