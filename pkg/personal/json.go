package personal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// maxDepth is how deep JSON may be nested; no vendor comes near it.
const maxDepth = 200

// JSON returns JSON with the values at the dotted paths masked, and those below them. A path goes
// through arrays: "lines.phone" is the phone of every line. Paths that are not there do no harm. The
// error tells nothing of the content.
func JSON(body []byte, paths []string) ([]byte, error) {
	if len(body) == 0 {
		return body, nil
	}
	m := masker{in: json.NewDecoder(bytes.NewReader(body)), paths: paths}
	m.in.UseNumber()
	if err := m.value("", slices.Contains(paths, everything), 0); err != nil {
		return nil, errNotJSON
	}
	if _, err := m.in.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return m.out.Bytes(), nil
}

// Masked reports whether JSON has the Mask in the place of a value at one of the paths: then it was made
// for people to look at, and is not to be taken for the data itself.
func Masked(body []byte, paths []string) bool {
	m := masker{in: json.NewDecoder(bytes.NewReader(body)), paths: paths}
	m.in.UseNumber()
	return m.value("", slices.Contains(paths, everything), 0) == nil && m.met
}

var errNotJSON = errors.New("it is not JSON, so personal data can't be masked")

// masker copies JSON token by token.
type masker struct {
	in    *json.Decoder
	out   bytes.Buffer
	paths []string
	// met is set when a value that is not to be shown was masked before.
	met bool
}

// value copies one value that stands at a path; hidden says that it is not to be shown.
func (m *masker) value(path string, hidden bool, depth int) error {
	token, err := m.in.Token()
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return errNotJSON
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return m.object(path, hidden, depth+1)
		}
		return m.array(path, hidden, depth+1)
	case nil:
		return m.write(nil)
	case string:
		if hidden && strings.TrimSpace(t) != "" {
			m.met = m.met || t == Mask
			return m.write(Mask)
		}
	default:
		if hidden {
			return m.write(Mask)
		}
	}
	return m.write(token)
}

func (m *masker) object(path string, hidden bool, depth int) error {
	m.out.WriteByte('{')
	for first := true; m.in.More(); first = false {
		if !first {
			m.out.WriteByte(',')
		}
		name, err := m.in.Token()
		if err != nil {
			return err
		}
		if err := m.write(name); err != nil {
			return err
		}
		m.out.WriteByte(':')
		below := name.(string)
		if path != "" {
			below = path + "." + below
		}
		if err := m.value(below, hidden || slices.Contains(m.paths, below), depth); err != nil {
			return err
		}
	}
	return m.end('}')
}

func (m *masker) array(path string, hidden bool, depth int) error {
	m.out.WriteByte('[')
	for first := true; m.in.More(); first = false {
		if !first {
			m.out.WriteByte(',')
		}
		if err := m.value(path, hidden, depth); err != nil {
			return err
		}
	}
	return m.end(']')
}

// end copies the end of an object or array.
func (m *masker) end(delim byte) error {
	if _, err := m.in.Token(); err != nil {
		return err
	}
	m.out.WriteByte(delim)
	return nil
}

// write writes one value; text stays readable.
func (m *masker) write(value any) error {
	encoder := json.NewEncoder(&m.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	m.out.Truncate(m.out.Len() - 1) // the encoder ends each value with a line break
	return nil
}
