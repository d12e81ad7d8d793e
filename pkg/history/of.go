package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Of returns the history of a key in a flow. It reads the headers of the key's partition in RAW and
// TARGET, which are a 64th of them, its receipts, and the headers of what the flow has in PARKED and
// DEAD. Nothing found is no error. It may be called at any time, by many at once.
func Of(ctx context.Context, js jetstream.JetStream, snapshot flow.Snapshot, q Query) (History, error) {
	t, err := newTeller(js, snapshot, q)
	if err != nil {
		return History{}, err
	}
	h, err := t.tell(ctx)
	if err != nil || !slices.ContainsFunc(h.Versions, func(v Version) bool { return v.Standing == Missing }) {
		return h, err
	}
	// What went on while it was looked for may have been in none of the places: look again.
	if t, err = newTeller(js, snapshot, q); err != nil {
		return h, err
	}
	return t.tell(ctx)
}

// teller gathers one history.
type teller struct {
	Query
	js   jetstream.JetStream
	flow flow.Flow
	// source and system say where the flow's records are in RAW.
	source, system string
	// passed is up to which sequence of RAW and TARGET all is settled.
	passed positions

	mu       sync.Mutex
	versions map[uint64]*version
	link     *Link
	searched []Search
	// unreadable names messages that can't be read.
	unreadable []string
}

// version is a version on its way into the history.
type version struct {
	Version
	// isParked says that PARKED has it.
	isParked bool
	// outcome is the last that is known, at a sequence of RECEIPTS.
	outcome Standing
	// targets are its messages in TARGET.
	targets []target
	// letters are its dead letters.
	letters []dead.Buried
}

func newTeller(js jetstream.JetStream, snapshot flow.Snapshot, q Query) (*teller, error) {
	f, ok := snapshot.Flows[q.Flow]
	if !ok {
		return nil, fmt.Errorf("no flow %q is stored%s", q.Flow, flow.DidYouMean(q.Flow, snapshot.Names(flow.KindFlow)))
	}
	src, ok := snapshot.Sources[f.From]
	if !ok {
		return nil, fmt.Errorf("flow %s reads source %s, which is not stored", f.Name, f.From)
	}
	described, err := feed.Get(src.Feed)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", src.Name, err)
	}
	return &teller{Query: q, js: js, flow: f, source: src.Name, system: described.System, versions: map[uint64]*version{}}, nil
}

// tell reads everything. Positions go first: what is before them has its outcome already then.
func (t *teller) tell(ctx context.Context) (History, error) {
	if err := t.locate(ctx); err != nil {
		return History{}, err
	}
	g, within := errgroup.WithContext(ctx)
	for part, take := range map[scan]take{
		{stream: topology.Parked, subject: topology.ParkedFilter(t.Flow)}:                          t.parked,
		{stream: topology.Receipts, subject: topology.ReceiptSubject(t.Flow, t.Key), bodies: true}: t.receipts,
		{stream: topology.Raw, subject: topology.RawSubject(t.system, t.source, t.Key)}:            t.raw,
	} {
		g.Go(func() error { return t.search(within, part, take) })
	}
	g.Go(func() error { return t.dead(within) })
	g.Go(func() error { return t.linked(within) })
	err := g.Wait()
	if err == nil {
		// A target message is younger than its record, and older than its outcome unless the sink has it yet
		// to settle: that says where to look.
		mapped := scan{stream: topology.Target, subject: topology.TargetPartition(t.Flow, t.Key), since: t.oldest(), until: t.settledBy(), beyond: t.passed.target}
		err = t.search(ctx, mapped, t.target)
	}
	if err != nil {
		return History{}, fmt.Errorf("history of key %s in flow %s: %w", t.Key, t.Flow, err)
	}
	return t.history(), nil
}

// search reads a part of a stream.
func (t *teller) search(ctx context.Context, part scan, take take) error {
	found, err := part.read(ctx, t.js, take)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.searched = append(t.searched, found)
	return err
}

// skew is how far the clocks of servers may be apart.
const skew = time.Minute

// oldest is when the first version was read; the zero time where RAW does not have all that are known.
func (t *teller) oldest() time.Time {
	var oldest time.Time
	for _, v := range t.versions {
		at := slices.IndexFunc(v.Events, func(e Event) bool { return e.Kind == Read })
		if at < 0 {
			return time.Time{}
		}
		if oldest.IsZero() || v.Events[at].Time.Before(oldest) {
			oldest = v.Events[at].Time
		}
	}
	if oldest.IsZero() {
		return oldest
	}
	return oldest.Add(-skew)
}

// settledBy is when the last outcome was known; the zero time where a version has none, or where what
// died was replayed and may be on its way anywhere.
func (t *teller) settledBy() time.Time {
	var last time.Time
	for _, v := range t.versions {
		if v.outcome == "" || slices.ContainsFunc(v.letters, func(l dead.Buried) bool { return l.Note != nil && l.Note.Action == dead.Replayed }) {
			return time.Time{}
		}
		for _, e := range v.Events {
			if e.Time.After(last) {
				last = e.Time
			}
		}
	}
	if last.IsZero() {
		return last
	}
	return last.Add(skew)
}

// add adds to the version at a sequence of RAW. number is its version.
func (t *teller) add(sequence uint64, number int64, do func(*version)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.versions[sequence]
	if v == nil {
		v = &version{Version: Version{RawSequence: sequence}}
		t.versions[sequence] = v
	}
	if v.Version.Version == 0 {
		v.Version.Version = number
	}
	do(v)
}

// skip notes a message that can't be read.
func (t *teller) skip(stream string, sequence uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unreadable = append(t.unreadable, fmt.Sprintf("sequence %d of stream %s: %v", sequence, stream, err))
}

// history puts together what was found.
func (t *teller) history() History {
	h := History{Flow: t.Flow, Key: t.Key, Source: t.source, Versions: []Version{}, Link: t.link, Searched: t.searched, Unreadable: t.unreadable}
	for _, sequence := range slices.Sorted(maps.Keys(t.versions)) {
		v := t.versions[sequence]
		slices.SortFunc(v.targets, func(a, b target) int { return cmp.Compare(a.sequence, b.sequence) })
		v.Standing = v.standing(t.passed)
		sortEvents(v.Events)
		h.Versions = append(h.Versions, v.Version)
	}
	slices.SortFunc(h.Searched, func(a, b Search) int { return searchOrder[a.Stream] - searchOrder[b.Stream] })
	return h
}

var searchOrder = map[string]int{topology.Raw: 0, topology.Parked: 1, topology.Target: 2, topology.Receipts: 3, topology.Dead: 4}

// positions is up to which sequence the flow's transformer, and its sink, have settled everything.
type positions struct {
	raw, target uint64
}

// locate reads the positions. Where there is no consumer nothing is settled.
func (t *teller) locate(ctx context.Context) error {
	var errs [2]error
	t.passed.raw, errs[0] = t.settled(ctx, topology.Raw, topology.TransformerConsumer(t.Flow))
	t.passed.target, errs[1] = t.settled(ctx, topology.Target, topology.SinkConsumer(t.flow.Target.Kind, t.flow.Target.Connection))
	return errors.Join(errs[:]...)
}

func (t *teller) settled(ctx context.Context, stream, consumer string) (uint64, error) {
	cons, err := t.js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("position of consumer %s of stream %s: %w", consumer, stream, err)
	}
	return cons.CachedInfo().AckFloor.Stream, nil
}
