package main

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/topology"
)

// outbox publishes the target messages of all flows of a replica. A batch costs the server as much as some
// fifty messages, and a flush: while one is on its way, what flows want to publish gathers for the next.
type outbox struct {
	js jetstream.JetStream

	mu      sync.Mutex
	parcels []parcel // that wait
	busy    bool     // somebody publishes, and goes on while there are parcels
}

// parcel is the messages of one flow, and where it waits for what came of them.
type parcel struct {
	msgs []*nats.Msg
	done chan error
}

func newOutbox(js jetstream.JetStream) *outbox { return &outbox{js: js} }

// publish stores messages, topology.BatchLimit at most, all or none, and returns when the server has them.
// Its errors are those of batch.Publish.
func (o *outbox) publish(ctx context.Context, msgs []*nats.Msg) error {
	p := parcel{msgs: msgs, done: make(chan error, 1)}
	o.mu.Lock()
	o.parcels = append(o.parcels, p)
	idle := !o.busy
	o.busy = true
	o.mu.Unlock()
	if idle {
		go o.work(context.WithoutCancel(ctx)) // what is sent is others' too
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work publishes until nothing waits.
func (o *outbox) work(ctx context.Context) {
	for {
		parcels := o.next()
		if len(parcels) == 0 {
			return
		}
		o.together(ctx, parcels)
	}
}

// next takes as many of the parcels that wait as fit into a batch.
func (o *outbox) next() []parcel {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, size := 0, 0
	for n < len(o.parcels) && size+len(o.parcels[n].msgs) <= topology.BatchLimit {
		size += len(o.parcels[n].msgs)
		n++
	}
	taken := o.parcels[:n:n]
	o.parcels = o.parcels[n:]
	o.busy = n > 0
	return taken
}

// together publishes parcels in one batch. When the server refuses it, each goes on its own, so that one that
// can't be published is in nobody's way.
func (o *outbox) together(ctx context.Context, parcels []parcel) {
	var msgs []*nats.Msg
	for _, p := range parcels {
		msgs = append(msgs, p.msgs...)
	}
	_, err := batch.Publish(ctx, o.js, msgs)
	refused := errors.As(err, new(*jetstream.APIError)) || errors.Is(err, nats.ErrMaxPayload)
	for _, p := range parcels {
		if refused && len(parcels) > 1 {
			_, err = batch.Publish(ctx, o.js, p.msgs)
		}
		p.done <- err
	}
}
