package record

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// Encode percent-encodes what a CloudEvents header value may not hold as it is: space, double
// quote, percent, control characters and everything outside printable ASCII.
func Encode(value string) string {
	escapes := 0
	for i := range len(value) {
		if mustEncode(value[i]) {
			escapes++
		}
	}
	if escapes == 0 {
		return value
	}
	b := make([]byte, 0, len(value)+2*escapes)
	for i := range len(value) {
		c := value[i]
		if mustEncode(c) {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		b = append(b, c)
	}
	return string(b)
}

func mustEncode(c byte) bool {
	return c <= ' ' || c >= 0x7f || c == '"' || c == '%'
}

// Decode undoes Encode. It also takes values that another CloudEvents producer encoded more or
// less eagerly; a broken escape or text that is not UTF-8 is an error.
func Decode(value string) (string, error) {
	if !strings.Contains(value, "%") {
		if !utf8.ValidString(value) {
			return "", errNotUTF8
		}
		return value, nil
	}
	b := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			b = append(b, value[i])
			continue
		}
		if i+2 >= len(value) {
			return "", errEscape
		}
		high, low := unhex(value[i+1]), unhex(value[i+2])
		if high < 0 || low < 0 {
			return "", errEscape
		}
		b = append(b, byte(high<<4|low)) //nolint:gosec // two hex digits
		i += 2
	}
	if !utf8.Valid(b) {
		return "", errNotUTF8
	}
	return string(b), nil
}

var (
	errEscape  = errors.New("broken percent escape")
	errNotUTF8 = errors.New("not UTF-8")
)

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
