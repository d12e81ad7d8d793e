package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/sink"
)

// lockAttempts is how often a batch is tried that lost against someone else's lock.
const lockAttempts = 3

// writer is the sink of one database.
type writer struct {
	db      *sql.DB
	targets targets
	server  *server // nil until it was asked, and after each error
}

// newWriter returns a sink that writes to db. Location is that of the wall clock in
// DATETIME columns.
func newWriter(db *sql.DB, location *time.Location) *writer {
	return &writer{db: db, targets: targets{location, map[[2]string]*target{}}}
}

// Write stores a batch in one transaction: of each document the newest state, unless the database
// has a newer one. Messages that can't be read are named in a BatchError, the others are stored.
// Only a lost reply to the commit leaves open what is stored; to write it again does no harm.
func (w *writer) Write(ctx context.Context, batch []sink.Message) error {
	p := w.plan(batch)
	if err := w.store(ctx, p.groups); err != nil {
		return err
	}
	p.settle()
	if len(p.faults) > 0 {
		return &sink.BatchError{Errs: p.faults}
	}
	return nil
}

// store writes groups, again when it lost against a lock, and gives its error a kind.
func (w *writer) store(ctx context.Context, groups []*group) error {
	load := true
	for attempt := 1; len(groups) > 0; attempt++ {
		err := w.transact(ctx, groups, load)
		if errors.Is(err, errNotLoaded) {
			load = false
			err = w.transact(ctx, groups, load)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !isLock(err) || attempt == lockAttempts {
			return w.fail(err)
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// fail gives an error its kind. Another server may answer at the same address from now on: it is asked
// anew what it can do, and after one was out of use its idle connections are dropped.
func (w *writer) fail(err error) error {
	err = classify(err)
	w.server = nil
	if fault.KindOf(err) == fault.DownKind {
		w.db.SetMaxIdleConns(0)
		w.db.SetMaxIdleConns(connections)
	}
	return err
}

// transact claims the documents of all groups, then writes those that it won; it loads rows where that is
// wanted and the server allows it.
func (w *writer) transact(ctx context.Context, groups []*group, load bool) error {
	tx, err := w.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return connectError(err)
	}
	defer func() { _ = tx.Rollback() }()
	if w.server == nil {
		if w.server, err = askServer(ctx, tx); err != nil {
			return err
		}
	}
	for _, g := range groups {
		if err := g.inspect(ctx, tx); err != nil {
			return err
		}
		if err := g.claim(ctx, tx, w.server.returning); err != nil {
			return err
		}
	}
	for _, g := range groups {
		if err := g.write(ctx, tx, load && w.server.loads); err != nil {
			return err
		}
	}
	seam.Reach(seam.MySQLCommit)
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	seam.Reach(seam.MySQLCommitted)
	return nil
}

// pause waits a little longer each time, never as long as the other one.
func pause(ctx context.Context, attempt int) error {
	wait := time.Duration(attempt) * (10*time.Millisecond + rand.N(40*time.Millisecond)) //nolint:gosec // jitter
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
