package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/sink/sinktest"
	"github.com/erpstream/erpstream/pkg/table"
	"github.com/erpstream/erpstream/pkg/test/mysqltest"
	"github.com/erpstream/erpstream/proto/contract"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

func TestSuite(t *testing.T) {
	for _, mode := range []string{"", modeUpsert, modeReplace} {
		t.Run("mode "+mode, func(t *testing.T) {
			db := testDatabase(t, purchaseIn)
			suite(t, db, mode, openWriters(t, settingsOf(db)))
		})
	}
}

// TestSuiteOnAPlainServer takes from the server what not all have.
func TestSuiteOnAPlainServer(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	suite(t, db, modeUpsert, sink.Func(func(ctx context.Context, batch []sink.Message) error {
		w.server = &server{}
		return w.Write(ctx, batch)
	}))
}

// suite runs the suite of all sinks on a sink of receipts.
func suite(t *testing.T, db *mysqltest.Database, mode string, s sink.Sink) {
	document := func(key string, version int64, content string) sink.Message {
		number, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		m := receipt(t, number, version, lines(number, 2, content)...)
		m.Options = url.Values{"mode": {mode}}
		return m
	}
	sinktest.Run(t, sinktest.Suite{
		Sink: s, Message: document,
		Stored: func() map[string]string { return contents(t, db.DB) },
		Poison: func(key string, version int64) sink.Message {
			return document(key, version, strings.Repeat("长", 1001))
		},
	})
}

// contents returns the remark of each receipt, and fails when its rows differ.
func contents(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT io_id, MIN(remark), MAX(remark), COUNT(*) FROM purchasein_query GROUP BY io_id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var key, first, last string
		var n int
		if err := rows.Scan(&key, &first, &last, &n); err != nil {
			t.Fatal(err)
		}
		if first != last || n != 2 {
			t.Errorf("receipt %s has %d rows, from %q to %q", key, n, first, last)
		}
		all[key] = first
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDocumentsAreWrittenAsAWhole(t *testing.T) {
	db := testDatabase(t, purchaseIn, transfer)
	w := openSink(t, settingsOf(db))
	mustWrite(t, w, receipt(t, 1, 1, lines(1, 3, "a")...), receipt(t, 2, 1, lines(2, 2, "b")...), receipt(t, 12, 1, lines(12, 1, "c")...))
	mustWrite(t, w, receipt(t, 1, 2, line(1, 2, "a2"), line(1, 4, "a4")), receipt(t, 12, 2))
	if got, want := stored(t, db.DB, "SELECT CONCAT(id, remark) FROM purchasein_query ORDER BY io_id, items_ioi_id"), "1-2a2,1-4a4,2-1b,2-2b"; got != want {
		t.Errorf("rows = %s, want %s", got, want)
	}
	mustWrite(t, w, receipt(t, 12, 3, line(12, 1, "back")), removed(t, purchaseIn, "2", 2), removed(t, purchaseIn, "99", 1))
	if got, want := stored(t, db.DB, "SELECT CONCAT(id, remark) FROM purchasein_query ORDER BY io_id, items_ioi_id"), "1-2a2,1-4a4,12-1back"; got != want {
		t.Errorf("rows = %s, want %s", got, want)
	}
}

func TestKeysOfSeveralColumnsAndTextDocuments(t *testing.T) {
	db := testDatabase(t, purchaseIn, transfer)
	w := openSink(t, settingsOf(db))
	doc := func(code string, version int64, lines string) sink.Message {
		mt, err := contract.Message(transfer)
		if err != nil {
			t.Fatal(err)
		}
		body := mt.New().Interface()
		quoted := strconv.Quote(code)
		if err := protojson.Unmarshal([]byte(`{"code":`+quoted+`,"lines":[`+strings.ReplaceAll(lines, "@", `"code":`+quoted)+`]}`), body); err != nil {
			t.Fatal(err)
		}
		return message(t, transfer, code, version, body)
	}
	mustWrite(t, w,
		doc("a/1", 1, `{@,"line":"1","goods":"x"},{@,"line":"2","goods":"y"}`),
		doc("A/1", 1, `{@,"line":"1","goods":"other case, other document"}`),
		receipt(t, 1, 1, line(1, 1, "another table in the same batch")),
		doc("b", 1, `{@,"line":"1"}`))
	mustWrite(t, w, doc("a/1", 2, `{@,"line":"2","goods":"y2"},{@,"line":"3"}`), removed(t, transfer, "b", 2))
	want := "A/1 1 other case, other document,a/1 2 y2,a/1 3 -"
	if got := stored(t, db.DB, "SELECT CONCAT_WS(' ', code, line, COALESCE(goods, '-')) FROM transfer ORDER BY code, line"); got != want {
		t.Errorf("rows = %s, want %s", got, want)
	}
	if got := stored(t, db.DB, "SELECT id FROM purchasein_query"); got != "1-1" {
		t.Errorf("rows of the other table = %s", got)
	}
}

func TestTwoSinksMeetInOppositeOrder(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	const documents, versions = 120, 12
	var wait sync.WaitGroup
	for n := range 2 {
		w := openSink(t, settingsOf(db))
		wait.Go(func() {
			for v := range int64(versions) {
				// One goes up, the other down; each has every second version, so both write all documents.
				var batch []sink.Message
				for d := range int64(documents) {
					document := d + 1
					if n == 1 {
						document = documents - d
					}
					version := (v+document)%versions*2 + int64(n) + 1
					batch = append(batch, receipt(t, document, version, lines(document, int(version%4), strconv.FormatInt(version, 10))...))
				}
				if err := w.Write(t.Context(), batch); err != nil {
					t.Errorf("sink %d: %v", n, err)
				}
			}
		})
	}
	wait.Wait()
	const newest = 2 * versions // which has no rows: 24 % 4 == 0
	if got := stored(t, db.DB, "SELECT COUNT(*) FROM purchasein_query"); got != "0" {
		t.Errorf("%s rows are left of older versions", got)
	}
	if got := stored(t, db.DB, "SELECT DISTINCT version FROM erpstream_guard"); got != strconv.Itoa(newest) {
		t.Errorf("versions in the guard = %s, want %d", got, newest)
	}
}

func TestOlderFlowRevisionOfTheSameRecordIsSuperseded(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	before, after := receipt(t, 1, 1, line(1, 1, "revision 1")), receipt(t, 1, 1, line(1, 1, "revision 2"))
	after.FlowRevision = 2
	mustWrite(t, w, before)
	mustWrite(t, w, after) // a replay
	late := []sink.Message{before}
	mustWrite(t, w, late...)
	together := []sink.Message{after, before}
	mustWrite(t, w, together...)
	if got := stored(t, db.DB, "SELECT remark FROM purchasein_query"); got != "revision 2" {
		t.Errorf("remark = %q", got)
	}
	if late[0].Outcome != sink.Superseded || together[0].Outcome != sink.Committed || together[1].Outcome != sink.Superseded {
		t.Errorf("outcomes = %v, %v, %v", late[0].Outcome, together[0].Outcome, together[1].Outcome)
	}
}

func TestValuesAreStoredExactly(t *testing.T) {
	for _, mode := range []string{modeUpsert, modeReplace} {
		for way, others := range map[string]int64{"statements": 0, "file": loadFrom} {
			t.Run(mode+" by "+way, func(t *testing.T) { storesExactly(t, mode, others) })
		}
	}
}

// storesExactly writes a row of values that are easily spoilt, and so many other documents beside it.
func storesExactly(t *testing.T, mode string, others int64) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	const text = "采购 😀 C:\\new\t'quote' \"double\" `tick` 100% _ \x00 NUL \x1a \r\n ? ;-- end\\"
	row := line(1, 1, text)
	row.Ts, row.ItemsQty, row.ItemsCostPrice, row.ItemsCostAmount = proto.Int64(9_007_199_254_740_993), new("-99999999999999.9999"), new("0.1"), new("12345678901234.5678")
	row.IoDate = timestamppb.New(time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
	row.Warehouse, row.SoId, row.LId = new(""), new("NULL"), new(`\N`)
	m := receipt(t, 1, 1, row)
	batch := []sink.Message{m}
	for i := range others {
		batch = append(batch, receipt(t, i+2, 1, line(i+2, 1, text)))
	}
	for i := range batch {
		batch[i].Options = url.Values{"mode": {mode}}
	}
	before := loaded(t, db.DB)
	mustWrite(t, w, batch...)
	if got := loaded(t, db.DB) > before; got != (others > 0) {
		t.Errorf("rows came as a file: %v", got)
	}
	want := map[string]string{
		"remark": text, "ts": "9007199254740993", "items_qty": "-99999999999999.9999", "items_cost_price": "0.1000", "items_cost_amount": "12345678901234.5678",
		"DATE_FORMAT(modified, '%Y-%m-%d %H:%i:%s')": "2025-01-01 00:00:05", "DATE_FORMAT(io_date, '%Y-%m-%d %H:%i:%s')": "2025-03-01 08:00:00",
		"warehouse": "", "so_id": "NULL", "l_id": `\N`, "COALESCE(labels, 'NULL')": "NULL", "COALESCE(po_id, -1)": "-1",
	}
	for column, value := range want {
		if got := stored(t, db.DB, "SELECT "+column+" FROM purchasein_query WHERE io_id = 1"); got != value {
			t.Errorf("%s = %q, want %q", column, got, value)
		}
	}
	if got := stored(t, db.DB, "SELECT COUNT(*) FROM purchasein_query WHERE remark = (SELECT remark FROM purchasein_query WHERE io_id = 1)"); got != strconv.FormatInt(others+1, 10) {
		t.Errorf("%s rows have the text", got)
	}
}

// loaded is how many files the server has read.
func loaded(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	var name string
	if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_load'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWallClockOfAnotherZone(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	mustWrite(t, openSink(t, settingsOf(db, "time_zone", "America/New_York")), receipt(t, 1, 1, line(1, 1, "")))
	if got := stored(t, db.DB, "SELECT DATE_FORMAT(modified, '%Y-%m-%d %H:%i:%s') FROM purchasein_query"); got != "2024-12-31 11:00:05" {
		t.Errorf("modified = %s", got)
	}
}

func TestRefusedMessagesAreNamed(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	badMode := receipt(t, 2, 1, line(2, 1, ""))
	badMode.Options = url.Values{"mode": {"append"}}
	unknown := receipt(t, 3, 1)
	unknown.Schema = "erpstream.mysql.v1.Nothing"
	broken := receipt(t, 4, 1)
	broken.Body = []byte{0xff}
	otherKey := receipt(t, 5, 1)
	otherKey.Key = "6"
	foreign := receipt(t, 7, 1, line(8, 1, ""))
	twice := receipt(t, 9, 1, line(9, 1, ""), line(9, 1, ""))
	noNumber := removed(t, purchaseIn, "A-1", 1)
	err := w.Write(t.Context(), []sink.Message{receipt(t, 1, 1, line(1, 1, "good")), badMode, unknown, broken, otherKey, foreign, twice, noNumber})
	partial, ok := errors.AsType[*sink.BatchError](err)
	if !ok || partial.Errs[0] != nil {
		t.Fatalf("Write = %v, want a BatchError without message 0", err)
	}
	want := []struct{ class, text string }{
		1: {"options", `mode is "append": want upsert or replace`}, 2: {"schema", "unknown target message"}, 3: {"schema", "decode"},
		4: {"data", `io_id is "5" and the record's key is "6"`}, 5: {"data", "want that of its document"}, 6: {"data", "twice"}, 7: {"data", "whole number"},
	}
	for i := 1; i < len(want); i++ {
		if err := partial.Errs[i]; !fault.IsPermanent(err) || fault.ClassOf(err) != want[i].class || !strings.Contains(err.Error(), want[i].text) {
			t.Errorf("message %d: %s %s %v, want permanent %s %q", i, fault.KindOf(err), fault.ClassOf(err), err, want[i].class, want[i].text)
		}
	}
	if got := stored(t, db.DB, "SELECT id FROM purchasein_query"); got != "1-1" {
		t.Errorf("rows = %s, want those of the good message", got)
	}
}

func TestDataTheServerRefusesIsPermanent(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	change := func(f func(*mysqlv1.PurchaseInRow)) sink.Message {
		row := line(1, 1, "")
		f(row)
		return receipt(t, 1, 1, row)
	}
	tests := map[string]struct {
		message sink.Message
		want    string
	}{
		"too long":     {change(func(r *mysqlv1.PurchaseInRow) { r.Remark = new(strings.Repeat("长", 1001)) }), "Data too long for column 'remark'"},
		"out of range": {change(func(r *mysqlv1.PurchaseInRow) { r.ItemsQty = new("123456789012345") }), "Out of range value for column 'items_qty'"},
		"no number":    {change(func(r *mysqlv1.PurchaseInRow) { r.ItemsQty = new("一") }), "items_qty"},
		"more behind":  {change(func(r *mysqlv1.PurchaseInRow) { r.ItemsQty = new("1x") }), "items_qty"},
		"empty number": {change(func(r *mysqlv1.PurchaseInRow) { r.ItemsQty = new("") }), "items_qty"},
		"no value":     {change(func(r *mysqlv1.PurchaseInRow) { r.Status = nil }), "Column 'status' cannot be null"},
		"no time":      {change(func(r *mysqlv1.PurchaseInRow) { r.Modified = &timestamppb.Timestamp{Seconds: 253_402_300_800} }), "modified"},
		"year zero":    {change(func(r *mysqlv1.PurchaseInRow) { r.Modified = &timestamppb.Timestamp{Seconds: -62_167_305_600} }), "modified"},
		"enormous":     {change(func(r *mysqlv1.PurchaseInRow) { r.Remark = new(strings.Repeat("x", 20<<20)) }), ""},
	}
	for name, tt := range tests {
		for _, mode := range []string{modeUpsert, modeReplace} {
			for _, others := range []int64{1, loadFrom} {
				t.Run(fmt.Sprintf("%s in mode %s beside %d", name, mode, others), func(t *testing.T) {
					batch := []sink.Message{tt.message}
					for i := range others {
						batch = append(batch, receipt(t, i+2, 1, line(i+2, 1, "")))
					}
					for i := range batch {
						batch[i].Options = url.Values{"mode": {mode}}
					}
					err := openSink(t, settingsOf(db)).Write(t.Context(), batch)
					if !fault.IsPermanent(err) || fault.ClassOf(err) != "data" || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("Write = %s %s %.200v, want permanent data %q", fault.KindOf(err), fault.ClassOf(err), err, tt.want)
					}
					if got := stored(t, db.DB, "SELECT COUNT(*) FROM purchasein_query") + stored(t, db.DB, "SELECT COUNT(*) FROM erpstream_guard"); got != "00" {
						t.Errorf("rows and guard rows = %s, want none", got)
					}
				})
			}
		}
	}
}

func TestManyRows(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	mustWrite(t, w, receipt(t, 1, 1, lines(1, 5000, strings.Repeat("长", 900))...), receipt(t, 2, 1, lines(2, 3, "")...))
	mustWrite(t, w, receipt(t, 1, 2, lines(1, 2500, "")...), receipt(t, 2, 2, lines(2, 1, "")...))
	if got := stored(t, db.DB, "SELECT CONCAT(io_id, ':', COUNT(*)) FROM purchasein_query GROUP BY io_id ORDER BY io_id"); got != "1:2500,2:1" {
		t.Errorf("rows = %s", got)
	}
}

func TestRowsFromBeforeTheGuardAreReplacedToo(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	execute(t, db.DB, "INSERT INTO purchasein_query (id, io_id, modified, status, items_ioi_id, items_qty) VALUES ('1-1', 1, NOW(), '', 1, 1), ('1-9', 1, NOW(), '', 9, 1)")
	mustWrite(t, openSink(t, settingsOf(db)), receipt(t, 1, 1, line(1, 1, "new")))
	if got := stored(t, db.DB, "SELECT CONCAT(id, remark) FROM purchasein_query"); got != "1-1new" {
		t.Errorf("rows = %s", got)
	}
}

func TestLockOfAnotherIsTriedAgainThenBusy(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	mustWrite(t, openSink(t, settingsOf(db)), receipt(t, 1, 1, line(1, 1, "one")))
	cfg, err := mysql.ParseDSN(db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Params = map[string]string{"innodb_lock_wait_timeout": "1"}
	impatient, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	connected := sql.OpenDB(impatient)
	defer func() { _ = connected.Close() }()
	w := newWriter(connected, time.UTC)
	hold := func() *sql.Tx {
		tx, begun := db.BeginTx(t.Context(), nil)
		if begun != nil {
			t.Fatal(begun)
		}
		if _, held := tx.ExecContext(t.Context(), "UPDATE erpstream_guard SET flow = 'held'"); held != nil {
			t.Fatal(held)
		}
		return tx
	}
	tx := hold()
	err = w.Write(t.Context(), []sink.Message{receipt(t, 1, 2, line(1, 1, "two"))})
	if fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != "lock" {
		t.Errorf("while held: %s %s %v, want busy lock", fault.KindOf(err), fault.ClassOf(err), err)
	}
	time.AfterFunc(1500*time.Millisecond, func() { _ = tx.Rollback() })
	mustWrite(t, w, receipt(t, 1, 2, line(1, 1, "two"))) // the second attempt gets it
	if got := stored(t, db.DB, "SELECT remark FROM purchasein_query"); got != "two" {
		t.Errorf("remark = %s", got)
	}
	tx = hold()
	defer func() { _ = tx.Rollback() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = w.Write(ctx, []sink.Message{receipt(t, 1, 3)})
	if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Unknown || time.Since(start) > time.Second {
		t.Errorf("context ended while waiting: %v after %s", err, time.Since(start))
	}
}

func TestDeadlockIsTriedAgain(t *testing.T) {
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	var batch []sink.Message
	for d := range int64(50) {
		batch = append(batch, receipt(t, d+10, 1, line(d+10, 1, "one")))
	}
	mustWrite(t, w, batch...)
	const count = "SELECT `COUNT` FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'"
	before := stored(t, db.DB, count)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	// The other one has more to lose, so the server ends the sink's transaction.
	if _, err := tx.ExecContext(t.Context(), "UPDATE erpstream_guard SET flow = 'held' WHERE target_table = 'purchasein_query' AND document > '11'"); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		written <- w.Write(t.Context(), []sink.Message{receipt(t, 10, 2, line(10, 1, "two")), receipt(t, 59, 2, line(59, 1, "two"))})
	}()
	time.Sleep(300 * time.Millisecond) // it has 10 and waits for 59
	if _, err := tx.ExecContext(t.Context(), "UPDATE erpstream_guard SET flow = 'held' WHERE target_table = 'purchasein_query' AND document = '10'"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Errorf("Write = %v", err)
	}
	if got := stored(t, db.DB, "SELECT id FROM purchasein_query WHERE remark = 'two' ORDER BY id"); got != "10-1,59-1" {
		t.Errorf("written rows = %s", got)
	}
	if after := stored(t, db.DB, count); after == before {
		t.Errorf("there was no deadlock: %s before, %s after", before, after)
	}
}

func TestStatementsFitTheirBounds(t *testing.T) {
	var documents []*document
	for i := range 700 {
		d := &document{Encoded: table.Encoded{Key: strconv.Itoa(i)}}
		for range i % 40 {
			d.Rows = append(d.Rows, table.EncodedRow{Values: bytes.Repeat([]byte("x"), i*20)})
		}
		documents = append(documents, d)
	}
	var swept int
	for part := range sweeps(documents) {
		rows := 0
		for _, d := range part {
			rows += len(d.Rows)
		}
		if len(part) > maxDocuments || (rows > maxKeys && len(part) > 1) {
			t.Errorf("a sweep of %d documents and %d rows", len(part), rows)
		}
		swept += len(part)
	}
	var inserted int
	for query := range (&target{head: "(", tail: ";"}).inserts(documents) {
		rows := strings.Count(query, ")")
		if rows > maxRows || len(query) > maxBytes+100 || query[0] != '(' || query[len(query)-1] != ';' {
			t.Errorf("an insert of %d rows and %d bytes", rows, len(query))
		}
		inserted += rows
	}
	if swept != 700 || inserted != 700/40*780+19*20/2 {
		t.Errorf("%d documents swept, %d rows inserted", swept, inserted)
	}
}
