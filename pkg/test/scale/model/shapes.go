package model

import (
	"fmt"
	"time"

	"github.com/erpstream/erpstream/pkg/test/scale/hpa"
)

// Measured are the costs of docs/scaling.md: on two busy cores at 2.5 GHz, a record with three lines; a quiet machine takes
// about half of it. Of NATS the poll's was measured with three replicas, that of the hops is twice what it was with one.
var Measured = Costs{
	Poller: 76, Transformer: 58, Sink: 65, NATSPoll: 60, NATSHops: 230, Row: 50, Call: 1160,
	PollerIdle: .039, ConsumerIdle: 245e-6,
	RawBytes: 2800, TargetBytes: 1100, ReceiptBytes: 130,
}

// The rules of the shipped ScaledObjects (k8s/components/keda).
var (
	up   = hpa.Rules{Window: 30 * time.Second, Policies: []hpa.Policy{{Percent: true, Value: 100, Period: 30 * time.Second}, {Value: 2, Period: 30 * time.Second}}}
	down = hpa.Rules{Window: 5 * time.Minute, Policies: []hpa.Policy{{Value: 1, Period: time.Minute}}}
)

// Tiers are the scaled services with the bounds of the shipped ScaledObjects, or greater ones.
func Tiers(most int) (transformer, mysql Tier) {
	return Tier{Min: 2, Max: most, Rate: 5000, AtOnce: 2, Target: 75_000, Up: up, Down: down},
		Tier{Min: 2, Max: most, Rate: 3000, AtOnce: 3, Target: 45_000, Up: up, Down: down}
}

// Shops are so many connections of shops whose documents come to that many a day together: most go to a
// database, a tenth to Kingdee, a twentieth to KIS.
func Shops(connections int, perDay float64, c Curve) []Class {
	part := func(name, kind string, share float64) Class {
		n := max(1, int(float64(connections)*share))
		return Class{
			Name: name, Kind: kind, Connections: n, Targets: n, PerDay: perDay * share / float64(n), Curve: c,
			Every: 5 * time.Minute, Settle: time.Minute, Page: 50, Calls: 100,
		}
	}
	database, kingdee, kis := part("to a database", "mysql", .85), part("to Kingdee", "kingdee", .1), part("to KIS", "kis", .05)
	database.Rows, database.Targets = 3, max(1, database.Connections/10)
	kingdee.BookCalls, kingdee.PerRecord = 400, 2
	kis.BookCalls, kis.PerRecord = 48, 1
	// A vendor that takes a few hundred bookings an hour is not sold to who has thousands.
	kingdee.PerDay, kis.PerDay = min(kingdee.PerDay, 20_000), min(kis.PerDay, 5_000)
	return []Class{database, kingdee, kis}
}

// Standard returns the scenarios that are worth a look for so many connections and records a day: a plain
// day, a campaign, the end of a month, a day's records mapped again, the databases away for half an hour as the
// autoscaler sees it with and without the watchdog's figure, pods lost.
func Standard(connections int, perDay float64, most int, seed uint64) []Scenario {
	transformer, mysql := Tiers(most)
	of := func(name string, c Curve, t ...Trouble) Scenario {
		return Scenario{
			Name: name, Seed: seed, For: 24 * time.Hour, Classes: Shops(connections, perDay, c), Costs: Measured,
			Transformer: transformer, MySQL: mysql, Start: 15 * time.Second, Trouble: t,
		}
	}
	away := Trouble{At: 20 * time.Hour, For: 30 * time.Minute, Kind: "mysql"}
	replay, blind := of("replay", Day), of("outage-unseen", Day, away)
	replay.Backlog, blind.BreakerUnseen = perDay, true
	return []Scenario{
		of("day", Day), of("campaign", Campaign), of("month-end", MonthEnd), replay, of("outage", Day, away), blind,
		of("pods-lost", Campaign, Trouble{At: 20*time.Hour + 5*time.Minute, For: time.Minute, Pods: "transformer", Kill: 1},
			Trouble{At: 20*time.Hour + 7*time.Minute, For: time.Minute, Pods: "sink-mysql", Kill: 2}),
	}
}

// Pick returns the scenario with a name.
func Pick(all []Scenario, name string) (Scenario, error) {
	var names []string
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("no scenario %q: there are %v", name, names)
}
