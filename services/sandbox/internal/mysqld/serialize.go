package mysqld

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
)

// lockWait is how long a statement waits for the transaction of another connection.
const lockWait = 10 * time.Second

// serial lets one connection at a time into the engine, from the begin of a transaction to its
// end. The engine needs it: a session works on a copy of each table it has touched and puts all
// of them back when it commits, even those that it only read, so of two sessions at once the
// later commit undoes the earlier one.
type serial struct {
	mysql.Handler
	token chan struct{} // holds one element while nobody is inside

	mu            sync.Mutex
	inside        *mysql.Conn // who is inside, if anyone
	inTransaction bool        // and stays there
}

// serialize wraps the handler of the engine.
func serialize(h mysql.Handler) (mysql.Handler, error) {
	s := &serial{Handler: h, token: make(chan struct{}, 1)}
	s.token <- struct{}{}
	return s, nil
}

// ComQuery runs a statement.
func (s *serial) ComQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) error {
	return s.inTurn(ctx, c, query, func() error { return s.Handler.ComQuery(ctx, c, query, callback) })
}

// ComMultiQuery runs the first of several statements.
func (s *serial) ComMultiQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) (rest string, err error) {
	err = s.inTurn(ctx, c, query, func() error {
		rest, err = s.Handler.ComMultiQuery(ctx, c, query, callback)
		return err
	})
	return rest, err
}

// ComStmtExecute runs a prepared statement.
func (s *serial) ComStmtExecute(ctx context.Context, c *mysql.Conn, p *mysql.PrepareData, callback func(*sqltypes.Result) error) error {
	return s.inTurn(ctx, c, p.PrepareStmt, func() error { return s.Handler.ComStmtExecute(ctx, c, p, callback) })
}

// ConnectionClosed ends the transaction of a connection that has gone.
func (s *serial) ConnectionClosed(c *mysql.Conn) {
	s.Handler.ConnectionClosed(c)
	s.leave(c)
}

// ComResetConnection ends the transaction of a connection that starts afresh.
func (s *serial) ComResetConnection(c *mysql.Conn) error {
	defer s.leave(c)
	return s.Handler.ComResetConnection(c)
}

// inTurn runs a statement of c once no other connection is inside. A statement that opens a
// transaction stays inside; one that ends it, or that stands alone, leaves.
func (s *serial) inTurn(ctx context.Context, c *mysql.Conn, query string, run func() error) error {
	if err := s.enter(ctx, c); err != nil {
		return err
	}
	err := mysqlError(run())
	s.mu.Lock()
	switch firstWord(query) {
	case "BEGIN", "START":
		s.inTransaction = s.inTransaction || err == nil
	case "COMMIT", "ROLLBACK":
		s.inTransaction = false
	}
	stays := s.inTransaction
	s.mu.Unlock()
	if !stays {
		s.leave(c)
	}
	return err
}

func (s *serial) enter(ctx context.Context, c *mysql.Conn) error {
	s.mu.Lock()
	isInside := s.inside == c
	s.mu.Unlock()
	if isInside {
		return nil
	}
	timer := time.NewTimer(lockWait)
	defer timer.Stop()
	select {
	case <-s.token:
		s.mu.Lock()
		s.inside, s.inTransaction = c, false
		s.mu.Unlock()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return mysql.NewSQLError(1205, "HY000", "Lock wait timeout exceeded; try restarting transaction")
	}
}

// leave lets the next connection in, if c is inside.
func (s *serial) leave(c *mysql.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside == c {
		s.inside, s.inTransaction = nil, false
		s.token <- struct{}{}
	}
}

// firstWord returns the first word of a statement in upper case.
func firstWord(query string) string {
	query = strings.TrimLeft(query, " \t\r\n")
	if i := strings.IndexAny(query, " \t\r\n;"); i >= 0 {
		query = query[:i]
	}
	return strings.ToUpper(query)
}
