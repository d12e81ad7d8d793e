package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// ErrTaken says that a job was changed by somebody else: another replica has it, or it was cancelled.
var ErrTaken = errors.New("the replay was changed by somebody else meanwhile")

// Kept is how many jobs of a flow that are over stay in the bucket.
const Kept = 20

// Ask puts a job into the bucket, with a number of its own, and returns when NATS has it. It sets what
// follows from the moment: state, time, and the end of RAW. Jobs of a flow are done one after the other.
func Ask(ctx context.Context, js jetstream.JetStream, job Job) (Entry, error) {
	if err := job.check(); err != nil {
		return Entry{}, err
	}
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return Entry{}, fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	kv, err := bucket(ctx, js)
	if err != nil {
		return Entry{}, err
	}
	job.State, job.Asked, job.Last = Queued, time.Now(), raw.CachedInfo().State.LastSeq
	job.Updated = job.Asked
	for {
		known, err := List(ctx, js, job.Flow)
		if err != nil {
			return Entry{}, err
		}
		job.ID = 1
		if n := len(known); n > 0 {
			job.ID = known[n-1].ID + 1
		}
		value, err := json.Marshal(job)
		if err != nil {
			return Entry{}, fmt.Errorf("ask for a replay of flow %s: %w", job.Flow, err)
		}
		step, err := kv.Create(ctx, key(job.Flow, job.ID), value)
		if errors.Is(err, jetstream.ErrKeyExists) {
			continue // somebody else took the number
		}
		if err != nil {
			return Entry{}, fmt.Errorf("ask for a replay of flow %s: %w", job.Flow, err)
		}
		return Entry{Job: job, Step: step}, prune(ctx, kv, known)
	}
}

// prune takes the oldest jobs out of the bucket that are over.
func prune(ctx context.Context, kv jetstream.KeyValue, known []Entry) error {
	over := slices.DeleteFunc(known, func(e Entry) bool { return e.State.Open() })
	for _, e := range over[:max(0, len(over)-Kept)] {
		if err := kv.Purge(ctx, key(e.Flow, e.ID)); err != nil {
			return fmt.Errorf("forget replay %d of flow %s: %w", e.ID, e.Flow, err)
		}
	}
	return nil
}

// List returns the jobs of a flow, of all flows when it is empty, sorted by flow and number. One that can't
// be read is there as failed.
func List(ctx context.Context, js jetstream.JetStream, flow string) ([]Entry, error) {
	kv, err := bucket(ctx, js)
	if err != nil {
		return nil, err
	}
	watch, err := kv.Watch(ctx, prefix+cmp.Or(flow, "*")+".*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read the replays in bucket %s: %w", topology.BucketControl, err)
	}
	defer func() { _ = watch.Stop() }()
	all := []Entry{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read the replays in bucket %s: %w", topology.BucketControl, ctx.Err())
		case entry, open := <-watch.Updates():
			if !open || entry == nil {
				slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.ID, b.ID)) })
				return all, nil
			}
			e, ok, err := Read(entry)
			if err != nil {
				e.Why = err.Error()
			}
			if ok {
				all = append(all, e)
			}
		}
	}
}

// Get returns one job.
func Get(ctx context.Context, js jetstream.JetStream, flow string, id uint64) (Entry, error) {
	kv, err := bucket(ctx, js)
	if err != nil {
		return Entry{}, err
	}
	entry, err := kv.Get(ctx, key(flow, id))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry{}, fmt.Errorf("flow %s has no replay %d: `erpstream flow replay %s --list` shows them", flow, id, flow)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read replay %d of flow %s: %w", id, flow, err)
	}
	e, _, err := Read(entry)
	return e, err
}

// Note writes how far a job is, if it is still as it was at its step, and returns it with its next one. The
// error is ErrTaken when it isn't: nothing more is to be done for it then.
func Note(ctx context.Context, js jetstream.JetStream, e Entry) (Entry, error) {
	kv, err := bucket(ctx, js)
	if err != nil {
		return e, err
	}
	e.Updated = time.Now()
	value, err := json.Marshal(e.Job)
	if err != nil {
		return e, fmt.Errorf("note replay %d of flow %s: %w", e.ID, e.Flow, err)
	}
	step, err := kv.Update(ctx, key(e.Flow, e.ID), value, e.Step)
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) || topology.IsFenced(err) {
		return e, fmt.Errorf("note replay %d of flow %s: %w", e.ID, e.Flow, ErrTaken)
	}
	if err != nil {
		return e, fmt.Errorf("note replay %d of flow %s: %w", e.ID, e.Flow, err)
	}
	e.Step = step
	return e, nil
}

// Cancel ends a job. What it has mapped stays; a batch in hand may still be mapped. One that is over
// already stays as it is, which is no error.
func Cancel(ctx context.Context, js jetstream.JetStream, flow string, id uint64, by string) (Entry, error) {
	for {
		e, err := Get(ctx, js, flow, id)
		if err != nil || !e.State.Open() {
			return e, err
		}
		e.State, e.Holder, e.Why = Cancelled, "", ""
		if by != "" {
			e.Why = "cancelled by " + by
		}
		if e, err = Note(ctx, js, e); !errors.Is(err, ErrTaken) {
			return e, err
		}
	}
}

// Follow calls told with a job as it is now and after each note, until the job is over, told returns an
// error, or ctx is done.
func Follow(ctx context.Context, js jetstream.JetStream, flow string, id uint64, told func(Entry) error) error {
	kv, err := bucket(ctx, js)
	if err != nil {
		return err
	}
	watch, err := kv.Watch(ctx, key(flow, id))
	if err != nil {
		return fmt.Errorf("watch replay %d of flow %s: %w", id, flow, err)
	}
	defer func() { _ = watch.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, open := <-watch.Updates():
			if !open {
				return fmt.Errorf("watch replay %d of flow %s: the connection was closed", id, flow)
			}
			if entry == nil {
				continue
			}
			e, _, err := Read(entry)
			if err == nil {
				err = told(e)
			}
			if err != nil || !e.State.Open() {
				return err
			}
		}
	}
}

func bucket(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, topology.BucketControl)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketControl, err)
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", topology.BucketControl, err)
	}
	return kv, nil
}
