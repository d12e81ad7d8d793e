package main

import (
	"context"
	"database/sql"
	"slices"
)

// sweep removes the rows of documents that are not among theirs now. It looks for them first and
// without locks: a DELETE over an index waits for rows that others have not committed, of
// whatever document (measured with two connections: a third of the rows a second). The guard's
// locks see to it that nobody else writes these documents meanwhile.
func (g *group) sweep(ctx context.Context, tx *sql.Tx, documents []*document) error {
	keys, err := g.vanished(ctx, tx, documents)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(keys, maxDocuments) {
		query := g.remove + list(g.keyMatch, len(some), " OR ")
		if _, err := tx.ExecContext(ctx, query, flat(some)...); err != nil {
			return err
		}
	}
	return nil
}

// vanished returns the primary keys of stored rows that documents no longer have.
func (g *group) vanished(ctx context.Context, tx *sql.Tx, documents []*document) ([][]any, error) {
	query, args := g.vanishedQuery(documents)
	rows, err := tx.QueryContext(ctx, query, args...)
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

// vanishedQuery asks for the keys of rows of documents, but not those that they have now.
func (g *group) vanishedQuery(documents []*document) (query string, args []any) {
	args = make([]any, 0, 4*len(documents))
	for _, d := range documents {
		args = append(args, d.Value)
	}
	n := 0
	for _, d := range documents {
		for _, row := range d.Rows {
			args = append(args, g.KeyValues(row)...)
			n++
		}
	}
	query = g.find + marks(len(documents))
	if n > 0 {
		query += " AND " + g.keys + " NOT IN (" + list(g.keyMark, n, ",") + ")"
	}
	return query, args
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
