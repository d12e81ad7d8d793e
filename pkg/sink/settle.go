package sink

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/seam"
)

// settle is the only place where messages are settled: receipts first, then the ack; the letter
// first, then the end; everything else comes again.
func (r *runner) settle(ctx context.Context, h *hand) {
	defer h.stop()
	unbooked := r.publish(ctx, h.part)
	for i, msg := range h.msgs {
		var err error
		m, failed := &h.batch[i], h.errs[i]
		switch {
		case failed == nil && unbooked == nil:
			err = msg.Ack()
		case failed == nil:
			err = msg.NakWithDelay(retryDelay(m.Attempt, unbooked))
		case hopeless(failed, m.Attempt):
			err = r.bury(ctx, msg, m, failed)
		case untouched(failed):
			err = msg.Nak()
		default:
			r.log.WarnContext(ctx, "message comes again", "flow", m.Flow, "key", m.Key, "attempt", m.Attempt, "err", failed)
			err = msg.NakWithDelay(retryDelay(m.Attempt, failed))
		}
		if err != nil {
			r.log.WarnContext(ctx, "message not settled, it comes again", "flow", m.Flow, "key", m.Key, "err", err)
		}
		seam.Reach(seam.SinkSettling)
	}
}

// bury moves a message to DEAD; when that can't be had the message comes again.
func (r *runner) bury(ctx context.Context, msg jetstream.Msg, m *Message, reason error) error {
	r.log.ErrorContext(ctx, "dead letter", "flow", m.Flow, "key", m.Key, "class", fault.ClassOf(reason), "err", reason)
	letter := dead.Letter{Stage: dead.Sink, Flow: m.Flow, RawSequence: m.RawSequence, Reason: reason, Message: msg}
	if err := consume.Insist(ctx, func() error { return dead.Bury(ctx, r.js, letter) }); err != nil {
		return errors.Join(err, msg.NakWithDelay(retryDelay(m.Attempt, err)))
	}
	seam.Reach(seam.SinkBuried)
	return msg.TermWithReason(fault.ClassOf(reason))
}
