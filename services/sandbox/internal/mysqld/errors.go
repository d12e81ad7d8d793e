package mysqld

import (
	"errors"
	"strings"

	"github.com/dolthub/vitess/go/mysql"
)

// dataErrors are the errors of MySQL for statements and data that it can't take, by what the engine says instead
// with its catch-all 1105. Clients tell bad data from a bad day by the number.
var dataErrors = []struct {
	says   string
	number int
	state  string
}{
	{"syntax error at", 1064, "42000"},
	{"is too large for column", 1406, "22001"},
	{"Out of range value", 1264, "22003"},
	{"out of range", 1264, "22003"},
	{"number has no digits", 1366, "HY000"},
	{"Incorrect datetime value", 1292, "22007"},
	{"Incorrect", 1366, "HY000"},
	{"is not a valid", 1366, "HY000"},
}

// mysqlError gives err the number that MySQL gives it.
func mysqlError(err error) error {
	known, ok := errors.AsType[*mysql.SQLError](err)
	if !ok || known.Number() != mysql.ERUnknownError {
		return err
	}
	for _, e := range dataErrors {
		if strings.Contains(known.Message, e.says) {
			return mysql.NewSQLError(e.number, e.state, "%s", known.Message)
		}
	}
	return err
}
