package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// expected is a consumer that the documents need.
type expected struct {
	stream, name, filter string
	// alone consumers give out one message at a time.
	alone bool
	// service is what makes and uses it.
	service string
}

// needed are the watchdog's consumers and those of the stored flows and sources.
func needed(stored flow.Snapshot) []expected {
	all := []expected{
		{stream: topology.Polls, name: topology.WatchdogConsumer, filter: topology.WatchTick, alone: true, service: "watchdog"},
		{stream: topology.Advisories, name: topology.WatchdogConsumer, service: "watchdog"},
	}
	for _, name := range stored.Names(flow.KindFlow) {
		f := stored.Flows[name]
		if described, err := feed.Get(stored.Sources[f.From].Feed); err == nil {
			all = append(all, expected{stream: topology.Raw, name: topology.TransformerConsumer(name), filter: topology.RawFilter(described.System, f.From), service: "transformer"})
		}
		kind, connection := f.Target.Kind, f.Target.Connection
		all = append(all, expected{stream: topology.Target, name: topology.SinkConsumer(kind, connection), filter: topology.TargetFilter(kind, connection), service: "sink-" + kind})
	}
	for _, name := range stored.Names(flow.KindSource) {
		src := stored.Sources[name]
		all = append(all, expected{stream: topology.Polls, name: topology.PollerConsumer(src.Connection), filter: topology.PollFilter(src.Connection), alone: true, service: "the poller of " + stored.Connections[src.Connection].System})
	}
	slices.SortFunc(all, func(a, b expected) int { return strings.Compare(a.stream+a.name, b.stream+b.name) })
	return slices.CompactFunc(all, func(a, b expected) bool { return a.stream == b.stream && a.name == b.name })
}

// consumers looks at the consumers that the documents need, and at how far behind they are.
func (e *examination) consumers(ctx context.Context, stored flow.Snapshot) {
	var faults, late []fault
	all := needed(stored)
	for _, want := range all {
		cons, err := e.js.Consumer(ctx, want.stream, want.name)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			faults = append(faults, warns("%s of %s is not there: %s has not run yet", want.name, want.stream, want.service))
			continue
		case err != nil:
			faults = append(faults, fails("%s of %s: %v", want.name, want.stream, err))
			continue
		}
		info := cons.CachedInfo()
		faults = append(faults, want.faults(info)...)
		late = append(late, e.late(ctx, want, info)...)
	}
	e.sum("consumers", fmt.Sprintf("%d consumers are there, give up no message and get all that is theirs", len(all)), faults)
	e.sum("backlog", "no message gets near the age at which its stream drops it", late)
}

// faults are what is wrong with a consumer.
func (want expected) faults(info *jetstream.ConsumerInfo) []fault {
	c := info.Config
	var faults []fault
	add := func(state probe.State, format string, args ...any) {
		faults = append(faults, fault{state, want.name + " of " + want.stream + " " + fmt.Sprintf(format, args...)})
	}
	if c.MaxDeliver > 0 {
		add(probe.Fail, "gives a message up after %d deliveries, without a word: set max_deliver to -1", c.MaxDeliver)
	}
	if filters := append([]string{c.FilterSubject}, c.FilterSubjects...); !slices.Contains(filters, want.filter) {
		add(probe.Fail, "gets %s, and not %s: it passes messages over", strings.Trim(strings.Join(filters, " "), " "), want.filter)
	}
	if c.AckPolicy != jetstream.AckExplicitPolicy {
		add(probe.Fail, "does not wait for acknowledgements (%s): what is in hand when a service dies is lost", c.AckPolicy)
	}
	if want.alone && c.MaxAckPending != 1 {
		add(probe.Fail, "gives out %d jobs at once: two replicas would do the work of one, and spend the call budget of one account", c.MaxAckPending)
	}
	if info.Paused {
		add(probe.Warn, "is paused for %s more", info.PauseRemaining.Round(time.Second))
	}
	if info.Cluster != nil && info.Cluster.Leader == "" && info.Cluster.Name != "" {
		add(probe.Fail, "has no leader")
	}
	return faults
}

// late is the fault of a consumer whose oldest message gets too old.
func (e *examination) late(ctx context.Context, want expected, info *jetstream.ConsumerInfo) []fault {
	s := e.stream(want.stream)
	if s == nil || s.Config.MaxAge == 0 || info.NumPending == 0 && info.NumAckPending == 0 {
		return nil
	}
	stream, err := e.js.Stream(ctx, want.stream)
	if err != nil {
		return nil
	}
	msg, err := stream.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(want.filter))
	if err != nil {
		return nil
	}
	old := time.Since(msg.Time)
	text := fmt.Sprintf("%s has not settled a message of %s that is %s old (%d wait): %s drops it when it is %s old", want.name, want.stream, old.Round(time.Second), info.NumPending+uint64(max(info.NumAckPending, 0)), want.stream, s.Config.MaxAge)
	switch {
	case old > s.Config.MaxAge*9/10:
		return []fault{fails("%s", text)}
	case old > s.Config.MaxAge/2:
		return []fault{warns("%s", text)}
	default:
		return nil
	}
}

// services looks at whether every unit of the documents is at work somewhere.
func (e *examination) services(ctx context.Context, stored flow.Snapshot) {
	entries, err := status.Read(ctx, e.js)
	if err != nil {
		e.found("services", probe.Fail, "%v", err)
		return
	}
	var faults []fault
	missing := map[string]bool{}
	for _, want := range units(stored) {
		at := slices.IndexFunc(entries, func(s status.Entry) bool { return s.Unit == want.unit && strings.HasPrefix(s.Service, want.service) })
		if at < 0 && !missing[want.text] {
			missing[want.text] = true
			faults = append(faults, warns("%s", want.text))
		}
	}
	for _, s := range entries {
		if s.Error != "" {
			faults = append(faults, warns("%s (%s) says of %s: %s: %s", s.Service, s.Instance, s.Unit, s.State, s.Error))
		}
	}
	e.sum("services", fmt.Sprintf("%d flows and %d sources are at work, and none complains", len(stored.Flows), len(stored.Sources)), faults)
}

// unit is what some replica of a service must say that it does; text says that none does.
type unit struct{ service, unit, text string }

func units(stored flow.Snapshot) []unit {
	all := []unit{
		{"watchdog", "look", "no watchdog says that it looks after consumers and sources: what stands still is not noticed"},
		{"watchdog", "advisories", "no watchdog says that it reads advisories: a message that a consumer gives up gets no dead letter"},
	}
	for _, name := range stored.Names(flow.KindFlow) {
		target := stored.Flows[name].Target
		all = append(all,
			unit{"transformer", name, fmt.Sprintf("no transformer says that it runs flow %s", name)},
			unit{"sink-", target.Connection, fmt.Sprintf("no sink says that it writes to connection %s (sink-%s)", target.Connection, target.Kind)})
	}
	for _, name := range stored.Names(flow.KindSource) {
		connection := stored.Sources[name].Connection
		all = append(all, unit{"poller-", connection, fmt.Sprintf("no poller says that it polls connection %s (%s)", connection, stored.Connections[connection].System)})
	}
	return all
}
