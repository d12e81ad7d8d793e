package importing

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFunction is the length of a function, in bytes, that is translated.
const maxFunction = 4096

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenNumber
	// tokenText is a text in quotes, with fields in it perhaps.
	tokenText
	// tokenField is {{field}} or {field} outside quotes.
	tokenField
	// tokenLookUp is a whole look-up, up to _endFind.
	tokenLookUp
	tokenSign
)

// token is one word of a function. text is without quotes and brackets.
type token struct {
	kind tokenKind
	text string
}

// is reports whether the token is a sign or a word, which are written in either case.
func (t token) is(words ...string) bool {
	for _, w := range words {
		if (t.kind == tokenWord || t.kind == tokenSign) && strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

// signs are the operators, long ones first.
var signs = []string{"<=>", "<=", ">=", "<>", "!=", "==", "&&", "||", "(", ")", ",", "+", "-", "*", "/", "%", "=", "<", ">", "!"}

// tokenize splits a function of the platform, which is written as MySQL writes expressions.
func tokenize(text string) ([]token, error) {
	if len(text) > maxFunction {
		return nil, fmt.Errorf("the function is longer than %d bytes", maxFunction)
	}
	var tokens []token
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text == "" {
			return append(tokens, token{}), nil
		}
		t, n, err := next(text)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		text = text[n:]
	}
}

// next returns the token at the beginning of text, and its length.
func next(text string) (token, int, error) {
	r, _ := utf8.DecodeRuneInString(text)
	switch {
	case r == '\'' || r == '"':
		return quotedToken(text)
	case r == '{':
		m := reference.FindStringSubmatchIndex(text)
		if m == nil || m[0] != 0 {
			return token{}, 0, errors.New("a bracket { that begins no field")
		}
		return token{tokenField, inner(text, m)}, m[1], nil
	case strings.HasPrefix(text, wordCollection) || strings.HasPrefix(text, wordMongo):
		return lookUpToken(text)
	case r >= '0' && r <= '9':
		n := while(text, func(r rune) bool { return r == '.' || r >= '0' && r <= '9' })
		if !isNumber(text[:n]) {
			return token{}, 0, fmt.Errorf("%q is no number", shorten(text[:n]))
		}
		return token{tokenNumber, text[:n]}, n, nil
	case unicode.IsLetter(r) || r == '_':
		n := while(text, func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
		return token{tokenWord, text[:n]}, n, nil
	}
	for _, s := range signs {
		if strings.HasPrefix(text, s) {
			return token{tokenSign, s}, len(s), nil
		}
	}
	return token{}, 0, fmt.Errorf("%q is no part of a function", string(r))
}

// while returns the length of the text for whose characters something holds.
func while(text string, holds func(rune) bool) int {
	if n := strings.IndexFunc(text, func(r rune) bool { return !holds(r) }); n >= 0 {
		return n
	}
	return len(text)
}

// quotedToken reads a text in quotes; a doubled quote and one after a backslash are part of it.
func quotedToken(text string) (token, int, error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i += unescape(&b, text[i:]) - 1
		case text[i] != text[0]:
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == text[0]:
			b.WriteByte(text[0])
			i++
		default:
			return token{tokenText, b.String()}, i + 1, nil
		}
	}
	return token{}, 0, errors.New("a text in quotes has no end")
}

// lookUpToken reads a look-up within a function. It ends with _endFind, or with the function.
func lookUpToken(text string) (token, int, error) {
	if i := strings.Index(text, wordEnd); i >= 0 {
		return token{tokenLookUp, strings.TrimSpace(text[:i])}, i + len(wordEnd), nil
	}
	return token{}, 0, fmt.Errorf("a look-up within a function must end with %s", wordEnd)
}
