package floor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// Promises is how many of erpstream's promises the floor keeps, each with those before it.
type Promises int

// The promises, in the order in which a record meets them.
const (
	None Promises = iota
	// Flushed is that nothing acknowledged is lost with the machine: target messages are stored in atomic
	// batches, which a server with sync_interval: always flushes once each.
	Flushed
	// Enveloped is that any team can read them, in parallel and in order: they have the envelope's headers,
	// an id that the server knows again, and a partition.
	Enveloped
	// Guarded is that no older state overwrites a newer one and no line that vanished stays: documents are
	// locked in the guard and their rows looked up, in the rows' transaction.
	Guarded
	// Booked is that each outcome can be accounted for: receipts are stored before anything is acknowledged.
	Booked
)

// batchSize is how many target messages go together.
const batchSize = 500

// partitioned matches target messages with a partition.
const partitioned = "target.mysql.floor.floor.*"

// together is records, and the target messages that they became.
type together struct {
	raw  []jetstream.Msg
	made []*nats.Msg
}

// transformBatches maps records and acknowledges them once the batch of their target messages is stored;
// meanwhile the next one is mapped.
func (h *hop) transformBatches(ctx context.Context) error {
	full, stored := make(chan together, 1), make(chan error, 1)
	go func() { stored <- h.storeBatches(ctx, full) }()
	var next together
	left := h.Records
	err := h.messages(ctx, topology.Raw, rawFilter, "floor-transformer", func(msg jetstream.Msg) error {
		made, err := h.mapped(msg)
		next.raw, next.made = append(next.raw, msg), append(next.made, made)
		if left--; left == 0 || len(next.made) == batchSize {
			full <- next
			next = together{}
		}
		return err
	})
	close(full)
	return errors.Join(err, <-stored, h.nc.FlushTimeout(stalled))
}

// storeBatches stores batches one after the other, and returns the first error.
func (h *hop) storeBatches(ctx context.Context, full <-chan together) error {
	var first error
	for b := range full {
		if first != nil {
			continue
		}
		_, first = batch.Publish(ctx, h.js, b.made)
		for i := 0; i < len(b.raw) && first == nil; i++ {
			first = b.raw[i].Ack()
		}
	}
	return first
}

// mapped is the target message of a record.
func (h *hop) mapped(raw jetstream.Msg) (*nats.Msg, error) {
	body, err := PurchaseIn(make([]byte, 0, len(raw.Data())), raw.Data())
	msg := &nats.Msg{Subject: Subject, Data: body, Header: nats.Header{}}
	if h.Promises < Enveloped {
		return msg, err
	}
	maps.Copy(msg.Header, raw.Headers())
	id := msg.Header.Get(topology.HeaderID) + "/floor/1"
	for name, value := range map[string]string{
		topology.HeaderID: id, topology.HeaderMsgID: id, topology.HeaderFlow: "floor", topology.HeaderFlowRevision: "1",
		topology.HeaderDataSchema: "erpstream.mysql.v1.PurchaseIn",
	} {
		msg.Header.Set(name, value)
	}
	msg.Subject = strings.TrimSuffix(partitioned, "*") + topology.Partition(keyOf(raw))
	return msg, err
}

// diveIntoIndex keeps MariaDB from reading all of an index for a list of documents.
const diveIntoIndex = "SET eq_range_index_dive_limit = 0, in_predicate_conversion_threshold = 0"

func keyOf(msg jetstream.Msg) string { return msg.Headers().Get(topology.HeaderSubject) }

// guarded runs the statement that writes what messages say in one transaction with their guard. It is for
// documents that the database does not have; another one is an error.
func guarded(ctx context.Context, conn *sql.Conn, statement string, messages []jetstream.Msg) error {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	lock := []byte("INSERT INTO erpstream_guard (target_table, document, version, raw_sequence, flow_revision, flow, written_at) VALUES ")
	find := []byte("SELECT id FROM purchasein_query WHERE io_id IN (")
	for i, msg := range messages {
		if i > 0 {
			lock, find = append(lock, ','), append(find, ',')
		}
		lock = fmt.Appendf(lock, "('purchasein_query','%s',%s,1,1,'floor',UTC_TIMESTAMP(3))", keyOf(msg), msg.Headers().Get(topology.HeaderRecordVersion))
		find = append(find, keyOf(msg)...)
	}
	lock = append(lock, " ON DUPLICATE KEY UPDATE version = GREATEST(version, VALUES(version)) RETURNING document, version"...)
	for _, ask := range []struct {
		query []byte
		rows  int
	}{{lock, len(messages)}, {append(find, ')'), 0}} {
		if err := counts(ctx, tx, string(ask.query), ask.rows); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, statement); err != nil {
		return err
	}
	return tx.Commit()
}

// counts wants a query to have that many rows.
func counts(ctx context.Context, tx *sql.Tx, query string, want int) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	got := 0
	for rows.Next() {
		got++
	}
	if got != want && rows.Err() == nil {
		return fmt.Errorf("%d rows, want %d: %.60s", got, want, query)
	}
	return rows.Err()
}

// book stores the receipts of messages.
func (h *hop) book(ctx context.Context, messages []jetstream.Msg) error {
	receipts := make([]*ledgerv1.Receipt, len(messages))
	for i, msg := range messages {
		version, err := strconv.ParseInt(msg.Headers().Get(topology.HeaderRecordVersion), 10, 64)
		if err != nil {
			return err
		}
		receipts[i] = &ledgerv1.Receipt{
			RawSequence: new(uint64(i)), Key: new(keyOf(msg)), Version: &version,
			Outcome: ledgerv1.Outcome_OUTCOME_COMMITTED.Enum(), Attempts: new(int32(1)), FlowRevision: new(uint64(1)),
		}
	}
	return receipt.NewBook(h.js, "floor-sink", "1").Publish(ctx, map[string][]*ledgerv1.Receipt{"floor": receipts})
}
