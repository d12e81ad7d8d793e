package wangdiantong

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// arguments are the parameters of a query of the flagship edition. Null and "" mean the same as
// nothing.
type arguments map[string]any

// only returns the refusal of the first key, in order, that is none of those.
func (a arguments) only(keys []string) error {
	var unknown []string
	for key := range a {
		if !slices.Contains(keys, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return refusal{code: 2, msg: unknown[0]}
}

func (a arguments) has(key string) bool { return a[key] != nil && a[key] != "" }

// text returns the text under key; numbers count as text.
func (a arguments) text(key string) (string, error) {
	switch v := a[key].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	default:
		return "", errFlagshipType
	}
}

// list returns the parts of the text under key, which have commas between them; nil if there is
// no text.
func (a arguments) list(key string) ([]string, error) {
	text, err := a.text(key)
	if err != nil || text == "" {
		return nil, err
	}
	return strings.Split(text, ","), nil
}

// integer returns the number under key, which may come as text; 0 if there is none.
func (a arguments) integer(key string) (int64, error) {
	text, err := a.text(key)
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errFlagshipType
	}
	return n, nil
}

// boolean returns the truth value under key; false if there is none.
func (a arguments) boolean(key string) (bool, error) {
	if is, ok := a[key].(bool); ok {
		return is, nil
	}
	text, err := a.text(key)
	if err != nil || text == "" {
		return false, err
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, errFlagshipType
	}
	return is, nil
}

// between returns the window whose ends are under the two keys, and whether there is one. A window
// with one end is none at all: that is an error.
func (a arguments) between(from, to string) (w window, given bool, err error) {
	if !a.has(from) && !a.has(to) {
		return window{}, false, nil
	}
	if !a.has(from) || !a.has(to) {
		return window{}, false, errNoTimes
	}
	if w.from, err = a.time(from); err != nil {
		return window{}, false, err
	}
	if w.to, err = a.time(to); err != nil {
		return window{}, false, err
	}
	switch span := w.to.Sub(w.from); {
	case span < 0:
		return window{}, false, errEndFirst
	case span > maxWindow:
		return window{}, false, errWideWindow
	default:
		return w, true, nil
	}
}

func (a arguments) time(key string) (time.Time, error) {
	text, err := a.text(key)
	if err != nil {
		return time.Time{}, err
	}
	at, err := wallClock(text)
	if err != nil {
		return time.Time{}, refusal{code: 100, msg: "Unparseable date: " + strconv.Quote(text)}
	}
	return at, nil
}
