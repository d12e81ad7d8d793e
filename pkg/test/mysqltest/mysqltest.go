// Package mysqltest gives tests a database of their own on a real MariaDB or MySQL server: the
// one that ERPSTREAM_TEST_MYSQL names, or else a private one that starts with the first test that
// asks and ends with the test binary.
package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/erpstream/erpstream/pkg/mysqld"
)

// Env holds the DSN of a server to use instead of a private one, as go-sql-driver/mysql reads it.
// Its user must be allowed to create databases.
const Env = "ERPSTREAM_TEST_MYSQL"

// noServer is what to do when there is none. Tests are never skipped.
const noServer = "run make test, which installs one"

// startTimeout bounds the first start, which makes the system tables.
const startTimeout = 2 * time.Minute

// Database is an empty database.
type Database struct {
	// DB is connected to it.
	*sql.DB
	// Addr is host:port of its server, Name the database's own.
	Addr, Name string
	// User and Password may do all in it.
	User, Password string

	dsn string
}

// Endpoint returns the database as the endpoint of a connection.
func (d *Database) Endpoint() string { return "mysql://" + d.Addr + "/" + d.Name }

// DSN returns the database as go-sql-driver/mysql reads it.
func (d *Database) DSN() string { return d.dsn }

// server is the test binary's server.
var server struct {
	once     sync.Once
	instance *mysqld.Instance
	dir      string
	dsn      string
	err      error
	main     atomic.Bool
	count    atomic.Int64
}

// Main runs the tests of a package and ends the server that they used. A package that calls Open
// has
//
//	func TestMain(m *testing.M) { mysqltest.Main(m) }
func Main(m *testing.M) {
	server.main.Store(true)
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "mysqltest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Open returns an empty database, which is dropped when the test ends.
func Open(t testing.TB) *Database {
	t.Helper()
	if !server.main.Load() {
		t.Fatal("mysqltest.Open without func TestMain(m *testing.M) { mysqltest.Main(m) }")
	}
	server.once.Do(func() { server.dsn, server.err = start() })
	if server.err != nil {
		t.Fatalf("%v: %s", server.err, noServer)
	}
	d, err := create(t.Context())
	if err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := d.ExecContext(context.Background(), "DROP DATABASE IF EXISTS `"+d.Name+"`"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
		_ = d.Close()
	})
	return d
}

// start returns the DSN of the server to use, and starts it unless the environment names one.
func start() (string, error) {
	if dsn := os.Getenv(Env); dsn != "" {
		return dsn, nil
	}
	dir, err := os.MkdirTemp("", "erpstream-mysqltest-")
	if err != nil {
		return "", err
	}
	server.dir = dir
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if server.instance, err = mysqld.Start(ctx, mysqld.Options{Dir: dir}); err != nil {
		return "", err
	}
	return server.instance.DSN(), nil
}

// stop ends the server and removes its data.
func stop() error {
	var err error
	if server.instance != nil {
		err = server.instance.Stop()
	}
	if server.dir == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(server.dir))
}

// create makes a database and connects to it.
func create(ctx context.Context) (*Database, error) {
	cfg, fault := mysql.ParseDSN(server.dsn)
	if fault != nil {
		return nil, fmt.Errorf("%s: %w", Env, fault)
	}
	name := "erpstream_test_" + strconv.Itoa(os.Getpid()) + "_" + strconv.FormatInt(server.count.Add(1), 10)
	if err := execute(ctx, cfg, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4"); err != nil {
		return nil, err
	}
	cfg.DBName = name
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return &Database{DB: sql.OpenDB(connector), Addr: cfg.Addr, Name: name, User: cfg.User, Password: cfg.Passwd, dsn: cfg.FormatDSN()}, nil
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, cfg *mysql.Config, statement string) error {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statement)
	return err
}
