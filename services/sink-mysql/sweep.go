package main

import (
	"context"
	"database/sql"
	"iter"
	"slices"
	"strings"
)

// sweep removes the rows of documents that are not among theirs now, and reports whether there were any
// rows. It looks for them first and without locks: a DELETE over an index waits for rows that others have
// not committed, of whatever document (measured with two connections: a third of the rows a second). The
// guard's locks see to it that nobody else writes these documents meanwhile.
func (g *group) sweep(ctx context.Context, tx *sql.Tx, documents []*document) (stored bool, err error) {
	for some := range slices.Chunk(documents, maxDocuments) {
		found, others, err := g.look(ctx, tx, some)
		if err != nil {
			return stored, err
		}
		stored = stored || found
		if !others {
			continue
		}
		for part := range sweeps(some) {
			if err := g.remove(ctx, tx, part); err != nil {
				return stored, err
			}
		}
	}
	return stored, nil
}

// look reports whether documents have stored rows, and whether among those are others than the rows that
// they have now. A key that the server says in other words counts as another: it is asked about that.
func (g *group) look(ctx context.Context, tx *sql.Tx, documents []*document) (stored, others bool, err error) {
	query := g.findRows(documents)
	rows, err := tx.QueryContext(ctx, string(append(query, ')')))
	if err != nil {
		return false, false, err
	}
	defer func() { _ = rows.Close() }()
	key := make([]sql.RawBytes, len(g.Key))
	into := make([]any, len(key))
	for i := range key {
		into[i] = &key[i]
	}
	var now map[string]bool
	var text []byte
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return true, false, err
		}
		if now == nil {
			now = keysOf(documents)
		}
		text = text[:0]
		for i := range key {
			text = g.AppendKey(text, i, key[i])
		}
		others = others || !now[string(text)]
	}
	return now != nil, others, rows.Err()
}

// keysOf returns the keys of the rows that documents have now.
func keysOf(documents []*document) map[string]bool {
	keys := map[string]bool{}
	for _, d := range documents {
		for _, row := range d.Rows {
			keys[string(row.Key)] = true
		}
	}
	return keys
}

// sweeps cuts documents into parts that one statement can sweep.
func sweeps(documents []*document) iter.Seq[[]*document] {
	return func(yield func([]*document) bool) {
		first, rows := 0, 0
		for i, d := range documents {
			if i > first && (i-first == maxDocuments || rows+len(d.Rows) > maxKeys) {
				if !yield(documents[first:i]) {
					return
				}
				first, rows = i, 0
			}
			rows += len(d.Rows)
		}
		if first < len(documents) {
			yield(documents[first:])
		}
	}
}

// remove removes the stored rows that documents no longer have.
func (g *group) remove(ctx context.Context, tx *sql.Tx, documents []*document) error {
	keys, err := g.vanished(ctx, tx, documents)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(keys, maxDocuments) {
		query := g.delete + strings.Repeat(" OR "+g.keyMatch, len(some))[len(" OR "):] //nolint:gosec // names of columns, quoted by pkg/table; values are arguments
		if _, err := tx.ExecContext(ctx, query, slices.Concat(some...)...); err != nil {
			return err
		}
	}
	return nil
}

// vanished returns the primary keys of stored rows that documents no longer have.
func (g *group) vanished(ctx context.Context, tx *sql.Tx, documents []*document) ([][]any, error) {
	rows, err := tx.QueryContext(ctx, g.vanishedQuery(documents))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var keys [][]any
	for rows.Next() {
		key := make([]any, len(g.Key))
		into := make([]any, len(key))
		for i := range key {
			into[i] = &key[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		keys = append(keys, texts(key))
	}
	return keys, rows.Err()
}

// findRows begins the query for the keys of all rows of documents; a bracket is open.
func (g *group) findRows(documents []*document) []byte {
	query := []byte(g.find)
	for i, d := range documents {
		if i > 0 {
			query = append(query, ',')
		}
		query = append(query, d.Value...)
	}
	return query
}

// vanishedQuery asks for the keys of rows of documents, but not those that they have now.
func (g *group) vanishedQuery(documents []*document) string {
	query := g.findRows(documents)
	open, end, between := "(", ")", ") AND "+g.keys+" NOT IN ("
	if len(g.Key) == 1 {
		open, end = "", ""
	}
	for _, d := range documents {
		for _, row := range d.Rows {
			query = append(append(append(append(query, between...), open...), row.Key...), end...)
			between = ","
		}
	}
	return string(append(query, ')'))
}

// texts makes strings of bytes: as bytes the server would compare them as binary and leave the
// index aside.
func texts(key []any) []any {
	for i, value := range key {
		if b, ok := value.([]byte); ok {
			key[i] = string(b)
		}
	}
	return key
}
