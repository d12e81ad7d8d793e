package mysqltest_test

import (
	"database/sql"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	first, second := mysqltest.Open(t), mysqltest.Open(t)
	if first.Endpoint() == second.Endpoint() {
		t.Errorf("two databases at %s", first.Endpoint())
	}
	if _, err := first.ExecContext(t.Context(), "CREATE TABLE t (a INT) ENGINE=InnoDB"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := second.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&n); err != nil || n != 0 {
		t.Errorf("the second database has %d tables, %v", n, err)
	}
	again, err := sql.Open("mysql", first.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if err := again.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM t").Scan(&n); err != nil || n != 0 {
		t.Errorf("by its DSN: %d rows, %v", n, err)
	}
}

func TestCommitsAreFlushed(t *testing.T) {
	var name, value string
	if err := mysqltest.Open(t).QueryRowContext(t.Context(), "SHOW VARIABLES LIKE 'innodb_flush_log_at_trx_commit'").Scan(&name, &value); err != nil || value != "1" {
		t.Errorf("innodb_flush_log_at_trx_commit = %q, %v, want 1", value, err)
	}
}
