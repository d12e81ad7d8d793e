package sink

import (
	"cmp"
	"context"
	"strings"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/seam"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// A failed attempt's receipt has at most errorMost bytes of the error, those of one batch together
// errorsMost, so that a batch that fails as a whole fits into its messages.
const (
	errorMost  = 1 << 10
	errorsMost = 256 << 10
)

// publish stores the receipts of a batch: the outcomes, and the attempts that failed. The error is
// that of the outcomes; the story of a message is not worth its delivery.
func (r *runner) publish(ctx context.Context, p part) error {
	told, stored, failed := p.receipts(true)
	if stored == 0 {
		if err := r.book.Publish(ctx, told); err != nil {
			r.log.WarnContext(ctx, "failed attempts not noted", "err", err)
		}
		return nil
	}
	err := consume.Insist(ctx, func() error {
		err := r.book.Publish(ctx, told)
		if err != nil && failed > 0 {
			outcomes, _, _ := p.receipts(false)
			err = r.book.Publish(ctx, outcomes)
		}
		return err
	})
	seam.Reach(seam.SinkBooked)
	return err
}

// receipts are the outcomes of messages by flow and, where that is wanted, the attempts that failed; with
// how many there are of each.
func (p part) receipts(attempts bool) (byFlow map[string][]*ledgerv1.Receipt, stored, failed int) {
	byFlow = map[string][]*ledgerv1.Receipt{}
	all := make([]outcome, len(p.batch))
	most := min(errorMost, errorsMost/max(1, len(p.batch)))
	for i := range p.batch {
		m, err := &p.batch[i], p.errs[i]
		switch {
		case err == nil:
			byFlow[m.Flow] = append(byFlow[m.Flow], all[i].stored(m))
			stored++
		case attempts && !hopeless(err, m.Attempt) && !untouched(err):
			byFlow[m.Flow] = append(byFlow[m.Flow], all[i].retried(m, err, most))
			failed++
		}
	}
	return byFlow, stored, failed
}

// outcome is a receipt with its values, so that those of a batch are one piece of memory.
type outcome struct {
	receipt  ledgerv1.Receipt
	outcome  Outcome
	attempts int32
}

// of returns the receipt of a message.
func (o *outcome) of(m *Message, what Outcome) *ledgerv1.Receipt {
	o.outcome, o.attempts = what, int32(m.Attempt) //nolint:gosec // attempts are few
	r := &o.receipt
	r.RawSequence, r.Key, r.Version, r.Outcome = &m.RawSequence, &m.Key, &m.Version, &o.outcome
	r.Attempts, r.FlowRevision = &o.attempts, &m.FlowRevision
	return r
}

// stored says what became of a message.
func (o *outcome) stored(m *Message) *ledgerv1.Receipt {
	r := o.of(m, cmp.Or(m.Outcome, Committed))
	r.ExternalId = &m.ExternalID
	return r
}

// retried says what an attempt failed with, in that many bytes at most.
func (o *outcome) retried(m *Message, err error, most int) *ledgerv1.Receipt {
	text, class := err.Error(), fault.ClassOf(err)
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	r := o.of(m, ledgerv1.Outcome_OUTCOME_RETRIED)
	r.Error, r.ErrorClass = &text, &class
	return r
}
