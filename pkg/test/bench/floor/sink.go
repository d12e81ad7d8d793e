package floor

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// connections is how many the sink writes on.
const connections = 2

// load is the rows of one statement, and the messages that they are made of.
type load struct {
	rows     []byte
	messages []jetstream.Msg
}

// sink writes the rows of target messages, each statement a transaction, and acknowledges the messages
// after it.
func sink(ctx context.Context, args []string) error {
	h, err := openHop(args)
	if err != nil {
		return err
	}
	defer h.nc.Close()
	db, err := sql.Open("mysql", h.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	loads := make(chan load)
	var writers sync.WaitGroup
	for n := range connections {
		writers.Go(func() {
			if err := h.write(ctx, db, loads, "floor-"+strconv.Itoa(n)); err != nil {
				fail(err)
			}
		})
	}
	err = h.collect(ctx, loads)
	close(loads)
	writers.Wait()
	return errors.Join(err, context.Cause(ctx), h.nc.FlushTimeout(stalled))
}

// collect takes messages and passes their rows on.
func (h *hop) collect(ctx context.Context, loads chan<- load) error {
	location, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return err
	}
	c := collector{Work: h.Work, dialect: literals, location: location, loads: loads}
	if h.LoadData {
		c.dialect = lines
	}
	stream, filter := topology.Target, Subject
	switch {
	case h.OneHop:
		stream, filter = topology.Raw, rawFilter
	case h.Promises >= Enveloped:
		filter = partitioned
	}
	err = h.messages(ctx, stream, filter, "floor-sink", func(msg jetstream.Msg) error { return c.take(ctx, msg) })
	if err == nil && len(c.next.messages) > 0 {
		err = c.pass(ctx)
	}
	return err
}

// collector makes loads of messages.
type collector struct {
	Work
	dialect
	location *time.Location
	loads    chan<- load
	next     load
	count    int    // rows in next
	made     []byte // the target message of a record
}

func (c *collector) take(ctx context.Context, msg jetstream.Msg) (err error) {
	target := msg.Data()
	if c.OneHop {
		if c.made, err = PurchaseIn(c.made[:0], target); err != nil {
			return err
		}
		target = c.made
	}
	var rows int
	if c.next.rows, rows, err = c.appendRows(c.next.rows, target, c.location); err != nil {
		return fmt.Errorf("target message: %w", err)
	}
	c.next.messages = append(c.next.messages, msg)
	if c.count += rows; c.count >= c.rows {
		return c.pass(ctx)
	}
	return nil
}

// pass passes on what was collected, and begins anew with room for as much.
func (c *collector) pass(ctx context.Context) error {
	select {
	case c.loads <- c.next:
		c.next, c.count = load{rows: make([]byte, 0, len(c.next.rows)+len(c.next.rows)/8)}, 0
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write runs statements on a connection of its own. name is that of the reader that LOAD DATA asks for.
func (h *hop) write(ctx context.Context, db *sql.DB, loads <-chan load, name string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if h.Promises >= Guarded {
		if _, err := conn.ExecContext(ctx, diveIntoIndex); err != nil {
			return err
		}
	}
	for l := range loads {
		statement := "REPLACE INTO purchasein_query VALUES " + string(bytes.TrimSuffix(l.rows, []byte(",")))
		if h.LoadData {
			mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(l.rows) })
			statement = "LOAD DATA LOCAL INFILE 'Reader::" + name + "' REPLACE INTO TABLE purchasein_query CHARACTER SET utf8mb4"
		}
		if err := h.store(ctx, conn, statement, l.messages); err != nil {
			return err
		}
		for _, msg := range l.messages {
			if err := msg.Ack(); err != nil {
				return err
			}
		}
	}
	return nil
}

// store runs the statement that writes what messages say, and keeps the promises about it.
func (h *hop) store(ctx context.Context, conn *sql.Conn, statement string, messages []jetstream.Msg) error {
	if h.Promises < Guarded {
		_, err := conn.ExecContext(ctx, statement)
		return err
	}
	if err := guarded(ctx, conn, statement, messages); err != nil || h.Promises < Booked {
		return err
	}
	return h.book(ctx, messages)
}
