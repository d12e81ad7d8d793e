package scan

import (
	"unicode/utf16"
	"unicode/utf8"
)

// plain are the characters that stand for others behind a backslash.
var plain = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', '"': '"', '\\': '\\', '/': '/'}

// AppendText appends an Escaped text without its escapes. Half a surrogate pair is U+FFFD, as encoding/json
// has it.
func AppendText(dst, escaped []byte) []byte {
	for i := 0; i < len(escaped); {
		c := escaped[i]
		switch {
		case c != '\\':
			dst = append(dst, c)
			i++
		case escaped[i+1] != 'u':
			dst = append(dst, plain[escaped[i+1]])
			i += 2
		default:
			r, size := codeUnits(escaped[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return dst
}

// codeUnits reads the one or two \uXXXX that text begins with.
func codeUnits(text []byte) (r rune, size int) {
	r = hex4(text[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(text[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads four hexadecimal digits, -1 when they are none.
func hex4(text []byte) rune {
	var r rune
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
