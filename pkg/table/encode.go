package table

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Encoder writes the rows of message bodies as SQL literals: from wire bytes to text in one pass,
// for decoding into values first costs three times as much. It is not for concurrent use.
type Encoder struct {
	table *Table
	loc   *time.Location
	wire  *wire // nil where the message has what only the general way reads
	text  []byte
	times []lastTime // one for each column

	// What is being encoded.
	head, values []value
	bodies       [][]byte
	literal      []byte
}

// Encoded is one message as rows of SQL literals.
type Encoded struct {
	// Key is the value of the document column as text, Value the same as a literal.
	Key, Value string
	// Rows are the rows of the table; none when the document was removed. They are good until the
	// encoder's Reset.
	Rows []EncodedRow
}

// EncodedRow is one row of literals with commas between them. Text is quoted with ' and escaped with
// \, so sql_mode must not have NO_BACKSLASH_ESCAPES and the connection must speak utf8mb4.
type EncodedRow struct {
	// Values has a literal for each column of the table.
	Values []byte
	// Key has a literal for each column of the primary key, in the key's order.
	Key []byte
}

// Encoder returns an encoder for the table's messages; times are wall clock in loc.
func (t *Table) Encoder(loc *time.Location) *Encoder {
	e := &Encoder{table: t, loc: loc, wire: wireOf(t), values: make([]value, len(t.Columns)), times: make([]lastTime, len(t.Columns))}
	if e.wire != nil {
		e.head = make([]value, len(e.wire.message.all))
	}
	return e
}

// Reset forgets what was encoded, so that its memory is used again; more than mostKept of it is let go.
func (e *Encoder) Reset() {
	e.text = e.text[:0]
	if cap(e.text) > mostKept {
		e.text = nil
	}
}

// mostKept is how many bytes an encoder keeps for what it encodes next.
const mostKept = 8 << 20

// Encode returns the rows of a message body, as Rows does. Its errors are permanent, of class schema
// where the body is no such message, of class data where its values make no rows of a document.
func (e *Encoder) Encode(body []byte) (Encoded, error) {
	if e.wire != nil {
		from := len(e.text)
		if doc, ok := e.fromWire(body); ok {
			return doc, nil
		}
		e.text = e.text[:from]
	}
	return e.inGeneral(body)
}

// Removed returns the document that a record's key names, without rows. Its errors are permanent.
func (e *Encoder) Removed(key string) (Encoded, error) {
	doc, err := e.table.Removed(key)
	if err != nil {
		return Encoded{}, fault.Permanent("data", err)
	}
	return Encoded{Key: doc.Key, Value: string(appendValue(nil, doc.Value))}, nil
}

// AppendKey appends what a server says of column i of a primary key as EncodedRow.Key has it. Where the
// server says a value in other words than the message the two differ; where they are the same, so is the
// value.
func (t *Table) AppendKey(text []byte, i int, said []byte) []byte {
	if i > 0 {
		text = append(text, ',')
	}
	if integers[t.Key[i].field.Kind()] {
		return append(text, said...)
	}
	return AppendText(text, said)
}

// inGeneral encodes by way of the message's values. It decides what is an error and says it.
func (e *Encoder) inGeneral(body []byte) (Encoded, error) {
	msg := dynamicpb.NewMessage(e.table.document.ContainingMessage())
	if err := proto.Unmarshal(body, msg); err != nil {
		return Encoded{}, fault.Permanent("schema", fmt.Errorf("decode %s: %w", e.table.Message, err))
	}
	rows, err := e.table.Rows(msg, e.loc)
	if err != nil {
		return Encoded{}, fault.Permanent("data", fmt.Errorf("%s: %w", e.table.Message, err))
	}
	doc := Encoded{Key: rows.Key, Value: string(appendValue(nil, rows.Value)), Rows: make([]EncodedRow, len(rows.Rows))}
	for i, row := range rows.Rows {
		doc.Rows[i] = EncodedRow{Values: e.list(row), Key: e.list(e.table.KeyValues(row))}
	}
	return doc, nil
}

// list writes literals of values.
func (e *Encoder) list(values []any) []byte {
	from := len(e.text)
	for i, v := range values {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		e.text = appendValue(e.text, v)
	}
	return e.text[from:len(e.text):len(e.text)]
}

// lastTime is what a column's last instant was written as: lines of a document share those of its head.
type lastTime struct {
	seconds, nanos int64
	text           []byte
}

// literal returns an instant as a literal.
func (l *lastTime) literal(seconds, nanos int64, form timeForm, loc *time.Location) []byte {
	if l.text == nil || l.seconds != seconds || l.nanos != nanos {
		l.seconds, l.nanos = seconds, nanos
		l.text = append(l.text[:0], '\'')
		l.text = form.append(l.text, time.Unix(seconds, nanos), loc)
		l.text = append(l.text, '\'')
	}
	return l.text
}

// twice reports whether two rows have the same primary key.
func twice(rows []EncodedRow) bool {
	if len(rows) <= few {
		for i := range rows {
			for j := range i {
				if string(rows[i].Key) == string(rows[j].Key) {
					return true
				}
			}
		}
		return false
	}
	seen := make(map[string]bool, len(rows))
	for i := range rows {
		if seen[string(rows[i].Key)] {
			return true
		}
		seen[string(rows[i].Key)] = true
	}
	return false
}

// few is how many rows are compared one by one.
const few = 16
