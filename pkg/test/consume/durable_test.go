package consume_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/position"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

var config = jetstream.ConsumerConfig{
	Durable: "sink-test-conn", FilterSubject: "target.test.conn.>", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1,
}

// rig is a stream with messages and the bucket of positions.
type rig struct {
	*testing.T
	js jetstream.JetStream
	kv jetstream.KeyValue
}

func newRig(t *testing.T, messages int) rig {
	t.Helper()
	js := natstest.Run(t)
	kv, err := js.KeyValue(t.Context(), topology.BucketPositions)
	if err != nil {
		t.Fatal(err)
	}
	r := rig{t, js, kv}
	r.publish(messages)
	return r
}

func (r rig) publish(n int) {
	r.Helper()
	for i := range n {
		if _, err := r.js.Publish(r.Context(), "target.test.conn.flow-a.00", []byte(strconv.Itoa(i))); err != nil {
			r.Fatal(err)
		}
	}
}

func (r rig) durable(config jetstream.ConsumerConfig) jetstream.Consumer {
	r.Helper()
	cons, err := consume.Durable(r.Context(), r.js, topology.Target, config)
	if err != nil {
		r.Fatal(err)
	}
	return cons
}

func (r rig) stream() *jetstream.StreamInfo {
	r.Helper()
	stream, err := r.js.Stream(r.Context(), topology.Target)
	if err != nil {
		r.Fatal(err)
	}
	return stream.CachedInfo()
}

// lose notes that everything up to floor was settled, and deletes the consumer.
func (r rig) lose(floor uint64) {
	r.Helper()
	if err := position.Note(r.Context(), r.kv, topology.Target, config.Durable, position.Position{Floor: floor, StreamMade: r.stream().Created}); err != nil {
		r.Fatal(err)
	}
	err := r.js.DeleteConsumer(r.Context(), topology.Target, config.Durable)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		r.Fatal(err)
	}
}

// wantNext checks which message of the stream comes next.
func (r rig) wantNext(cons jetstream.Consumer, want uint64) {
	r.Helper()
	msg, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		r.Fatalf("next message: %v, want sequence %d", err, want)
	}
	if meta, err := msg.Metadata(); err != nil || meta.Sequence.Stream != want {
		r.Errorf("the next message is %v, want sequence %d", meta, want)
	}
}

func TestADeletedConsumerGoesOnWhereItWas(t *testing.T) {
	r := newRig(t, 10)
	r.wantNext(r.durable(config), 1)
	r.lose(6)
	cons := r.durable(config)
	r.wantNext(cons, 7)
	changed := config
	changed.MaxAckPending = 77
	cons = r.durable(changed)
	if info := cons.CachedInfo(); info.Config.MaxAckPending != 77 || info.Delivered.Stream != 7 {
		t.Errorf("after an update: %+v, want 77 in hand at most and its place kept", info)
	}
	r.wantNext(cons, 8)
	// It can be set back below where it began.
	if _, err := r.js.ResetConsumerToSequence(t.Context(), topology.Target, config.Durable, 3); err != nil {
		t.Fatal(err)
	}
	r.wantNext(cons, 3)
}

func TestAConsumerWithoutATrustworthyPositionBeginsAtTheStart(t *testing.T) {
	for name, spoil := range map[string]func(r rig){
		"none":            func(rig) {},
		"unreadable":      func(r rig) { _, _ = r.kv.Put(r.Context(), topology.Target+"."+config.Durable, []byte("{")) },
		"beyond the end":  func(r rig) { r.lose(11) },
		"another stream":  func(r rig) { r.lose(6); r.recreate(); r.publish(10) },
		"no such bucket":  func(r rig) { r.lose(6); _ = r.js.DeleteKeyValue(r.Context(), topology.BucketPositions) },
		"nothing settled": func(r rig) { r.lose(0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 10)
			spoil(r)
			r.wantNext(r.durable(config), 1)
		})
	}
}

// recreate deletes the stream and makes it anew.
func (r rig) recreate() {
	r.Helper()
	if err := r.js.DeleteStream(r.Context(), topology.Target); err != nil {
		r.Fatal(err)
	}
	if _, err := topology.Provision(r.Context(), r.js, 1); err != nil {
		r.Fatal(err)
	}
}

// TestReplicasMakeAConsumerTogether lets several make it at once: one is there, at the right place.
func TestReplicasMakeAConsumerTogether(t *testing.T) {
	r := newRig(t, 10)
	r.lose(4)
	var replicas sync.WaitGroup
	for range 8 {
		replicas.Go(func() { r.durable(config) })
	}
	replicas.Wait()
	r.wantNext(r.durable(config), 5)
}

// TestABatchSaysThatItsConsumerIsGone deletes the consumer while its client works on something, and
// while it waits.
func TestABatchSaysThatItsConsumerIsGone(t *testing.T) {
	for name, waits := range map[string]bool{"at work": false, "waiting": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0)
			cons := r.durable(config)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if !waits {
				r.lose(0)
			}
			gone := make(chan error, 1)
			go func() {
				_, err := consume.Batch(ctx, cons, 10, time.Millisecond, slog.New(slog.DiscardHandler))
				gone <- err
			}()
			if waits {
				natstest.Eventually(t, func() error {
					if info, err := cons.Info(ctx); err != nil || info.NumWaiting == 0 {
						return errors.Join(err, errors.New("it does not wait yet"))
					}
					return nil
				})
				r.lose(0)
			}
			if err := <-gone; !errors.Is(err, jetstream.ErrConsumerDeleted) && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Errorf("Batch = %v, want that the consumer is gone", err)
			}
		})
	}
}

// TestABatchTakesWhatIsThere never waits for more: with a linger of an hour, a batch that did would never
// come.
func TestABatchTakesWhatIsThere(t *testing.T) {
	r := newRig(t, 5)
	cons := r.durable(config)
	take := func(size, want int) []jetstream.Msg {
		t.Helper()
		batch, err := consume.Batch(t.Context(), cons, size, time.Hour, slog.New(slog.DiscardHandler))
		if err != nil || len(batch) != want {
			t.Fatalf("a batch of at most %d has %d messages, %v, want %d", size, len(batch), err, want)
		}
		return batch
	}
	take(3, 3)
	take(10, 2)
	r.publish(1)
	take(10, 1)
	r.publish(1)
	take(1, 1)
}

// TestABatchTakesWhatComesAgain has messages delivered again, which the server does not count as pending.
func TestABatchTakesWhatComesAgain(t *testing.T) {
	r := newRig(t, 4)
	cons := r.durable(config)
	for range 2 {
		batch, err := consume.Batch(t.Context(), cons, 4, time.Minute, slog.New(slog.DiscardHandler))
		if err != nil || len(batch) != 4 {
			t.Fatalf("a batch of %d messages, %v, want all 4", len(batch), err)
		}
		for _, msg := range batch {
			if err := msg.Nak(); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.js.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		natstest.Eventually(t, func() error {
			if info, err := cons.Info(t.Context()); err != nil || info.NumAckPending < 4 {
				return errors.Join(err, errors.New("not all are to come again"))
			}
			return nil
		})
	}
}
