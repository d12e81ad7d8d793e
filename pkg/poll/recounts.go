package poll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/topology"
)

// recountSuffix ends the subject of the schedule that makes the server ask for a recount each night, and
// recheckSuffix begins the end of those that compare a count once more is known.
const (
	recountSuffix = "_recount"
	recheckSuffix = "_recheck-"
)

// recountTTL is how long a recount waits for a poller: by then the next night is near.
const recountTTL = 12 * time.Hour

// recheckEvery is how long a comparison waits when not all is read yet that it needs.
const recheckEvery = time.Minute

// nightly is the id of recounts that the schedule asks for.
const nightly = "nightly"

// recountJob asks for the recount of a stretch. One with a time of counting asks for a comparison with
// what was counted then.
type recountJob struct {
	past    Past
	counted int
	at      time.Time
}

// Recount asks the poller of a connection to count the closed windows of a stretch of the source's past
// again; the zero times mean the last days. The same one twice within two minutes counts once.
func Recount(ctx context.Context, js jetstream.Publisher, connection, source string, past Past) error {
	msg := nats.NewMsg(topology.PollSubject(connection, source))
	recountJob{past: past}.write(msg.Header)
	id := past.ID + "/recount/" + past.From.UTC().Format(time.RFC3339)
	if _, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(id)); err != nil {
		return fmt.Errorf("queue recount %s of source %s: %w", past.ID, source, err)
	}
	return nil
}

func (j recountJob) write(h nats.Header) {
	set := func(name string, t time.Time) {
		if !t.IsZero() {
			h.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	h.Set(topology.HeaderRecount, j.past.ID)
	set(topology.HeaderRecountFrom, j.past.From)
	set(topology.HeaderRecountTo, j.past.To)
	if set(topology.HeaderRecountAt, j.at); !j.at.IsZero() {
		h.Set(topology.HeaderRecountCounted, strconv.Itoa(j.counted))
	}
}

// parseRecount reads the headers of a job, nil when it is no recount.
func parseRecount(h nats.Header) (*recountJob, error) {
	j := &recountJob{past: Past{ID: h.Get(topology.HeaderRecount)}}
	if j.past.ID == "" {
		return nil, nil
	}
	var errs []error
	get := func(name string) (t time.Time) {
		if text := h.Get(name); text != "" {
			var err error
			t, err = time.Parse(time.RFC3339Nano, text)
			errs = append(errs, err)
		}
		return t
	}
	j.past.From, j.past.To, j.at = get(topology.HeaderRecountFrom), get(topology.HeaderRecountTo), get(topology.HeaderRecountAt)
	if !j.at.IsZero() {
		var err error
		j.counted, err = strconv.Atoi(h.Get(topology.HeaderRecountCounted))
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("recount %s: %w", j.past.ID, err)
	}
	return j, nil
}

// scheduleRecount makes the server ask for the source's recount each night, or no more.
func scheduleRecount(ctx context.Context, js jetstream.JetStream, src Source) error {
	polls, err := js.Stream(ctx, topology.Polls)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", topology.Polls, err)
	}
	want := nats.NewMsg(topology.ScheduleSubject(src.Connection, src.Name) + recountSuffix)
	recountJob{past: Past{ID: nightly}}.write(want.Header)
	want.Header.Set(jetstream.ScheduleHeader, src.RecountCron)
	want.Header.Set(jetstream.ScheduleTimeZoneHeader, src.RecountZone)
	want.Header.Set(jetstream.ScheduleTargetHeader, topology.PollSubject(src.Connection, src.Name))
	want.Header.Set(jetstream.ScheduleTTLHeader, recountTTL.String())
	have, err := polls.GetLastMsgForSubject(ctx, want.Subject)
	switch {
	case err != nil && !errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("look up the recount of source %s: %w", src.Name, err)
	case err != nil && src.RecountCron == "", err == nil && sameSchedule(have.Header, want.Header):
		return nil
	case src.RecountCron == "":
		err = polls.Purge(ctx, jetstream.WithPurgeSubject(want.Subject))
	default:
		_, err = js.PublishMsg(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("schedule the recount of source %s: %w", src.Name, err)
	}
	return nil
}

// recheckAfter makes the server ask for the comparison of a span later.
func recheckAfter(ctx context.Context, js jetstream.JetStream, src Source, j recountJob, wait time.Duration) error {
	msg := nats.NewMsg(topology.ScheduleSubject(src.Connection, src.Name) + recheckSuffix + strconv.FormatInt(j.past.From.Unix(), 10))
	j.write(msg.Header)
	_, err := js.PublishMsg(ctx, msg, jetstream.WithScheduleAt(time.Now().Add(wait)),
		jetstream.WithScheduleTarget(topology.PollSubject(src.Connection, src.Name)), jetstream.WithScheduleTTL(recountTTL))
	if err != nil {
		return fmt.Errorf("schedule the comparison of a recount of source %s: %w", src.Name, err)
	}
	return nil
}

// recount does a recount. One that fails is told of and not tried again before the next night, which
// goes back far enough.
func (q *Queue) recount(ctx context.Context, src Source, j recountJob) error {
	var err error
	if j.at.IsZero() {
		err = q.countAgain(ctx, src, j)
	} else {
		err = q.compareAgain(ctx, src, j)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	q.Log.ErrorContext(ctx, "recount", "source", src.Name, "err", err)
	q.publish(ctx, event.Event{Severity: event.Warning, Kind: "recount-failed", Subject: src.Name, Text: err.Error() + ": it is tried again the next night, or with `erpstream source recount " + src.Name + "`"})
	return err
}

// countAgain has the vendor count, mends where it counts more, and leaves for later what may be fewer.
func (q *Queue) countAgain(ctx context.Context, src Source, j recountJob) error {
	if src.Feed.Snapshot || src.ByVersion {
		q.Log.InfoContext(ctx, "nothing to recount: each poll of the source counts", "source", src.Name)
		return nil
	}
	spans, rest, err := q.Poller.Recount(ctx, src, j.past)
	if errors.Is(err, errNotCounted) {
		q.Log.InfoContext(ctx, "not recounted", "source", src.Name, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	counted, agreed := 0, 0
	for _, s := range spans {
		counted += s.Counted
		switch {
		case s.More() > 0:
			err = q.mend(ctx, src, j, s)
		case s.Fewer() > 0:
			later := recountJob{past: Past{ID: j.past.ID, From: s.From, To: s.To}, counted: s.Counted, at: s.after}
			err = recheckAfter(ctx, q.JS, src, later, src.Settle+src.Overlap+2*clockSlack)
		default:
			agreed++
		}
		if err != nil {
			return err
		}
	}
	q.Log.InfoContext(ctx, "recounted", "source", src.Name, "recount", j.past.ID, "spans", len(spans), "agreed", agreed, "documents", counted)
	q.publish(ctx, recounted(src, spans, counted, agreed))
	if !rest.From.Before(rest.To) {
		return nil
	}
	return Recount(ctx, q.JS, src.Connection, src.Name, rest)
}

// recounted is the event that says that a recount took place.
func recounted(src Source, spans []Span, counted, agreed int) event.Event {
	text := "no closed windows to count"
	if n := len(spans); n > 0 {
		text = fmt.Sprintf("%s: the vendor counts %d documents in %d spans, %d of them agree with what was read",
			src.window(spans[0].From, spans[n-1].To), counted, n, agreed)
	}
	return event.Event{Severity: event.Info, Kind: "recount-done", Subject: src.Name, Text: text}
}

// mend tells that records were missed, and has them read.
func (q *Queue) mend(ctx context.Context, src Source, j recountJob, s Span) error {
	past := Past{ID: "recount-" + cmp.Or(j.past.ID, nightly) + "-" + strconv.FormatInt(q.Poller.Now().Unix(), 36), From: s.From, To: s.To}
	text := fmt.Sprintf("%s: the vendor counts %d documents now, %d more than were read: they became visible after their window was closed. Backfill %s reads them; a longer settle or overlap would have met them",
		src.window(s.From, s.To), s.Counted, s.More(), past.ID)
	q.Log.ErrorContext(ctx, "recount", "source", src.Name, "err", text)
	q.publish(ctx, event.Event{Severity: event.Critical, Kind: "recount-more", Subject: src.Name, Part: s.From.UTC().Format(time.RFC3339), Text: text})
	return Backfill(ctx, q.JS, src.Connection, src.Name, past)
}

// compareAgain compares what the vendor counted once everything is read that had changed by then: what
// left the span by an edit is known now, and what is still not explained is gone at the source.
func (q *Queue) compareAgain(ctx context.Context, src Source, j recountJob) error {
	if _, err := q.Poller.Poll(ctx, src); err != nil && !errors.Is(err, ErrFenced) {
		if waited := recheckAfter(ctx, q.JS, src, j, fault.Delay(err, recheckEvery)); waited != nil {
			return waited
		}
		return err
	}
	s, known, err := q.Poller.recheck(ctx, src, j)
	switch {
	case err != nil:
		return err
	case !known:
		return recheckAfter(ctx, q.JS, src, j, recheckEvery)
	case s.Fewer() == 0:
		return nil
	}
	text := fmt.Sprintf("%s: the vendor counts %d documents, %d fewer than were read and did not change since: they were deleted at the source", src.window(s.From, s.To), s.Counted, s.Fewer())
	q.Log.WarnContext(ctx, "recount", "source", src.Name, "err", text)
	q.publish(ctx, event.Event{Severity: event.Warning, Kind: "recount-fewer", Subject: src.Name, Part: s.From.UTC().Format(time.RFC3339), Text: text})
	return nil
}

func (q *Queue) publish(ctx context.Context, e event.Event) {
	if err := event.Publish(ctx, q.JS, e); err != nil {
		q.Log.WarnContext(ctx, "event not published", "err", err)
	}
}
