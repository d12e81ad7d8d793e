package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/topology"
)

// board is what operators ask of flows, as the bucket "control" has it: one for all flows of a replica.
type board struct {
	js  jetstream.JetStream
	log *slog.Logger

	mu    sync.Mutex
	known bool
	holds map[string]hold.Hold
	jobs  map[string][]replay.Entry // that are open, by flow, the oldest first
	// listeners are called when dead letters of their flow are replayed.
	listeners map[string]func()
	// changed is closed, and replaced, when something changes.
	changed chan struct{}
}

func newBoard(js jetstream.JetStream, log *slog.Logger) *board {
	return &board{js: js, log: log, listeners: map[string]func(){}, changed: make(chan struct{})}
}

// run keeps the board up to date until ctx is done. What it knew stays when it fails.
func (b *board) run(ctx context.Context) error {
	deaf, err := b.listen(ctx)
	if err != nil {
		return err
	}
	defer deaf()
	kv, err := b.js.KeyValue(ctx, topology.BucketControl)
	if err != nil {
		return fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketControl, err)
	}
	watch, err := kv.WatchFiltered(ctx, []string{hold.Filter, replay.Filter})
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", topology.BucketControl, err)
	}
	defer func() { _ = watch.Stop() }()
	news := newBoard(b.js, b.log) // takes what is there, then takes the place of what was known
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, open := <-watch.Updates():
			switch {
			case !open && ctx.Err() != nil: // which ends the watch too
				return ctx.Err()
			case !open:
				return fmt.Errorf("watch bucket %s: the watch ended", topology.BucketControl)
			case news != nil && entry == nil:
				b.begin(news)
				news = nil
			case news != nil:
				news.take(ctx, entry)
			case entry != nil:
				b.take(ctx, entry)
			}
		}
	}
}

// listen hears of dead letters that are replayed, until deaf is called.
func (b *board) listen(ctx context.Context) (deaf func(), err error) {
	replays, err := b.js.OrderedConsumer(ctx, topology.Parked, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{topology.ReplaySubject("*")}, DeliverPolicy: jetstream.DeliverNewPolicy, HeadersOnly: true,
	})
	if err != nil {
		return nil, fmt.Errorf("hear of replayed letters: %w", err)
	}
	consuming, err := replays.Consume(func(msg jetstream.Msg) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for flow, call := range b.listeners {
			if msg.Subject() == topology.ReplaySubject(flow) {
				call()
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("hear of replayed letters: %w", err)
	}
	return consuming.Stop, nil
}

// hear calls a function, which must not block, whenever dead letters of a flow are replayed or may have been,
// until hush is called.
func (b *board) hear(flow string, call func()) (hush func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners[flow] = call
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, flow)
	}
}

// begin replaces what was known.
func (b *board) begin(news *board) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known, b.holds, b.jobs = true, news.holds, news.jobs
	for _, call := range b.listeners {
		call()
	}
	b.tell()
}

// take notes one entry.
func (b *board) take(ctx context.Context, entry jetstream.KeyValueEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.tell()
	if b.holds == nil {
		b.holds, b.jobs = map[string]hold.Hold{}, map[string][]replay.Entry{}
	}
	e, isJob, err := replay.Read(entry)
	if isJob {
		if err != nil && entry.Operation() == jetstream.KeyValuePut {
			b.log.ErrorContext(ctx, "replay left alone", "err", err)
		}
		rest := slices.DeleteFunc(slices.Clone(b.jobs[e.Flow]), func(old replay.Entry) bool { return old.ID == e.ID })
		if e.State.Open() {
			rest = append(rest, e)
			slices.SortFunc(rest, func(a, b replay.Entry) int { return cmp.Compare(a.ID, b.ID) })
		}
		b.jobs[e.Flow] = rest
		return
	}
	h, held := hold.Read(entry)
	if held {
		b.holds[h.Flow] = h
	} else {
		delete(b.holds, h.Flow)
	}
}

// tell wakes all who wait for a change; mu is held.
func (b *board) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// hold returns what holds a flow at this moment, and whether anything does; a board that knows nothing yet
// holds all flows. changed is closed when there may be something else to say, be it that time has come.
func (b *board) hold(flow string) (h hold.Hold, held bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, held = b.holds[flow]
	held = held && h.Active(time.Now())
	return h, held || !b.known, b.changed
}

// next returns the flow's oldest replay that is open, if there is one.
func (b *board) next(flow string) (e replay.Entry, open bool, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if jobs := b.jobs[flow]; len(jobs) > 0 {
		return jobs[0], true, b.changed
	}
	return replay.Entry{}, false, b.changed
}

// free waits until nothing holds a flow, and returns a context that ends with ctx, or when something holds
// it again. paused hears of each hold on the way. Call stop when done with the context.
func (b *board) free(ctx context.Context, flow string, paused func(hold.Hold)) (working context.Context, stop func(), err error) {
	for {
		h, held, changed := b.hold(flow)
		if !held {
			break
		}
		var over <-chan time.Time
		if !h.Since.IsZero() {
			paused(h)
			if !h.Until.IsZero() {
				over = time.After(time.Until(h.Until))
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-changed:
		case <-over:
		}
	}
	working, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer cancel()
		for {
			_, held, changed := b.hold(flow)
			if held {
				return
			}
			select {
			case <-working.Done():
				return
			case <-changed:
			}
		}
	})
	return working, func() { cancel(); watching.Wait() }, nil
}
