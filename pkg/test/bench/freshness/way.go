package freshness

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// way is when a record could be polled, and when NATS stored what was made of it.
type way struct {
	due, raw, target, booked time.Time
}

// patience is how long records may take before it is a fault.
const patience = 30 * time.Second

// collect waits for the records that can be polled in a time, and returns their ways.
func (s *stage) collect(ctx context.Context, from, to time.Time) ([]way, error) {
	want := int(to.Sub(from).Seconds()) * perSecond
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(max(time.Until(to.Add(time.Second)), 200*time.Millisecond)):
		}
		ways, err := s.ways(ctx, from, to)
		if err != nil {
			return nil, err
		}
		if len(ways) == want {
			return ways, nil
		}
		if time.Since(to) > patience {
			return nil, fmt.Errorf("%d records came through in %s, want %d", len(ways), time.Since(from), want)
		}
	}
}

// ways are those of the records that could be polled in a time and have come through.
func (s *stage) ways(ctx context.Context, from, to time.Time) ([]way, error) {
	found := map[uint64]*way{} // by sequence in RAW
	read := func(stream, filter string, take func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
		return consume.Read(ctx, s.js, stream, consume.Reading{Filters: []string{filter}, Since: from}, take)
	}
	err := read(topology.Raw, topology.RawFilter("jushuitan", "jst-purchasein"), func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		e, err := record.Parse(msg.Headers())
		if due := e.Time.Add(settle); !due.Before(from) && due.Before(to) {
			found[meta.Sequence.Stream] = &way{due: due, raw: meta.Timestamp}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = read(topology.Target, topology.TargetFilter("mysql", "bi-main"), func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		e, err := record.Parse(msg.Headers())
		if w := found[e.RawSequence]; w != nil {
			w.target = meta.Timestamp
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = read(topology.Receipts, "receipt.>", func(msg jetstream.Msg, _ *jetstream.MsgMetadata) error {
		receipts := &ledgerv1.Receipts{}
		err := proto.Unmarshal(msg.Data(), receipts)
		for _, r := range receipts.GetReceipts() {
			if w := found[r.GetRawSequence()]; w != nil {
				w.booked = receipts.GetTime().AsTime()
			}
		}
		return err
	})
	var ways []way
	for _, w := range found {
		if !w.booked.IsZero() {
			ways = append(ways, *w)
		}
	}
	return ways, err
}
