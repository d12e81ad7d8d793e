package up

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/mysqld"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/proto/contract"
)

// database is where the rows go.
type database struct {
	*mysql.Config
	// what says which of the three it is.
	what string
	// forgetful is set when nothing is left of it after a stop.
	forgetful bool
}

// shown is how a person reaches it, without the password.
func (d database) shown() string {
	host, port, err := net.SplitHostPort(d.Addr)
	if err != nil {
		return d.Addr
	}
	return fmt.Sprintf("mysql -h %s -P %s -u %s %s (%s)", host, port, d.User, d.DBName, d.what)
}

// endpoint is the database as a connection document names it.
func (d database) endpoint() string { return "mysql://" + d.Addr + "/" + d.DBName }

// embedded is the --mysql that asks for the database of the sandbox.
const embedded = "embedded"

// startMySQL finds a database: the named one, a private instance of an installed server, or the
// one that the sandbox has.
func (m *machine) startMySQL(ctx context.Context) error {
	switch m.MySQL {
	case "":
	case embedded:
		return m.embedMySQL()
	default:
		return m.useMySQL(ctx)
	}
	port := 0
	if m.Port != 0 {
		port = m.Port + mysqlPort
	}
	instance, err := mysqld.Start(ctx, mysqld.Options{Dir: filepath.Join(m.Data, "mysql"), Port: port})
	if errors.Is(err, mysqld.ErrNoServer) {
		m.Log.InfoContext(ctx, "no mariadbd or mysqld is installed: the embedded MySQL-compatible server is used, slow and in memory")
		return m.embedMySQL()
	}
	if err != nil {
		return err
	}
	m.onStop(instance.Stop)
	m.db = database{Config: mysqlConfig(instance.Addr, instance.User, instance.Password, instance.Database), what: "a private instance"}
	return nil
}

// useMySQL takes the server that was named.
func (m *machine) useMySQL(ctx context.Context) error {
	config, err := readMySQL(m.MySQL)
	if err != nil {
		return err
	}
	m.db = database{Config: config, what: "the one of --mysql"}
	db, err := m.db.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	err = db.PingContext(ctx)
	if errors.Is(err, mysql.ErrNoTLS) {
		err = fmt.Errorf("%w; where nobody can listen on the way, add ?tls=false", err)
	}
	if err != nil {
		return fmt.Errorf("--mysql: %s, database %s as %s: %w", config.Addr, config.DBName, config.User, err)
	}
	return nil
}

// readMySQL reads a DSN or a URL. A server on another machine is reached with TLS, and its certificate
// verified, unless it says otherwise. The error doesn't repeat it, for it may hold a password.
func readMySQL(dsn string) (*mysql.Config, error) {
	if rest, ok := strings.CutPrefix(dsn, "mysql://"); ok {
		userinfo, address := "root", rest
		if at := strings.LastIndexByte(rest, '@'); at >= 0 { // a password may have one, too
			userinfo, address = rest[:at], rest[at+1:]
		}
		host, name, _ := strings.Cut(address, "/")
		dsn = userinfo + "@tcp(" + host + ")/" + name
	}
	config, err := mysql.ParseDSN(dsn)
	host := ""
	if err == nil {
		host, _, err = net.SplitHostPort(config.Addr)
	}
	if err != nil || config.Net != "tcp" || config.DBName == "" {
		return nil, errors.New("--mysql: write user:password@tcp(host:3306)/database or mysql://user:password@host:3306/database")
	}
	if config.TLSConfig, err = flow.DatabaseTLS(config.TLSConfig, host); err != nil {
		return nil, fmt.Errorf("--mysql: %w", err)
	}
	return config, nil
}

// embedMySQL makes the sandbox serve a database.
func (m *machine) embedMySQL() error {
	address, err := m.address(mysqlPort)
	if err != nil {
		return err
	}
	m.db = database{Config: mysqlConfig(address, "root", "", "erpstream"), what: "embedded, in memory", forgetful: true}
	return nil
}

func mysqlConfig(address, user, password, name string) *mysql.Config {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName = "tcp", address, user, password, name
	return config
}

func (d database) open() (*sql.DB, error) {
	connector, err := mysql.NewConnector(d.Config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// createTables makes the tables of all messages that go into the database of the sandbox.
func (m *machine) createTables(ctx context.Context) error {
	statements := map[string]bool{}
	for _, f := range m.set.Flows {
		if c := m.set.Connections[f.Target.Connection]; f.Target.Kind != "mysql" || c.Endpoint != m.db.endpoint() {
			continue
		}
		mt, err := contract.Message(f.Target.Message)
		if err != nil {
			return err
		}
		t, err := table.Of(mt.Descriptor())
		if err != nil {
			return err
		}
		statements[t.DDL()], statements[table.GuardDDL()] = true, true
	}
	db, err := m.db.open()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for statement := range statements {
		if _, err := db.ExecContext(ctx, strings.TrimRight(strings.TrimSpace(statement), ";")); err != nil {
			return fmt.Errorf("create the tables in %s: %w", m.db.Addr, err)
		}
	}
	return nil
}

// refill lets the sinks of a database that forgot everything begin again with the first message:
// the stream has it all.
func (m *machine) refill(ctx context.Context) error {
	if !m.db.forgetful {
		return nil
	}
	for name, c := range m.set.Connections {
		if c.System != "mysql" || c.Endpoint != m.db.endpoint() {
			continue
		}
		err := m.js.DeleteConsumer(ctx, topology.Target, topology.SinkConsumer(c.System, name))
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("fill the database of connection %s again: %w", name, err)
		}
	}
	return nil
}
