package main

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// outgoing are target messages of a flow with the given ids.
func outgoing(flow string, ids ...string) []*nats.Msg {
	var msgs []*nats.Msg
	for _, id := range ids {
		msg := nats.NewMsg(topology.TargetSubject("mysql", "bi", flow, id))
		msg.Header.Set(topology.HeaderMsgID, flow+id)
		msgs = append(msgs, msg)
	}
	return msgs
}

// storedOf is how many messages of a flow TARGET has.
func storedOf(t *testing.T, js jetstream.JetStream, flow string) (n uint64) {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Target)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(topology.TargetFlowFilter(flow)))
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range info.State.Subjects {
		n += count
	}
	return n
}

// TestWhatGathersGoesTogether has parcels wait while somebody publishes, and one too many for a batch.
func TestWhatGathersGoesTogether(t *testing.T) {
	o := newOutbox(nil)
	o.busy = true
	var flows sync.WaitGroup
	for i := range 3 {
		flows.Go(func() { _ = o.publish(t.Context(), make([]*nats.Msg, 400)) })
		natstest.Eventually(t, func() error {
			o.mu.Lock()
			defer o.mu.Unlock()
			if len(o.parcels) <= i {
				return errors.New("it does not wait yet")
			}
			return nil
		})
	}
	for _, want := range []int{2, 1, 0} {
		parcels := o.next()
		if len(parcels) != want || o.busy != (want > 0) {
			t.Errorf("%d parcels go together, want %d; busy: %v", len(parcels), want, o.busy)
		}
		for _, p := range parcels {
			p.done <- nil
		}
	}
	flows.Wait()
}

// TestARefusedFlowIsInNobodysWay puts a message that the server has, and one that is too large, beside good
// ones.
func TestARefusedFlowIsInNobodysWay(t *testing.T) {
	js := natstest.Run(t)
	o := newOutbox(js)
	if err := o.publish(t.Context(), outgoing("twice", "1")); err != nil {
		t.Fatal(err)
	}
	large := outgoing("large", "1", "2")
	large[1].Data = make([]byte, js.Conn().MaxPayload()+1)
	var parcels []parcel
	for _, msgs := range [][]*nats.Msg{outgoing("good", "1", "2", "3"), outgoing("twice", "1", "2"), large} {
		parcels = append(parcels, parcel{msgs, make(chan error, 1)})
	}
	o.together(t.Context(), parcels)
	if err := <-parcels[0].done; err != nil {
		t.Errorf("the good flow: %v", err)
	}
	if err := <-parcels[1].done; !batch.IsDuplicate(err) {
		t.Errorf("the flow with a message that the server has: %v", err)
	}
	if err := <-parcels[2].done; !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("the flow with a large message: %v", err)
	}
	for flow, want := range map[string]uint64{"good": 3, "twice": 1, "large": 0} {
		if got := storedOf(t, js, flow); got != want {
			t.Errorf("%d messages of the flow %s, want %d", got, flow, want)
		}
	}
}

// TestFlowsPublishAtOnce lets many flows publish through one outbox: each message is stored once, and none is
// forgotten where one leaves as another comes.
func TestFlowsPublishAtOnce(t *testing.T) {
	js := natstest.Run(t)
	o := newOutbox(js)
	var flows sync.WaitGroup
	for i := range 20 {
		flows.Go(func() {
			for round := range 10 {
				if err := o.publish(t.Context(), outgoing(fmt.Sprint("flow", i), fmt.Sprint(round, "a"), fmt.Sprint(round, "b"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	flows.Wait()
	for i := range 20 {
		if got := storedOf(t, js, fmt.Sprint("flow", i)); got != 20 {
			t.Errorf("%d messages of flow %d, want 20", got, i)
		}
	}
}
