package main

import (
	"context"
	"database/sql"
	"time"

	"github.com/erpstream/erpstream/pkg/sink"
)

// writers is the sink of one database: it writes a batch over each of its connections at once, for one alone
// keeps no more than one processor of the server busy.
type writers struct {
	db   *sql.DB
	idle chan *writer
}

// newWriters returns a sink that writes to db, which it closes. Location is that of newWriter.
func newWriters(db *sql.DB, location *time.Location) *writers {
	w := &writers{db: db, idle: make(chan *writer, connections)}
	for range connections {
		w.idle <- newWriter(db, location)
	}
	return w
}

// Writers implements sink.Parallel.
func (w *writers) Writers() int { return cap(w.idle) }

// Write stores a batch as a writer does, once one is idle.
func (w *writers) Write(ctx context.Context, batch []sink.Message) error {
	one := <-w.idle
	defer func() { w.idle <- one }()
	return one.Write(ctx, batch)
}

// Close ends the connections to the server.
func (w *writers) Close() error { return w.db.Close() }
