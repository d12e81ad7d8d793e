package ledger

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// outcome is what became of one record. What a target said stands over a dead letter: a letter
// that was replayed is dead no more.
type outcome uint8

const (
	open outcome = iota
	deadTransform
	deadSink
	filtered
	superseded
	delivered
	kinds
)

// pageSize is how many sequences one page holds.
const pageSize = 4096

// outcomes holds one byte for each record of a flow, by its sequence in RAW, so that a record is
// counted once however often its outcome is said.
type outcomes struct {
	pages  map[uint64]*[pageSize]outcome
	counts [kinds]int64
}

func newOutcomes() *outcomes { return &outcomes{pages: map[uint64]*[pageSize]outcome{}} }

// get returns what became of a record, open when nothing is known.
func (o *outcomes) get(sequence uint64) outcome {
	page := o.pages[sequence/pageSize]
	if page == nil {
		return open
	}
	return page[sequence%pageSize]
}

// book notes what receipts say.
func (o *outcomes) book(all *ledgerv1.Receipts) error {
	for _, r := range all.GetReceipts() {
		switch r.GetOutcome() {
		case ledgerv1.Outcome_OUTCOME_COMMITTED, ledgerv1.Outcome_OUTCOME_UNCHANGED:
			o.set(r.GetRawSequence(), delivered)
		case ledgerv1.Outcome_OUTCOME_SUPERSEDED:
			o.set(r.GetRawSequence(), superseded)
		case ledgerv1.Outcome_OUTCOME_FILTERED:
			o.set(r.GetRawSequence(), filtered)
		case ledgerv1.Outcome_OUTCOME_RETRIED:
		default:
			return fmt.Errorf("receipt of key %s has the outcome %d, which this version does not know: a newer one wrote it, so account with that", r.GetKey(), r.GetOutcome())
		}
	}
	return nil
}

// set notes what became of a record. Counts never run twice: the record leaves its old outcome.
func (o *outcomes) set(sequence uint64, became outcome) {
	page := o.pages[sequence/pageSize]
	if page == nil {
		page = new([pageSize]outcome)
		o.pages[sequence/pageSize] = page
	}
	was := page[sequence%pageSize]
	if was > deadSink && became <= deadSink {
		return
	}
	o.counts[was]--
	o.counts[became]++
	page[sequence%pageSize] = became
}

// letter is a dead letter as the accounts see it: of which record of which flow, and on which way it
// died. It has no sequence where no record was behind it, and where the message is no letter but a note
// about one.
type letter struct {
	flow     string
	sequence uint64
	became   outcome
}

func readLetter(msg jetstream.Msg) (letter, error) {
	stage := msg.Headers().Get(topology.HeaderDeadStage)
	if stage == "" {
		return letter{}, nil
	}
	sequence, err := strconv.ParseUint(msg.Headers().Get(topology.HeaderDeadRaw), 10, 64)
	if err != nil {
		return letter{}, fmt.Errorf("dead letter: header %s: %w", topology.HeaderDeadRaw, err)
	}
	l := letter{flow: msg.Headers().Get(topology.HeaderDeadFlow), sequence: sequence, became: deadSink}
	if stage == "transform" {
		l.became = deadTransform
	}
	return l, nil
}

// sequences is a set of sequences in RAW: one bit for each, in pages.
type sequences map[uint64]*[pageSize / 64]uint64

func (s sequences) add(sequence uint64) {
	page := s[sequence/pageSize]
	if page == nil {
		page = new([pageSize / 64]uint64)
		s[sequence/pageSize] = page
	}
	page[sequence%pageSize/64] |= 1 << (sequence % 64)
}

func (s sequences) has(sequence uint64) bool {
	page := s[sequence/pageSize]
	return page != nil && page[sequence%pageSize/64]&(1<<(sequence%64)) != 0
}

// all yields the sequences of the set, page by page in no order.
func (s sequences) all() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for number, page := range s {
			for i, word := range page {
				for ; word != 0; word &= word - 1 {
					if !yield(number*pageSize + uint64(i)*64 + uint64(bits.TrailingZeros64(word))) { //nolint:gosec // i counts words of a page, from 0
						return
					}
				}
			}
		}
	}
}
