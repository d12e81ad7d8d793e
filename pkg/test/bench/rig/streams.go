package rig

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// The source whose records Streams publishes: that of the shipped flow jst-purchasein-to-mysql.
const (
	System = "jushuitan"
	Source = "jst-purchasein"
	feed   = "jushuitan.purchasein"
)

// firstKey is the number of the first document, firstVersion its row version.
const (
	firstKey     = 2_204_001
	firstVersion = 1_730_946_233
)

// began is the source time at which the first window begins.
var began = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// Streams are those of a server, with records in RAW.
type Streams struct {
	js jetstream.JetStream
}

// Streams makes all streams on a server and publishes records into RAW, in windows, as the poller does.
func (r *Rig) Streams(ctx context.Context, n *NATS, body func(n int) []byte, records int) (*Streams, error) {
	js, err := r.Connect(n)
	if err != nil {
		return nil, err
	}
	if _, err := topology.Provision(ctx, js, 1); err != nil {
		return nil, err
	}
	s := &Streams{js: js}
	return s, s.Publish(ctx, body, 0, records)
}

// Publish publishes the records with the numbers from first to before end into RAW; their windows follow
// one another.
func (s *Streams) Publish(ctx context.Context, body func(n int) []byte, first, end int) error {
	var last uint64
	if msg, err := s.lastWindow(ctx); err == nil {
		last = msg.Sequence
	} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	for n := first; n < end; n += topology.BatchLimit - 1 {
		stop := min(end, n+topology.BatchLimit-1)
		var msgs []*nats.Msg
		for i := n; i < stop; i++ {
			msgs = append(msgs, message(i, body(i)))
		}
		window, err := windowMessage(n, stop, last)
		if err != nil {
			return err
		}
		last, err = batch.Publish(ctx, s.js, append(msgs, window))
		if err != nil {
			return fmt.Errorf("publish records %d to %d: %w", n, stop-1, err)
		}
	}
	return nil
}

func (s *Streams) lastWindow(ctx context.Context) (*jetstream.RawStreamMsg, error) {
	raw, err := s.js.Stream(ctx, topology.Raw)
	if err != nil {
		return nil, err
	}
	return raw.GetLastMsgForSubject(ctx, topology.WindowSubject(Source))
}

// message is a record as the poller publishes it.
func message(n int, body []byte) *nats.Msg {
	key, version := strconv.Itoa(firstKey+n), int64(firstVersion+n)
	e := record.Envelope{ID: record.NewID(Source, key, version, body), Source: Source, Type: feed, Key: key, Version: version, Time: at(n)}
	msg := nats.NewMsg(topology.RawSubject(System, Source, key))
	msg.Header, msg.Data = e.Header(), body
	return msg
}

// windowMessage closes the window of the records from first to before end.
func windowMessage(first, end int, last uint64) (*nats.Msg, error) {
	count := int64(end - first)
	body, err := proto.Marshal(&ledgerv1.Window{
		Source: new(Source), From: timestamppb.New(at(first)), To: timestamppb.New(at(end)), Cursor: timestamppb.New(at(end)),
		Closed: new(true), TotalBefore: &count, TotalAfter: &count, Distinct: &count, Published: &count, Attempts: new(int32(1)),
	})
	msg := nats.NewMsg(topology.WindowSubject(Source))
	msg.Data = body
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last, 10))
	msg.Header.Set(jetstream.MsgTTLHeader, "never")
	return msg, err
}

// at is the source time of a record.
func at(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }

// Reset takes the streams back to what they were with nothing but records in RAW: no consumer, no
// configuration, nothing that was made of the records.
func (s *Streams) Reset(ctx context.Context) error {
	names := s.js.StreamNames(ctx)
	for name := range names.Name() {
		if name == topology.Raw {
			continue
		}
		if err := s.js.DeleteStream(ctx, name); err != nil {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	raw, err := s.js.Stream(ctx, topology.Raw)
	if err != nil {
		return errors.Join(names.Err(), err)
	}
	consumers := raw.ConsumerNames(ctx)
	for name := range consumers.Name() {
		if err := raw.DeleteConsumer(ctx, name); err != nil {
			return fmt.Errorf("delete consumer %s: %w", name, err)
		}
	}
	_, err = topology.Provision(ctx, s.js, 1)
	return errors.Join(names.Err(), consumers.Err(), err)
}

// stalled is how long a consumer may make no progress.
const stalled = time.Minute

// Settled waits until a consumer has settled that many messages. A process that ends meanwhile is an
// error.
func (s *Streams) Settled(ctx context.Context, stream, consumer string, messages int, programs ...*Process) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var before *jetstream.ConsumerInfo
	moved := time.Now()
	for {
		info, err := s.info(ctx, stream, consumer)
		if err == nil && info.AckFloor.Stream >= uint64(messages) && info.NumAckPending == 0 {
			return nil
		}
		if err == nil && (before == nil || before.AckFloor.Stream != info.AckFloor.Stream) {
			before, moved = info, time.Now()
		}
		if time.Since(moved) > stalled {
			return fmt.Errorf("consumer %s of %s has not moved for %s: %+v, %w", consumer, stream, stalled, info, err)
		}
		for _, p := range programs {
			select {
			case <-p.Done():
				return fmt.Errorf("%s ended: %s", p.name, p.lastWords())
			default:
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s *Streams) info(ctx context.Context, stream, consumer string) (*jetstream.ConsumerInfo, error) {
	cons, err := s.js.Consumer(ctx, stream, consumer)
	if err != nil {
		return nil, err
	}
	return cons.CachedInfo(), nil
}
