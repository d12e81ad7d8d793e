package sink

import (
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
func (r *runner) publish(ctx context.Context, deliveries []*delivery) error {
	outcomes, told, failed := map[string][]*ledgerv1.Receipt{}, map[string][]*ledgerv1.Receipt{}, false
	most := min(errorMost, errorsMost/max(1, len(deliveries)))
	for _, d := range deliveries {
		switch {
		case d.err == nil:
			outcomes[d.Flow] = append(outcomes[d.Flow], d.receipt())
			told[d.Flow] = append(told[d.Flow], d.receipt())
		case !d.hopeless() && !d.untouched():
			told[d.Flow], failed = append(told[d.Flow], d.retried(most)), true
		}
	}
	if len(outcomes) == 0 {
		if err := r.book.Publish(ctx, told); err != nil {
			r.log.WarnContext(ctx, "failed attempts not noted", "err", err)
		}
		return nil
	}
	err := consume.Insist(ctx, func() error {
		err := r.book.Publish(ctx, told)
		if err != nil && failed {
			err = r.book.Publish(ctx, outcomes)
		}
		return err
	})
	seam.Reach(seam.SinkBooked)
	return err
}

// receipt says what became of d.
func (d *delivery) receipt() *ledgerv1.Receipt {
	outcome, attempts := d.Outcome, int32(d.Attempt)
	if outcome == ledgerv1.Outcome_OUTCOME_UNSPECIFIED {
		outcome = Committed
	}
	return &ledgerv1.Receipt{
		RawSequence: &d.RawSequence, Key: &d.Key, Version: &d.Version, Outcome: &outcome,
		ExternalId: &d.ExternalID, Attempts: &attempts, FlowRevision: &d.FlowRevision,
	}
}

// retried says what d's attempt failed with, in that many bytes at most.
func (d *delivery) retried(most int) *ledgerv1.Receipt {
	attempts, text, class := int32(d.Attempt), d.err.Error(), fault.ClassOf(d.err)
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	return &ledgerv1.Receipt{
		RawSequence: &d.RawSequence, Key: &d.Key, Version: &d.Version, Outcome: ledgerv1.Outcome_OUTCOME_RETRIED.Enum(),
		Attempts: &attempts, FlowRevision: &d.FlowRevision, Error: &text, ErrorClass: &class,
	}
}
