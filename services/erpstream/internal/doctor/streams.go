package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// enoughReplicas is how many copies of each message survive the loss of a server, and go on being written.
const enoughReplicas = 3

// replicas looks at how many copies there are.
func (e *examination) replicas() {
	few := map[int][]string{}
	for _, s := range e.streams {
		if s.Config.Replicas < enoughReplicas {
			few[s.Config.Replicas] = append(few[s.Config.Replicas], s.Config.Name)
		}
	}
	var faults []fault
	for n, names := range few {
		what := "a lost disk loses records"
		if n > 1 {
			what = "nothing is stored while one server is down"
		}
		faults = append(faults, fault{e.worse(), fmt.Sprintf("R%d: %s (%s): run three servers and `erpstream provision --replicas 3`", n, what, strings.Join(names, ", "))})
	}
	e.sum("replicas", fmt.Sprintf("each of %d streams is on %d servers or more", len(e.streams), enoughReplicas), faults)
}

// farBehind is how many operations a replica may lag behind.
const farBehind = 10_000

// leaders looks at streams whose servers are not all there.
func (e *examination) leaders() {
	var faults []fault
	for _, s := range e.streams {
		c := s.Cluster
		if c == nil || s.Config.Replicas < 2 {
			continue
		}
		if c.Leader == "" {
			faults = append(faults, fails("%s has no leader: too many of its servers are down", s.Config.Name))
		}
		for _, r := range c.Replicas {
			switch {
			case r.Offline:
				faults = append(faults, fails("%s: server %s is offline", s.Config.Name, r.Name))
			case r.Lag > farBehind:
				faults = append(faults, fails("%s: server %s lags %d behind", s.Config.Name, r.Name, r.Lag))
			case !r.Current:
				faults = append(faults, warns("%s: server %s is not up to date, active %s ago", s.Config.Name, r.Name, r.Active.Round(time.Millisecond)))
			}
		}
	}
	e.sum("cluster", "each stream has a leader, and no server lags behind", faults)
}

// usualConsumers is how many consumers a stream without a limit of its own takes.
const usualConsumers = 1000

// limits looks at streams that may drop or refuse what comes.
func (e *examination) limits() {
	var faults []fault
	for _, s := range e.streams {
		c := s.Config
		full := append(near(c.Name+" bytes", s.State.Bytes, c.MaxBytes), near(c.Name+" messages", s.State.Msgs, c.MaxMsgs)...)
		most := c.MaxConsumers
		if most <= 0 {
			most = usualConsumers
		}
		full = append(full, near(c.Name+" consumers", uint64(max(s.State.Consumers, 0)), int64(most))...)
		limited := c.MaxBytes > 0 || c.MaxMsgs > 0
		switch {
		case limited && c.Discard == jetstream.DiscardOld && c.Name == topology.Events:
			faults = append(faults, warns("%s has a limit and drops its oldest events when it is full", c.Name))
		case limited && c.Discard == jetstream.DiscardOld:
			faults = append(faults, fails("%s has a limit and drops its oldest messages when it is full, whether anyone saw them or not: take max_bytes and max_msgs away, or set discard: new", c.Name))
		default:
			faults = append(faults, full...)
		}
	}
	e.sum("limits", "no stream drops what was not seen to, and none is nearly full", faults)
}

// retryHorizon is how many deliveries of a message must fit into the time that ids are remembered.
const retryHorizon = 3

// dedupe looks at how long ids are remembered, beside how late a message may be published again that was
// published before: when its consumer delivers it anew.
func (e *examination) dedupe(ctx context.Context) {
	raw, target := e.slowest(ctx, topology.Raw, "transformer-"), e.slowest(ctx, topology.Target, "sink-")
	var faults []fault
	for name, wait := range map[string]time.Duration{topology.Target: raw, topology.Parked: raw, topology.Dead: max(raw, target)} {
		s := e.stream(name)
		if s == nil {
			continue
		}
		if window, horizon := s.Config.Duplicates, retryHorizon*wait; window < horizon {
			faults = append(faults, fails("%s remembers ids for %s, but messages are delivered again after %s: what is published twice within %s would be there twice", name, window, wait, horizon))
		}
	}
	e.sum("dedupe window", fmt.Sprintf("ids are remembered longer than %d deliveries take (%s)", retryHorizon, retryHorizon*max(raw, target)), faults)
}

// slowest is the longest time after which a consumer of a stream delivers a message again.
func (e *examination) slowest(ctx context.Context, stream, prefix string) time.Duration {
	var longest time.Duration
	s, err := e.js.Stream(ctx, stream)
	if err != nil {
		return 0
	}
	consumers := s.ListConsumers(ctx)
	for c := range consumers.Info() {
		if !strings.HasPrefix(c.Name, prefix) {
			continue
		}
		longest = max(longest, c.Config.AckWait)
		for _, wait := range c.Config.BackOff {
			longest = max(longest, wait)
		}
	}
	return longest
}

// snapshotAge is how old a record of a feed without a change filter may get before it is published again.
const snapshotAge = 20 * 24 * time.Hour

// retention looks at what is dropped by age.
func (e *examination) retention() {
	var faults []fault
	for _, name := range []string{topology.Parked, "KV_" + topology.BucketConfig, "KV_" + topology.BucketLinks, "KV_" + topology.BucketReference} {
		if s := e.stream(name); s != nil && s.Config.MaxAge > 0 {
			faults = append(faults, fails("%s drops what is older than %s: nothing of it may be lost", name, s.Config.MaxAge))
		}
	}
	if s := e.stream(topology.Raw); s != nil && s.Config.MaxAge > 0 && s.Config.MaxAge <= snapshotAge {
		faults = append(faults, fails("RAW keeps records for %s: documents of feeds that are read whole are published again after %s only, and would be missing until then", s.Config.MaxAge, snapshotAge))
	}
	for _, pair := range [][2]string{{topology.Raw, topology.Dead}, {topology.Target, topology.Dead}, {topology.Raw, topology.Receipts}, {topology.Dead, topology.Receipts}, {topology.Receipts, topology.Ledger}} {
		short, long := e.stream(pair[0]), e.stream(pair[1])
		if short == nil || long == nil || long.Config.MaxAge == 0 {
			continue
		}
		if short.Config.MaxAge == 0 || short.Config.MaxAge > long.Config.MaxAge {
			faults = append(faults, fails("%s keeps messages for %s, %s for %s: of what is in %s it could not be told what became of it", pair[1], age(long), pair[0], age(short), pair[0]))
		}
	}
	e.sum("retention", "nothing is dropped before what it accounts for", faults)
}

func age(s *jetstream.StreamInfo) string {
	if s.Config.MaxAge == 0 {
		return "ever"
	}
	return s.Config.MaxAge.String()
}

// The clocks may be apart by slightSkew; from badSkew on a booking may be taken for lost that is under way.
const (
	slightSkew = time.Second
	badSkew    = 15 * time.Second
)

// clock compares the clock of the server that leads the streams with this one.
func (e *examination) clock() {
	const text = "this machine is %s ahead of the NATS server"
	skew := -e.skew.Round(time.Millisecond)
	switch {
	case skew.Abs() >= badSkew:
		e.found("clock skew", probe.Fail, text+": set the clocks (NTP), for bookings are given up and taken over by time", skew)
	case skew.Abs() >= slightSkew:
		e.found("clock skew", probe.Warn, text+": set the clocks (NTP)", skew)
	default:
		e.found("clock skew", probe.OK, text, skew)
	}
}
