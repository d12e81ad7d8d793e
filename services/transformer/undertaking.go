package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	// yield is how long a replay waits before it looks again whether it may go on.
	yield = 500 * time.Millisecond
	// replayBatch is how many records of a replay are mapped together at most. No more may wait for the
	// sink, for a record that comes now goes behind them.
	replayBatch = 100
)

// undertaking is a replay in the hands of one replica.
type undertaking struct {
	replayer
	// letters are the dead letters of the flow that were open when the replay was asked for, by the sequence
	// of their record in RAW.
	letters map[uint64][]dead.Buried
	// due is when the next records may be mapped.
	due time.Time

	mu    sync.Mutex
	entry replay.Entry
}

// now returns the replay as it was noted last.
func (u *undertaking) now() replay.Entry {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.entry
}

// note changes the replay and writes it down.
func (u *undertaking) note(ctx context.Context, change func(*replay.Job)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	next := u.entry
	change(&next.Job)
	next, err := replay.Note(ctx, u.js, next)
	if err == nil {
		u.entry = next
	}
	return err
}

// beat says every now and then that this replica works on the replay, until quiet is called. It ends the
// work when somebody else has it.
func (u *undertaking) beat(ctx context.Context, stop context.CancelCauseFunc) (quiet func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(replayBeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				err := u.note(ctx, func(*replay.Job) {})
				if errors.Is(err, replay.ErrTaken) {
					stop(err)
				}
			}
		}
	})
	return func() { cancel(); beating.Wait() }
}

// run maps what is left of the replay. A batch in hand is finished though ctx is done.
func (u *undertaking) run(ctx context.Context) error {
	job := u.now().Job
	if job.Source != u.source || job.System != u.feed.System {
		return fault.Permanent("replay", fmt.Errorf("it is about records of source %s, and flow %s reads %s now: ask for another replay", job.Source, u.name, u.source))
	}
	if err := u.recall(ctx, job); err != nil {
		return err
	}
	work, release := consume.WithGrace(ctx, grace)
	defer release()
	p := past{js: u.js, job: job}
	for _, partition := range job.Partitions()[job.Partition:] {
		chosen, err := p.partition(ctx, partition, u.now().Done)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(chosen, min(max(int(job.Rate), 1), replayBatch)) {
			if err := u.turn(ctx, len(part), job.Rate); err != nil {
				return err
			}
			if err := u.handle(work, p, part); err != nil {
				return err
			}
			seam.Reach(seam.ReplayNoted)
		}
		u.next()
	}
	return nil
}

// next goes to the next partition. That is written down with what comes of it.
func (u *undertaking) next() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.entry.Partition, u.entry.Done = u.entry.Partition+1, 0
}

// recall reads which letters are open. An edited form is left to whoever edited it.
func (u *undertaking) recall(ctx context.Context, job replay.Job) error {
	u.letters = map[uint64][]dead.Buried{}
	for b, err := range dead.List(ctx, u.js, dead.Filter{Flow: u.name, Until: job.Asked}) {
		if err != nil {
			return err
		}
		if b.RawSequence > 0 && b.Edits == 0 {
			u.letters[b.RawSequence] = append(u.letters[b.RawSequence], b)
		}
	}
	return nil
}

// turn waits until so many records may be mapped: at the rate, and behind those that come now, here and at
// the sink.
func (u *undertaking) turn(ctx context.Context, records int, rate float64) error {
	consume.Pause(ctx, time.Until(u.due))
	for {
		why, err := u.inTheWay(ctx)
		if err != nil {
			return err
		}
		if u.now().Why != why {
			if err := u.note(ctx, func(j *replay.Job) { j.Why = why }); err != nil {
				return err
			}
		}
		if why == "" {
			break
		}
		consume.Pause(ctx, yield)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	u.due = time.Now().Add(time.Duration(float64(records) / rate * float64(time.Second)))
	return ctx.Err()
}

// inTheWay says what goes before the replay now, "" when nothing does.
func (u *undertaking) inTheWay(ctx context.Context) (string, error) {
	live, err := pending(ctx, u.js, topology.Raw, topology.TransformerConsumer(u.name))
	if err != nil || live > 0 {
		return fmt.Sprintf("%d records that come now go first", live), err
	}
	sink := topology.SinkConsumer(u.kind, u.connection)
	waiting, err := pending(ctx, u.js, topology.Target, sink)
	if err != nil || waiting > replayBatch {
		return fmt.Sprintf("%d messages wait for %s, which goes first", waiting, sink), err
	}
	return "", nil
}

// pending is how many messages a consumer has not given out yet, 0 where there is no consumer.
func pending(ctx context.Context, js jetstream.JetStream, stream, consumer string) (uint64, error) {
	cons, err := js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	return cons.CachedInfo().NumPending, nil
}

// handle maps records of the past, stores what comes of them, and only then notes that they are done.
func (u *undertaking) handle(ctx context.Context, p past, sequences []uint64) error {
	records, gone, err := p.fetch(ctx, sequences)
	if err != nil {
		return err
	}
	outcomes := make([]outcome, len(records))
	for i, rec := range records {
		outcomes[i] = u.apply(ctx, rec, u.lookup(), stay{})
	}
	if err := consume.Insist(ctx, func() error { return u.publish(ctx, outcomes) }); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.err == nil {
			continue
		}
		if err := u.bury(ctx, o); err != nil {
			return err
		}
	}
	seam.Reach(seam.ReplayPublished)
	if err := u.settleLetters(ctx, records); err != nil {
		return err
	}
	done := counted(outcomes)
	err = u.note(ctx, func(j *replay.Job) {
		j.Done = sequences[len(sequences)-1]
		j.Mapped, j.Filtered, j.Parked, j.Died, j.Gone = j.Mapped+done.Mapped, j.Filtered+done.Filtered, j.Parked+done.Parked, j.Died+done.Died, j.Gone+gone
	})
	if done.Parked > 0 {
		u.onParked()
	}
	return err
}

// counted counts outcomes.
func counted(outcomes []outcome) replay.Progress {
	var p replay.Progress
	for _, o := range outcomes {
		switch {
		case o.err != nil:
			p.Died++
		case o.parked != nil:
			p.Parked++
		case o.filtered:
			p.Filtered++
		default:
			p.Mapped++
		}
	}
	return p
}

// settleLetters notes of letters whose records were mapped again that they were replayed. One of those records
// that died again has a letter of its own.
func (u *undertaking) settleLetters(ctx context.Context, records []recalled) error {
	job := u.now().Job
	desk := dead.NewDesk(u.js, flow.Set{}, cmp.Or(job.By, "replay"))
	for _, rec := range records {
		for _, letter := range u.letters[rec.sequence] {
			err := consume.Insist(ctx, func() error {
				return desk.Remapped(ctx, letter, fmt.Sprintf("replay %d of the flow", job.ID))
			})
			if err != nil {
				return err
			}
		}
		delete(u.letters, rec.sequence)
	}
	return nil
}
