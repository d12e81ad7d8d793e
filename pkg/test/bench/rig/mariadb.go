package rig

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/erpstream/erpstream/pkg/mysqld"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// MariaDB is a private database server that flushes each commit to the disk.
type MariaDB struct {
	*sql.DB
	// Addr is host:port; User and Password may do all.
	Addr, User, Password string

	pid int
}

// tuned gives the server the memory of one that is made for this: the rows of a run fit into it. A version
// that does not let it be changed while it runs keeps its own.
var tuned = []string{"SET GLOBAL innodb_buffer_pool_size = 536870912", "SET GLOBAL innodb_log_file_size = 268435456"}

// MariaDB starts a server with its data in the rig's folder. It stops with the rig.
func (r *Rig) MariaDB(ctx context.Context) (*MariaDB, error) {
	dir := filepath.Join(r.Dir, "mysql")
	log, err := r.logFile("mysqld")
	if err != nil {
		return nil, err
	}
	r.OnClose(log.Close)
	instance, err := mysqld.Start(ctx, mysqld.Options{Dir: dir, Log: log})
	if err != nil {
		return nil, err
	}
	r.OnClose(instance.Stop)
	text, err := os.ReadFile(filepath.Join(dir, "data", "mysqld.pid"))
	if err != nil {
		return nil, err
	}
	m := &MariaDB{Addr: instance.Addr, User: instance.User, Password: instance.Password}
	if m.pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
		return nil, err
	}
	if m.DB, err = sql.Open("mysql", m.DSN("")); err != nil {
		return nil, err
	}
	r.OnClose(m.DB.Close)
	for _, statement := range tuned {
		_, err := m.ExecContext(ctx, statement)
		if _, refused := errors.AsType[*mysql.MySQLError](err); err != nil && !refused {
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return m, nil
}

// DSN returns how go-sql-driver/mysql opens one of its databases.
func (m *MariaDB) DSN(database string) string {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName = "tcp", m.Addr, m.User, m.Password, database
	return config.FormatDSN()
}

// Fresh makes an empty database with the tables of statements, in the place of one of that name.
func (m *MariaDB) Fresh(ctx context.Context, database string, statements ...string) error {
	conn, err := m.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	all := append([]string{"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database + " CHARACTER SET utf8mb4", "USE " + database}, statements...)
	for _, statement := range all {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%.60s: %w", statement, err)
		}
	}
	return nil
}

// LoadData sets whether the server takes LOAD DATA LOCAL from connections that open from now on.
func (m *MariaDB) LoadData(ctx context.Context, allowed bool) error {
	_, err := m.ExecContext(ctx, "SET GLOBAL local_infile = "+strconv.FormatBool(allowed))
	return err
}

// Usage is what the server took so far.
func (m *MariaDB) Usage() (measure.Usage, error) { return measure.UsageOf(m.pid) }

// PID is the process id.
func (m *MariaDB) PID() int { return m.pid }
