package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/topology"
)

// The kinds of events about parked records, and how long one of a flow and a collection is not said again.
const (
	kindParked   = "parked"
	kindResolved = "parked-resolved"
	repeatAfter  = time.Hour
)

// alarm tells operators of records that wait too long. What was said stands in EVENTS, so that all
// replicas together say it once, also after a restart.
type alarm struct {
	transform
	now func() time.Time
	// said is what was said last of each collection, as far as it is known; nil before the first look.
	said map[string]said
}

// said is one event.
type said struct {
	at       time.Time
	resolved bool
	sequence uint64
}

// fresh reports whether there is no need to say again that records wait.
func (s said) fresh(now time.Time) bool { return !s.resolved && now.Sub(s.at) < repeatAfter }

// group is the records of a flow that wait for entries of one collection, or because of one quality rule.
type group struct {
	rule   string
	fields []string
	count  uint64
	oldest time.Time
}

func newAlarm(t transform) *alarm { return &alarm{transform: t, now: time.Now} }

// look says what is to be said of what waits.
func (a *alarm) look(ctx context.Context, parked map[string]*waiting) error {
	groups := gathered(parked)
	now := a.now()
	if a.said == nil || a.news(groups, now) {
		if err := a.recall(ctx); err != nil {
			return err
		}
	}
	var errs []error
	for _, collection := range slices.Sorted(maps.Keys(groups)) {
		if g := groups[collection]; now.Sub(g.oldest) > a.parkedAlarm && !a.said[collection].fresh(now) {
			errs = append(errs, a.say(ctx, event.Warning, kindParked, collection, a.complaint(collection, g)))
		}
	}
	for _, collection := range slices.Sorted(maps.Keys(a.said)) {
		if _, left := groups[collection]; !left && !a.said[collection].resolved {
			text := fmt.Sprintf("no record of flow %s waits for %s any more", a.name, collection)
			errs = append(errs, a.say(ctx, event.Info, kindResolved, collection, text))
		}
	}
	return errors.Join(errs...)
}

// news reports whether there is something to say, as far as this replica knows.
func (a *alarm) news(groups map[string]group, now time.Time) bool {
	for collection, g := range groups {
		if now.Sub(g.oldest) > a.parkedAlarm && !a.said[collection].fresh(now) {
			return true
		}
	}
	for collection, s := range a.said {
		if _, left := groups[collection]; !left && !s.resolved {
			return true
		}
	}
	return false
}

// gathered adds up what waits, by collection or quality rule. What is replayed waits for none.
func gathered(parked map[string]*waiting) map[string]group {
	groups := map[string]group{}
	for _, w := range parked {
		name := w.missing.Collection
		if w.rule != "" {
			name = "rule " + w.rule
		}
		if name == "" {
			continue
		}
		g, known := groups[name]
		g.rule = w.rule
		if w.rule == "" && !slices.Contains(g.fields, w.missing.Field) {
			g.fields = append(g.fields, w.missing.Field)
		}
		if !known || w.since.Before(g.oldest) {
			g.oldest = w.since
		}
		g.count += w.count
		groups[name] = g
	}
	return groups
}

// complaint says what waits and where to look. Values stay out of it: they may be personal.
func (a *alarm) complaint(collection string, g group) string {
	if g.rule != "" {
		return fmt.Sprintf("%d records of flow %s are held by the quality rule %q, the oldest since %s: apply a revision of the flow that takes them, "+
			"or let them go on as they are with `erpstream parked release %s --rule %q`; `erpstream parked list %s` shows why",
			g.count, a.name, g.rule, g.oldest.In(a.feed.Location()).Format(time.RFC3339), a.name, g.rule, a.name)
	}
	slices.Sort(g.fields)
	return fmt.Sprintf("%d records of flow %s wait for %s (by %s), the oldest since %s: enter what is missing at connection %s; "+
		"they are in stream %s under %s, with what they look for in the header %s",
		g.count, a.name, collection, strings.Join(g.fields, ", "), g.oldest.In(a.feed.Location()).Format(time.RFC3339), a.connection,
		topology.Parked, topology.ParkedSubject(a.name, collection, "*"), topology.HeaderParkedValue)
}

// say publishes an event. Its id follows from the one before, so that of two replicas that are at it
// together one is heard.
func (a *alarm) say(ctx context.Context, severity, kind, collection, text string) error {
	last := a.said[collection]
	e := event.Event{
		Severity: severity, Kind: kind, Subject: a.name, Part: collection, Text: text, Time: a.now(),
		ID: fmt.Sprintf("%s/%s/%s/%d", kind, a.name, collection, last.sequence),
	}
	if err := event.Publish(ctx, a.js, e); err != nil {
		return err
	}
	a.said[collection] = said{at: e.Time, resolved: kind == kindResolved, sequence: last.sequence}
	return nil
}

// recall reads what was said of the flow.
func (a *alarm) recall(ctx context.Context) error {
	known := map[string]said{}
	kinds := []string{topology.EventSubject(event.Warning, kindParked), topology.EventSubject(event.Info, kindResolved)}
	err := consume.Read(ctx, a.js, topology.Events, consume.Reading{Filters: kinds}, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		var e event.Event
		if json.Unmarshal(msg.Data(), &e) == nil && e.Subject == a.name {
			known[e.Part] = said{at: e.Time, resolved: e.Kind == kindResolved, sequence: meta.Sequence.Stream}
		}
		return nil
	})
	if err == nil {
		a.said = known
	}
	return err
}
