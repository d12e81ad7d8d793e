// Package scaling works out of the documents how each service scales: which Deployments KEDA moves, by which
// consumers and between which bounds, and which stand still and why.
package scaling

import (
	"fmt"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/lint"
)

// Options says where the figures are read, and between which bounds Deployments move.
type Options struct {
	// Namespace is that of the Deployments; empty leaves it to kustomize.
	Namespace string
	// Monitor is host:port of the monitoring of NATS. It must be the headless Service: KEDA puts the name of
	// the server that leads a consumer before it. HTTPS says how it is asked.
	Monitor string
	HTTPS   bool
	// Account is the NATS account of the streams, by name or id.
	Account string
	// Watchdog is the URL of the watchdog's metrics.
	Watchdog string
	// Min and Max bound the replicas of each Deployment.
	Min, Max int
	// Work is how long one replica may take for its share of what waits: more replicas come where it would
	// take longer.
	Work time.Duration
}

// Plan is how all services scale.
type Plan struct {
	Objects []ScaledObject `json:"scaled_objects"`
	// Fixed are the Deployments that no ScaledObject moves.
	Fixed []Fixed `json:"fixed"`
}

// Fixed is a Deployment whose replicas stand in its manifest.
type Fixed struct {
	Deployment string `json:"deployment"`
	Replicas   int    `json:"replicas"`
	// Why says why more would not help.
	Why string `json:"why"`
}

// tier is a service whose replicas share the messages of consumers.
type tier struct {
	deployment, stream string
	// units are the flows or connections that have a consumer each, sorted, with the consumer's name.
	units []unit
	// rate is how many messages a second one replica works off, at once how many replicas find work at one
	// consumer: what is in hand is bounded for all of them together.
	rate, atOnce int
}

type unit struct{ name, consumer string }

// How many messages a second one replica works off: a third to a fifth of what its processor time would let it
// (docs/scaling.md), for it waits for flushes on three disks and at the database. That of references is assumed.
const (
	transformerRate = 5000
	mysqlRate       = 3000
	referenceRate   = 1500
)

// How many replicas find work at one consumer. The transformer's may have six batches in hand, and a replica
// takes three; a sink's eight of each writer, and a writer takes three.
const (
	transformersAtOnce = 2
	sinksAtOnce        = 3
)

// pacedCalls is how many calls a second the sinks of one replica make to vendors: a tenth of what was measured.
const pacedCalls = 80

// Make works out how the services of the documents scale.
func Make(set flow.Set, o Options) Plan {
	var plan Plan
	for _, t := range tiers(set) {
		if len(t.units) > 0 {
			plan.Objects = append(plan.Objects, t.object(o))
		}
	}
	plan.Fixed = fixed(set)
	return plan
}

// tiers are the services that KEDA moves.
func tiers(set flow.Set) []tier {
	transformer := tier{deployment: "transformer", stream: topology.Raw, rate: transformerRate, atOnce: transformersAtOnce}
	for _, name := range set.Names(flow.KindFlow) {
		transformer.units = append(transformer.units, unit{name, topology.TransformerConsumer(name)})
	}
	sink := func(kind string, rate int) tier {
		t := tier{deployment: "sink-" + kind, stream: topology.Target, rate: rate, atOnce: sinksAtOnce}
		for _, name := range targets(set, kind) {
			t.units = append(t.units, unit{name, topology.SinkConsumer(kind, name)})
		}
		return t
	}
	return []tier{transformer, sink("mysql", mysqlRate), sink("reference", referenceRate)}
}

// targets are the connections that flows write to with a kind of sink, sorted.
func targets(set flow.Set, kind string) []string {
	var names []string
	for _, f := range set.Flows {
		if f.Target.Kind == kind {
			names = append(names, f.Target.Connection)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// most is the most replicas that find work, within the bounds.
func (t tier) most(o Options) int { return max(o.Min, min(o.Max, t.atOnce*len(t.units))) }

// share is how many messages one replica works off in the time that it may take.
func (t tier) share(o Options) int { return max(1, int(float64(t.rate)*o.Work.Seconds())) }

// fixed are the services that more replicas would not make faster.
func fixed(set flow.Set) []Fixed {
	var all []Fixed
	for _, p := range []struct {
		service string
		systems []string
	}{
		{"poller-jushuitan", []string{"jushuitan"}},
		{"poller-wangdiantong", []string{"wangdiantong"}},
		{"poller-kingdee", []string{"kingdee", "kis"}},
	} {
		if n := polled(set, p.systems); n > 0 {
			all = append(all, Fixed{p.service, 2, fmt.Sprintf(
				"the call budgets of its %s are the limit, each spent by one replica at a time", counted(n, "connection"))})
		}
	}
	for _, kind := range []string{"kingdee", "kis"} {
		names := targets(set, kind)
		if len(names) == 0 {
			continue
		}
		calls := 0
		for _, name := range names {
			calls += perMinute(set.Connections[name])
		}
		replicas := max(2, min(len(names), (calls+60*pacedCalls-1)/(60*pacedCalls)))
		all = append(all, Fixed{"sink-" + kind, replicas, fmt.Sprintf(
			"each of its %s is served through one replica, and %d calls a minute are all that the vendor takes", counted(len(names), "connection"), calls)})
	}
	return all
}

// sinkShare is the part of a paced account's calls that the sink takes, in percent.
const sinkShare = 80

// perMinute is how many calls a minute a sink may make for a connection.
func perMinute(c flow.Connection) int {
	most := lint.CallsPerMinute(c.System)
	if c.Budget.PerMinute > 0 {
		most = c.Budget.PerMinute
	}
	if c.Budget.PerSecond > 0 {
		most = min(most, 60*c.Budget.PerSecond)
	}
	return most * sinkShare / 100
}

// polled counts the connections of some systems that have sources.
func polled(set flow.Set, systems []string) int {
	names := map[string]bool{}
	for _, s := range set.Sources {
		if slices.Contains(systems, set.Connections[s.Connection].System) {
			names[s.Connection] = true
		}
	}
	return len(names)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
