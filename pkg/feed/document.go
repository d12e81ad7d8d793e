package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/rawjson"
)

// Identity is what a feed knows of one document besides its content.
type Identity struct {
	// Key is the document's id at the source.
	Key string
	// Version grows with each change: the row version where the feed has one, else the time of
	// change in ms. In a snapshot it is 0: who reads it says when.
	Version int64
	// Modified is when the document changed last, in the feed's zone; zero in a snapshot.
	Modified time.Time
}

// Identify reads key, version and time of change from a document as the vendor said it. Numbers
// may be written as text. It does not keep or change body.
func (f Feed) Identify(body []byte) (Identity, error) {
	names := append(slices.Clip(f.Key), f.Modified, f.Version)
	values, err := fields(body, names)
	if err != nil {
		return Identity{}, err
	}
	var id Identity
	for i, name := range f.Key {
		part := scalar(values[i])
		if part == "" {
			return Identity{}, fmt.Errorf("document has no %s", name)
		}
		if i > 0 {
			part = id.Key + "/" + part
		}
		id.Key = part
	}
	if f.Snapshot {
		return id, nil
	}
	modified, err := f.ParseTime(scalar(values[len(f.Key)]))
	if err != nil {
		return Identity{}, fmt.Errorf("document %s: %s: %w", id.Key, f.Modified, err)
	}
	id.Modified = modified
	id.Version = modified.UnixMilli()
	if f.Version == "" {
		return id, nil
	}
	if id.Version, err = whole(values[len(f.Key)+1], f.Version); err != nil {
		return Identity{}, fmt.Errorf("document %s: %w", id.Key, err)
	}
	return id, nil
}

// fields returns the values of a document's fields, nil for what it lacks.
func fields(body []byte, names []string) ([][]byte, error) {
	values := make([][]byte, len(names))
	if rawjson.Fields(body, names, values) == nil {
		return values, nil
	}
	clear(values)
	var document map[string]json.RawMessage
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("document is not a JSON object: %w", err)
	}
	return values, nil // of null
}

// RowVersionOf reads the row version of a document as the vendor said it, where the feed can be
// read by row version. It does not keep or change body.
func (f Feed) RowVersionOf(body []byte) (int64, error) {
	values, err := fields(body, []string{f.RowVersion.Field})
	if err != nil {
		return 0, err
	}
	return whole(values[0], f.RowVersion.Field)
}

// whole reads a whole number, which may be written as text.
func whole(raw []byte, name string) (int64, error) {
	n, err := strconv.ParseInt(scalar(raw), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number: %q", name, scalar(raw))
	}
	return n, nil
}

// scalar returns the text of a JSON string or the literal of a number, "" for anything else.
func scalar(raw []byte) string {
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n' || raw[0] == 't' || raw[0] == 'f':
		return ""
	case raw[0] == '"':
		s, _ := rawjson.String(raw)
		return s
	default:
		return string(raw)
	}
}

// EpochMS stands in Layouts for whole milliseconds since 1970.
const EpochMS = "epoch-ms"

// ParseTime reads a time of this feed in one of its layouts, in its zone.
func (f Feed) ParseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("time is missing")
	}
	for _, layout := range f.Layouts {
		if layout == EpochMS {
			if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
				return time.UnixMilli(ms).In(f.location), nil
			}
		}
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
