package table

import "strings"

// Guard is the table that knows how new the rows of each document are. It is in the same database
// as the tables that it guards. A row of its own, because a document may have no rows left and
// must still not come back to life.
const Guard = "erpstream_guard"

// MaxDocument is the longest text that can identify a document, in characters.
const MaxDocument = 190

// guardDDL makes the guard table. Order is (version, raw_sequence, flow_revision).
const guardDDL = "CREATE TABLE IF NOT EXISTS `" + Guard + "` (\n" +
	"  `target_table` VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'table that holds the rows of the document',\n" +
	"  `document` VARCHAR(190) COLLATE utf8mb4_bin NOT NULL COMMENT 'value of its document column, as text',\n" +
	"  `version` BIGINT NOT NULL COMMENT 'version of the record that was written last',\n" +
	"  `raw_sequence` BIGINT UNSIGNED NOT NULL COMMENT 'its sequence in RAW',\n" +
	"  `flow_revision` BIGINT UNSIGNED NOT NULL COMMENT 'revision of the flow that mapped it',\n" +
	"  `flow` VARCHAR(64) NOT NULL COMMENT 'name of that flow',\n" +
	"  `written_at` DATETIME(3) NOT NULL COMMENT 'when, UTC',\n" +
	"  PRIMARY KEY (`target_table`, `document`)\n" +
	") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='erpstream: how new the rows of each document are';"

// GuardDDL returns the statement that makes the guard table, when it is not there, with its
// semicolon.
func GuardDDL() string { return guardDDL }

// DDL returns the statement that makes the table, when it is not there, with its semicolon. MySQL
// 8, MariaDB 10.11 and go-mysql-server take it.
func (t *Table) DDL() string {
	var b strings.Builder
	b.WriteString("CREATE TABLE IF NOT EXISTS " + Quote(t.Name) + " (\n")
	for i := range t.Columns {
		b.WriteString("  " + t.Columns[i].ddl() + ",\n")
	}
	b.WriteString("  PRIMARY KEY (" + QuoteAll(t.Key) + ")")
	if t.Key[0].Name != t.Document.Name {
		b.WriteString(",\n  KEY `document` (" + Quote(t.Document.Name) + ")")
	}
	b.WriteString("\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" + commentClause(" COMMENT=", t.Comment) + ";")
	return b.String()
}

// ddl returns the column as it stands in a statement of creation.
func (c *Column) ddl() string {
	null := " NOT NULL"
	if c.Nullable {
		null = " NULL"
	}
	return Quote(c.Name) + " " + c.Type + null + commentClause(" COMMENT ", c.Comment)
}

// commentClause returns a comment as a clause, nothing when there is none.
func commentClause(clause, comment string) string {
	if comment == "" {
		return ""
	}
	return clause + "'" + strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", " ").Replace(comment) + "'"
}

// Quote returns a name as a quoted identifier.
func Quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// QuoteAll returns the names of columns as quoted identifiers with commas between them.
func QuoteAll(columns []Column) string {
	quoted := make([]string, len(columns))
	for i := range columns {
		quoted[i] = Quote(columns[i].Name)
	}
	return strings.Join(quoted, ", ")
}
