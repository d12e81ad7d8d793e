package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// server is what the server can do beyond what all can.
type server struct {
	returning bool // INSERT … RETURNING
	loads     bool // LOAD DATA LOCAL
}

// askServer asks for what the server can do. One that does not know the question can do nothing of it.
func askServer(ctx context.Context, tx *sql.Tx) (*server, error) {
	var version string
	var s server
	err := tx.QueryRowContext(ctx, "SELECT VERSION(), @@local_infile").Scan(&version, &s.loads)
	if _, refused := errors.AsType[*mysql.MySQLError](err); refused {
		return &server{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the server's version: %w", err)
	}
	s.returning = hasReturning(version)
	return &s, nil
}

// hasReturning reports whether a server of that version, such as 10.11.14-MariaDB-0+deb12u2, knows INSERT …
// RETURNING.
func hasReturning(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil {
		return false
	}
	return strings.Contains(version, "MariaDB") && (major > 10 || major == 10 && minor >= 5)
}
