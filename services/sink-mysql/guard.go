package main

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/erpstream/erpstream/pkg/table"
)

// guardMark is one row of the guard.
const guardMark = "(?,?,?,?,?,?,UTC_TIMESTAMP(3))"

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
	guardRead = "SELECT `document`, `version`, `raw_sequence`, `flow_revision` FROM `" + table.Guard + "` WHERE `target_table` = ? AND `document` IN "
)

// claim locks the guard rows of the group's documents until the transaction ends, and marks the
// documents that the database has in a newer state.
func (g *group) claim(ctx context.Context, tx *sql.Tx) error {
	for documents := range slices.Chunk(g.documents, maxRows) {
		if err := g.lock(ctx, tx, documents); err != nil {
			return g.explain("claim documents of", err)
		}
		held, err := g.held(ctx, tx, documents)
		if err != nil {
			return g.explain("claim documents of", err)
		}
		for _, d := range documents {
			d.stale = held[d.Key] != orderOf(d.message)
		}
	}
	return nil
}

// lock puts the order of documents in the guard where it is not older than what is there.
func (g *group) lock(ctx context.Context, tx *sql.Tx, documents []*document) error {
	args := make([]any, 0, 6*len(documents))
	for _, d := range documents {
		o := orderOf(d.message)
		args = append(args, g.Name, d.Key, o.version, o.rawSequence, o.flowRevision, d.message.Flow)
	}
	_, err := tx.ExecContext(ctx, guardHead+list(guardMark, len(documents), ",")+guardTail, args...)
	return err
}

// held returns the order that the guard now has of documents.
func (g *group) held(ctx context.Context, tx *sql.Tx, documents []*document) (map[string]order, error) {
	args := []any{g.Name}
	for _, d := range documents {
		args = append(args, d.Key)
	}
	rows, err := tx.QueryContext(ctx, guardRead+marks(len(documents)), args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	held := make(map[string]order, len(documents))
	for rows.Next() {
		var key string
		var o order
		if err := rows.Scan(&key, &o.version, &o.rawSequence, &o.flowRevision); err != nil {
			return nil, err
		}
		held[key] = o
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(held) != len(documents) {
		return nil, fmt.Errorf("%s has %d of %d documents: is its column document compared byte by byte?", table.Guard, len(held), len(documents))
	}
	return held, nil
}
