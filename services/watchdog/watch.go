package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/position"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	// lookWait is how long the server waits for a sign of life before it gives a look to another replica,
	// takeover how long it waits for a request of the one that it serves.
	lookWait = 30 * time.Second
	takeover = 30 * time.Second
	// firstAudit is how long after its begin a watch accounts for all records, and how long after it set a
	// consumer back it looks whether that helped.
	firstAudit = time.Minute
	// suspectFor is how long the records of a consumer that jumped are accounted for again and again: what
	// it leaves out may be yet to come.
	suspectFor = 10 * time.Minute
	// measureEvery is how often records are counted.
	measureEvery = time.Minute
)

// watch looks around at each tick of its own schedule, which the server keeps. The server serves one
// replica at a time, so what was seen before is in memory; another one that takes over begins anew.
type watch struct {
	config
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	log    *slog.Logger
	set    func() flow.Set
	alarms alarms
	now    func() time.Time

	// seen is what was seen of each consumer the last time, ghosts what it left out
	// then, absent since when a schedule is missing.
	seen   map[string]sighting
	ghosts map[string]ghost
	absent map[string]time.Time
	// due is when each flow's records are accounted for the next time, suspect until when that is often.
	due, suspect map[string]time.Time
	// usual and deaths are what hours and flows were like; measured is when they are looked at next.
	usual    *usual
	deaths   *deaths
	measured time.Time
}

func newWatch(cfg config, js jetstream.JetStream, kv jetstream.KeyValue, log *slog.Logger, set func() flow.Set) *watch {
	return &watch{
		config: cfg, js: js, kv: kv, log: log, set: set, alarms: alarms{js, kv}, now: time.Now,
		seen: map[string]sighting{}, ghosts: map[string]ghost{}, absent: map[string]time.Time{}, due: map[string]time.Time{}, suspect: map[string]time.Time{},
		usual: newUsual(js), deaths: newDeaths(js),
	}
}

// watched is a consumer of ours: whose it is, for which subjects, and which flows go through it.
type watched struct {
	stream, consumer, filter string
	service, unit            string
	flows                    []string
	// paused is set where an operator wants it to stand still.
	paused bool
}

// mapper is the service whose units are flows.
const mapper = "transformer"

// sighting is what a consumer was like; info is nil while it is not there.
type sighting struct {
	info *jetstream.ConsumerInfo
	// since is when it moved last, as far as this replica saw.
	since time.Time
}

// run looks at each tick until ctx is done or the consumer is gone.
func (w *watch) run(ctx context.Context) error {
	cons, err := consume.Durable(ctx, w.js, topology.Polls, jetstream.ConsumerConfig{
		Durable: topology.WatchdogConsumer, FilterSubject: topology.WatchTick, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: lookWait, MaxAckPending: 1, MaxDeliver: -1,
		PriorityPolicy: jetstream.PriorityPolicyPinned, PriorityGroups: []string{consume.AloneGroup}, PinnedTTL: takeover,
	})
	if err != nil {
		return fmt.Errorf("consumer of the watchdog's ticks: %w", err)
	}
	alone := consume.Alone{Takeover: takeover, Linger: time.Millisecond, Log: w.log}
	defer alone.HandOver(ctx, w.js, cons)
	stop := alone.Keep(ctx, cons)
	defer stop()
	for ctx.Err() == nil {
		if err := w.schedule(ctx); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "the watchdog's own schedule is not sure", "err", err)
		}
		ticks, err := alone.Batch(ctx, cons, 1)
		if err != nil {
			return fmt.Errorf("consumer of the watchdog's ticks: %w", err)
		}
		for _, tick := range ticks {
			w.handle(ctx, tick)
		}
	}
	return ctx.Err()
}

func (w *watch) handle(ctx context.Context, tick jetstream.Msg) {
	stop := consume.Beat(ctx, lookWait/3, tick)
	err := w.look(ctx)
	stop()
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "not everything could be looked at", "err", err)
	}
	if err := tick.Ack(); err != nil {
		w.log.WarnContext(ctx, "tick not settled, it comes again", "err", err)
	}
}

// schedule makes the server tick, where it doesn't yet.
func (w *watch) schedule(ctx context.Context) error {
	every := "@every " + w.config.look.String()
	polls, err := w.js.Stream(ctx, topology.Polls)
	if err != nil {
		return fmt.Errorf("stream %s: %w", topology.Polls, err)
	}
	have, err := polls.GetLastMsgForSubject(ctx, topology.WatchSchedule)
	if err == nil && have.Header.Get(jetstream.ScheduleHeader) == every {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("look up the watchdog's schedule: %w", err)
	}
	msg := nats.NewMsg(topology.WatchSchedule)
	msg.Header.Set(jetstream.ScheduleHeader, every)
	msg.Header.Set(jetstream.ScheduleTargetHeader, topology.WatchTick)
	msg.Header.Set(jetstream.ScheduleTTLHeader, max(w.config.look, time.Second).String())
	if _, err := w.js.PublishMsg(ctx, msg); err != nil {
		return fmt.Errorf("schedule the watchdog: %w", err)
	}
	return nil
}

// look looks at everything once. What can't be looked at keeps nothing else from being.
func (w *watch) look(ctx context.Context) error {
	set := w.set()
	states, err := status.Read(ctx, w.js)
	holds, err2 := hold.All(ctx, w.js)
	errs := []error{err, err2}
	for _, c := range consumersOf(set) {
		_, c.paused = holds[c.unit]
		c.paused = c.paused && c.service == mapper
		errs = append(errs, w.lookAt(ctx, c, states))
	}
	errs = append(errs, w.lookAtSources(ctx, set, states), w.account(ctx, set), w.measure(ctx, set))
	return errors.Join(errs...)
}

// measure looks at what can't be seen of one record: how many there are, and how many die.
func (w *watch) measure(ctx context.Context, set flow.Set) error {
	if w.now().Before(w.measured) {
		return nil
	}
	w.measured = w.now().Add(measureEvery)
	return errors.Join(w.lookAtHours(ctx, set), w.lookAtDeaths(ctx, set))
}

// consumersOf are the consumers that a configuration has.
func consumersOf(set flow.Set) []watched {
	var all []watched
	sinks := map[string]int{}
	for _, name := range set.Names(flow.KindFlow) {
		f := set.Flows[name]
		src := set.Sources[f.From]
		all = append(all, watched{
			stream: topology.Raw, consumer: topology.TransformerConsumer(name), filter: topology.RawFilter(set.Connections[src.Connection].System, src.Name),
			service: mapper, unit: name, flows: []string{name},
		})
		consumer := topology.SinkConsumer(f.Target.Kind, f.Target.Connection)
		if i, ok := sinks[consumer]; ok {
			all[i].flows = append(all[i].flows, name)
			continue
		}
		sinks[consumer] = len(all)
		all = append(all, watched{
			stream: topology.Target, consumer: consumer, filter: topology.TargetFilter(f.Target.Kind, f.Target.Connection),
			service: "sink-" + f.Target.Kind, unit: f.Target.Connection, flows: []string{name},
		})
	}
	return all
}

// lookAt notes how far a consumer is, and sees whether it stands still or has jumped.
func (w *watch) lookAt(ctx context.Context, c watched, states []status.Entry) error {
	info, stream, err := w.consumer(ctx, c.stream, c.consumer)
	if err != nil {
		return err
	}
	was, known := w.seen[c.consumer]
	now := sighting{info: info, since: was.since}
	if !known || c.paused || moved(was.info, info) {
		now.since = w.now()
	}
	if known && jumped(was.info, info) {
		w.log.WarnContext(ctx, "consumer jumped, its records are accounted for", "consumer", c.consumer)
		w.suspected(c, w.now())
	}
	if info != nil && info.AckFloor.Stream > stream.State.LastSeq {
		w.suspected(c, w.now().Add(firstAudit))
	}
	w.seen[c.consumer] = now
	if info != nil && (!known || was.info == nil || was.info.AckFloor.Stream != info.AckFloor.Stream || !was.info.Created.Equal(info.Created)) {
		p := position.Position{Floor: info.AckFloor.Stream, Made: info.Created, StreamMade: stream.Created}
		if err := position.Note(ctx, w.kv, c.stream, c.consumer, p); err != nil {
			return err
		}
	}
	return errors.Join(w.lookForGhost(ctx, c, info), w.stalled(ctx, c, now, states))
}

// suspected makes the records of a consumer be accounted for by then, and then often.
func (w *watch) suspected(c watched, by time.Time) {
	for _, name := range c.flows {
		w.suspect[name] = w.now().Add(suspectFor)
		if due, known := w.due[name]; !known || due.After(by) {
			w.due[name] = by
		}
	}
}

// consumer returns what a consumer is like, nil where there is none, and its stream.
func (w *watch) consumer(ctx context.Context, stream, name string) (*jetstream.ConsumerInfo, *jetstream.StreamInfo, error) {
	s, err := w.js.Stream(ctx, stream)
	if err != nil {
		return nil, nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	cons, err := s.Consumer(ctx, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, s.CachedInfo(), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("consumer %s: %w", name, err)
	}
	return cons.CachedInfo(), s.CachedInfo(), nil
}

// moved reports whether a consumer did anything.
func moved(was, now *jetstream.ConsumerInfo) bool {
	if was == nil || now == nil {
		return was != now
	}
	return was.Delivered.Consumer != now.Delivered.Consumer || was.AckFloor.Stream != now.AckFloor.Stream || was.NumAckPending != now.NumAckPending
}

// jumped reports whether a consumer came to where it is otherwise than by delivering: it was made anew, or
// set to another place.
func jumped(was, now *jetstream.ConsumerInfo) bool {
	if was == nil || now == nil {
		return was != now
	}
	return !was.Created.Equal(now.Created) || now.Delivered.Consumer < was.Delivered.Consumer ||
		now.AckFloor.Stream != was.AckFloor.Stream && now.AckFloor.Consumer <= was.AckFloor.Consumer
}

// stateOf returns what the replicas of a unit say, "" where there are none.
func stateOf(states []status.Entry, service, unit string) string {
	i := slices.IndexFunc(states, func(e status.Entry) bool { return e.Service == service && e.Unit == unit })
	if i < 0 {
		return ""
	}
	return states[i].State
}
