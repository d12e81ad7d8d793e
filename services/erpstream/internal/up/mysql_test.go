package up

import (
	"net"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
)

// Whatever --mysql says, it leads to a user, a host and a database, or is refused without being repeated.
func FuzzReadMySQL(f *testing.F) {
	for _, seed := range []string{
		"u:p@tcp(db:3306)/bi", "mysql://u:p@db:3306/bi", "mysql://db/bi", "mysql://u:p@[::1]:3306/bi", "u:p@unix(/run/x)/bi", "tcp(db)/",
		"mysql://u:p@@db/bi", "mysql:///bi", "mysql://[::1]/bi", "mysql://u:p@db:3306/bi?tls=x", "u:p@tcp()/bi", "mysql://u:p@db)/bi", "u@tcp(db:0)/%2f", "/bi",
		"u:p@tcp(db:3306)/bi?timeout=x", "mysql://",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		config, err := readMySQL(dsn)
		if err != nil {
			return
		}
		if config.Net != "tcp" || config.DBName == "" {
			t.Errorf("%q leads to %s, database %q", dsn, config.Net, config.DBName)
		}
		if _, port, err := net.SplitHostPort(config.Addr); err != nil || port == "" {
			t.Errorf("%q leads to the address %q", dsn, config.Addr)
		}
	})
}

func TestReadMySQL(t *testing.T) {
	for dsn, want := range map[string][3]string{
		"u:p@tcp(db)/bi":               {"u", "p", "db:3306"},
		"mysql://u:p@db:3307/bi":       {"u", "p", "db:3307"},
		"mysql://u:p@ss@[::1]:3306/bi": {"u", "p@ss", "[::1]:3306"},
		"mysql://db/bi":                {"root", "", "db:3306"},
	} {
		c, err := readMySQL(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if got := [3]string{c.User, c.Passwd, c.Addr}; got != want || c.DBName != "bi" {
			t.Errorf("%s: %q in %s, want %q", dsn, got, c.DBName, want)
		}
	}
}

// TestAnotherMachineIsReachedWithTLS, and sinks go the same way.
func TestAnotherMachineIsReachedWithTLS(t *testing.T) {
	const document = "connection: bi\nsystem: mysql\nendpoint: sandbox # the demo's\n"
	for dsn, want := range map[string][2]string{
		"u:p@tcp(127.0.0.1:3306)/bi":           {"preferred", "preferred"},
		"u:p@tcp(127.0.0.1:3306)/bi?tls=false": {"false", "preferred"},
		"u:p@tcp(db:3306)/bi":                  {"true", "true"},
		"u:p@tcp(db:3306)/bi?tls=true":         {"true", "true"},
		"u:p@tcp(db:3306)/bi?tls=false":        {"false", "false"},
		"u:p@tcp(db:3306)/bi?tls=skip-verify":  {"skip-verify", "skip-verify"},
	} {
		c, err := readMySQL(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		docs, err := flow.Parse("bi.yaml", []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{Options: Options{Documents: docs, Secrets: t.TempDir()}, db: database{Config: c}}
		resolved, err := m.resolve()
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		sinks, err := flow.DatabaseTLS(resolved[0].Connection.Settings["tls"], host(t, c.Addr))
		if got := [2]string{c.TLSConfig, sinks}; got != want || err != nil {
			t.Errorf("%s: %q, want %q; %v", dsn, got, want, err)
		}
	}
}

func host(t *testing.T, address string) string {
	t.Helper()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return host
}
