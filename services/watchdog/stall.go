package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/topology"
)

// The kinds of alarms, and how the events are called that resolve them.
const (
	kindStalled  = "consumer-stalled"
	kindTicks    = "ticks-stopped"
	kindStuck    = "job-stuck"
	kindLost     = "position-lost"
	kindMended   = "position-mended"
	kindGhost    = "position-ghost"
	sayResolved  = "-resolved"
	lateAfterOwn = 3 // of a source's intervals
)

// stalled sees whether messages wait for a consumer that nobody asks. An open breaker asks for nothing
// either, and says so itself; where the flow is paused nobody is to ask.
func (w *watch) stalled(ctx context.Context, c watched, now sighting, states []status.Entry) error {
	state := stateOf(states, c.service, c.unit)
	waits, idle := "the consumer is gone", true
	if now.info != nil {
		waits = fmt.Sprintf("%d messages wait and %d are in hand", now.info.NumPending, now.info.NumAckPending)
		idle = now.info.NumWaiting == 0 && (now.info.NumPending > 0 || now.info.NumAckPending > 0)
	}
	switch {
	case c.paused:
		return w.alarms.resolve(ctx, kindStalled, kindStalled+sayResolved, c.consumer, fmt.Sprintf("flow %s was paused, so consumer %s of %s is to stand still", c.unit, c.consumer, c.stream))
	case !idle:
		return w.alarms.resolve(ctx, kindStalled, kindStalled+sayResolved, c.consumer, fmt.Sprintf("consumer %s of %s works again", c.consumer, c.stream))
	}
	still := w.now().Sub(now.since)
	if still < w.stall || state == status.Open {
		return nil
	}
	text := fmt.Sprintf("consumer %s of %s stands still for %s: %s, and no replica of %s asks for them", c.consumer, c.stream, still.Round(time.Second), waits, c.service)
	if state == "" {
		text += fmt.Sprintf("; no %s is running for %s: start it", c.service, c.unit)
	} else {
		text += fmt.Sprintf("; it says that it is %s: look at its log, and restart it", state)
	}
	return w.alarms.raise(ctx, event.Event{Severity: event.Critical, Kind: kindStalled, Subject: c.consumer, Text: text})
}

// lookAtSources sees whether the sources are polled.
func (w *watch) lookAtSources(ctx context.Context, set flow.Set, states []status.Entry) error {
	polls, err := w.js.Stream(ctx, topology.Polls)
	if err != nil {
		return fmt.Errorf("stream %s: %w", topology.Polls, err)
	}
	busy := map[string]bool{}
	for _, name := range set.Names(flow.KindConnection) {
		if busy[name], err = w.stuckJob(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range set.Names(flow.KindSource) {
		s := set.Sources[name]
		f, err := feed.Get(s.Feed)
		if err != nil {
			continue
		}
		if err := w.lookAtSource(ctx, polls, poll.FromDocument(s, f), busy[s.Connection], states); err != nil {
			return err
		}
	}
	return nil
}

// stuckJob sees whether a connection's job takes too long, and reports whether there is one in hand.
func (w *watch) stuckJob(ctx context.Context, connection string) (busy bool, err error) {
	consumer := topology.PollerConsumer(connection)
	info, _, err := w.consumer(ctx, topology.Polls, consumer)
	if err != nil || info == nil {
		return false, err
	}
	busy = info.NumAckPending > 0
	if !busy || info.Delivered.Last == nil || w.now().Sub(*info.Delivered.Last) < w.stuck {
		return busy, w.alarms.resolve(ctx, kindStuck, kindStuck+sayResolved, consumer, fmt.Sprintf("the job of connection %s that took so long is done", connection))
	}
	return busy, w.alarms.raise(ctx, event.Event{Severity: event.Warning, Kind: kindStuck, Subject: consumer, Text: fmt.Sprintf(
		"a poller works on one job of connection %s since %s, and all its sources wait for that: look at its log, and restart it",
		connection, info.Delivered.Last.Format(time.RFC3339))})
}

// lookAtSource sees whether a source has its schedule and is polled by it. A schedule that is gone for two
// looks is set again; one that the poller has just taken away isn't.
func (w *watch) lookAtSource(ctx context.Context, polls jetstream.Stream, src poll.Source, busy bool, states []status.Entry) error {
	scheduled, err := lastOf(ctx, polls, topology.ScheduleSubject(src.Connection, src.Name))
	if err != nil {
		return err
	}
	if !scheduled.IsZero() {
		delete(w.absent, src.Name)
	} else if _, again := w.absent[src.Name]; !again {
		w.absent[src.Name] = w.now()
		return nil
	}
	late, err := w.late(ctx, src, scheduled, busy, states)
	switch {
	case err != nil:
		return err
	case scheduled.IsZero():
		return w.reschedule(ctx, polls, src, "its schedule was gone")
	case late > 0 && stateOf(states, pollerOf(src), src.Name) == "":
		return w.ticksStopped(ctx, src, fmt.Sprintf("no poll for %s, and no poller says that it reads the source: start poller-%s", late.Round(time.Second), src.Feed.System))
	case late > 0:
		return w.reschedule(ctx, polls, src, fmt.Sprintf("no poll for %s although it is due every %s", late.Round(time.Second), src.Every))
	default:
		return w.alarms.resolve(ctx, kindTicks, kindTicks+sayResolved, src.Name, fmt.Sprintf("source %s is polled again", src.Name))
	}
}

// late returns how long ago a source was polled where that is too long ago. One that can't be read says
// so itself, and behind another's job it has to wait.
func (w *watch) late(ctx context.Context, src poll.Source, scheduled time.Time, busy bool, states []status.Entry) (time.Duration, error) {
	if src.Every == 0 || busy || stateOf(states, pollerOf(src), src.Name) == status.Failed {
		return 0, nil
	}
	raw, err := w.js.Stream(ctx, topology.Raw)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", topology.Raw, err)
	}
	last, err := lastOf(ctx, raw, topology.WindowSubject(src.Name))
	if err != nil {
		return 0, err
	}
	if last.Before(scheduled) {
		last = scheduled
	}
	since := w.now().Sub(last)
	if last.IsZero() || since < max(lateAfterOwn*src.Every, w.ticks) {
		return 0, nil
	}
	return since, nil
}

// reschedule sets a source's schedule anew, which makes it tick at once.
func (w *watch) reschedule(ctx context.Context, polls jetstream.Stream, src poll.Source, why string) error {
	if err := polls.Purge(ctx, jetstream.WithPurgeSubject(topology.ScheduleSubject(src.Connection, src.Name))); err != nil {
		return fmt.Errorf("take away the schedule of source %s: %w", src.Name, err)
	}
	if err := poll.Schedule(ctx, w.js, src); err != nil {
		return err
	}
	return w.ticksStopped(ctx, src, why+"; it was set again")
}

func (w *watch) ticksStopped(ctx context.Context, src poll.Source, why string) error {
	return w.alarms.raise(ctx, event.Event{Severity: event.Critical, Kind: kindTicks, Subject: src.Name, Text: fmt.Sprintf("source %s was not polled: %s", src.Name, why)})
}

// pollerOf is the service that reads a source.
func pollerOf(src poll.Source) string {
	if src.Feed.System == "kis" {
		return "poller-kingdee"
	}
	return "poller-" + src.Feed.System
}
