package main

import (
	"testing"
)

// TestTheSessionIsOurs has servers that give each new connection another character set and another way of
// escaping, as old installations do: texts in which a quote would end its literal there are only text.
func TestTheSessionIsOurs(t *testing.T) {
	for _, initial := range []string{"SET NAMES gbk", "SET NAMES latin1", "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'"} {
		t.Run(initial, func(t *testing.T) {
			db := testDatabase(t, purchaseIn)
			for _, statement := range []string{
				"CREATE USER 'writer'@'%' IDENTIFIED BY 'wr1ter'", // the server does this for nobody who may do all
				"GRANT SELECT, INSERT, UPDATE, DELETE ON `" + db.Name + "`.* TO 'writer'@'%'",
				`SET GLOBAL init_connect = "` + initial + `"`,
			} {
				execute(t, db.DB, statement)
			}
			defer execute(t, db.DB, "DROP USER 'writer'@'%'")
			defer execute(t, db.DB, "SET GLOBAL init_connect = ''")
			w := openSink(t, settingsOf(db, "user", "writer", "password", "wr1ter"))
			// In GBK the last byte of 中 and the backslash before the quote are one character.
			const text = `中', 'x'), (2, 'y') -- \`
			mustWrite(t, w, receipt(t, 1, 1, line(1, 1, text)))
			if got := stored(t, db.DB, "SELECT remark FROM purchasein_query"); got != text {
				t.Errorf("stored %q, want %q", got, text)
			}
			batch := many(t, loadFrom, 2, modeReplace, text)
			mustWrite(t, w, batch...)
			for key, got := range contents(t, db.DB) {
				if got != text {
					t.Fatalf("receipt %s: %q", key, got)
				}
			}
		})
	}
}
