package floor

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// dialect is how rows are written.
type dialect struct {
	// open and end stand around a row, separator behind each of its values but the last.
	open, end string
	separator byte
	// null is no value, quote stands around text, and escaped are the bytes in it that get a backslash.
	null, quote, escaped string
	// rows is how many make a statement.
	rows int
}

var (
	// literals are rows as they stand in a REPLACE.
	literals = dialect{open: "(", end: "),", separator: ',', null: "NULL", quote: "'", escaped: `'\`, rows: 1000}
	// lines are rows as LOAD DATA reads them.
	lines = dialect{end: "\n", separator: '\t', null: `\N`, escaped: "\t\n\\", rows: 5000}
)

// columns is how many the table has; they are the fields of a row, in the order of their numbers.
const columns = 31

// Where the rows are in the message.
const rowsField = 2

// appendRows appends the rows of a target message to a statement and says how many there are.
func (d dialect) appendRows(statement, message []byte, location *time.Location) (_ []byte, rows int, err error) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return statement, rows, protowire.ParseError(n)
		}
		message = message[n:]
		if number != rowsField || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return statement, rows, protowire.ParseError(n)
			}
			message = message[n:]
			continue
		}
		row, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return statement, rows, protowire.ParseError(n)
		}
		message = message[n:]
		if statement, err = d.appendRow(statement, row, location); err != nil {
			return statement, rows, err
		}
		rows++
	}
	return statement, rows, nil
}

// appendRow appends one row, whose fields come in the order of their numbers.
func (d dialect) appendRow(out, row []byte, location *time.Location) ([]byte, error) {
	out = append(out, d.open...)
	column := protowire.Number(1)
	for len(row) > 0 {
		number, kind, n := protowire.ConsumeTag(row)
		if n < 0 || number < column || number > columns {
			return out, errors.New("fields are not in order")
		}
		row = row[n:]
		for ; column < number; column++ {
			out = append(append(out, d.null...), d.separator)
		}
		column++
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(row)
			if n < 0 {
				return out, protowire.ParseError(n)
			}
			row = row[n:]
			out = strconv.AppendInt(out, int64(v), 10)
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(row)
			if n < 0 {
				return out, protowire.ParseError(n)
			}
			row = row[n:]
			out = d.appendValue(out, number, v, location)
		default:
			return out, errors.New("a kind of field that rows do not have")
		}
		out = append(out, d.separator)
	}
	for ; column <= columns; column++ {
		out = append(append(out, d.null...), d.separator)
	}
	return append(out[:len(out)-1], d.end...), nil
}

// appendValue appends a text or a time.
func (d dialect) appendValue(out []byte, number protowire.Number, value []byte, location *time.Location) []byte {
	out = append(out, d.quote...)
	switch number {
	case 8, 12, 18: // modified, io_date, archived
		out = time.Unix(seconds(value), 0).In(location).AppendFormat(out, time.DateTime)
	default:
		out = d.appendEscaped(out, value)
	}
	return append(out, d.quote...)
}

// seconds is the first field of a Timestamp, 0 when it is absent.
func seconds(timestamp []byte) int64 {
	if len(timestamp) == 0 || timestamp[0] != 1<<3 {
		return 0
	}
	v, _ := protowire.ConsumeVarint(timestamp[1:])
	return int64(v)
}

func (d dialect) appendEscaped(out, text []byte) []byte {
	if bytes.IndexByte(text, 0) < 0 && !bytes.ContainsAny(text, d.escaped) {
		return append(out, text...)
	}
	for _, c := range text {
		switch {
		case c == 0:
			out = append(out, '\\', '0')
		case strings.IndexByte(d.escaped, c) >= 0:
			out = append(out, '\\', c)
		default:
			out = append(out, c)
		}
	}
	return out
}
