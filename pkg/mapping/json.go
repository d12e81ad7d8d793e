package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep a record may nest.
const maxDepth = 64

// parseRecord reads a record as the vendor said it. Numbers keep their literals, of a key that
// is there twice the last one counts.
func parseRecord(body []byte) (map[string]any, error) {
	if err := checkText(body); err != nil {
		return nil, err
	}
	root, err := decodeJSON(body)
	if err != nil {
		return nil, err
	}
	record, ok := root.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("record is %s, not an object", kindOf(root))
	}
	return record, nil
}

// decodeJSON reads one JSON value.
func decodeJSON(body []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var root any
	if err := decoder.Decode(&root); err != nil {
		return nil, describe(err, body)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("record is followed by something else at byte %d", decoder.InputOffset())
	}
	return root, nil
}

// describe says where JSON is broken without repeating any of it.
func describe(err error, body []byte) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("record is broken at byte %d of %d", syntax.Offset, len(body))
	}
	return fmt.Errorf("record of %d bytes ends too early", len(body))
}

// checkText refuses bytes that are no UTF-8, which the decoder would replace without a word, and
// nesting that is too deep.
func checkText(body []byte) error {
	if !utf8.Valid(body) {
		return errors.New("record is not UTF-8")
	}
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			if depth > maxDepth {
				return fmt.Errorf("record nests deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
