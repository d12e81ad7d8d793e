package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	// sweepEvery is how often everything that is parked is looked at, whatever was heard of; retryAfter
	// how soon after a round that failed.
	sweepEvery = time.Minute
	retryAfter = 2 * time.Second
	// gather is how long a round waits for further news of the same burst.
	gather = 50 * time.Millisecond
	// pageBytes bounds what is read from PARKED at once.
	pageBytes = 8 << 20
	// deleters is how many deletions are under way at once.
	deleters = 16
)

// releaser lets the parked records of one flow go on: those whose entry is there, and once those that
// another revision of the flow parked. Each replica has one; what two of them release is one message
// in TARGET, by its id.
//
// No record is left behind: an entry that comes between the look-up that missed it and the parking is
// seen by the round that parking asks for, an entry that comes later asks for one itself, and what a
// replica parked that died before its round is found by the start or the sweep of another.
type releaser struct {
	transform
	// wake asks for a round.
	wake  chan struct{}
	alarm *alarm
	// waiting is what is parked, by subject, as far as it is known.
	waiting map[string]*waiting
}

// waiting is the records that wait for one entry.
type waiting struct {
	parkedHeader
	count uint64
	// tried is set once the records of another revision were mapped again.
	tried bool
}

func newReleaser(t transform) *releaser {
	return &releaser{transform: t, wake: make(chan struct{}, 1), alarm: newAlarm(t), waiting: map[string]*waiting{}}
}

// ask asks for a round, for something was parked. It does not block.
func (r *releaser) ask() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run releases until ctx is done.
func (r *releaser) run(ctx context.Context) error {
	work, release := consume.WithGrace(ctx, grace)
	defer release()
	arrivals, stop := r.arrivals()
	defer stop()
	hush := r.board.hear(r.name, r.ask)
	defer hush()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for full := true; ; {
		var retry <-chan time.Time
		if err := r.round(ctx, work, full); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "parked records not looked at, they are again soon", "err", err)
			retry = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wake:
			full = false
		case <-arrivals:
			full = false
		case <-retry:
			full = true
		case <-sweep.C:
			full = true
		}
		consume.Pause(ctx, gather)
	}
}

// arrivals is told of new master data; never, where the flow looks up none.
func (r *releaser) arrivals() (arrivals <-chan struct{}, stop func()) {
	if r.store == nil {
		return nil, func() {}
	}
	return r.store.Arrivals()
}

// round releases what can go on. A full one reads again what is known already, and sees to the alarm.
func (r *releaser) round(ctx, work context.Context, full bool) error {
	stream, err := r.js.Stream(work, topology.Parked)
	if err != nil {
		return fmt.Errorf("stream %s: %w", topology.Parked, err)
	}
	if err := r.learn(work, stream, full); err != nil {
		return err
	}
	due := r.due()
	if err := r.release(ctx, work, stream, due); err != nil {
		return err
	}
	if !full {
		return ctx.Err()
	}
	if len(due) > 0 {
		if err := r.learn(work, stream, false); err != nil {
			return err
		}
	}
	return r.alarm.look(work, r.waiting)
}

// due returns the subjects whose records can go on, always that of replayed letters, in an order of this replica's own, so that replicas
// that hear of the same entries mostly find each other's work done instead of doing it twice.
func (r *releaser) due() []string {
	var subjects []string
	for subject, w := range r.waiting {
		if subject == topology.ReplaySubject(r.name) || r.goesOn(w) {
			subjects = append(subjects, subject)
		}
	}
	rand.Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] }) //nolint:gosec // so that replicas begin with different ones
	return subjects
}

// goesOn reports whether records can go on: the entry is there, be it twice, or they were parked by a
// revision that may have looked up something else.
func (r *releaser) goesOn(w *waiting) bool {
	if w.revision != r.revision && !w.tried {
		return true
	}
	return w.rule == "" && r.store != nil && len(r.store.Find(w.missing.Collection, w.missing.Field, w.missing.Value)) > 0
}

// learn brings waiting up to date.
func (r *releaser) learn(ctx context.Context, stream jetstream.Stream, full bool) error {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(topology.ParkedFilter(r.name)))
	if err != nil {
		return fmt.Errorf("subjects of stream %s: %w", topology.Parked, err)
	}
	counts := info.State.Subjects
	maps.DeleteFunc(r.waiting, func(subject string, _ *waiting) bool { return counts[subject] == 0 })
	for subject, count := range counts {
		if r.waiting[subject] == nil || full {
			if err := r.meet(ctx, stream, subject); err != nil {
				return err
			}
		}
		if w := r.waiting[subject]; w != nil {
			w.count = count
		}
	}
	return nil
}

// meet reads the first record of a subject, which has waited longest.
func (r *releaser) meet(ctx context.Context, stream jetstream.Stream, subject string) error {
	first, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		delete(r.waiting, subject)
		return nil
	}
	if err != nil {
		return fmt.Errorf("first record of %s: %w", subject, err)
	}
	header, _ := readParked(first.Header) // one that can't be read is buried when it is released
	w := r.waiting[subject]
	if w == nil || w.revision != header.revision {
		w = &waiting{}
		r.waiting[subject] = w
	}
	w.parkedHeader = header
	return nil
}

// release maps the records of subjects again, a batch of them at a time.
func (r *releaser) release(ctx, work context.Context, stream jetstream.Stream, subjects []string) error {
	var batch []*jetstream.RawStreamMsg
	kept := map[string]bool{}
	for _, subject := range subjects {
		for next := uint64(1); ctx.Err() == nil; {
			page, err := r.page(work, subject, next)
			if err != nil {
				return fmt.Errorf("read %s: %w", subject, err)
			}
			if len(page) == 0 {
				break
			}
			next = page[len(page)-1].Sequence + 1
			if batch = append(batch, page...); len(batch) < r.batch {
				continue
			}
			if err := r.handle(work, stream, batch, kept); err != nil {
				return err
			}
			batch = nil
		}
	}
	if err := r.handle(work, stream, batch, kept); err != nil {
		return err
	}
	for _, subject := range subjects {
		r.waiting[subject].tried = ctx.Err() == nil
	}
	return nil
}

// page reads records of a subject from a sequence on. It has every one up to its last: each names the
// one before it, and the page ends where that is not the one that was read.
func (r *releaser) page(ctx context.Context, subject string, from uint64) ([]*jetstream.RawStreamMsg, error) {
	messages, err := jetstreamext.GetBatch(ctx, r.js, topology.Parked, r.batch,
		jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(from), jetstreamext.GetBatchMaxBytes(pageBytes))
	if err != nil {
		return nil, err
	}
	var page []*jetstream.RawStreamMsg
	last := "0"
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) || err == nil && msg.Header.Get(jetstream.LastSequenceHeader) != last {
			break
		}
		if err != nil {
			return nil, err
		}
		page, last = append(page, msg), strconv.FormatUint(msg.Sequence, 10)
	}
	return page, nil
}

// handle maps parked records, stores what comes of them, and only then takes them out of PARKED. One
// that still waits for the same entry stays where it is, and its subject is noted in kept.
func (r *releaser) handle(ctx context.Context, stream jetstream.Stream, batch []*jetstream.RawStreamMsg, kept map[string]bool) error {
	var outcomes []outcome
	done := map[string][]uint64{}
	for _, stored := range batch {
		o := r.unpark(ctx, stored)
		if o.err == nil && o.parked != nil && o.parked.Subject == stored.Subject {
			kept[stored.Subject] = true
			continue
		}
		outcomes, done[stored.Subject] = append(outcomes, o), append(done[stored.Subject], stored.Sequence)
	}
	if err := consume.Insist(ctx, func() error { return r.publish(ctx, outcomes) }); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.err == nil {
			continue
		}
		if err := r.bury(ctx, o); err != nil {
			return err
		}
	}
	if len(outcomes) > 0 {
		seam.Reach(seam.ReleasePublished)
		r.log.InfoContext(ctx, "records released", "records", len(outcomes))
	}
	return remove(ctx, stream, done, kept)
}

// remove takes records out of PARKED: with one request for all of a subject up to the last one, for the
// server flushes each deletion on its own; one by one where some of the subject are kept.
func remove(ctx context.Context, stream jetstream.Stream, done map[string][]uint64, kept map[string]bool) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(deleters)
	for subject, sequences := range done {
		if !kept[subject] {
			g.Go(func() error {
				last := sequences[len(sequences)-1]
				return stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(last+1))
			})
			continue
		}
		for _, sequence := range sequences {
			g.Go(func() error { return removeOne(ctx, stream, sequence) })
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("take released records out of %s: %w", topology.Parked, err)
	}
	return nil
}

// removeOne deletes one record; one that another replica deleted before is gone as well.
func removeOne(ctx context.Context, stream jetstream.Stream, sequence uint64) error {
	err := stream.DeleteMsg(ctx, sequence)
	if err == nil {
		return nil
	}
	if _, gone := stream.GetMsg(ctx, sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	return fmt.Errorf("sequence %d: %w", sequence, err)
}
