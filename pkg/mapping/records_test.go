package mapping_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// object is a JSON object whose keys keep their order, and may be there twice.
type object []member

type member struct {
	key   string // as it is written
	value any
}

// raw is a scalar as it is written.
type raw string

// tree reads JSON as object, []any and raw.
func tree(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return treeOf(d)
}

func treeOf(d *json.Decoder) any {
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			key, _ := d.Token()
			o = append(o, member{quoted(key.(string)), treeOf(d)})
		}
		_, _ = d.Token()
		return o
	case json.Delim('['):
		l := []any{}
		for d.More() {
			l = append(l, treeOf(d))
		}
		_, _ = d.Token()
		return l
	}
	if text, ok := token.(string); ok {
		return raw(quoted(text))
	}
	if token == nil {
		return raw("null")
	}
	return raw(fmt.Sprint(token))
}

// quoted writes a text without escapes where it can.
func quoted(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)
	return strings.TrimSuffix(b.String(), "\n")
}

// oddities are values that a vendor might send one day.
var oddities = []string{
	`null`, `""`, `true`, `false`, `0`, `-0`, `1`, `2.0`, `2e0`, `-1.50`, `1E+2`, `0.0000000000000000001`, `9007199254740993`, `9223372036854775807`, `9223372036854775808`,
	`-9223372036854775808`, `18446744073709551616`, `4294967296`, `2147483648`, `12345678901234567890.123456789`, `1e999999999`, `1e400`, `" 12 "`, `"+5"`, `"007"`, `"-"`, `"1e2"`, `".5"`, `"2.50"`,
	`"true"`, `"COLOR_RED"`, `"1"`, `"0"`, `" A1 "`, `"2025-01-01 11:05:00"`, `"2025-02-29 11:05:00"`, `"2024-02-29 23:59:60"`, `"0000-00-00 00:00:00"`, `"0001-01-01 00:00:00"`, `"9999-12-01"`,
	`"2025-01-01T11:05:00.123+09:00"`, `" 2025-01-01 11:05 "`, `"1991-07-07 02:30:00"`, `"2025-01-01 24:00:00"`, `"2025-01-01 23:60:00"`, `{"c":null}`, `{"c":"x"}`, `"2025/01/01"`, `1735700700000`, `"1735700700000"`, `"采购\u91c7\ud83d\ude00\n\t\"\\\/"`, `"\ud800"`, `"\u0000"`,
	`"` + strings.Repeat("长", 41) + `"`, `"` + strings.Repeat("x", 1001) + `"`, `[]`, `{}`, `[null]`, `[1,"x",{"id":1}]`, `{"id":1,"name":"x","id":2}`, `[[1],[2]]`, `01`, `nul`, `"\x"`, "\"\n\"", "\"\xff\"", `"K9"`, `"K8"`,
}

var odd = rapid.OneOf(
	rapid.SampledFrom(oddities),
	rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?`),
	rapid.Map(rapid.String(), quoted),
	rapid.Map(rapid.StringMatching(`[+-]?[0-9]{0,4}(\.[0-9]{0,3})?`), quoted),
)

// changer makes records that are like others.
type changer struct {
	t *rapid.T
	// rate is how many of a hundred values change.
	rate int
	b    strings.Builder
}

// changed draws a record that is like a sample, more or less.
func changed(t *rapid.T, sample any) []byte {
	c := &changer{t: t, rate: rapid.SampledFrom([]int{0, 1, 1, 3, 3, 10, 40}).Draw(t, "rate")}
	c.write(sample, 0)
	body := []byte(c.b.String())
	if c.happens("cut", 3) {
		body = body[:rapid.IntRange(0, len(body)).Draw(t, "length")]
	}
	if c.happens("tail", 3) {
		body = append(body, rapid.SampledFrom([]string{" \n", "x", "{}", "\x00"}).Draw(t, "behind")...)
	}
	if len(body) > 0 && c.happens("flip", 3) {
		body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	}
	return body
}

func (c *changer) happens(what string, percent int) bool {
	return percent > 0 && c.rate > 0 && rapid.IntRange(0, 99).Draw(c.t, what) >= 100-percent // small numbers are drawn more often
}

func (c *changer) write(v any, depth int) {
	if depth > 0 && c.happens("change", c.rate) {
		c.b.WriteString(odd.Draw(c.t, "value"))
		return
	}
	switch v := v.(type) {
	case object:
		c.writeObject(v, depth)
	case []any:
		c.writeList(v, depth)
	case raw:
		c.b.WriteString(string(v))
	}
}

func (c *changer) blank() {
	if c.happens("blank", 2) {
		c.b.WriteString(rapid.SampledFrom([]string{" ", "\n", "\t\r", "\v"}).Draw(c.t, "blanks"))
	}
}

func (c *changer) writeObject(o object, depth int) {
	c.b.WriteByte('{')
	comma := ""
	for _, m := range o {
		if c.happens("leave out", c.rate) {
			continue
		}
		c.b.WriteString(comma)
		comma = ","
		if c.happens("twice", c.rate/3) {
			c.b.WriteString(m.key + ":" + odd.Draw(c.t, "first") + ",")
		}
		c.blank()
		if c.happens("escape", c.rate/3) {
			m.key = fmt.Sprintf(`"\u%04x%s`, m.key[1], m.key[2:])
		}
		c.b.WriteString(m.key + ":")
		c.blank()
		c.write(m.value, depth+1)
		c.blank()
	}
	if c.happens("more", c.rate/2) {
		c.b.WriteString(comma + `"another":` + odd.Draw(c.t, "other"))
	}
	c.b.WriteByte('}')
}

func (c *changer) writeList(l []any, depth int) {
	c.b.WriteByte('[')
	if len(l) > 0 {
		comma := ""
		for range rapid.IntRange(0, 4).Draw(c.t, "elements") {
			c.b.WriteString(comma)
			comma = ","
			c.write(rapid.SampledFrom(l).Draw(c.t, "element"), depth+1)
		}
	}
	c.b.WriteByte(']')
}
