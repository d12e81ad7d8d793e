// Package vitals tells how flows are: who runs which revision, how much waits, what failed last. It only
// reads.
package vitals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Flow is how one flow is.
type Flow struct {
	Name   string `json:"flow"`
	Source string `json:"source"`
	// Kind and Connection name the target.
	Kind       string `json:"kind"`
	Connection string `json:"connection"`
	State      State  `json:"state"`
	// Problems say in words what keeps the flow, or its sink, from working; none where all is well.
	Problems []string `json:"problems"`
	// Revision is the one that is stored, Applied when it was.
	Revision uint64    `json:"revision"`
	Applied  time.Time `json:"applied"`
	// Hold is what makes the flow stand still, nil for nothing.
	Hold *hold.Hold `json:"hold,omitempty"`
	// Transformers and Sinks are the replicas that say they run the flow, and write to its connection.
	Transformers []Replica `json:"transformers"`
	Sinks        []Replica `json:"sinks"`
	// Unmapped is what lies ahead of the transformer, Unwritten ahead of the sink, there for all flows of the
	// connection together.
	Unmapped  Lag `json:"unmapped"`
	Unwritten Lag `json:"unwritten"`
	// Parked counts the records that wait, by what they wait for.
	Parked map[string]uint64 `json:"parked"`
	// Dead is how many dead letters nothing was done with yet.
	Dead      uint64   `json:"dead_letters"`
	LastError *Trouble `json:"last_error,omitempty"`
	// Replays are those that are open.
	Replays []replay.Job `json:"replays"`
}

// State is how a flow is in one word.
type State string

// The states of a flow. Updating means that not all replicas have confirmed the stored revision yet.
const (
	Running  State = "running"
	Paused   State = "paused"
	Updating State = "updating"
	Failing  State = "failing"
)

// Replica is a process that has to do with the flow.
type Replica struct {
	Instance string `json:"instance"`
	State    string `json:"state"`
	// Revision is what it runs with: of the flow, or of the sink's connection. Confirmed is whether that is
	// the one stored.
	Revision  uint64    `json:"revision"`
	Confirmed bool      `json:"confirmed"`
	Error     string    `json:"error,omitempty"`
	Since     time.Time `json:"since"`
}

// Lag is what lies ahead of a consumer.
type Lag struct {
	// Pending messages wait, InHand are being worked on.
	Pending uint64 `json:"pending"`
	InHand  uint64 `json:"in_hand"`
	// Oldest is when the oldest of them was stored, the zero time where there is none.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Trouble is something that went wrong.
type Trouble struct {
	Time  time.Time `json:"time"`
	Where string    `json:"where"`
	Text  string    `json:"text"`
}

// slow is how long replicas may take to confirm a revision before that is a problem.
const slow = time.Minute

// Look tells how flows are, all that are stored where none is named. An unknown name is an error.
func Look(ctx context.Context, js jetstream.JetStream, stored flow.Snapshot, names ...string) ([]Flow, error) {
	if len(names) == 0 {
		names = stored.Names(flow.KindFlow)
	}
	l := looker{js: js, stored: stored}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	flows := []Flow{}
	for _, name := range names {
		if _, ok := stored.Flows[name]; !ok {
			return nil, fmt.Errorf("no flow %q is stored: there are %v", name, stored.Names(flow.KindFlow))
		}
		f, err := l.look(ctx, stored.Flows[name])
		if err != nil {
			return nil, fmt.Errorf("status of flow %s: %w", name, err)
		}
		flows = append(flows, f)
	}
	return flows, nil
}

// looker has what is read once for all flows.
type looker struct {
	js      jetstream.JetStream
	stored  flow.Snapshot
	states  []status.Entry
	holds   map[string]hold.Hold
	replays []replay.Entry
	letters map[string]letters
}

// letters are the dead letters of a flow that are open.
type letters struct {
	count uint64
	last  dead.Buried
}

func (l *looker) read(ctx context.Context) error {
	var err error
	if l.states, err = status.Read(ctx, l.js); err != nil {
		return err
	}
	if l.holds, err = hold.All(ctx, l.js); err != nil {
		return err
	}
	if l.replays, err = replay.List(ctx, l.js, ""); err != nil {
		return err
	}
	l.letters = map[string]letters{}
	for b, err := range dead.List(ctx, l.js, dead.Filter{}) {
		if err != nil {
			return err
		}
		l.letters[b.Flow] = letters{l.letters[b.Flow].count + 1, b}
	}
	return nil
}

func (l *looker) look(ctx context.Context, of flow.Flow) (Flow, error) {
	f := Flow{
		Name: of.Name, Source: of.From, Kind: of.Target.Kind, Connection: of.Target.Connection,
		Revision: l.stored.Revision(flow.KindFlow, of.Name), Problems: []string{}, Replays: []replay.Job{}, Dead: l.letters[of.Name].count,
	}
	f.Transformers = l.replicas("transformer", of.Name, f.Revision)
	f.Sinks = l.replicas("sink-"+f.Kind, f.Connection, l.stored.Revision(flow.KindConnection, f.Connection))
	if h, held := l.holds[of.Name]; held {
		f.Hold = &h
	}
	for _, e := range l.replays {
		if e.Flow == of.Name && e.State.Open() {
			f.Replays = append(f.Replays, e.Job)
		}
	}
	var err error
	if f.Applied, err = l.applied(ctx, of.Name); err != nil {
		return f, err
	}
	if described, err := feed.Get(l.stored.Sources[of.From].Feed); err == nil {
		if f.Unmapped, err = l.lag(ctx, topology.Raw, topology.TransformerConsumer(of.Name), topology.RawFilter(described.System, of.From)); err != nil {
			return f, err
		}
	}
	if f.Unwritten, err = l.lag(ctx, topology.Target, topology.SinkConsumer(f.Kind, f.Connection), topology.TargetFilter(f.Kind, f.Connection)); err != nil {
		return f, err
	}
	if f.Parked, err = l.parked(ctx, of.Name); err != nil {
		return f, err
	}
	f.LastError = l.lastError(f)
	f.judge(time.Now())
	return f, nil
}

// replicas are those of a service that run a unit.
func (l *looker) replicas(service, unit string, revision uint64) []Replica {
	all := []Replica{}
	for _, e := range l.states {
		if e.Service == service && e.Unit == unit {
			all = append(all, Replica{Instance: e.Instance, State: e.State, Revision: e.Revision, Confirmed: e.Revision == revision, Error: e.Error, Since: e.Since})
		}
	}
	slices.SortFunc(all, func(a, b Replica) int { return cmp.Compare(a.Instance, b.Instance) })
	return all
}

// applied is when the stored revision of a flow was stored.
func (l *looker) applied(ctx context.Context, name string) (time.Time, error) {
	kv, err := l.js.KeyValue(ctx, topology.BucketConfig)
	if err != nil {
		return time.Time{}, fmt.Errorf("bucket %s: %w", topology.BucketConfig, err)
	}
	entry, err := kv.Get(ctx, flow.KindFlow+"."+name)
	if err != nil {
		return time.Time{}, fmt.Errorf("read flow %s: %w", name, err)
	}
	return entry.Created(), nil
}

// lag is what lies ahead of a consumer; nothing is known where it was never made.
func (l *looker) lag(ctx context.Context, stream, consumer, filter string) (Lag, error) {
	cons, err := l.js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Lag{}, nil
	}
	if err != nil {
		return Lag{}, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	info := cons.CachedInfo()
	lag := Lag{Pending: info.NumPending, InHand: uint64(max(info.NumAckPending, 0))}
	if lag.Pending+lag.InHand == 0 {
		return lag, nil
	}
	s, err := l.js.Stream(ctx, stream)
	if err != nil {
		return lag, fmt.Errorf("stream %s: %w", stream, err)
	}
	oldest, err := s.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return lag, nil // it was settled, or has left the stream, meanwhile
	}
	if err != nil {
		return lag, fmt.Errorf("oldest message of %s: %w", stream, err)
	}
	lag.Oldest = oldest.Time
	return lag, nil
}

// parked counts the records of a flow that wait, by collection. Those that only wait for their turn, for
// they are replayed, are counted as "replay".
func (l *looker) parked(ctx context.Context, name string) (map[string]uint64, error) {
	stream, err := l.js.Stream(ctx, topology.Parked)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", topology.Parked, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(topology.ParkedFilter(name)))
	if err != nil {
		return nil, fmt.Errorf("subjects of stream %s: %w", topology.Parked, err)
	}
	parked := map[string]uint64{}
	for subject, count := range info.State.Subjects {
		if tokens := strings.Split(subject, "."); len(tokens) == 4 {
			parked[tokens[2]] += count
		}
	}
	return parked, nil
}

// lastError is the newest of what replicas complain of and of the dead letters that are open.
func (l *looker) lastError(f Flow) *Trouble {
	var last *Trouble
	take := func(at time.Time, where, text string) {
		if last == nil || at.After(last.Time) {
			last = &Trouble{at, where, text}
		}
	}
	for _, r := range f.Transformers {
		if r.Error != "" {
			take(r.Since, "transformer "+r.Instance, r.Error)
		}
	}
	for _, r := range f.Sinks {
		if r.Error != "" {
			take(r.Since, "sink "+r.Instance, r.Error)
		}
	}
	if b := l.letters[f.Name].last; b.Sequence > 0 {
		take(b.Time, fmt.Sprintf("dead letter %d (%s)", b.Sequence, b.Stage), b.Class+": "+b.Reason)
	}
	return last
}

// judge says in one word how the flow is, and what is wrong.
func (f *Flow) judge(now time.Time) {
	f.State = Running
	if f.Hold == nil {
		f.judgeTransformers(now)
	}
	working := slices.ContainsFunc(f.Sinks, func(r Replica) bool { return r.State == status.Running })
	switch {
	case len(f.Sinks) == 0:
		f.Problems = append(f.Problems, fmt.Sprintf("no sink-%s says that it writes to connection %s: start it", f.Kind, f.Connection))
	case !working:
		f.Problems = append(f.Problems, fmt.Sprintf("no sink writes to connection %s: %s", f.Connection, f.Sinks[0].Error))
	}
	switch {
	case f.Hold != nil:
		f.State = Paused
	case len(f.Problems) > 0:
		f.State = Failing
	}
}

func (f *Flow) judgeTransformers(now time.Time) {
	if len(f.Transformers) == 0 {
		f.Problems = append(f.Problems, "no transformer says that it runs the flow: start one")
	}
	for _, r := range f.Transformers {
		switch {
		case r.State == status.Failed:
			f.Problems = append(f.Problems, fmt.Sprintf("transformer %s: %s", r.Instance, r.Error))
		case !r.Confirmed && now.Sub(f.Applied) > slow:
			f.Problems = append(f.Problems, fmt.Sprintf("transformer %s runs revision %d since %s, and %d is stored: look at its log", r.Instance, r.Revision, r.Since.Format(time.RFC3339), f.Revision))
		case !r.Confirmed:
			f.State = Updating
		}
	}
}
