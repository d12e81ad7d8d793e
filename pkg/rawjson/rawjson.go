// Package rawjson takes JSON apart without decoding it: one pass over the text, and values that are parts of
// it. It takes what encoding/json takes, and nothing else.
package rawjson

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// deepest is how deep values may lie in one another, as in encoding/json.
const deepest = 10_000

var errSyntax = errors.New("not JSON")

// Object calls member for each member of the object that text is, in its order, with the text of its value,
// which is a part of text. A key may come twice. The first error of member ends it. Where text is no object,
// member may have been called for some members before the error says so.
func Object(text []byte, member func(key string, value []byte) error) error {
	return object(text, func(key, value []byte) error {
		name, err := String(key)
		if err != nil {
			return err
		}
		return member(name, value)
	})
}

// Fields sets values[i] to the text of the member with the name names[i] of the object that text is, the last
// one of them, nil where there is none. It decodes no other key.
func Fields(text []byte, names []string, values [][]byte) error {
	clear(values)
	return object(text, func(key, value []byte) error {
		inner := key[1 : len(key)-1]
		for i, name := range names {
			if string(inner) == name || isEscaped(inner) && decodes(key, name) {
				values[i] = value
			}
		}
		return nil
	})
}

func decodes(key []byte, name string) bool {
	s, err := String(key)
	return err == nil && s == name
}

// List calls element for each element of the array that text is, with its text, which is a part of text. The
// first error of element ends it. Where text is no array, element may have been called before the error says
// so.
func List(text []byte, element func(value []byte) error) error {
	s := scanner{text: text}
	s.space()
	if !s.take('[') {
		return errSyntax
	}
	for first := true; ; first = false {
		s.space()
		if first && s.take(']') {
			break
		}
		value, err := s.value()
		if err != nil {
			return err
		}
		if err := element(value); err != nil {
			return err
		}
		s.space()
		if s.take(']') {
			break
		}
		if !s.take(',') {
			return errSyntax
		}
	}
	return s.end()
}

// String returns the string that text, a JSON string, stands for.
func String(text []byte) (string, error) {
	if n := len(text); n >= 2 && !isEscaped(text[1:n-1]) && utf8.Valid(text) {
		return string(text[1 : n-1]), nil
	}
	var s string
	err := json.Unmarshal(text, &s)
	return s, err
}

func isEscaped(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c >= utf8.RuneSelf && !utf8.Valid(text) {
			return true
		}
	}
	return false
}

func object(text []byte, member func(key, value []byte) error) error {
	s := scanner{text: text}
	s.space()
	if !s.take('{') {
		return errSyntax
	}
	for first := true; ; first = false {
		s.space()
		if first && s.take('}') {
			break
		}
		begin := s.at
		if !s.take('"') || !s.str() {
			return errSyntax
		}
		key := text[begin:s.at]
		s.space()
		if !s.take(':') {
			return errSyntax
		}
		s.space()
		value, err := s.value()
		if err != nil {
			return err
		}
		if err := member(key, value); err != nil {
			return err
		}
		s.space()
		if s.take('}') {
			break
		}
		if !s.take(',') {
			return errSyntax
		}
	}
	return s.end()
}

// scanner goes over a text.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// peek is the character to be read, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.at >= len(s.text) {
		return false
	}
	s.at++
	return true
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// end is an error where anything but space is left.
func (s *scanner) end() error {
	if s.space(); s.at < len(s.text) {
		return errSyntax
	}
	return nil
}

// value passes a value and returns its text.
func (s *scanner) value() ([]byte, error) {
	begin := s.at
	if !s.skip() {
		return nil, errSyntax
	}
	return s.text[begin:s.at], nil
}

// skip passes a value and reports whether it is one.
func (s *scanner) skip() bool {
	switch c := s.peek(); c {
	case '{', '[':
		if s.depth++; s.depth >= deepest {
			return false
		}
		s.at++
		ok := s.members(c == '{')
		s.depth--
		return ok
	case '"':
		s.at++
		return s.str()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// members passes what is in an object or an array, and its end.
func (s *scanner) members(object bool) bool {
	end := byte(']')
	if object {
		end = '}'
	}
	if s.space(); s.take(end) {
		return true
	}
	for {
		s.space()
		if object {
			if !s.take('"') || !s.str() {
				return false
			}
			if s.space(); !s.take(':') {
				return false
			}
			s.space()
		}
		if !s.skip() {
			return false
		}
		if s.space(); s.take(end) {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// str passes a string behind its first quote.
func (s *scanner) str() bool {
	text, at := s.text, s.at
	for at < len(text) {
		c := text[at]
		switch {
		case c == '"':
			s.at = at + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			s.at = at
			if !s.escape() {
				return false
			}
			at = s.at
		default:
			at++
		}
	}
	return false
}

func (s *scanner) escape() bool {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		s.at++
		for range 4 {
			c := s.peek()
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
			s.at++
		}
		return true
	default:
		return false
	}
}

func (s *scanner) word(w string) bool {
	if len(s.text)-s.at < len(w) || string(s.text[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if c := s.peek(); c != 'e' && c != 'E' {
		return true
	}
	s.at++
	if !s.take('+') {
		s.take('-')
	}
	return s.digits()
}

// digits passes digits, and reports whether there are any.
func (s *scanner) digits() bool {
	begin := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > begin
}
