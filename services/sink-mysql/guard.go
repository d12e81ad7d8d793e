package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/erpstream/erpstream/pkg/table"
)

// guardHead and guardTail lock the guard rows of documents and move those forward that are older
// than, or the same as, what is to be written. Assignments run from left to right, so version and
// the sequence stay what they were until the end; the condition holds throughout, for each column
// that is assigned only makes it equal.
const (
	guardHead = "INSERT INTO `" + table.Guard + "` (`target_table`, `document`, `version`, `raw_sequence`, `flow_revision`, `flow`, `written_at`) VALUES "
	newer     = "VALUES(`version`) > `version` OR (VALUES(`version`) = `version` AND (VALUES(`raw_sequence`) > `raw_sequence`" +
		" OR (VALUES(`raw_sequence`) = `raw_sequence` AND VALUES(`flow_revision`) >= `flow_revision`)))"
	guardTail = " ON DUPLICATE KEY UPDATE" +
		" `written_at` = IF(" + newer + ", VALUES(`written_at`), `written_at`)," +
		" `flow` = IF(" + newer + ", VALUES(`flow`), `flow`)," +
		" `flow_revision` = IF(" + newer + ", VALUES(`flow_revision`), `flow_revision`)," +
		" `raw_sequence` = IF(" + newer + ", VALUES(`raw_sequence`), `raw_sequence`)," +
		" `version` = GREATEST(`version`, VALUES(`version`))"
	guardColumns   = "`document`, `version`, `raw_sequence`, `flow_revision`"
	guardRead      = "SELECT " + guardColumns + " FROM `" + table.Guard + "` WHERE `target_table` = "
	guardReturning = " RETURNING " + guardColumns
)

// claim locks the guard rows of the group's documents until the transaction ends, and marks the
// documents that the database has in a newer state.
func (g *group) claim(ctx context.Context, tx *sql.Tx, returning bool) error {
	for documents := range slices.Chunk(g.documents, maxDocuments) {
		rows, err := g.lock(ctx, tx, documents, returning)
		if err == nil {
			err = compare(documents, rows)
		}
		if err != nil {
			return g.explain("claim documents of", err)
		}
	}
	return nil
}

// lock puts the order of documents in the guard where it is not older than what is there, and returns
// what the guard then has: in one statement where the server can.
func (g *group) lock(ctx context.Context, tx *sql.Tx, documents []*document, returning bool) (*sql.Rows, error) {
	query := append(g.guardRows(documents), guardTail...)
	if returning {
		return tx.QueryContext(ctx, string(append(query, guardReturning...)))
	}
	if _, err := tx.ExecContext(ctx, string(query)); err != nil {
		return nil, err
	}
	query = append(table.AppendText([]byte(guardRead), g.Name), " AND `document` IN ("...)
	for i, d := range documents {
		if i > 0 {
			query = append(query, ',')
		}
		query = table.AppendText(query, d.Key)
	}
	return tx.QueryContext(ctx, string(append(query, ')')))
}

// guardRows begins the statement that puts documents in the guard.
func (g *group) guardRows(documents []*document) []byte {
	name := table.AppendText(nil, g.Name)
	query := []byte(guardHead)
	for i, d := range documents {
		if i > 0 {
			query = append(query, ',')
		}
		o := orderOf(d.message)
		query = append(append(query, '('), name...)
		query = table.AppendText(append(query, ','), d.Key)
		query = strconv.AppendInt(append(query, ','), o.version, 10)
		query = strconv.AppendUint(append(query, ','), o.rawSequence, 10)
		query = strconv.AppendUint(append(query, ','), o.flowRevision, 10)
		query = table.AppendText(append(query, ','), d.message.Flow)
		query = append(query, ",UTC_TIMESTAMP(3))"...)
	}
	return query
}

// compare marks the documents, sorted by key, for which the guard's rows have another order than theirs,
// and closes the rows.
func compare(documents []*document, rows *sql.Rows) error {
	defer func() { _ = rows.Close() }()
	found := 0
	for rows.Next() {
		var key sql.RawBytes
		var held order
		if err := rows.Scan(&key, &held.version, &held.rawSequence, &held.flowRevision); err != nil {
			return err
		}
		at, ok := slices.BinarySearchFunc(documents, key, func(d *document, key sql.RawBytes) int { return cmp.Compare(d.Key, string(key)) })
		if ok {
			d := documents[at]
			d.stale = held != orderOf(d.message)
			found++
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != len(documents) {
		return fmt.Errorf("%s has %d of %d documents: is its column document compared byte by byte?", table.Guard, found, len(documents))
	}
	return nil
}
