package jushuitan

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
)

// biz holds the business parameters of a call. Numbers and booleans may come as text, and null,
// "" and [] mean the same as nothing.
type biz map[string]any

func parseBiz(text string) (biz, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var b biz
	if err := dec.Decode(&b); err != nil || b == nil {
		return nil, badParameter("biz")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, badParameter("biz")
	}
	maps.DeleteFunc(b, func(_ string, v any) bool {
		list, isList := v.([]any)
		return v == nil || v == "" || isList && len(list) == 0
	})
	return b, nil
}

func (b biz) has(key string) bool { _, ok := b[key]; return ok }

// only returns whether b has no other keys than these.
func (b biz) only(keys ...string) bool {
	for key := range b {
		if !slices.Contains(keys, key) {
			return false
		}
	}
	return true
}

// integer returns the number under key, or otherwise.
func (b biz) integer(key string, otherwise int64) (int64, error) {
	v, ok := b[key]
	if !ok {
		return otherwise, nil
	}
	text, ok := scalar(v)
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return 0, badParameter(key)
	}
	return n, nil
}

// boolean returns the truth value under key, or otherwise.
func (b biz) boolean(key string, otherwise bool) (bool, error) {
	switch v := b[key].(type) {
	case nil:
		return otherwise, nil
	case bool:
		return v, nil
	default:
		text, _ := scalar(v)
		is, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return false, badParameter(key)
		}
		return is, nil
	}
}

// texts returns the elements of the list under key as text, or nil. A limit of 0 is none.
func (b biz) texts(key string, limit int) ([]string, error) {
	v, ok := b[key]
	if !ok {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok || limit > 0 && len(list) > limit {
		return nil, badParameter(key)
	}
	var all []string
	for _, element := range list {
		text, ok := scalar(element)
		if !ok {
			return nil, badParameter(key)
		}
		all = append(all, text)
	}
	return all, nil
}

// integers returns the elements of the list under key as numbers, or nil.
func (b biz) integers(key string, limit int) ([]int64, error) {
	list, err := b.texts(key, limit)
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, text := range list {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, badParameter(key)
		}
		all = append(all, n)
	}
	return all, nil
}

// time returns the wall-clock time under key.
func (b biz) time(key string) (time.Time, error) {
	text, _ := b[key].(string)
	t, err := time.ParseInLocation(time.DateTime, text, dataset.Shanghai)
	if err != nil || len(text) != len(time.DateTime) {
		return time.Time{}, badParameter(key)
	}
	return t, nil
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}
