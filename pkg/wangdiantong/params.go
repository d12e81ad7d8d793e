package wangdiantong

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/erpstream/erpstream/pkg/httpcall"
)

// clean returns parameters as they may be sent: without nulls, empty texts, lists and objects,
// whose place in the signatures is not settled between sources, and with values of JSON's kinds
// only. Floating point is refused: its text would be signed in more than one form.
func clean(params map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for name, value := range params {
		v, err := cleanValue(value)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		if v != nil {
			out[name] = v
		}
	}
	return out, nil
}

// cleanValue returns nil for what is not to be sent.
func cleanValue(value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, nil
		}
		return v, nil
	case bool, int, int64, uint64:
		return v, nil
	case json.Number:
		if strings.Trim(v.String(), "-0123456789") != "" {
			return nil, fmt.Errorf("is %s, no whole number: write it as text", v)
		}
		return v, nil
	case []string:
		list := make([]any, len(v))
		for i, element := range v {
			list[i] = element
		}
		return cleanList(list)
	case []any:
		return cleanList(v)
	case map[string]any:
		object, err := clean(v)
		if err != nil || len(object) == 0 {
			return nil, err
		}
		return object, nil
	case float32, float64:
		return nil, fmt.Errorf("is %v, a floating-point number: write it as text", v)
	default:
		return nil, fmt.Errorf("is a %T, which has no form on the wire", v)
	}
}

func cleanList(list []any) (any, error) {
	var out []any
	for i, element := range list {
		v, err := cleanValue(element)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		if v != nil {
			out = append(out, v)
		}
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// addFlat puts parameters into a form of the enterprise edition: text as it is, flags as 1 and 0
// (assumed), objects and lists as JSON text. The form's own fields are the client's to set.
func addFlat(form map[string]string, params map[string]any) error {
	for name, value := range params {
		if form[name] != "" || name == "sign" {
			return fmt.Errorf("parameter %s is set by the client", name)
		}
		switch v := value.(type) {
		case string:
			form[name] = v
		case bool:
			form[name] = "0"
			if v {
				form[name] = "1"
			}
		default:
			text, err := jsonText(v)
			if err != nil {
				return fmt.Errorf("parameter %s: %w", name, err)
			}
			form[name] = text
		}
	}
	return nil
}

// jsonText returns JSON with sorted keys, Chinese and HTML characters as they are.
func jsonText(value any) (string, error) {
	text, err := httpcall.JSON(value)
	if err != nil {
		return "", fmt.Errorf("encode as JSON: %w", err)
	}
	return string(text), nil
}

// pager is the part of a query that says which page is asked for, counted from 0.
type pager struct{ page, size int }

func (p pager) check() error {
	if p.page < 0 || p.size < 1 {
		return fmt.Errorf("page %d of size %d: pages count from 0, and hold one document at least", p.page, p.size)
	}
	return nil
}

// flat is the pager of the direct forms: text, the first page is 0 (documented).
func (p pager) flat() map[string]string {
	return map[string]string{"page_no": strconv.Itoa(p.page), "page_size": strconv.Itoa(p.size)}
}

// json is the pager of Flagship through Qimen: JSON, the first page is 1 (seen in use).
func (p pager) json() string {
	return fmt.Sprintf(`{"page_size":%d,"page_no":%d}`, p.size, p.page+1)
}
