package main

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Numbers of server errors that the code asks for by name.
const (
	errLockWait      = 1205
	errDeadlock      = 1213
	errGroupConflict = 3101 // a group of servers rolled back what another one changed
	errNoTable       = 1146
	errNoColumn      = 1054
	errNoDefault     = 1364
)

// advice is what an operator can do about an error that puts the server out of use.
type advice struct {
	class string
	text  string
}

var (
	full     = advice{"connections", "the server takes no more connections: raise max_connections or run fewer replicas"}
	login    = advice{"credentials", "user or password is refused: correct the connection's secret files, they are read again for each connection"}
	grants   = advice{"grants", "grant the user SELECT, INSERT, UPDATE and DELETE on the database"}
	database = advice{"database", "create the database, or correct the connection's endpoint"}
	schema   = advice{"table", "the table is not what the contract says"}
	readOnly = advice{"read-only", "the server is read-only: let the connection's endpoint point at the primary"}
	stopping = advice{"connection", "the server stops or ended the connection"}
	blocked  = advice{"connection", "the server refuses this host: allow it, or FLUSH HOSTS"}
	disk     = advice{"disk", "the server has no room left: make some"}
	network  = advice{"connection", "no connection to the server: is it up, and is the connection's endpoint right?"}
)

// down are the server errors that no message is to blame for.
var down = map[uint16]advice{
	1040: full, 1203: full, 1226: full,
	1045: login, 1251: login, 1698: login, 1820: login, 1862: login, 3118: login, 4151: login,
	1044: grants, 1142: grants, 1143: grants, 1227: grants, 1370: grants,
	1049: database, 1046: database,
	errNoTable: schema, errNoColumn: schema, errNoDefault: schema, 1136: schema,
	1290: readOnly, 1792: readOnly, 1836: readOnly,
	1053: stopping, 1317: stopping, 1077: stopping, 1927: stopping, 2006: stopping, 2013: stopping, 1047: stopping,
	1129: blocked, 1130: blocked,
	1021: disk, 1114: disk,
}

// data are the server errors that the values of a message cause, besides those whose SQL state
// says so.
var data = map[uint16]bool{
	1048: true, 1062: true, 1153: true, 1264: true, 1265: true, 1292: true, 1366: true, 1406: true,
	1411: true, 1525: true, 1644: true, 1690: true, 3140: true, 3819: true, 4025: true,
}

// classify gives an error of the driver or the server its kind. The vendor's text stays.
func classify(err error) error {
	if fault.KindOf(err) != fault.Unknown {
		return err
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return classifyServer(e, err)
	}
	switch {
	case errors.Is(err, mysql.ErrPktTooLarge):
		return fault.Permanent("data", fmt.Errorf("%w: the row is larger than the server's max_allowed_packet", err))
	case isNetwork(err):
		return network.of(err)
	default:
		return fault.Busy("mysql", 0, err)
	}
}

// classifyServer classifies what the server itself said.
func classifyServer(e *mysql.MySQLError, err error) error {
	if a, ok := down[e.Number]; ok {
		return a.of(err)
	}
	switch class := string(e.SQLState[:2]); {
	case isLock(err):
		return fault.Busy("lock", 0, err)
	case data[e.Number], class == "22", class == "23", strings.Contains(e.Message, "max_allowed_packet"):
		return fault.Permanent("data", err)
	default:
		return fault.Busy("mysql", 0, err)
	}
}

// of marks err as the server being out of use, and says what to do.
func (a advice) of(err error) error { return fault.Down(a.class, fmt.Errorf("%w: %s", err, a.text)) }

// connectError classifies an error that came before any statement: whatever it is, the server
// can't be used and no message is to blame.
func connectError(err error) error {
	if classified := classify(err); fault.KindOf(classified) == fault.DownKind {
		return classified
	}
	return network.of(err)
}

// explain says what was being done, and how to come to the table when it is not there.
func (g *group) explain(doing string, err error) error {
	err = fmt.Errorf("%s %s: %w", doing, g.Name, err)
	e, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case !ok:
		return err
	case e.Number == errNoTable:
		return fault.Down("table", fmt.Errorf("%w: create it with `erpstream ddl %s | mysql …`", err, g.Message))
	case e.Number == errNoColumn || e.Number == errNoDefault:
		return fault.Down("table", fmt.Errorf("%w: %s, compare it with `erpstream ddl %s`", err, schema.text, g.Message))
	default:
		return err
	}
}

// isLock reports whether a transaction lost against another one and may simply be tried again.
func isLock(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (e.Number == errDeadlock || e.Number == errLockWait || e.Number == errGroupConflict)
}

// isNetwork reports whether the connection broke or never was.
func isNetwork(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
