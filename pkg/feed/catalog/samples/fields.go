package samples

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/personal"
)

// The types that a field of a record may have. A number that the vendor writes as text is text.
const (
	Text   = "text"
	Number = "number"
	Bool   = "bool"
	Null   = "null"
	List   = "list"
	Object = "object"
)

// Field is one field of a feed's records.
type Field struct {
	// Path leads to the field from the record: io_id, items[].qty.
	Path string `json:"path"`
	// Types are those that the samples show, in the order of their first appearance; null alone where
	// every sample is.
	Types []string `json:"types"`
	// Example is a value as JSON, the first that is not null or empty; "" for objects and lists of them.
	Example string `json:"example,omitempty"`
	// Personal says that the feed marks the field, or what it is in, as personal data.
	Personal bool `json:"personal,omitempty"`
}

// Fields returns the fields of a feed's recorded samples, in the order of the vendor's documents.
func Fields(f feed.Feed) ([]Field, error) {
	documents, err := Documents(f)
	if err != nil {
		return nil, err
	}
	return FieldsOf(f, documents...)
}

// Masked returns the documents of Documents with their personal data masked.
func Masked(f feed.Feed) ([]json.RawMessage, error) {
	documents, err := Documents(f)
	if err != nil {
		return nil, err
	}
	for i, text := range documents {
		if documents[i], err = personal.JSON(text, f.Personal); err != nil {
			return nil, fmt.Errorf("sample of feed %s: %w", f.Name, err)
		}
	}
	return documents, nil
}

// FieldsOf returns the fields that records of a feed have, in the order of their first appearance. What
// is personal comes masked.
func FieldsOf(f feed.Feed, records ...json.RawMessage) ([]Field, error) {
	s := &survey{at: map[string]int{}, personal: f.Personal}
	for _, text := range records {
		masked, err := personal.JSON(text, f.Personal)
		if err != nil {
			return nil, fmt.Errorf("record of feed %s: %w", f.Name, err)
		}
		decoder := json.NewDecoder(bytes.NewReader(masked))
		decoder.UseNumber()
		if err := s.value(decoder, "", false); err != nil {
			return nil, fmt.Errorf("record of feed %s: %w", f.Name, err)
		}
	}
	return s.fields, nil
}

// survey gathers fields while it reads JSON token by token, which keeps their order.
type survey struct {
	fields   []Field
	at       map[string]int
	personal []string
}

func (s *survey) value(in *json.Decoder, path string, hidden bool) error {
	token, err := in.Token()
	if errors.Is(err, io.EOF) && path == "" {
		return nil
	}
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return s.list(in, path, hidden)
		}
		return s.object(in, path, hidden)
	case nil:
		s.note(path, Null, "null", hidden)
	case bool:
		s.note(path, Bool, fmt.Sprint(t), hidden)
	case json.Number:
		s.note(path, Number, t.String(), hidden)
	case string:
		s.note(path, Text, quote(t), hidden)
	}
	return nil
}

func (s *survey) object(in *json.Decoder, path string, hidden bool) error {
	s.note(path, Object, "", hidden)
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		below, _ := name.(string)
		if path != "" {
			below = path + "." + below
		}
		marked := slices.Contains(s.personal, strings.ReplaceAll(below, "[]", ""))
		if err := s.value(in, below, hidden || marked); err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}

func (s *survey) list(in *json.Decoder, path string, hidden bool) error {
	s.note(path, List, "", hidden)
	for in.More() {
		if err := s.value(in, path+"[]", hidden); err != nil {
			return err
		}
	}
	_, err := in.Token()
	return err
}

// note keeps what one value shows of its field. The record itself is none, nor is the object that an
// element of a list is.
func (s *survey) note(path, kind, example string, hidden bool) {
	if path == "" || kind == Object && strings.HasSuffix(path, "[]") {
		return
	}
	i, known := s.at[path]
	if !known {
		i = len(s.fields)
		s.at[path] = i
		s.fields = append(s.fields, Field{Path: path, Personal: hidden})
	}
	f := &s.fields[i]
	if !slices.Contains(f.Types, kind) {
		f.Types = append(f.Types, kind)
	}
	if kind != Null && len(f.Types) > 1 {
		f.Types = slices.DeleteFunc(f.Types, func(t string) bool { return t == Null })
	}
	if (f.Example == "" || f.Example == "null" || f.Example == `""`) && example != "null" {
		f.Example = example
	}
}

// quote writes text as JSON that people can read.
func quote(text string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(text) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
