package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	kindWarned = "quality-warning"
	// tellEvery is how long operators hear nothing more of one rule of a flow.
	tellEvery = time.Hour
	// countEvery is how often a replica adds what it counted to what all of them did.
	countEvery = 15 * time.Second
	// tallyRounds is how often an entry is tried that another replica writes at the same time.
	tallyRounds = 5
)

// tally counts the records that break quality rules with else: warn, and tells operators: at the first one,
// and then once an hour how many there were. All replicas together have one entry for each rule, so they
// tell it once. A count may be a little off where a record was delivered twice or a replica died.
type tally struct {
	transform
	now func() time.Time
	// wake is asked when there is something to count.
	wake chan struct{}

	mu     sync.Mutex
	counts map[string]warned
}

// warned is what is known of one rule.
type warned struct {
	// Count is how many records broke it that operators have not heard of yet, the first at Since, the last
	// of them with Key.
	Count int64     `json:"count"`
	Since time.Time `json:"since,omitzero"`
	Key   string    `json:"key"`
	// Told is when operators heard of it last.
	Told time.Time `json:"told,omitzero"`
}

func newTally(t transform) *tally {
	return &tally{transform: t, now: time.Now, wake: make(chan struct{}, 1), counts: map[string]warned{}}
}

// note counts the records of a batch that went on with a warning. It does not block.
func (y *tally) note(outcomes []outcome) {
	some := false
	for _, o := range outcomes {
		if o.err != nil || o.target == nil {
			continue
		}
		for _, rule := range o.warnings {
			y.add(rule, warned{Count: 1, Since: y.now(), Key: o.envelope.Key})
			some = true
		}
	}
	if some {
		y.ask()
	}
}

func (y *tally) add(rule string, more warned) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counts[rule] = y.counts[rule].plus(more)
}

func (w warned) plus(more warned) warned {
	if w.Since.IsZero() || !more.Since.IsZero() && more.Since.Before(w.Since) {
		w.Since = more.Since
	}
	w.Count += more.Count
	w.Key = more.Key
	return w
}

// run brings what was counted to the bucket until ctx is done, and once more then.
func (y *tally) run(ctx context.Context) error {
	work, release := consume.WithGrace(ctx, grace)
	defer release()
	defer y.bring(work)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-y.wake:
		}
		y.bring(work)
		consume.Pause(ctx, countEvery)
	}
}

// bring adds what was counted to the entries; what can't be added is counted on and tried again.
func (y *tally) bring(ctx context.Context) {
	if err := y.flush(ctx); err != nil {
		y.log.WarnContext(ctx, "warnings of quality rules not counted yet", "err", err)
		y.ask()
	}
}

// ask asks for a further round.
func (y *tally) ask() {
	select {
	case y.wake <- struct{}{}:
	default:
	}
}

// flush does it once.
func (y *tally) flush(ctx context.Context) error {
	y.mu.Lock()
	counts := y.counts
	y.counts = map[string]warned{}
	y.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	kv, err := y.js.KeyValue(ctx, topology.BucketPositions)
	var errs []error
	for rule, counted := range counts {
		oneErr := err
		if oneErr == nil {
			oneErr = y.tell(ctx, kv, rule, counted)
		}
		if oneErr != nil {
			y.add(rule, counted)
			errs = append(errs, oneErr)
		}
	}
	return errors.Join(errs...)
}

// tell adds to the entry of a rule, and tells operators where they have not heard of it for a while. The
// event comes first, with an id that follows from the entry: of two replicas that are at it together one is
// heard.
func (y *tally) tell(ctx context.Context, kv jetstream.KeyValue, rule string, counted warned) error {
	key := topology.WarnedKey(y.name, rule)
	for range tallyRounds {
		have, revision, err := readWarned(ctx, kv, key)
		if err != nil {
			return err
		}
		all := have.plus(counted)
		if y.now().Sub(all.Told) >= tellEvery {
			e := event.Event{
				Severity: event.Warning, Kind: kindWarned, Subject: y.name, Part: rule, Text: y.text(rule, all), Time: y.now(),
				ID: fmt.Sprintf("%s/%s/%d", kindWarned, key, revision),
			}
			if err := event.Publish(ctx, y.js, e); err != nil {
				return err
			}
			all = warned{Key: all.Key, Told: e.Time}
		}
		value, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("encode %s: %w", key, err)
		}
		_, err = kv.Update(ctx, key, value, revision)
		if !topology.IsFenced(err) {
			return err
		}
	}
	return fmt.Errorf("write %s: other replicas wrote it %d times meanwhile", key, tallyRounds)
}

func readWarned(ctx context.Context, kv jetstream.KeyValue, key string) (warned, uint64, error) {
	var w warned
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return w, 0, nil
	}
	if err != nil {
		return w, 0, fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(entry.Value(), &w); err != nil {
		return warned{}, entry.Revision(), nil //nolint:nilerr // counted anew
	}
	return w, entry.Revision(), nil
}

func (y *tally) text(rule string, all warned) string {
	return fmt.Sprintf("%d records of flow %s break the quality rule %q since %s, the last one of document %s: they went on; `erpstream trace %s %s` shows it",
		all.Count, y.name, rule, all.Since.In(y.feed.Location()).Format(time.RFC3339), all.Key, y.name, all.Key)
}
