package mapping

import (
	"crypto/md5" //nolint:gosec // a checksum, no secret
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

func textFunctions() []function {
	s, i := cel.StringType, cel.IntType
	texts := cel.ListType(s)
	plain := []form{member(s, s)}
	with := []form{member(s, s, s)}
	return []function{
		{"upper", plain, textual(strings.ToUpper)},
		{"lower", plain, textual(strings.ToLower)},
		{"upperAscii", plain, textual(func(text string) string { return strings.Map(onlyASCII(unicode.ToUpper), text) })},
		{"lowerAscii", plain, textual(func(text string) string { return strings.Map(onlyASCII(unicode.ToLower), text) })},
		{"trim", plain, textual(strings.TrimSpace)},
		{"half_width", plain, textual(halfWidth)},
		{"trim_prefix", with, func(c *call) ref.Val { return types.String(strings.TrimPrefix(c.text(0), c.text(1))) }},
		{"trim_suffix", with, func(c *call) ref.Val { return types.String(strings.TrimSuffix(c.text(0), c.text(1))) }},
		{"substring", []form{member(s, s, i), member(s, s, i, i)}, substring},
		{"left", []form{member(s, s, i)}, left},
		{"right", []form{member(s, s, i)}, right},
		{"indexOf", []form{member(i, s, s)}, position(strings.Index)},
		{"lastIndexOf", []form{member(i, s, s)}, position(strings.LastIndex)},
		{"replace", []form{member(s, s, s, s), member(s, s, s, s, i)}, replace},
		{"split", []form{member(texts, s, s), member(texts, s, s, i)}, split},
		{"join", []form{member(s, cel.ListType(cel.DynType)), member(s, cel.ListType(cel.DynType), s)}, joined},
		{"pad_start", []form{member(s, s, i, s)}, pad(func(text, fill string) string { return fill + text })},
		{"pad_end", []form{member(s, s, i, s)}, pad(func(text, fill string) string { return text + fill })},
		{"repeat", []form{member(s, s, i)}, repeat},
		{"sha256", []form{global(s, s)}, hashed(func(b []byte) []byte { h := sha256.Sum256(b); return h[:] })},
		{"md5", []form{global(s, s)}, hashed(func(b []byte) []byte { h := md5.Sum(b); return h[:] })}, //nolint:gosec // a checksum
		{"crc32", []form{global(s, s)}, func(c *call) ref.Val { return types.String(fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(c.text(0))))) }},
	}
}

// textual makes a function of expressions of one of Go.
func textual(f func(string) string) func(*call) ref.Val {
	return func(c *call) ref.Val { return types.String(f(c.text(0))) }
}

func hashed(sum func([]byte) []byte) func(*call) ref.Val {
	return func(c *call) ref.Val { return types.String(hex.EncodeToString(sum([]byte(c.text(0))))) }
}

func onlyASCII(change func(rune) rune) func(rune) rune {
	return func(r rune) rune {
		if r > unicode.MaxASCII {
			return r
		}
		return change(r)
	}
}

// halfWidth turns full-width letters, digits, signs and blanks (全角) into those of ASCII (半角).
func halfWidth(text string) string {
	const first, last, distance = '！', '～', '！' - '!'
	return strings.Map(func(r rune) rune {
		switch {
		case r == '　':
			return ' '
		case r >= first && r <= last:
			return r - distance
		default:
			return r
		}
	}, text)
}

// substring is the function of that name: from one character to before another, counted from 0.
func substring(c *call) ref.Val {
	runes := []rune(c.text(0))
	from, to := c.whole(1, 0, len(runes)), len(runes)
	if c.has(2) {
		to = c.whole(2, from, len(runes))
	}
	return types.String(runes[from:to])
}

func left(c *call) ref.Val {
	runes := []rune(c.text(0))
	return types.String(runes[:min(c.whole(1, 0, maxText), len(runes))])
}

func right(c *call) ref.Val {
	runes := []rune(c.text(0))
	return types.String(runes[max(len(runes)-c.whole(1, 0, maxText), 0):])
}

// position finds a text in another, in characters from 0, -1 when it is not in it.
func position(find func(text, part string) int) func(*call) ref.Val {
	return func(c *call) ref.Val {
		text := c.text(0)
		at := find(text, c.text(1))
		if at < 0 {
			return types.Int(-1)
		}
		return types.Int(utf8.RuneCountInString(text[:at]))
	}
}

// replace is the function of that name: all of them, or at most so many.
func replace(c *call) ref.Val {
	text, before, after := c.text(0), c.text(1), c.text(2)
	most := -1
	if c.has(3) {
		most = c.whole(3, 0, maxText)
	}
	n := strings.Count(text, before)
	if most >= 0 {
		n = min(n, most)
	}
	return c.made(len(text)+n*max(len(after)-len(before), 0), func() string { return strings.Replace(text, before, after, most) })
}

// split is the function of that name: all parts, or at most so many with the rest in the last.
func split(c *call) ref.Val {
	text, by := c.text(0), c.text(1)
	most := maxElements + 1
	if c.has(2) {
		most = c.whole(2, 1, maxElements)
	}
	parts := strings.SplitN(text, by, most)
	if len(parts) > maxElements {
		return c.fail("the list would have more than %d elements", maxElements)
	}
	return types.NewStringList(types.DefaultTypeAdapter, parts)
}

// joined is the function join: of text, and of numbers as they are written.
func joined(c *call) ref.Val {
	between, size := "", 0
	if c.has(1) {
		between = c.text(1)
	}
	var parts []string
	for i, v := range c.list(0) {
		text, ok := lookupText(v)
		if s, isText := v.(types.String); isText {
			text = string(s)
		}
		if !ok || v.Type() == types.NullType {
			return c.fail("element %d is %s, not text", i+1, kindOf(v))
		}
		parts = append(parts, text)
		size += len(text) + len(between)
	}
	c.spend(size / 10)
	return c.made(size, func() string { return strings.Join(parts, between) })
}

// pad fills text up to a length in characters.
func pad(put func(text, fill string) string) func(*call) ref.Val {
	return func(c *call) ref.Val {
		text, width, fill := c.text(0), c.whole(1, 0, maxExpression), c.text(2)
		if utf8.RuneCountInString(fill) != 1 {
			return c.fail("the filling must be one character")
		}
		missing := width - utf8.RuneCountInString(text)
		return types.String(put(text, strings.Repeat(fill, max(missing, 0))))
	}
}

func repeat(c *call) ref.Val {
	text, n := c.text(0), c.whole(1, 0, maxText)
	return c.made(len(text)*n, func() string { return strings.Repeat(text, n) })
}
