package probe

import (
	"context"
	"crypto/tls"
	"database/sql"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/erpstream/erpstream/pkg/flow"
)

// databaseWait bounds what is asked of a database.
const databaseWait = 15 * time.Second

// MySQL signs in to a database and looks for the tables that flows write to. get returns settings
// and secrets of the connection.
func MySQL(ctx context.Context, get func(string) string, tables []string) []Finding {
	const check = "sign in"
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	endpoint, err := url.Parse(get("endpoint"))
	if err != nil || endpoint.Scheme != "mysql" || endpoint.Hostname() == "" {
		return []Finding{found("settings", Fail, "endpoint: want mysql://host:port/database")}
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.DBName = "tcp", endpoint.Host, strings.TrimPrefix(endpoint.Path, "/")
	config.User, config.Passwd = get("user"), get("password")
	config.Timeout, config.ReadTimeout, config.WriteTimeout = databaseWait, databaseWait, databaseWait
	if err := secure(config, endpoint.Hostname(), get); err != nil {
		return []Finding{found("settings", Fail, "%v", err)}
	}
	if config.User == "" {
		return []Finding{found("settings", Fail, "there is no user: put user and password in the connection's secret files")}
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return []Finding{found("settings", Fail, "%v", err)}
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return []Finding{found(check, Fail, "%s as %s: %v", config.Addr, config.User, err)}
	}
	findings := []Finding{found(check, OK, "%s as %s, version %s", config.Addr, config.User, version)}
	for _, name := range slices.Sorted(slices.Values(tables)) {
		findings = append(findings, table(ctx, db, name))
	}
	return findings
}

// secure makes a connection as safe as the settings say, which is how the sink has it.
func secure(config *mysql.Config, host string, get func(string) string) (err error) {
	if config.TLSConfig, err = flow.DatabaseTLS(get(flow.SettingTLS), host); err != nil || config.TLSConfig != flow.TLSVerified {
		return err
	}
	authority, err := flow.DatabaseCA(get)
	config.TLS = &tls.Config{RootCAs: authority, MinVersion: tls.VersionTLS12}
	return err
}

// table looks for a table.
func table(ctx context.Context, db *sql.DB, name string) Finding {
	check := "table " + name
	var n int
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", name).Scan(&n)
	switch {
	case err != nil:
		return found(check, Fail, "%v", err)
	case n == 0:
		return found(check, Fail, "is not there: `erpstream ddl` prints the statement that makes it")
	default:
		return found(check, OK, "is there")
	}
}
