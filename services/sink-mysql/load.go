package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"iter"
	"net"

	"github.com/go-sql-driver/mysql"
)

// A batch that large comes of catching up: its rows are sent as a file, which costs the server two thirds
// of the CPU time of statements. After one that could not be loaded as many batches as restAfter go without.
const (
	loadFrom  = 500
	restAfter = 20
)

// loadFormat is how the literals of a row are read from a file: just as in a statement.
const loadFormat = " CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\\'' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' "

// errNotLoaded is why rows go the strict way: by statements, which say what is wrong with them.
var errNotLoaded = errors.New("rows could not be loaded")

// loads reports whether the rows of documents are to be loaded. Where rows of them are stored only mode
// replace is, for a file is inserted or replaces; and a file has no words for bytes.
func (g *group) loads(documents []*document, stored bool) bool {
	if len(documents) < loadFrom || g.mode != modeReplace && stored || g.HasBytes() {
		return false
	}
	g.resting = max(g.resting-1, -1)
	return g.resting < 0
}

// loadRows writes the rows of documents as files.
func (g *group) loadRows(ctx context.Context, tx *sql.Tx, documents []*document) error {
	for file := range files(documents) {
		warnings, err := g.loadFile(ctx, tx, file)
		if _, refused := errors.AsType[*mysql.MySQLError](err); refused && !isLock(err) || warnings > 0 {
			g.resting = restAfter
			return errors.Join(errNotLoaded, err)
		}
		if err != nil {
			return g.explain("load rows of", err)
		}
	}
	return nil
}

// fileRows is how many rows are one file. Some clusters commit after each 10,000 rows of a file, which
// would end the transaction.
const fileRows = 5000

// files returns the rows of documents, one a line.
func files(documents []*document) iter.Seq[net.Buffers] {
	return func(yield func(net.Buffers) bool) {
		var lines net.Buffers
		for _, d := range documents {
			for _, row := range d.Rows {
				if len(lines) == 2*fileRows {
					if !yield(lines) {
						return
					}
					lines = nil
				}
				lines = append(lines, row.Values, lineEnd)
			}
		}
		if len(lines) > 0 {
			yield(lines)
		}
	}
}

var lineEnd = []byte("\n")

// loadFile has the server read a file. What a statement would refuse the server cuts or leaves out when it
// reads a file from elsewhere, and warns: rows are only written as they are where there are no warnings.
func (g *group) loadFile(ctx context.Context, tx *sql.Tx, file net.Buffers) (warnings int, err error) {
	// The server may ask for any file that is registered: one of another server must not have a name that it
	// knows.
	name := rand.Text()
	mysql.RegisterReaderHandler(name, func() io.Reader { return &file })
	defer mysql.DeregisterReaderHandler(name)
	if _, err := tx.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"'"+g.load); err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, "SELECT @@warning_count").Scan(&warnings)
	return warnings, err
}
