package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// setting is one property of a stream that Provision manages; others are left as they are.
type setting struct {
	name string
	get  func(jetstream.StreamConfig) string
	set  func(to *jetstream.StreamConfig, from jetstream.StreamConfig)
	// destroys reports whether the change loses data, or can't be made on a living stream.
	destroys func(have, want jetstream.StreamConfig) bool
}

func always(_, _ jetstream.StreamConfig) bool { return true }
func never(_, _ jetstream.StreamConfig) bool  { return false }

// lowers reports whether a limit gets tighter; zero and below stand for no limit.
func lowers[T int64 | time.Duration](get func(jetstream.StreamConfig) T) func(have, want jetstream.StreamConfig) bool {
	return func(have, want jetstream.StreamConfig) bool {
		return get(want) > 0 && (get(have) <= 0 || get(want) < get(have))
	}
}

var settings = []setting{
	{"subjects", func(c jetstream.StreamConfig) string { return strings.Join(sorted(c.Subjects), " ") },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Subjects = from.Subjects },
		func(have, want jetstream.StreamConfig) bool {
			return slices.ContainsFunc(have.Subjects, func(s string) bool { return !slices.Contains(want.Subjects, s) })
		}},
	{"sources", sources,
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Sources = from.Sources }, never},
	{"retention", func(c jetstream.StreamConfig) string { return c.Retention.String() },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Retention = from.Retention }, always},
	{"storage", func(c jetstream.StreamConfig) string { return c.Storage.String() },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Storage = from.Storage }, always},
	{"discard", func(c jetstream.StreamConfig) string { return c.Discard.String() },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Discard = from.Discard }, never},
	{"max_age", func(c jetstream.StreamConfig) string { return c.MaxAge.String() },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.MaxAge = from.MaxAge },
		lowers(func(c jetstream.StreamConfig) time.Duration { return c.MaxAge })},
	{"max_msgs_per_subject", func(c jetstream.StreamConfig) string { return fmt.Sprint(max(c.MaxMsgsPerSubject, 0)) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) {
			to.MaxMsgsPerSubject = from.MaxMsgsPerSubject
		},
		lowers(func(c jetstream.StreamConfig) int64 { return c.MaxMsgsPerSubject })},
	{"max_consumers", func(c jetstream.StreamConfig) string { return fmt.Sprint(max(c.MaxConsumers, 0)) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.MaxConsumers = from.MaxConsumers }, never},
	{"replicas", func(c jetstream.StreamConfig) string { return fmt.Sprint(c.Replicas) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Replicas = from.Replicas },
		func(have, want jetstream.StreamConfig) bool { return want.Replicas < have.Replicas }},
	{"duplicate_window", func(c jetstream.StreamConfig) string { return c.Duplicates.String() },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.Duplicates = from.Duplicates }, never},
	{"allow_atomic", func(c jetstream.StreamConfig) string { return fmt.Sprint(c.AllowAtomicPublish) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) {
			to.AllowAtomicPublish = from.AllowAtomicPublish
		}, never},
	{"allow_msg_ttl", func(c jetstream.StreamConfig) string { return fmt.Sprint(c.AllowMsgTTL) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.AllowMsgTTL = from.AllowMsgTTL }, never},
	{"allow_msg_schedules", func(c jetstream.StreamConfig) string { return fmt.Sprint(c.AllowMsgSchedules) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) {
			to.AllowMsgSchedules = from.AllowMsgSchedules
		}, never},
	{"allow_direct", func(c jetstream.StreamConfig) string { return fmt.Sprint(c.AllowDirect) },
		func(to *jetstream.StreamConfig, from jetstream.StreamConfig) { to.AllowDirect = from.AllowDirect }, never},
}

// compare says what has to change at a stream that exists.
func compare(have, want jetstream.StreamConfig) Change {
	c := Change{Stream: want.Name, Action: Keep, config: have}
	for _, s := range settings {
		old, wanted := s.get(have), s.get(want)
		if old == wanted {
			continue
		}
		c.Diffs = append(c.Diffs, fmt.Sprintf("%s: %s -> %s", s.name, old, wanted))
		s.set(&c.config, want)
		switch {
		case s.destroys(have, want):
			c.Action = Refuse
		case c.Action == Keep:
			c.Action = Update
		}
	}
	return c
}

func sources(c jetstream.StreamConfig) string {
	var names []string
	for _, s := range c.Sources {
		names = append(names, s.Name+":"+s.FilterSubject)
	}
	return strings.Join(sorted(names), " ")
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
