package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// plant plays the services of the flow: each record takes one of all the ways that there are, in the
// order of writing that the services keep.
type plant struct {
	*world
	// stop ends the windows; what is under way goes on until ctx is done.
	stop chan struct{}
	// ahead holds as many as records are ahead of the transformer, which bounds them.
	ahead chan struct{}
	runs  sync.WaitGroup
}

// start runs the parts until the test ends.
func (p *plant) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p.ctx = ctx
	transformer := p.transformer()
	p.runs.Go(func() {
		for !p.stopped() {
			n := 1 + p.key%40
			for range n {
				select {
				case p.ahead <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
			p.window(n, nil)
		}
	})
	p.runs.Go(func() { p.each(transformer, p.transform) })
	p.runs.Go(func() { p.each(p.follow(topology.Parked, "parked.>"), p.release) })
	p.runs.Go(func() { p.each(p.follow(topology.Dead, "dead.*.flow-a"), p.replay) })
	p.runs.Go(func() {
		err := sink.Run(ctx, p.js, sink.Func(p.write), sink.Options{Kind: "test", Connection: "bi", Instance: "i1", Batch: 50})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it to end with ctx", err)
		}
	})
	t.Cleanup(func() { cancel(); p.runs.Wait() })
}

func (p *plant) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// follow is a consumer of all that comes to a stream.
func (p *plant) follow(stream, filter string) jetstream.Consumer {
	cons, err := p.js.CreateOrUpdateConsumer(p.ctx, stream, jetstream.ConsumerConfig{FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy})
	p.must(err)
	return cons
}

// each settles what comes to a consumer after do, until the test ends.
func (p *plant) each(cons jetstream.Consumer, do func(jetstream.Msg) error) {
	for p.ctx.Err() == nil {
		msg, err := cons.Next(jetstream.FetchContext(p.ctx))
		if errors.Is(err, nats.ErrTimeout) { // nothing came for a while
			continue
		}
		if err == nil {
			err = errors.Join(do(msg), msg.Ack())
		}
		if err != nil && p.ctx.Err() == nil {
			p.t.Error(err)
		}
	}
}

// transform lets a record take one of four ways, by its key.
func (p *plant) transform(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	defer func() { <-p.ahead }()
	raw := meta.Sequence.Stream
	switch raw % 4 {
	case 0:
		p.book(raw, filtered)
		return nil
	case 1:
		return p.shelve(msg, raw, 0)
	case 2:
		return dead.Bury(p.ctx, p.js, dead.Letter{Stage: dead.Transform, Flow: "flow-a", RawSequence: raw, Reason: errors.New("no such unit"), Message: msg})
	default:
		return p.send(msg, raw, 0)
	}
}

// shelve parks a record for the n-th time.
func (p *plant) shelve(msg jetstream.Msg, raw uint64, n int) error {
	parked := nats.NewMsg(topology.ParkedSubject("flow-a", "kingdee.material", strconv.Itoa(n)))
	for name, values := range msg.Headers() {
		if !strings.HasPrefix(name, "Nats-") {
			parked.Header[name] = values
		}
	}
	parked.Header.Set(topology.HeaderParkedRaw, strconv.FormatUint(raw, 10))
	parked.Header.Set(topology.HeaderMsgID, fmt.Sprintf("%d/%d", raw, n))
	return p.publish(parked)
}

// publish asks again where an answer is lost.
func (p *plant) publish(msg *nats.Msg) error {
	return consume.Insist(p.ctx, func() error {
		_, err := p.js.PublishMsg(p.ctx, msg)
		return err
	})
}

// send publishes the target message of a record, a replayed one with the letter that it comes from.
func (p *plant) send(msg jetstream.Msg, raw, letter uint64) error {
	e, err := record.Parse(msg.Headers())
	if err != nil {
		return err
	}
	e.ID = record.TargetID(e.ID, "flow-a", 1+letter, raw)
	e.Schema, e.Flow, e.FlowRevision, e.RawSequence = "erpstream.mysql.v1.PurchaseIn", "flow-a", 1, raw
	target := nats.NewMsg(topology.TargetSubject("test", "bi", "flow-a", e.Key))
	target.Header = e.Header()
	if letter > 0 {
		target.Header.Set(topology.HeaderReplay, strconv.FormatUint(letter, 10))
	}
	return p.publish(target)
}

// release moves a parked record to another place in PARKED twice, and then to TARGET.
func (p *plant) release(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	raw, err := strconv.ParseUint(msg.Headers().Get(topology.HeaderParkedRaw), 10, 64)
	if err != nil {
		return err
	}
	if n := int(msg.Subject()[len(msg.Subject())-1] - '0'); n < 2 {
		err = p.shelve(msg, raw, n+1)
	} else {
		err = p.send(msg, raw, 0)
	}
	if err != nil {
		return err
	}
	stream, err := p.js.Stream(p.ctx, topology.Parked)
	if err != nil {
		return err
	}
	return stream.DeleteMsg(p.ctx, meta.Sequence.Stream)
}

// replay sends on every other record that died on its way to TARGET.
func (p *plant) replay(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	raw, err := strconv.ParseUint(msg.Headers().Get(topology.HeaderDeadRaw), 10, 64)
	if err != nil || raw%8 != 2 {
		return err
	}
	return p.send(msg, raw, meta.Sequence.Stream)
}

func (p *plant) write(_ context.Context, batch []sink.Message) error {
	for i := range batch {
		if batch[i].RawSequence%8 == 3 {
			batch[i].Outcome = ledgerv1.Outcome_OUTCOME_SUPERSEDED
		}
	}
	return nil
}

// TestParkedRecordsThatMove counts records that go from one place in PARKED to the next all the time: each look
// meets all of them.
func TestParkedRecordsThatMove(t *testing.T) {
	const n = 300
	w := newWorld(t)
	at := make([]uint64, n)
	for i := range at {
		at[i] = w.park(uint64(i) + 1)
	}
	stop := make(chan struct{})
	var going sync.WaitGroup
	defer func() { close(stop); going.Wait() }()
	going.Go(func() {
		for i := 0; ; i = (i + 1) % n {
			select {
			case <-stop:
				return
			default:
			}
			before := at[i]
			at[i] = w.park(uint64(i) + 1)
			w.leave(before)
		}
	})
	books := ledger.Open(w.js)
	for range 50 {
		if err := books.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := books.Parked("flow-a"); got != n {
			t.Fatalf("%d records are parked, want %d", got, n)
		}
	}
}

func TestRecordsThatMoveAreNeverMissing(t *testing.T) {
	p := &plant{world: newWorld(t), stop: make(chan struct{}), ahead: make(chan struct{}, 100)}
	p.start(t)
	for range 50 {
		got := p.audit(ledger.Query{})
		if !got.Balanced {
			t.Fatalf("a false alarm while records move: %+v", got)
		}
	}
	close(p.stop)
	var got ledger.FlowReport
	natstest.Eventually(t, func() error {
		if got = p.audit(ledger.Query{}); got.InFlight+got.Parked > 0 || !got.Balanced {
			return fmt.Errorf("not drained: %+v", got.Account)
		}
		return nil
	})
	if got.Published == 0 || got.Filtered == 0 || got.Superseded == 0 || got.Dead == 0 || got.Delivered <= got.Dead {
		t.Errorf("not every way was taken: %+v", got.Account)
	}
	t.Logf("%+v", got.Account)
}
