package main

import (
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/table"
)

// many returns so many documents of a version, with two rows each.
func many(t testing.TB, n int, version int64, mode, remark string) []sink.Message {
	t.Helper()
	batch := make([]sink.Message, n)
	for i := range batch {
		document := int64(i + 1)
		batch[i] = receipt(t, document, version, lines(document, 2, remark)...)
		batch[i].Options = url.Values{"mode": {mode}}
	}
	return batch
}

func TestOnlyLargeBatchesAreLoaded(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	for i, step := range []struct {
		batch []sink.Message
		want  int
	}{
		{many(t, loadFrom-1, 1, modeUpsert, "a few"), 0},
		{many(t, loadFrom, 2, modeUpsert, "rows are there: a file would not change them"), 0},
		{many(t, loadFrom, 3, modeReplace, "replaced"), 1},
		{many(t, loadFrom, 3, modeReplace, "replaced"), 1}, // the same again
		{many(t, loadFrom, 1, modeReplace, "older"), 0},
	} {
		before := loaded(t, db.DB)
		mustWrite(t, w, step.batch...)
		if got := loaded(t, db.DB) - before; got != step.want {
			t.Errorf("step %d: %d files, want %d", i, got, step.want)
		}
	}
	if got := stored(t, db.DB, "SELECT CONCAT(remark, ' ', COUNT(*)) FROM purchasein_query GROUP BY remark"); got != "replaced "+strconv.Itoa(2*loadFrom) {
		t.Errorf("rows = %s", got)
	}
}

// TestWhatIsNotOursStays has a column that the contract does not know: an upsert leaves it alone, however
// large the batch.
func TestWhatIsNotOursStays(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	execute(t, db.DB, "ALTER TABLE purchasein_query ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT 'none'")
	w := openSink(t, settingsOf(db))
	mustWrite(t, w, many(t, loadFrom, 1, modeUpsert, "one")...)
	execute(t, db.DB, "UPDATE purchasein_query SET note = 'theirs' WHERE io_id = 7")
	mustWrite(t, w, many(t, loadFrom, 2, modeUpsert, "two")...)
	if got := stored(t, db.DB, "SELECT CONCAT(note, ' ', COUNT(*)) FROM purchasein_query WHERE remark = 'two' GROUP BY note ORDER BY note"); got != "none 998,theirs 2" {
		t.Errorf("rows = %s", got)
	}
}

func TestAServerWithoutFilesGetsStatements(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	execute(t, db.DB, "SET GLOBAL local_infile = 0")
	defer execute(t, db.DB, "SET GLOBAL local_infile = 1")
	w, before := openSink(t, settingsOf(db)), loaded(t, db.DB)
	mustWrite(t, w, many(t, loadFrom, 1, modeReplace, "")...)
	if w.server.loads || loaded(t, db.DB) != before {
		t.Error("a file was sent to a server that takes none")
	}
	w.server.loads = true // it was allowed when it was asked
	mustWrite(t, w, many(t, loadFrom, 2, modeReplace, "")...)
	if got := stored(t, db.DB, "SELECT COUNT(*) FROM purchasein_query"); got != strconv.Itoa(2*loadFrom) {
		t.Errorf("%s rows", got)
	}
}

// TestAFileThatIsCutIsNotBelieved has a value that a statement takes with a note: the batch goes the strict
// way, and so do those behind it for a while: to try each twice would cost more than it saves.
func TestAFileThatIsCutIsNotBelieved(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w, before := openSink(t, settingsOf(db)), loaded(t, db.DB)
	batch := many(t, loadFrom, 1, modeReplace, "")
	row := line(1, 1, "")
	row.ItemsQty = new("1.00001")
	batch[0] = receipt(t, 1, 1, row)
	batch[0].Options = batch[1].Options
	mustWrite(t, w, batch...)
	for version := range int64(restAfter) {
		mustWrite(t, w, many(t, loadFrom, version+2, modeReplace, "")...)
	}
	if got := loaded(t, db.DB) - before; got != 1 {
		t.Errorf("%d files, want the first only", got)
	}
	mustWrite(t, w, many(t, loadFrom, restAfter+2, modeReplace, "")...)
	if got := loaded(t, db.DB) - before; got != 2 {
		t.Errorf("%d files, want one again", got)
	}
	if got := stored(t, db.DB, "SELECT items_qty FROM purchasein_query WHERE id = '1-1'"); got != "1.5000" {
		t.Errorf("items_qty = %s", got)
	}
}

// TestAKeyOfAnotherDocumentIsTakenOver has two documents with the same row, as an upsert of a few does.
func TestAKeyOfAnotherDocumentIsTakenOver(t *testing.T) {
	for _, mode := range []string{modeUpsert, modeReplace} {
		db := testDatabase(t, purchaseIn)
		w := openSink(t, settingsOf(db))
		foreign := receipt(t, 900_000, 1, line(900_000, 1, "old"))
		mustWrite(t, w, foreign)
		batch := many(t, loadFrom, 1, mode, "new")
		row := line(1, 1, "new")
		row.Id = new("900000-1")
		batch[0] = receipt(t, 1, 1, row)
		batch[0].Options = batch[1].Options
		mustWrite(t, w, batch...)
		if got := stored(t, db.DB, "SELECT CONCAT(io_id, remark) FROM purchasein_query WHERE id = '900000-1'"); got != "1new" {
			t.Errorf("mode %s: row = %s", mode, got)
		}
	}
}

// TestFilesAreShort has more rows than one file holds.
func TestFilesAreShort(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w, before := openSink(t, settingsOf(db)), loaded(t, db.DB)
	batch := many(t, loadFrom, 1, modeReplace, "")
	batch[7] = receipt(t, 8, 1, lines(8, 2*fileRows, "")...)
	batch[7].Options = batch[0].Options
	mustWrite(t, w, batch...)
	if got := loaded(t, db.DB) - before; got != 3 {
		t.Errorf("%d files, want 3", got)
	}
	if got := stored(t, db.DB, "SELECT COUNT(*) FROM purchasein_query"); got != strconv.Itoa(2*(loadFrom-1)+2*fileRows) {
		t.Errorf("%s rows", got)
	}
}

func TestServersWithReturning(t *testing.T) {
	for version, want := range map[string]bool{
		"10.11.14-MariaDB-0+deb12u2": true, "10.5.0-MariaDB": true, "11.4.2-MariaDB-log": true, "10.4.34-MariaDB": false,
		"5.5.5-10.11.6-MariaDB": false, "8.0.31": false, "8.4.5-0ubuntu": false, "": false,
	} {
		if got := hasReturning(version); got != want {
			t.Errorf("hasReturning(%q) = %v", version, got)
		}
	}
}

// FuzzText gives the server any text, in statements and in files: what comes back is what was given, and
// nothing of it is anything but a value.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"", "'", `\`, `\'`, `'); DROP TABLE texts; -- `, "\x00\n\r\t\x1a\b\"%_", `\N`, "NULL", "\\\n", "'\n'", ",'", "a\u0300", "😀\U0010FFFF", " end ", "\ufeff", "\u2028", `\\\'`,
	} {
		f.Add(seed)
	}
	db := testDatabase(f)
	execute(f, db.DB, "CREATE TABLE texts (id INT PRIMARY KEY, a TEXT COLLATE utf8mb4_bin, b TEXT COLLATE utf8mb4_bin)")
	w := openSink(f, settingsOf(db))
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		values := table.AppendText([]byte("1,"), text)
		values = table.AppendText(append(values, ','), text)
		for _, load := range []bool{false, true} {
			tx, err := w.db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			documents := []*document{{Encoded: table.Encoded{Rows: []table.EncodedRow{{Values: values}}}}}
			if load {
				err = (&group{target: &target{load: " INTO TABLE texts" + loadFormat}}).loadRows(t.Context(), tx, documents)
			} else {
				_, err = tx.ExecContext(t.Context(), "INSERT INTO texts VALUES ("+string(values)+")")
			}
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			var id int
			var a, b string
			if err := tx.QueryRowContext(t.Context(), "SELECT id, a, b FROM texts").Scan(&id, &a, &b); err != nil || id != 1 || a != text || b != text {
				t.Errorf("loaded %v: %q came back as %d %q %q, %v", load, text, id, a, b, err)
			}
			_ = tx.Rollback()
		}
	})
}

// TestTextsOfManyCharacters gives the server texts of each byte that is escaped beside each other, and of
// characters of one to four bytes.
func TestTextsOfManyCharacters(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	alphabet := []rune("\x00\x01\b\t\n\r\x1a\"'\\,()`%_N;#-/* aé长😀\u00a5\u20a9")
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	for version := range int64(4) {
		batch := many(t, loadFrom+int(version%2)*-100, version+1, modeReplace, "")
		for i := range batch {
			text := make([]rune, random.IntN(200))
			for j := range text {
				text[j] = alphabet[random.IntN(len(alphabet))]
			}
			document := int64(i + 1)
			batch[i] = receipt(t, document, version+1, lines(document, 2, string(text))...)
			batch[i].Options = url.Values{"mode": {modeReplace}}
			want[batch[i].Key] = string(text)
		}
		mustWrite(t, w, batch...)
		for key, got := range contents(t, db.DB) {
			if got != want[key] {
				t.Fatalf("receipt %s: %q, want %q", key, got, want[key])
			}
		}
	}
}
