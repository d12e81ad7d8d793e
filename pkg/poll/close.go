package poll

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/trace"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// batchRecords is how many records fit in one atomic batch beside their window.
const batchRecords = topology.BatchLimit - 1

// commitWait bounds one atomic batch, which waits for the disk.
const commitWait = 30 * time.Second

// ErrFenced means that another poller moved the source's cursor: nothing was published.
var ErrFenced = errors.New("another poller moved the cursor")

// position is how far a source is proved: all that changed before the time, and all below the row
// version, which is 0 where the source was never read by row version.
type position struct {
	time    time.Time
	version int64
}

// cursor is where a source stands, and the sequence of the window that says so, 0 when there is
// none yet.
type cursor struct {
	position
	sequence uint64
}

// load reads the cursor of a source from its last window. There is one for each source: a job that lets
// another one poll between its calls sees where that has moved it.
func (p *Poller) load(ctx context.Context, src Source) (*cursor, error) {
	begin := src.Start.Truncate(src.Feed.Window.Resolution)
	cur := p.cursors[src.Name]
	if cur == nil {
		cur = &cursor{}
		p.cursors[src.Name] = cur
	}
	var w *ledgerv1.Window
	var sequence uint64
	err := p.withRoom(ctx, func() (err error) {
		w, sequence, err = LastWindow(ctx, p.js, src.Name)
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		*cur = cursor{position: position{time: begin}}
		return cur, nil
	}
	if err != nil {
		return nil, err
	}
	*cur = cursor{position{time: w.GetCursor().AsTime(), version: w.GetVersionCursor()}, sequence}
	if cur.time.IsZero() { // reading by row version has no start, and did not come to an end yet
		cur.time = begin
	}
	return cur, nil
}

// LastWindow returns the newest window message of a source and its sequence in RAW. The error is
// jetstream.ErrMsgNotFound when the source was never polled.
func LastWindow(ctx context.Context, js jetstream.JetStream, source string) (*ledgerv1.Window, uint64, error) {
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return nil, 0, fmt.Errorf("look up stream %s: %w", topology.Raw, err)
	}
	msg, err := raw.GetLastMsgForSubject(ctx, topology.WindowSubject(source))
	if err != nil {
		return nil, 0, fmt.Errorf("last window of source %s: %w", source, err)
	}
	w := new(ledgerv1.Window)
	if err := proto.Unmarshal(msg.Data, w); err != nil {
		return nil, 0, fmt.Errorf("last window of source %s, sequence %d: %w", source, msg.Sequence, err)
	}
	return w, msg.Sequence, nil
}

// harvest is what a reading brought.
type harvest struct {
	reading
	// news goes into RAW, tombstones last; unchanged documents are there already.
	news      []document
	unchanged int
	// next is where the source stands once it is in RAW.
	next position
	// backfill is the id of the backfill that asked for the reading, "" when a tick did.
	backfill string
}

// publish puts a harvest into RAW and closes its window, all in one atomic batch where it fits.
// Where it doesn't, steps go before it: each is a batch of its own with a window that is not closed
// yet. A batch that holds an id that the server knows already is refused whole, so the batches get
// smaller until that record stands alone.
func (p *Poller) publish(ctx context.Context, src Source, cur *cursor, known *known, h harvest) error {
	seam.Reach(seam.PollRead)
	size, stepped := batchRecords, 0
	for closed := false; !closed; {
		n := min(size, len(h.news))
		closed = n == len(h.news)
		removed := countRemoved(h.news[:n])
		w := p.describe(src, cur, h)
		w.Published, w.Removed, w.Stepped = proto.Int64(int64(n)), proto.Int64(int64(removed)), proto.Int64(int64(stepped))
		if closed {
			w.Closed, w.Unchanged = &closed, proto.Int64(int64(h.unchanged))
			w.Cursor, w.VersionCursor = timestamppb.New(h.next.time), proto.Int64(h.next.version)
		}
		err := p.commit(ctx, src, cur, h.news[:n], w)
		switch {
		case batch.IsDuplicate(err) && n == 1:
			h.unchanged += n - removed
			h.news, closed = h.news[1:], false
		case batch.IsDuplicate(err):
			size, closed = n/2, false
		case err != nil:
			return err
		default:
			known.remember(src, h.news[:n], h.turn, cur.sequence, p.Now())
			h.news, stepped = h.news[n:], stepped+n-removed
			if !closed {
				seam.Reach(seam.PollStep)
			}
		}
	}
	seam.Reach(seam.PollCommitted)
	return nil
}

func countRemoved(docs []document) int {
	n := 0
	for _, d := range docs {
		if d.removed {
			n++
		}
	}
	return n
}

// describe returns the window message of a harvest, still open and with nothing published.
func (p *Poller) describe(src Source, cur *cursor, h harvest) *ledgerv1.Window {
	return &ledgerv1.Window{
		Source:        &src.Name,
		From:          timestamppb.New(h.from),
		To:            timestamppb.New(h.to),
		Cursor:        timestamppb.New(cur.time),
		VersionCursor: proto.Int64(cur.version),
		TotalBefore:   proto.Int64(int64(h.totalBefore)),
		TotalAfter:    proto.Int64(int64(h.totalAfter)),
		Pages:         proto.Int32(int32(h.pages)), //nolint:gosec // pages of one window
		Distinct:      proto.Int64(int64(len(h.documents))),
		Attempts:      proto.Int32(int32(h.attempts)), //nolint:gosec // attempts are few
		Backfill:      &h.backfill,
		Poller:        &p.instance,
	}
}

// commit publishes records and the window behind them in one atomic batch, which the server
// takes only if no other window came since the cursor was read.
func (p *Poller) commit(ctx context.Context, src Source, cur *cursor, docs []document, w *ledgerv1.Window) error {
	body, err := proto.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode window of source %s: %w", src.Name, err)
	}
	msgs := make([]*nats.Msg, 0, len(docs)+1)
	for _, d := range docs {
		msgs = append(msgs, d.message(ctx, src))
	}
	window := nats.NewMsg(topology.WindowSubject(src.Name))
	window.Data = body
	window.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(cur.sequence, 10))
	window.Header.Set(jetstream.MsgTTLHeader, "never")
	var sequence uint64
	err = p.withRoom(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, commitWait)
		defer cancel()
		sequence, err = batch.Publish(ctx, p.js, append(msgs, window))
		return err
	})
	switch {
	case err == nil:
		cur.sequence = sequence
		cur.position = position{w.GetCursor().AsTime(), w.GetVersionCursor()}
		trace.Sent(ctx, topology.Raw, src.Name, len(docs))
		return nil
	case topology.IsFenced(err):
		return fmt.Errorf("close window of source %s: %w", src.Name, ErrFenced)
	case errors.Is(err, nats.ErrMaxPayload):
		return fault.Permanent("size", fmt.Errorf("publish records of source %s: a document is larger than the server takes (max_payload %d bytes): %w", src.Name, p.js.Conn().MaxPayload(), err))
	default:
		return fmt.Errorf("publish %d records of source %s: %w", len(docs), src.Name, err)
	}
}

// envelope says what the document is, as a record of the source.
func (d document) envelope(src Source) record.Envelope {
	kind := src.Feed.Name
	switch {
	case d.unreadable:
		kind += record.UnreadableSuffix
	case d.removed:
		kind += record.RemovedSuffix
	}
	return record.Envelope{ID: d.id, Source: src.Name, Type: kind, Key: d.Key, Version: d.Version, Time: d.Modified}
}

// message is the record as it goes into RAW.
func (d document) message(ctx context.Context, src Source) *nats.Msg {
	msg := nats.NewMsg(topology.RawSubject(src.Feed.System, src.Name, d.Key))
	e := d.envelope(src)
	e.TraceParent = trace.Parent(ctx)
	msg.Header = e.Header()
	msg.Data = d.body
	return msg
}

// unreadable is a row that has no key or no time of its own. It goes on as a record, so that it
// is counted, and becomes a dead letter where a flow meets it. Its key is made of its content, and
// its time is the epoch: read again, it is the same record.
func unreadable(row []byte) document {
	sum := sha256.Sum256(row)
	return document{
		Identity:   feed.Identity{Key: "unreadable-" + hex.EncodeToString(sum[:8]), Modified: time.Unix(0, 0)},
		body:       row,
		unreadable: true,
	}
}
