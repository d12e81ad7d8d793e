package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// places is where the records of a flow are that have no outcome yet.
type places struct {
	// mapped is the sequence of RAW up to which the transformer has settled everything, written that of
	// TARGET for each sink that has had messages of the flow, by kind and connection: an earlier
	// revision may have led elsewhere.
	mapped  uint64
	written map[[2]string]uint64
	parked  sequences
	// target holds what lies in TARGET ahead of the sink, replayed the sequence in DEAD of the letter
	// that it comes from.
	target   sequences
	replayed map[uint64]uint64
}

// read reads first how far the services are, so that what they settle meanwhile counts as on its way
// and has an outcome; then PARKED, which records leave for TARGET; then TARGET.
func (p *places) read(ctx context.Context, js jetstream.JetStream, f flow.Flow, open func(string, func(jetstream.Msg) error) tail) error {
	var err error
	if p.mapped, err = settled(ctx, js, topology.Raw, topology.TransformerConsumer(f.Name)); err != nil {
		return err
	}
	if p.written, err = settledSinks(ctx, js, f.Name); err != nil {
		return err
	}
	parked, err := readParked(ctx, js, f.Name)
	if err != nil {
		return err
	}
	p.parked, p.target, p.replayed = parked[f.Name], sequences{}, map[uint64]uint64{}
	t := open(topology.Target, p.take)
	t.filters, t.headersOnly = []string{topology.TargetFlowFilter(f.Name)}, true
	if len(p.written) > 0 {
		t.next = slices.Min(slices.Collect(maps.Values(p.written))) + 1
	}
	if err := t.read(ctx); err != nil {
		return err
	}
	return nil
}

// settledSinks is up to where each sink has settled everything for which TARGET has messages of a flow.
func settledSinks(ctx context.Context, js jetstream.JetStream, name string) (map[[2]string]uint64, error) {
	stream, err := js.Stream(ctx, topology.Target)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.Target, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(topology.TargetFlowFilter(name)))
	if err != nil {
		return nil, fmt.Errorf("subjects of stream %s: %w", topology.Target, err)
	}
	written := map[[2]string]uint64{}
	for subject := range info.State.Subjects {
		to := sinkOf(subject)
		if _, ok := written[to]; ok {
			continue
		}
		if written[to], err = settled(ctx, js, topology.Target, topology.SinkConsumer(to[0], to[1])); err != nil {
			return nil, err
		}
	}
	return written, nil
}

// sinkOf returns kind and connection of a subject of TARGET.
func sinkOf(subject string) [2]string {
	tokens := strings.Split(subject, ".")
	return [2]string{tokens[1], tokens[2]}
}

// settled is the sequence up to which a consumer has settled everything that is its own.
func settled(ctx context.Context, js jetstream.JetStream, stream, consumer string) (uint64, error) {
	info, err := consumerInfo(ctx, js, stream, consumer)
	if info == nil {
		return 0, err
	}
	return info.AckFloor.Stream, nil
}

// take notes a message of TARGET. One without an envelope is of no record, and a dead letter soon.
func (p *places) take(msg jetstream.Msg) error {
	sequence, ok := number(msg, topology.HeaderRawSequence)
	if !ok {
		return nil
	}
	meta, err := msg.Metadata()
	if err != nil || meta.Sequence.Stream <= p.written[sinkOf(msg.Subject())] {
		return err
	}
	p.target.add(sequence)
	if letter, ok := number(msg, topology.HeaderReplay); ok {
		p.replayed[sequence] = max(letter, p.replayed[sequence])
	}
	return nil
}

// number reads a header that is a sequence; ok is false where it is none.
func number(msg jetstream.Msg, header string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(msg.Headers().Get(header), 10, 64)
	return n, err == nil
}

// place is where a record is.
type place uint8

const (
	nowhere place = iota
	stored
	stale
	leftOut
	buried
	onShelf
	inRaw
	inTarget
	moving
	tooEarly
)

// where finds a record of a window. It is in one place at a time: what its target said comes before
// where it waits, and that before a letter that it was replayed from.
func (a *auditor) where(w *window, sequence uint64) place {
	became := a.outcomes.get(sequence)
	switch {
	case became == delivered:
		return stored
	case became == superseded:
		return stale
	case became == filtered:
		return leftOut
	case a.places.parked.has(sequence):
		return onShelf
	case became != open && a.places.replayed[sequence] < a.letters[sequence]:
		return buried
	case a.places.target.has(sequence):
		return inTarget
	case became != open:
		return buried
	case sequence > a.places.mapped && !a.aged(w, time.Now().Add(-expiry)):
		return inRaw
	case a.aged(w, a.made.Add(slack)):
		return tooEarly
	default:
		return nowhere
	}
}

// aged reports whether RAW had the records of a window no more at a time.
func (a *auditor) aged(w *window, at time.Time) bool {
	return a.rawAge > 0 && w.read.Add(a.rawAge).Before(at)
}

// count adds one record to an account.
func (p place) count(to *Account) {
	switch p {
	case stored:
		to.Delivered++
	case stale:
		to.Superseded++
	case leftOut:
		to.Filtered++
	case buried:
		to.Dead++
	case onShelf:
		to.Parked++
	case inRaw:
		to.InFlight++
		to.Unmapped++
	case inTarget:
		to.InFlight++
		to.Unwritten++
	case moving:
		to.InFlight++
	case tooEarly:
		to.BeforeFlow++
	case nowhere:
		to.Missing++
	}
}

// locate says of missing records who they are and where they were seen last.
func (a *auditor) locate(ctx context.Context, missing map[uint64]*MissingRecord) error {
	raw, err := a.js.Stream(ctx, topology.Raw)
	if err != nil {
		return fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	partitions := map[string]bool{}
	for _, sequence := range slices.Sorted(maps.Keys(missing)) {
		m := missing[sequence]
		m.LastSeen = topology.Ledger
		msg, err := raw.GetMsg(ctx, sequence)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			continue
		case err != nil:
			return fmt.Errorf("sequence %d of %s: %w", sequence, topology.Raw, err)
		}
		m.LastSeen = topology.Raw
		if m.Key, err = record.Decode(msg.Header.Get(topology.HeaderSubject)); err != nil {
			m.Key = msg.Header.Get(topology.HeaderSubject)
		}
		partitions[topology.TargetSubject("*", "*", a.flow.Name, m.Key)] = true
	}
	return a.findTargets(ctx, missing, slices.Sorted(maps.Keys(partitions)))
}

// findTargets looks for the target messages of missing records, in the partitions of their keys; in all
// of the flow's where RAW has a record no more.
func (a *auditor) findTargets(ctx context.Context, missing map[uint64]*MissingRecord, subjects []string) error {
	t := a.tail(topology.Target, func(msg jetstream.Msg) error {
		sequence, _ := number(msg, topology.HeaderRawSequence)
		m := missing[sequence]
		if m == nil {
			return nil
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		m.LastSeen, m.TargetSequence = topology.Target, meta.Sequence.Stream
		if key, err := record.Decode(msg.Headers().Get(topology.HeaderSubject)); err == nil {
			m.Key = key
		}
		return nil
	})
	t.filters, t.since, t.headersOnly = subjects, a.audited[0].read.Add(-slack), true
	for _, m := range missing {
		if m.LastSeen == topology.Ledger {
			t.filters = []string{topology.TargetFlowFilter(a.flow.Name)}
		}
	}
	if err := t.read(ctx); err != nil {
		return err
	}
	return nil
}
