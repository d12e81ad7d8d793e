package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

const (
	kindUnusual = "window-unusual"
	kindStale   = "source-stale"
	// usualDays is from how many days at most it is learned what is usual.
	usualDays = 28
	// wideWindow is the width from which on a window does not say in which hour its records were.
	wideWindow = 2 * time.Hour
	// usualMin is how many records an hour must usually have to be missed when there are none, and unusualBy
	// by how many an hour must exceed what is usual.
	usualMin  = 10
	unusualBy = 20
)

// usual is how many records each source brings in an hour of the day, from the windows of the last weeks. It
// is read from LEDGER anew by a replica that takes over.
type usual struct {
	js jetstream.JetStream
	// next is the first sequence of LEDGER that was not read yet.
	next    uint64
	sources map[string]*hours
}

// hours is what one source brought. Times are the source's own.
type hours struct {
	// records are those of each hour, by its begin in Unix time divided by 3600; unknown are the hours that a
	// window was too wide for.
	records map[int64]int64
	unknown map[int64]bool
	// begin and until are from when to when the windows go, fresh the end of the last that brought something.
	begin, until, fresh time.Time
	// judged is the hour that was looked at last.
	judged int64
}

func newUsual(js jetstream.JetStream) *usual { return &usual{js: js, sources: map[string]*hours{}} }

// read takes in the windows that came since the last time.
func (u *usual) read(ctx context.Context, now time.Time) error {
	what := consume.Reading{From: u.next}
	if u.next == 0 {
		what.Since = now.AddDate(0, 0, -usualDays-1)
	}
	return consume.Read(ctx, u.js, topology.Ledger, what, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		u.next = meta.Sequence.Stream + 1
		w := new(ledgerv1.Window)
		if err := proto.Unmarshal(msg.Data(), w); err != nil {
			return nil //nolint:nilerr // the audit says which it is
		}
		u.take(w)
		return nil
	})
}

// take takes in a window. What a backfill or a recount brings says nothing of the hour in which it comes.
func (u *usual) take(w *ledgerv1.Window) {
	if w.GetBackfill() != "" {
		return
	}
	h := u.sources[w.GetSource()]
	if h == nil {
		h = &hours{records: map[int64]int64{}, unknown: map[int64]bool{}}
		u.sources[w.GetSource()] = h
	}
	from, to := w.GetFrom().AsTime(), w.GetTo().AsTime()
	if w.GetPublished() > 0 && to.After(h.fresh) {
		h.fresh = to
	}
	if w.GetClosed() && to.After(h.until) {
		h.until = to
	}
	if from.Unix() <= 0 { // a feed that is read whole for the first time
		h.begin = to
		return
	}
	if h.begin.IsZero() || from.Before(h.begin) {
		h.begin = from
	}
	if to.Sub(from) <= wideWindow {
		h.records[hourOf(to.Add(-time.Nanosecond))] += w.GetPublished()
		return
	}
	for at := max(hourOf(from), hourOf(to.AddDate(0, 0, -usualDays-1))); at <= hourOf(to); at++ {
		h.unknown[at] = true
	}
}

// hourOf numbers the hours. Zones whose offset is no whole hour have theirs a little shifted.
func hourOf(t time.Time) int64 { return int64(math.Floor(float64(t.Unix()) / 3600)) }

func hourBegin(hour int64) time.Time { return time.Unix(hour*3600, 0) }

// samples are how many records a source brought in the same hour of the days before.
func (h *hours) samples(hour int64) []int64 {
	var all []int64
	for day := int64(1); day <= usualDays; day++ {
		before := hour - 24*day
		if hourBegin(before).Before(h.begin) {
			break
		}
		if !h.unknown[before] {
			all = append(all, h.records[before])
		}
	}
	slices.Sort(all)
	return all
}

// forget drops what is too old to be asked for.
func (h *hours) forget() {
	oldest := hourOf(h.until) - 24*(usualDays+1)
	for hour := range h.records {
		if hour < oldest {
			delete(h.records, hour)
		}
	}
	for hour := range h.unknown {
		if hour < oldest {
			delete(h.unknown, hour)
		}
	}
}

// unusual says how a number is far from sorted samples, "" when it isn't. Far is five times the usual
// deviation (MAD, and at least that of chance and a tenth), and beyond what nine of ten days had by half; or
// nothing at all where there was always something.
func unusual(n int64, samples []int64) string {
	middle := samples[len(samples)/2]
	deviations := make([]int64, len(samples))
	for i, s := range samples {
		deviations[i] = max(s-middle, middle-s)
	}
	slices.Sort(deviations)
	scale := max(1.4826*float64(deviations[len(deviations)/2]), math.Sqrt(float64(middle)), float64(middle)/10)
	low, high := samples[len(samples)/10], samples[len(samples)-1-len(samples)/10]
	above, below := float64(n-middle), float64(middle-n)
	switch {
	case above > 5*scale && n-middle >= unusualBy && 2*n > 3*high:
		return "far more than"
	case n == 0 && samples[0] > 0 && middle >= usualMin:
		return "none, unlike what is"
	case below > 5*scale && 2*n < low:
		return "far fewer than"
	default:
		return ""
	}
}

// lookAtHours sees whether the last whole hour of each source is far from what is usual then, and whether
// something new came of those that say how long nothing may.
func (w *watch) lookAtHours(ctx context.Context, set flow.Set) error {
	if err := w.usual.read(ctx, w.now()); err != nil {
		return err
	}
	for _, name := range set.Names(flow.KindSource) {
		h := w.usual.sources[name]
		if h == nil {
			continue
		}
		zone := set.Connections[set.Sources[name].Connection].Location()
		if err := w.stale(ctx, set.Sources[name], h, zone); err != nil {
			return err
		}
		if err := w.unusualHour(ctx, name, h, zone); err != nil {
			return err
		}
		h.forget()
	}
	return nil
}

// unusualHour judges the last whole hour that was polled, once.
func (w *watch) unusualHour(ctx context.Context, source string, h *hours, zone *time.Location) error {
	hour := hourOf(h.until) - 1
	samples := h.samples(hour)
	if w.usualDays == 0 || hour <= h.judged || h.unknown[hour] || len(samples) < w.usualDays {
		return nil
	}
	n := h.records[hour]
	begin := hourBegin(hour).In(zone)
	between := fmt.Sprintf("%d records from %s to %s", n, begin.Format("2006-01-02 15:04"), begin.Add(time.Hour).Format("15:04 -07:00"))
	usually := fmt.Sprintf("usual at this hour: %d, between %d and %d on the last %d days", samples[len(samples)/2], samples[0], samples[len(samples)-1], len(samples))
	how := unusual(n, samples)
	var err error
	if how == "" {
		err = w.alarms.resolve(ctx, kindUnusual, kindUnusual+sayResolved, source, fmt.Sprintf("source %s brings as much as usual again: %s; %s", source, between, usually))
	} else {
		err = w.alarms.raise(ctx, event.Event{Severity: event.Warning, Kind: kindUnusual, Subject: source, Text: fmt.Sprintf(
			"source %s brought %s, %s %s; see at the vendor whether that is so, `erpstream source recount %s` counts again", source, between, how, usually, source)})
	}
	if err == nil {
		h.judged = hour
	}
	return err
}

// stale sees whether a source brought something new within the time that it says.
func (w *watch) stale(ctx context.Context, s flow.Source, h *hours, zone *time.Location) error {
	fresh := h.fresh
	if fresh.IsZero() {
		fresh = h.begin
	}
	if s.Quiet == 0 || w.now().Sub(fresh) <= s.Quiet {
		return w.alarms.resolve(ctx, kindStale, kindStale+sayResolved, s.Name, fmt.Sprintf("source %s brings records again", s.Name))
	}
	return w.alarms.raise(ctx, event.Event{Severity: event.Warning, Kind: kindStale, Subject: s.Name, Text: fmt.Sprintf(
		"source %s brought nothing new since %s, and its document says quiet: %s; see at the vendor whether there is anything", s.Name, fresh.In(zone).Format(time.RFC3339), s.Quiet)})
}
