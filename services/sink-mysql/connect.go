package main

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/flow"
)

const (
	dialTimeout = 5 * time.Second
	// ioTimeout is how long one statement may take; a server that says nothing for longer is
	// taken for gone.
	ioTimeout = time.Minute
	// connectionLife ends connections before a server or a proxy drops them as idle or old.
	connectionLife = 3 * time.Minute
	// connections is how many are kept: one for each writer.
	connections = 2
)

// session is what each new connection to the server is set to, whatever the server begins with; one that
// can't be set so is not used. sql_mode makes the server refuse what it would cut or guess otherwise, and
// gives backslashes their meaning; in another character set than UTF-8 a quote could be taken for a part of
// the character before it, and what follows for a part of the statement.
func session() map[string]string {
	return map[string]string{
		"sql_mode":                 "'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION'",
		"time_zone":                "'+00:00'",
		"character_set_client":     "'utf8mb4'",
		"character_set_connection": "'utf8mb4'",
		"character_set_results":    "'utf8mb4'",
	}
}

// wishes are what each new connection asks of a server that has such settings.
var wishes = []string{
	// How many seconds a statement waits for a row that someone else holds.
	"SET SESSION innodb_lock_wait_timeout = 5",
	// Above so many keys in a list the optimizer believes statistics instead of the index. They may be from
	// when the table was empty: then it reads the whole index for each batch. 0 is never; in MariaDB a list
	// of a thousand is a join as well, planned with the same statistics.
	"SET SESSION eq_range_index_dive_limit = 0",
	"SET SESSION in_predicate_conversion_threshold = 0",
}

// settings is what a connection of kind mysql says, but its user, its password and its ca: those are
// read again for each new connection to the server, so that they can change while the sink runs.
type settings struct {
	connection string
	addr       string
	name       string // of the database
	tls        string
	location   *time.Location
}

// readSettings reads and checks a connection's settings; its error names every fault.
func readSettings(get func(string) string) (settings, error) {
	s := settings{connection: get("connection")}
	var err error
	s.addr, s.name, err = parseEndpoint(get("endpoint"))
	errs := []error{err}
	host, _, _ := net.SplitHostPort(s.addr) // "" where there is none, which is said already
	s.tls, err = flow.DatabaseTLS(get(flow.SettingTLS), host)
	errs = append(errs, err)
	s.location, err = time.LoadLocation(cmp.Or(get("time_zone"), "Asia/Shanghai"))
	if err != nil {
		errs = append(errs, fmt.Errorf("time_zone: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return settings{}, fmt.Errorf("connection %s: %w", s.connection, err)
	}
	return s, nil
}

// parseEndpoint reads mysql://host:port/database. The error does not repeat it, for it may hold a
// password that belongs elsewhere.
func parseEndpoint(endpoint string) (addr, database string, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "mysql" || u.Hostname() == "" {
		return "", "", errors.New("endpoint: want mysql://host:port/database")
	}
	database = strings.TrimPrefix(u.Path, "/")
	switch {
	case u.User != nil:
		return "", "", errors.New("endpoint: user and password belong in the connection's secret files")
	case database == "" || strings.Contains(database, "/"):
		return "", "", errors.New("endpoint: want one database after the host: mysql://host:port/database")
	case u.RawQuery != "":
		return "", "", errors.New("endpoint: parameters after ? are not read; write them as settings of the connection")
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "3306")), database, nil
}

// database returns the pool; it connects when it is used first.
func (s settings) database(get func(string) string) (*sql.DB, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", s.addr, s.name
	cfg.TLSConfig = s.tls
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	cfg.InterpolateParams = true // saves a round trip a statement
	cfg.ParseTime = true
	cfg.MaxAllowedPacket = 0 // ask the server
	cfg.Logger = &mysql.NopLogger{}
	cfg.ConnectionAttributes = "program_name:erpstream-sink-mysql"
	cfg.Params = session()
	if err := cfg.Apply(mysql.BeforeConnect(s.credentials(get))); err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", s.connection, err)
	}
	db := sql.OpenDB(wishing{connector})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(connectionLife)
	return db, nil
}

// credentials returns what sets user, password and authority of each new connection.
func (s settings) credentials(get func(string) string) func(context.Context, *mysql.Config) error {
	return func(_ context.Context, cfg *mysql.Config) error {
		cfg.User, cfg.Passwd = get("user"), get("password")
		if cfg.User == "" {
			return fault.Down("credentials", fmt.Errorf("connection %s has no user: put user and password in its secret files", s.connection))
		}
		if s.tls != flow.TLSVerified {
			return nil
		}
		authority, err := flow.DatabaseCA(get)
		if err != nil {
			return fault.Down("credentials", err)
		}
		cfg.TLS.RootCAs = authority
		return nil
	}
}

// wishing is a connector whose connections have the wishes, those that the server knows.
type wishing struct{ driver.Connector }

// Connect connects and sets what is wished.
func (w wishing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	session, ok := conn.(driver.ExecerContext)
	if !ok {
		return conn, nil
	}
	for _, wish := range wishes {
		_, err := session.ExecContext(ctx, wish, nil)
		if _, refused := errors.AsType[*mysql.MySQLError](err); err != nil && !refused {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}
