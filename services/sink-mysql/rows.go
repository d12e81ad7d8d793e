package main

import (
	"context"
	"database/sql"
	"iter"
)

// Bounds of one statement. A server takes at least 4 MiB by default; its own CPU time for a row grows with
// the number of rows.
const (
	maxRows      = 250
	maxBytes     = 2 << 20
	maxKeys      = 1000
	maxDocuments = 1000
)

// write stores the rows of the documents that the group won: first those that vanished go, so
// that they can't be in the way of new ones, then the rows that there are now come.
func (g *group) write(ctx context.Context, tx *sql.Tx, load bool) error {
	won := g.won()
	stored, err := g.sweep(ctx, tx, won)
	if err != nil {
		return g.explain("remove vanished rows from", err)
	}
	if load && g.loads(won, stored) {
		return g.loadRows(ctx, tx, won)
	}
	for query := range g.inserts(won) {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return g.explain("write rows of", err)
		}
	}
	return nil
}

// won returns the documents that are to be written.
func (g *group) won() []*document {
	var won []*document
	for _, d := range g.documents {
		if !d.stale {
			won = append(won, d)
		}
	}
	return won
}

// inserts returns the statements that write the rows of documents.
func (t *target) inserts(documents []*document) iter.Seq[string] {
	return func(yield func(string) bool) {
		query, rows := []byte(t.head), 0
		for _, d := range documents {
			for _, row := range d.Rows {
				if rows == maxRows || rows > 0 && len(query)+len(row.Values) > maxBytes {
					if !yield(string(append(query, t.tail...))) {
						return
					}
					query, rows = append(query[:0], t.head...), 0
				}
				if rows > 0 {
					query = append(query, ',')
				}
				query = append(append(append(query, '('), row.Values...), ')')
				rows++
			}
		}
		if rows > 0 {
			yield(string(append(query, t.tail...)))
		}
	}
}
