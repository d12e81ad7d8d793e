package consume_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestAReadingThatLeavesItsConsumerDeletesNone: what it may not do it does not try, also when its consumer ends; it
// asks for what it may read by name.
func TestAReadingThatLeavesItsConsumerDeletesNone(t *testing.T) {
	const messages = 1200 // more than the client asks for at once
	r := newRig(t, messages)
	count := func(subject string) *atomic.Int64 {
		var n atomic.Int64
		if _, err := r.js.Conn().Subscribe(subject, func(*nats.Msg) { n.Add(1) }); err != nil {
			t.Fatal(err)
		}
		return &n
	}
	deleted, made := count("$JS.API.CONSUMER.DELETE.>"), count("$JS.API.CONSUMER.CREATE.TARGET.*.target.test.>")
	var read uint64
	what := consume.Reading{Filters: []string{"target.test.>"}, HeadersOnly: true, Leave: true}
	err := consume.Read(t.Context(), r.js, topology.Target, what, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if read++; meta.Sequence.Stream != read {
			t.Errorf("sequence %d comes as message %d", meta.Sequence.Stream, read)
		}
		if read != 1 {
			return nil
		}
		return r.js.DeleteConsumer(t.Context(), topology.Target, meta.Consumer) // as the server does when it forgets it
	})
	if err != nil || read != messages {
		t.Errorf("%d of %d messages, %v", read, messages, err)
	}
	natstest.Eventually(t, func() error {
		if n := made.Load(); n != 2 {
			return fmt.Errorf("%d consumers were asked for by name, want 2", n)
		}
		return nil
	})
	if n := deleted.Load(); n != 1 {
		t.Errorf("%d requests to delete a consumer, want that of the test alone", n)
	}
}
