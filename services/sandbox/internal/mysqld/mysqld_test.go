package mysqld

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func open(t testing.TB) *sql.DB {
	t.Helper()
	s, err := Listen("127.0.0.1:0", "root", "secret")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	db := connect(t, s, "secret")
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return db
}

func connect(t testing.TB, s *Server, password string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", "root:"+password+"@tcp("+s.Addr().String()+")/erpstream?interpolateParams=true&parseTime=true&charset=utf8mb4&collation=utf8mb4_bin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// rows returns what a query yields, one text a row.
func rows(t *testing.T, q interface {
	Query(string, ...any) (*sql.Rows, error)
}, query string, args ...any) []string {
	t.Helper()
	found, err := q.Query(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	all := []string{}
	for found.Next() {
		columns, _ := found.Columns()
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, v := range values {
			texts = append(texts, v.String)
		}
		all = append(all, strings.Join(texts, "|"))
	}
	return all
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const lines = "CREATE TABLE IF NOT EXISTS `lines` (`id` VARCHAR(64) NOT NULL, `io_id` BIGINT NOT NULL, `ts` BIGINT NOT NULL," +
	" `modified` DATETIME NULL, `remark` TEXT NULL, `qty` DECIMAL(18,4) NULL, PRIMARY KEY (`id`), KEY `by_io_id` (`io_id`))" +
	" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"

// What a sink needs of a database.
func TestStatements(t *testing.T) {
	db := open(t)
	exec(t, db, lines)
	exec(t, db, lines)
	text := "备注 😀 'q' \"d\" \\ \t\n"
	upsert := "INSERT INTO `lines` (id, io_id, ts, modified, remark, qty) VALUES (?,?,?,?,?,?),(?,?,?,?,?,?)" +
		" ON DUPLICATE KEY UPDATE remark=IF(VALUES(ts)>=ts,VALUES(remark),remark), qty=IF(VALUES(ts)>=ts,VALUES(qty),qty), ts=GREATEST(ts,VALUES(ts))"
	at := time.Date(2025, 1, 31, 12, 0, 0, 0, time.UTC)
	exec(t, db, upsert, "1-1", 1, 5, at, text, "2.5", "1-2", 1, 5, at, nil, "3")
	want(t, "inserted", rows(t, db, "SELECT id, ts, modified, remark, qty FROM `lines` ORDER BY id"),
		"1-1|5|2025-01-31T12:00:00Z|"+text+"|2.5000", "1-2|5|2025-01-31T12:00:00Z||3.0000")
	exec(t, db, upsert, "1-1", 1, 4, at, "older", "9", "1-2", 1, 6, at, "newer", "9")
	want(t, "guarded", rows(t, db, "SELECT id, ts, qty FROM `lines` ORDER BY id"), "1-1|5|2.5000", "1-2|6|9.0000")

	exec(t, db, "REPLACE INTO `lines` (id, io_id, ts) VALUES (?,?,?),(?,?,?)", "1-2", 1, 7, "2-1", 2, 1)
	want(t, "replaced", rows(t, db, "SELECT id, ts, qty FROM `lines` ORDER BY id"), "1-1|5|2.5000", "1-2|7|", "2-1|1|")
	want(t, "IN", rows(t, db, "SELECT id, ts FROM `lines` WHERE id IN (?,?,?) ORDER BY id", "1-1", "2-1", "3-1"), "1-1|5", "2-1|1")
	want(t, "row comparison", rows(t, db, "SELECT id FROM `lines` WHERE (io_id, ts) >= (?, ?) ORDER BY id", 1, 7), "1-2", "2-1")
	want(t, "FOR UPDATE", rows(t, db, "SELECT id FROM `lines` WHERE id = ? FOR UPDATE", "1-1"), "1-1")
	exec(t, db, "DELETE FROM `lines` WHERE io_id IN (?,?) AND id NOT IN (?)", 1, 3, "1-1")
	want(t, "deleted", rows(t, db, "SELECT id FROM `lines` ORDER BY id"), "1-1", "2-1")
	want(t, "columns", rows(t, db, "SELECT column_name, column_type, is_nullable FROM information_schema.columns WHERE table_schema=DATABASE() AND table_name='lines' AND column_name='qty'"), "qty|decimal(18,4)|YES")
}

func TestTransactions(t *testing.T) {
	db := open(t)
	exec(t, db, "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)")
	for end, left := range map[string][]string{"rollback": {}, "commit": {"1|1"}} {
		tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO t VALUES (1,1)"); err != nil {
			t.Fatal(err)
		}
		want(t, "inside", rows(t, tx, "SELECT k, v FROM t"), "1|1")
		if end == "commit" {
			err = tx.Commit()
		} else {
			err = tx.Rollback()
		}
		if err != nil {
			t.Fatal(err)
		}
		want(t, end, rows(t, db, "SELECT k, v FROM t"), left...)
		exec(t, db, "DELETE FROM t")
	}
}

// Alone, the engine loses about half of these.
func TestTransactionsAtOnceLoseNothing(t *testing.T) {
	db := open(t)
	exec(t, db, "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)")
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 25 {
				tx, err := db.Begin()
				if err == nil {
					_, err = tx.Exec("INSERT INTO t VALUES (?,?)", worker*1000+i, i)
					err = errors.Join(err, tx.Commit())
				}
				if err != nil {
					t.Error(err)
				}
				var n int
				if err := db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	want(t, "rows", rows(t, db, "SELECT COUNT(*) FROM t"), "100")
}

func TestAConnectionThatGoesEndsItsTransaction(t *testing.T) {
	db := open(t)
	exec(t, db, "CREATE TABLE t (k BIGINT PRIMARY KEY)")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"BEGIN", "INSERT INTO t VALUES (1)"} {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Raw(func(any) error { return mysql.ErrInvalidConn }) // throws the connection away
	_ = conn.Close()
	db.SetMaxIdleConns(0)
	want(t, "left", rows(t, db, "SELECT k FROM t"))
}

func TestErrorsHaveTheNumbersOfMySQL(t *testing.T) {
	db := open(t)
	exec(t, db, "CREATE TABLE t (k BIGINT PRIMARY KEY, name VARCHAR(3) NOT NULL, qty DECIMAL(6,2), at DATETIME)")
	exec(t, db, "INSERT INTO t (k, name) VALUES (1, 'a')")
	for query, number := range map[string]uint16{
		"INSERT INTO t (k, name) VALUES (1, 'a')":                       1062,
		"INSERT INTO t (k, name) VALUES (2, 'abcd')":                    1406,
		"INSERT INTO t (k, name) VALUES (2, NULL)":                      1048,
		"INSERT INTO t (k, name, qty) VALUES (2, 'a', 'abc')":           1366,
		"INSERT INTO t (k, name, qty) VALUES (2, 'a', '123456789.00')":  1264,
		"INSERT INTO t (k, name) VALUES (99999999999999999999999, 'a')": 1264,
		"INSERT INTO t (k, name, at) VALUES (2, 'a', 'not a time')":     1292,
		"INSERT INTO nothing (k) VALUES (1)":                            1146,
		"INSERT INTO t (nothing) VALUES (1)":                            1054,
		"INSERT INTO":                                                   1064,
	} {
		_, err := db.Exec(query)
		if known, ok := errors.AsType[*mysql.MySQLError](err); !ok || known.Number != number {
			t.Errorf("%s: %v, want number %d", query, err, number)
		}
	}
}

func TestOnlyTheUserWithThePasswordGetsIn(t *testing.T) {
	s, err := Listen("127.0.0.1:0", "root", "secret")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := connect(t, s, "wrong").Ping(); err == nil {
		t.Error("the wrong password got in")
	}
	if err := connect(t, s, "secret").Ping(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// BenchmarkUpsert writes batches of 200 rows of 31 columns, in transactions, into a table of
// 3000 rows: go test -bench Upsert -benchtime 15x ./internal/mysqld
func BenchmarkUpsert(b *testing.B) {
	for _, secondary := range []string{"", ", KEY by_io_id (io_id)"} {
		b.Run("secondary index "+fmt.Sprint(secondary != ""), func(b *testing.B) {
			db := open(b)
			columns, names, guards := []string{"id VARCHAR(64) NOT NULL", "io_id BIGINT NOT NULL", "ts BIGINT NOT NULL"}, []string{"id", "io_id", "ts"}, []string{}
			for i := 3; i < 31; i++ {
				name := fmt.Sprintf("c%d", i)
				columns, names = append(columns, name+[]string{" VARCHAR(200)", " DECIMAL(18,4)", " DATETIME", " TEXT"}[i%4]), append(names, name)
				guards = append(guards, fmt.Sprintf("%s=IF(VALUES(ts)>=ts,VALUES(%s),%s)", name, name, name))
			}
			exec(b, db, "CREATE TABLE t ("+strings.Join(columns, ",")+", PRIMARY KEY (id)"+secondary+")")
			place := "(" + strings.TrimSuffix(strings.Repeat("?,", 31), ",") + ")"
			query := "INSERT INTO t (" + strings.Join(names, ",") + ") VALUES " + strings.TrimSuffix(strings.Repeat(place+",", 200), ",") +
				" ON DUPLICATE KEY UPDATE " + strings.Join(guards, ",") + ",ts=GREATEST(ts,VALUES(ts))"
			write := func(batch, version int) {
				var args []any
				for k := batch * 200; k < batch*200+200; k++ {
					args = append(args, fmt.Sprintf("%d-%d", k/3, k), k/3, version)
					for i := 3; i < 31; i++ {
						args = append(args, []any{"供应商甲", "12.3456", "2025-01-01 00:00:00", "备注"}[i%4])
					}
				}
				tx, err := db.Begin()
				if err == nil {
					_, err = tx.Exec(query, args...)
					err = errors.Join(err, tx.Commit())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			for batch := range 15 {
				write(batch, 1)
			}
			b.ResetTimer()
			for i := range b.N {
				write(i%15, 2+i)
			}
			b.ReportMetric(float64(200*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
