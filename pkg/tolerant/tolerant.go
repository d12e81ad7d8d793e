// Package tolerant reads the envelopes of vendors, who write one number as 0, "0" or "0.0" and
// leave out what is empty. Documents themselves never pass through it: they stay bytes.
package tolerant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/erpstream/erpstream/pkg/rawjson"
)

// Object is a JSON object. Its keys are exact, its values are read with tolerance.
type Object map[string]json.RawMessage

// Parse reads one JSON object; a byte order mark before it is skipped. Its values are parts of text. The error
// says what else the text is and never quotes it.
func Parse(text []byte) (Object, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return nil, errors.New("empty")
	}
	o := Object{}
	if rawjson.Object(text, func(key string, value []byte) error { o[key] = value; return nil }) == nil {
		return o, nil
	}
	if err := json.Unmarshal(text, &o); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("a JSON %s, not an object", wrong.Value)
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return nil, errors.New("null")
}

// Raw returns the value under key, nil for null and for nothing.
func (o Object) Raw(key string) json.RawMessage {
	if v := o[key]; string(v) != "null" {
		return v
	}
	return nil
}

// Text returns the string under key; a number or anything else as it is written; "" for null and
// for nothing.
func (o Object) Text(key string) string {
	raw := o.Raw(key)
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// Int returns the whole number under key, which may be quoted and may have zero decimals. null,
// "" and nothing are not given.
func (o Object) Int(key string) (n int64, given bool, err error) {
	s := strings.TrimSpace(o.Text(key))
	if s == "" {
		return 0, false, nil
	}
	whole, decimals, _ := strings.Cut(s, ".")
	if n, err = strconv.ParseInt(whole, 10, 64); err != nil || strings.Trim(decimals, "0") != "" {
		return 0, false, fmt.Errorf("%s is no whole number", key)
	}
	return n, true, nil
}

// IntInto sets n to the number that Int finds, and leaves it alone where none is given.
func (o Object) IntInto(n *int, key string) error {
	v, given, err := o.Int(key)
	if given {
		*n = int(v)
	}
	return err
}

// Bool returns the flag under key: true, 1, "true", "1" and so on. null, "" and nothing are not
// given.
func (o Object) Bool(key string) (value, given bool, err error) {
	s := strings.TrimSpace(o.Text(key))
	if s == "" {
		return false, false, nil
	}
	value, err = strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		return false, false, fmt.Errorf("%s is no flag", key)
	}
	return value, true, nil
}

// List returns the elements of the array under key, bytes untouched, nil for null and for nothing.
func (o Object) List(key string) ([]json.RawMessage, error) {
	raw := o.Raw(key)
	if raw == nil {
		return nil, nil
	}
	elements := []json.RawMessage{}
	if rawjson.List(raw, func(value []byte) error { elements = append(elements, value); return nil }) != nil {
		return nil, fmt.Errorf("%s is no array", key)
	}
	return elements, nil
}

// Object returns the object under key, nil for null and for nothing.
func (o Object) Object(key string) (Object, error) {
	raw := o.Raw(key)
	if raw == nil {
		return nil, nil
	}
	inner, err := Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return inner, nil
}
