package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// window is one window with the steps on the way to it.
type window struct {
	from, to, read time.Time
	closed         bool
	backfill       string
	intake         Account
	// batches are the records that each of its messages owns.
	batches []batch
}

// batch is a run of sequences in RAW, of which last is the last.
type batch struct{ first, last uint64 }

// sequences yields the records of the window.
func (w *window) sequences() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, b := range w.batches {
			for s := b.first; s <= b.last; s++ {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// follows reports whether a message belongs to the same reading as the steps before it.
func (w *window) follows(m *ledgerv1.Window) bool {
	return !w.closed && m.GetStepped() > 0 && w.from.Equal(m.GetFrom().AsTime()) && w.backfill == m.GetBackfill()
}

// add takes a message that lies at a sequence of RAW.
func (w *window) add(m *ledgerv1.Window, sequence uint64, read time.Time) {
	w.from, w.to, w.read = m.GetFrom().AsTime(), m.GetTo().AsTime(), read
	w.closed, w.backfill = m.GetClosed(), m.GetBackfill()
	w.intake.add(Account{SourceTotal: totalOf(m), Removed: m.GetRemoved(), Published: m.GetPublished(), Unchanged: m.GetUnchanged()})
	if n := m.GetPublished(); n > 0 && uint64(n) < sequence {
		w.batches = append(w.batches, batch{sequence - uint64(n), sequence - 1})
	}
}

// history is the windows of one source.
type history struct {
	// windows are those with something in them, in the order of RAW.
	windows []*window
	// last is where in RAW the newest message lies, cursor what it says.
	last   copied
	cursor time.Time
	// lost are the windows of a RAW that was made anew since: their records are gone with it.
	lost []*window
}

// copyWait is how long LEDGER may take to get a window that RAW has.
const copyWait = 30 * time.Second

// readHistory reads the windows of a source from LEDGER: all that RAW had when it was called.
func readHistory(ctx context.Context, t tail, source string) (*history, error) {
	newest, err := newestWindow(ctx, t.js, source)
	if err != nil {
		return nil, err
	}
	h := &history{}
	t.stream, t.filters, t.take = topology.Ledger, []string{topology.WindowSubject(source)}, h.take
	deadline := time.Now().Add(copyWait)
	for {
		if err := t.read(ctx); err != nil {
			return nil, err
		}
		if h.last.sequence >= newest {
			return h, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("stream %s lacks windows of source %s: %s has one at sequence %d, the last copied one is %d; `erpstream provision --plan` says whether its configuration is whole",
				topology.Ledger, source, topology.Raw, newest, h.last.sequence)
		}
		consume.Pause(ctx, 50*time.Millisecond)
	}
}

// newestWindow is the sequence in RAW of a source's last window, 0 when there is none.
func newestWindow(ctx context.Context, js jetstream.JetStream, source string) (uint64, error) {
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	msg, err := raw.GetLastMsgForSubject(ctx, topology.WindowSubject(source))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("last window of source %s: %w", source, err)
	}
	return msg.Sequence, nil
}

func (h *history) take(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	at, err := origin(msg)
	switch {
	case err != nil:
		return err
	case at.stream != h.last.stream && h.last.stream != "" && at.stream != "":
		h.lost, h.windows = append(h.lost, h.windows...), nil
	case at.sequence <= h.last.sequence: // the second copy of a window
		return nil
	}
	m := new(ledgerv1.Window)
	if err := proto.Unmarshal(msg.Data(), m); err != nil {
		return fmt.Errorf("window: %w", err)
	}
	h.last, h.cursor = at, m.GetCursor().AsTime()
	if n := len(h.windows); n > 0 && h.windows[n-1].follows(m) {
		h.windows[n-1].add(m, at.sequence, meta.Timestamp)
		return nil
	}
	if totalOf(m) == 0 && m.GetPublished() == 0 && m.GetUnchanged() == 0 {
		return nil
	}
	w := &window{}
	w.add(m, at.sequence, meta.Timestamp)
	h.windows = append(h.windows, w)
	return nil
}

// sourceHeader is where the server says what a sourced message is a copy of: the stream, the sequence in
// it, the filter, the transform, the subject and, from 2.15 on, what tells the stream from one of the same
// name that was there before.
const sourceHeader = "Nats-Stream-Source"

// copied is which message of RAW a message of LEDGER is a copy of. stream is empty where the server does
// not say it.
type copied struct {
	stream   string
	sequence uint64
}

func origin(msg jetstream.Msg) (copied, error) {
	parts := strings.Fields(msg.Headers().Get(sourceHeader))
	if len(parts) < 2 {
		return copied{}, fmt.Errorf("window without a header %s that names its sequence in %s", sourceHeader, topology.Raw)
	}
	sequence, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return copied{}, fmt.Errorf("window: header %s: %w", sourceHeader, err)
	}
	at := copied{sequence: sequence}
	if len(parts) > 5 {
		at.stream = parts[5]
	}
	return at, nil
}
