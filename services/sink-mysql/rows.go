package main

import (
	"context"
	"database/sql"
	"iter"
)

// Bounds of one statement. A server takes at least 4 MiB by default, and quoting can double a
// text. A statement that does not fit is prepared, and that takes so many parameters.
const (
	maxRows      = 1000
	maxBytes     = 2 << 20
	maxDocuments = 500
	maxMarks     = 65_535
)

// write stores the rows of the documents that the group won: first those that vanished go, so
// that they can't be in the way of new ones, then the rows that there are now come.
func (g *group) write(ctx context.Context, tx *sql.Tx) error {
	won := g.won()
	for documents := range sweeps(won) {
		if err := g.sweep(ctx, tx, documents); err != nil {
			return g.explain("remove vanished rows from", err)
		}
	}
	for rows := range inserts(won, min(maxRows, maxMarks/len(g.Columns))) {
		query := g.head + list(g.mark, len(rows), ",") + g.tail
		if _, err := tx.ExecContext(ctx, query, flat(rows)...); err != nil {
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

// sweeps cuts documents into parts that one statement can sweep.
func sweeps(documents []*document) iter.Seq[[]*document] {
	return func(yield func([]*document) bool) {
		first, rows := 0, 0
		for i, d := range documents {
			if i > first && (i-first == maxDocuments || rows+len(d.Rows) > maxRows) {
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

// inserts cuts the rows of documents into parts that one statement can insert.
func inserts(documents []*document, limit int) iter.Seq[[][]any] {
	return func(yield func([][]any) bool) {
		var part [][]any
		bytes := 0
		for _, d := range documents {
			for _, row := range d.Rows {
				n := size(row)
				if len(part) == limit || (len(part) > 0 && bytes+n > maxBytes) {
					if !yield(part) {
						return
					}
					part, bytes = nil, 0
				}
				part, bytes = append(part, row), bytes+n
			}
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}

// size estimates what a row adds to a statement.
func size(row []any) int {
	n := 0
	for _, value := range row {
		switch v := value.(type) {
		case string:
			n += len(v) + 3
		case []byte:
			n += len(v) + 10
		default:
			n += 12
		}
	}
	return n
}

// flat returns the values of rows one after the other.
func flat(rows [][]any) []any {
	values := make([]any, 0, len(rows)*len(rows[0]))
	for _, row := range rows {
		values = append(values, row...)
	}
	return values
}
