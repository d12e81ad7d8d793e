package kingdee

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// envelope is the outer object of every answer: {"errcode":0,"description":"success","data":{…}}.
type envelope struct {
	code int64
	text string
	data json.RawMessage // nil = null or not given
}

// failed reports whether the vendor refused. The authorisation was seen with {"code":200,…}.
func (e envelope) failed() bool { return e.code != 0 }

// decodeEnvelope reads an answer. Without a code it is none, whatever else it holds.
func decodeEnvelope(body []byte) (envelope, error) {
	fields, err := Object(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if err != nil {
		return envelope{}, err
	}
	name := "errcode"
	if fields.Text(name) == "" {
		name = "code"
	}
	code, given, err := fields.Int(name)
	if err != nil {
		return envelope{}, err
	}
	if !given {
		return envelope{}, errors.New("no errcode")
	}
	if name == "code" && code == 200 {
		code = 0
	}
	e := envelope{code: code, data: fields.Raw("data")}
	for _, name := range []string{"description_cn", "descriptionCn", "description", "message", "msg"} {
		if e.text = fields.Text(name); e.text != "" {
			break
		}
	}
	return e, nil
}

// Fields is a JSON object whose values are read with tolerance: the vendor writes numbers as text,
// and the other way round. Names are exact.
type Fields map[string]json.RawMessage

// Object reads a JSON object.
func Object(text []byte) (Fields, error) {
	var o Fields
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("empty")
	}
	if err := json.Unmarshal(text, &o); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("a JSON %s, not an object", wrong.Value)
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if o == nil {
		return nil, errors.New("null")
	}
	return o, nil
}

// Raw returns the value of a name, nil for null.
func (o Fields) Raw(name string) json.RawMessage {
	if v := o[name]; string(v) != "null" {
		return v
	}
	return nil
}

// Text returns the string of a name; a number or anything else as it is written.
func (o Fields) Text(name string) string { return text(o.Raw(name)) }

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// Int returns the whole number of a name, which may be quoted and may have zero decimals. null, ""
// and nothing are not given.
func (o Fields) Int(name string) (n int64, given bool, err error) {
	s := strings.TrimSpace(o.Text(name))
	if whole, decimals, cut := strings.Cut(s, "."); cut && strings.Trim(decimals, "0") == "" {
		s = whole
	}
	if s == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseInt(s, 10, 64); err != nil {
		return 0, false, fmt.Errorf("%s is no whole number", name)
	}
	return n, true, nil
}

// List returns the array of a name, none for null.
func (o Fields) List(name string) ([]json.RawMessage, error) {
	raw := o.Raw(name)
	if raw == nil {
		return nil, nil
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, fmt.Errorf("%s is no array", name)
	}
	return rows, nil
}
