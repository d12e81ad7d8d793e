package main

import (
	"context"
	"database/sql"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/mysqld"
	"github.com/erpstream/erpstream/pkg/sink"
)

// wantDown checks that err puts the server out of use with a text that helps and holds no secret.
func wantDown(t *testing.T, err error, class, text, secret string) {
	t.Helper()
	if fault.KindOf(err) != fault.DownKind || fault.ClassOf(err) != class || !strings.Contains(err.Error(), text) {
		t.Errorf("error = %s %s: %v, want down %s: %s", fault.KindOf(err), fault.ClassOf(err), err, class, text)
	}
	if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the password: %v", err)
	}
}

func TestMissingTablesThenCreated(t *testing.T) {
	db := testDatabase(t)
	w := openSink(t, settingsOf(db))
	batch := []sink.Message{receipt(t, 1, 1, line(1, 1, "one"))}
	const hint = "create it with `erpstream ddl erpstream.mysql.v1.PurchaseIn | mysql …`"
	wantDown(t, w.Write(t.Context(), batch), "table", hint, db.Password)
	createTables(t, db.DB) // the guard
	wantDown(t, w.Write(t.Context(), batch), "table", hint, db.Password)
	createTables(t, db.DB, purchaseIn)
	mustWrite(t, w, batch...)
	execute(t, db.DB, "ALTER TABLE purchasein_query DROP COLUMN labels")
	wantDown(t, w.Write(t.Context(), batch), "table", "compare it with `erpstream ddl erpstream.mysql.v1.PurchaseIn`", db.Password)
	execute(t, db.DB, "ALTER TABLE purchasein_query ADD COLUMN labels VARCHAR(200), ADD COLUMN extra INT NOT NULL")
	wantDown(t, w.Write(t.Context(), []sink.Message{receipt(t, 2, 1, line(2, 1, ""))}), "table", "extra", db.Password)
}

func TestTablesThatCantHoldThePromises(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	batch := []sink.Message{receipt(t, 1, 1, line(1, 1, "one"))}
	steps := []struct{ statement, want string }{
		{"ALTER TABLE purchasein_query ENGINE=MyISAM", "no transactions: ALTER TABLE purchasein_query ENGINE=InnoDB"},
		{"ALTER TABLE purchasein_query ENGINE=InnoDB, DROP PRIMARY KEY", "has the primary key (), the contract (id)"},
		{"ALTER TABLE purchasein_query ADD PRIMARY KEY (io_id, id)", "has the primary key (id, io_id), the contract (id)"},
		{"ALTER TABLE purchasein_query DROP PRIMARY KEY, ADD PRIMARY KEY (id)", ""},
	}
	for _, step := range steps {
		execute(t, db.DB, step.statement)
		if step.want == "" {
			mustWrite(t, w, batch...)
			continue
		}
		wantDown(t, w.Write(t.Context(), batch), "table", step.want, db.Password)
	}
}

func TestWrongPasswordThenRotated(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	settings := settingsOf(db, "password", "s3cr3t-and-wrong")
	w := openSink(t, settings)
	batch := []sink.Message{receipt(t, 1, 1, line(1, 1, "one"))}
	wantDown(t, w.Write(t.Context(), batch), "credentials", "Access denied", "s3cr3t")
	settings["user"] = ""
	wantDown(t, w.Write(t.Context(), batch), "credentials", "connection bi has no user", "s3cr3t")
	settings["user"], settings["password"] = db.User, db.Password
	mustWrite(t, w, batch...)
}

func TestDatabaseAndGrantsAndHost(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	batch := []sink.Message{receipt(t, 1, 1, line(1, 1, "one"))}
	missing := openSink(t, settingsOf(db, "endpoint", "mysql://"+db.Addr+"/nothing_here"))
	wantDown(t, missing.Write(t.Context(), batch), "database", "create the database", db.Password)
	nowhere := openSink(t, settingsOf(db, "endpoint", "mysql://nowhere.invalid/bi"))
	wantDown(t, nowhere.Write(t.Context(), batch), "connection", "is the connection's endpoint right?", db.Password)
	verified := openSink(t, settingsOf(db, "tls", "true"))
	wantDown(t, verified.Write(t.Context(), batch), "connection", "is it up", db.Password)
	for _, statement := range []string{
		"DROP USER IF EXISTS 'reader'@'%'",
		"CREATE USER 'reader'@'%' IDENTIFIED BY 'r3ader'",
		"GRANT SELECT ON `" + db.Name + "`.* TO 'reader'@'%'",
	} {
		execute(t, db.DB, statement)
	}
	defer execute(t, db.DB, "DROP USER 'reader'@'%'")
	reader := openSink(t, settingsOf(db, "user", "reader", "password", "r3ader"))
	wantDown(t, reader.Write(t.Context(), batch), "grants", "grant the user", "r3ader")
}

// TestServerStopsAndStarts ends a server under a sink.
func TestServerStopsAndStarts(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir, 0)
	db := connect(t, server)
	createTables(t, db, purchaseIn)
	w := openSink(t, settingsFor(server))
	mustWrite(t, w, receipt(t, 1, 1, line(1, 1, "before")))
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	batch := []sink.Message{receipt(t, 1, 2, line(1, 1, "after"))}
	for range 2 {
		wantDown(t, w.Write(t.Context(), batch), "connection", "is it up", server.Password)
	}
	_, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	again := startServer(t, dir, number)
	mustWrite(t, w, batch...)
	if got := stored(t, connect(t, again), "SELECT remark FROM purchasein_query"); got != "after" {
		t.Errorf("remark = %s", got)
	}
	readOnlyServer(t, connect(t, again), settingsFor(again))
}

// readOnlyServer tries a replica: it takes no writes, then it is made the primary.
func readOnlyServer(t *testing.T, db *sql.DB, settings map[string]string) {
	for _, statement := range []string{
		"CREATE USER 'writer'@'%' IDENTIFIED BY 'wr1ter'",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO 'writer'@'%'",
		"SET GLOBAL read_only = 1",
	} {
		execute(t, db, statement)
	}
	settings["user"], settings["password"] = "writer", "wr1ter"
	w := openSink(t, settings)
	batch := []sink.Message{receipt(t, 2, 1, line(2, 1, "two"))}
	wantDown(t, w.Write(t.Context(), batch), "read-only", "primary", "wr1ter")
	execute(t, db, "SET GLOBAL read_only = 0")
	mustWrite(t, w, batch...)
}

// settingsFor returns what a connection to a server says.
func settingsFor(server *mysqld.Instance) map[string]string {
	return map[string]string{
		"connection": "bi", "endpoint": "mysql://" + server.Addr + "/" + server.Database, "user": server.User, "password": server.Password,
	}
}

// startServer starts a server that the test may stop.
func startServer(t *testing.T, dir string, port int) *mysqld.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	server, err := mysqld.Start(ctx, mysqld.Options{Dir: dir, Port: port})
	if err != nil {
		t.Fatalf("%v: run make test, which installs one", err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	return server
}

func connect(t *testing.T, server *mysqld.Instance) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
