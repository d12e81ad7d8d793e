package table

import (
	"fmt"
	"math"
	"strconv"
)

// appendValue appends a value of Rows as an SQL literal.
func appendValue(text []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(text, "NULL"...)
	case int64:
		return strconv.AppendInt(text, v, 10)
	case uint64:
		return strconv.AppendUint(text, v, 10)
	case float64:
		return appendFloat(text, v)
	case []byte:
		return AppendText(append(text, "_binary"...), v)
	case string:
		return AppendText(text, v)
	default:
		panic(fmt.Sprintf("no literal of a %T", v))
	}
}

// appendFloat appends a number. One that is none is quoted: as a bare word it would be a column's name.
func appendFloat(text []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Appendf(text, "'%v'", f)
	}
	return strconv.AppendFloat(text, f, 'g', -1, 64)
}

// escapes are the bytes that need a backslash in a quoted text, with what follows it. LOAD DATA reads
// each as a statement does.
var escapes = [256]byte{0: '0', '\n': 'n', '\r': 'r', '\x1a': 'Z', '\'': '\'', '"': '"', '\\': '\\'}

// AppendText appends s as a literal: UTF-8, quoted with ' and escaped with \, for connections whose sql_mode
// leaves that its meaning.
func AppendText[T string | []byte](text []byte, s T) []byte {
	text = append(text, '\'')
	from := 0
	for i := range len(s) {
		if e := escapes[s[i]]; e != 0 {
			text = append(append(text, s[from:i]...), '\\', e)
			from = i + 1
		}
	}
	text = append(text, s[from:]...)
	return append(text, '\'')
}
