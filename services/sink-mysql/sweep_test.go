package main

import (
	"strconv"
	"testing"

	"github.com/erpstream/erpstream/pkg/sink"
)

// TestOldStatisticsAreNotBelieved has a table whose statistics are from its first document, as they are until the
// server has counted again: documents are looked up one by one all the same, and not by reading the whole index.
func TestOldStatisticsAreNotBelieved(t *testing.T) {
	const batchSize, batches = 1000, 10
	db := testDatabase(t, purchaseIn)
	w := openSink(t, settingsOf(db))
	w.db.SetMaxOpenConns(1) // the session whose reads are counted
	mustWrite(t, w, receipt(t, 1, 1, lines(1, 3, "")...))
	execute(t, db.DB, "ALTER TABLE purchasein_query STATS_AUTO_RECALC = 0")
	execute(t, db.DB, "ANALYZE TABLE purchasein_query")
	fresh := func(n int64) []sink.Message {
		var batch []sink.Message
		for i := range int64(batchSize) {
			batch = append(batch, receipt(t, n*batchSize+i, 1, lines(n*batchSize+i, 3, "")...))
		}
		return batch
	}
	for n := range int64(batches) {
		mustWrite(t, w, fresh(n+1)...)
	}
	execute(t, db.DB, "FLUSH TABLES purchasein_query") // it learns how many rows there are when it is opened
	for _, documents := range []int{batchSize, batchSize / 2} {
		before := indexReads(t, w)
		mustWrite(t, w, fresh(batches + 1)[batchSize-documents:]...)
		if read := indexReads(t, w) - before; read > 3*batchSize {
			t.Errorf("%d entries of the index were read for %d documents among %d", read, documents, batches*batchSize)
		}
	}
}

// indexReads is how many entries of indexes the writer's session has read one after the other.
func indexReads(t *testing.T, w *writer) int {
	t.Helper()
	n, err := strconv.Atoi(stored(t, w.db, "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'HANDLER_READ_NEXT'"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
