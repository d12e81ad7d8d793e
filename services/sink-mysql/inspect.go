package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/table"
)

const (
	engineQuery = "SELECT COALESCE(ENGINE, '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?"
	keyQuery    = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_KEY = 'PRI'"
)

// inspect looks once whether the tables can hold what Write promises: without transactions a
// batch could be written in half, without the contract's key rows would be there twice. A table
// that is not there is left to the statement that needs it.
func (g *group) inspect(ctx context.Context, tx *sql.Tx) error {
	if g.inspected {
		return nil
	}
	if err := inspectTable(ctx, tx, table.Guard, []string{"target_table", "document"}); err != nil {
		return g.explain("look at the guard of", err)
	}
	var key []string
	for i := range g.Key {
		key = append(key, g.Key[i].Name)
	}
	if err := inspectTable(ctx, tx, g.Name, key); err != nil {
		return g.explain("look at", err)
	}
	g.inspected = true
	return nil
}

// inspectTable wants a table to be of InnoDB and to have that primary key.
func inspectTable(ctx context.Context, tx *sql.Tx, name string, want []string) error {
	var engine string
	err := tx.QueryRowContext(ctx, engineQuery, name).Scan(&engine)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if !strings.EqualFold(engine, "InnoDB") {
		return fault.Down("table", fmt.Errorf("table %s is of engine %s, which has no transactions: ALTER TABLE %s ENGINE=InnoDB", name, engine, name))
	}
	rows, err := tx.QueryContext(ctx, keyQuery, name)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var key []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		key = append(key, strings.ToLower(column))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return compareKeys(name, key, want)
}

// compareKeys refuses another primary key than the contract's; its order does not matter.
func compareKeys(name string, key, want []string) error {
	sorted := slices.Clone(want)
	for i := range sorted {
		sorted[i] = strings.ToLower(sorted[i])
	}
	slices.Sort(sorted)
	slices.Sort(key)
	if slices.Equal(key, sorted) {
		return nil
	}
	return fault.Down("table", fmt.Errorf("table %s has the primary key (%s), the contract (%s): rows would be lost or there twice", name, strings.Join(key, ", "), strings.Join(want, ", ")))
}
