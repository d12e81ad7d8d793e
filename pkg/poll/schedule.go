package poll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// tickTTL bounds how long a tick waits for a poller: the next one will do as well.
const tickTTL = time.Minute

// schedule is the message that makes the server publish the source's ticks.
func schedule(src Source) *nats.Msg {
	msg := nats.NewMsg(topology.ScheduleSubject(src.Connection, src.Name))
	ttl := tickTTL
	if src.Every > 0 {
		msg.Header.Set(jetstream.ScheduleHeader, every(src))
		ttl = max(min(src.Every, tickTTL), time.Second)
	} else {
		msg.Header.Set(jetstream.ScheduleHeader, src.Cron)
		msg.Header.Set(jetstream.ScheduleTimeZoneHeader, src.Zone)
	}
	msg.Header.Set(jetstream.ScheduleTargetHeader, topology.PollSubject(src.Connection, src.Name))
	msg.Header.Set(jetstream.ScheduleTTLHeader, ttl.String())
	return msg
}

// every is the schedule of a source that is polled at an interval. Where whole intervals make an hour each
// source has its own place in it, by name: those that are applied together would all tick at once.
func every(src Source) string {
	if src.Every < time.Minute || src.Every%time.Minute != 0 || time.Hour%src.Every != 0 {
		return "@every " + src.Every.String()
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(src.Name))
	seconds := int(h.Sum32() % uint32(src.Every/time.Second)) //nolint:gosec // not more than an hour, as was checked
	minutes := strconv.Itoa(seconds / 60)
	if src.Every < time.Hour {
		minutes += "/" + strconv.Itoa(int(src.Every/time.Minute))
	}
	return fmt.Sprintf("%d %s * * * *", seconds%60, minutes)
}

// Schedule makes the server tick for the source, and once at once when its schedule is new, and ask for
// its recount each night.
func Schedule(ctx context.Context, js jetstream.JetStream, src Source) error {
	if err := scheduleRecount(ctx, js, src); err != nil {
		return err
	}
	polls, err := js.Stream(ctx, topology.Polls)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", topology.Polls, err)
	}
	want := schedule(src)
	have, err := polls.GetLastMsgForSubject(ctx, want.Subject)
	switch {
	case err == nil && sameSchedule(have.Header, want.Header):
		return nil
	case err != nil && !errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("look up the schedule of source %s: %w", src.Name, err)
	}
	if _, err := js.PublishMsg(ctx, want); err != nil {
		return fmt.Errorf("schedule source %s: %w", src.Name, err)
	}
	return Tick(ctx, js, src.Connection, src.Name)
}

func sameSchedule(have, want nats.Header) bool {
	for _, name := range []string{jetstream.ScheduleHeader, jetstream.ScheduleTimeZoneHeader, jetstream.ScheduleTargetHeader, jetstream.ScheduleTTLHeader} {
		if have.Get(name) != want.Get(name) {
			return false
		}
	}
	return true
}

// Unschedule ends the ticks of those schedules of a connection that are not among its sources.
func Unschedule(ctx context.Context, js jetstream.JetStream, connection string, sources map[string]Source) error {
	polls, err := js.Stream(ctx, topology.Polls)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", topology.Polls, err)
	}
	prefix := topology.ScheduleSubject(connection, "")
	info, err := polls.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
	if err != nil {
		return fmt.Errorf("list the schedules of connection %s: %w", connection, err)
	}
	for subject := range info.State.Subjects {
		name, _, _ := strings.Cut(strings.TrimPrefix(subject, prefix), "_") // no name of a source has one
		if _, ok := sources[name]; ok {
			continue
		}
		if err := polls.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("end the schedule of source %s: %w", name, err)
		}
	}
	return nil
}

// Tick asks the poller of a connection to look at one source now.
func Tick(ctx context.Context, js jetstream.Publisher, connection, source string) error {
	_, err := js.Publish(ctx, topology.PollSubject(connection, source), nil, jetstream.WithMsgTTL(tickTTL))
	if err != nil {
		return fmt.Errorf("tick source %s: %w", source, err)
	}
	return nil
}

// retrySuffix ends the subject of the schedule that ticks once for a source whose last tick failed.
// No name of a source ends so.
const retrySuffix = "_retry"

// retryAfter makes the server tick once for the source after that time. The last call counts.
func retryAfter(ctx context.Context, js jetstream.JetStream, src Source, wait time.Duration) error {
	msg := nats.NewMsg(topology.ScheduleSubject(src.Connection, src.Name) + retrySuffix)
	_, err := js.PublishMsg(ctx, msg, jetstream.WithScheduleAt(time.Now().Add(wait)),
		jetstream.WithScheduleTarget(topology.PollSubject(src.Connection, src.Name)), jetstream.WithScheduleTTL(tickTTL))
	if err != nil {
		return fmt.Errorf("schedule another try of source %s: %w", src.Name, err)
	}
	return nil
}

// dropRetry takes back what retryAfter asked for.
func dropRetry(ctx context.Context, js jetstream.JetStream, src Source) error {
	polls, err := js.Stream(ctx, topology.Polls)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", topology.Polls, err)
	}
	if err := polls.Purge(ctx, jetstream.WithPurgeSubject(topology.ScheduleSubject(src.Connection, src.Name)+retrySuffix)); err != nil {
		return fmt.Errorf("take back another try of source %s: %w", src.Name, err)
	}
	return nil
}

// Past is a stretch of a source's time that is to be read again.
type Past struct {
	// ID names the backfill in the windows.
	ID       string
	From, To time.Time
}

// Backfill asks the poller of a connection to read a stretch of the source's past again, in jobs
// of about a minute that live polling may overtake. The same one twice within two minutes counts
// once.
func Backfill(ctx context.Context, js jetstream.Publisher, connection, source string, past Past) error {
	msg := nats.NewMsg(topology.PollSubject(connection, source))
	past.write(msg.Header)
	if _, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(past.ID+"/"+past.From.UTC().Format(time.RFC3339))); err != nil {
		return fmt.Errorf("queue backfill %s of source %s: %w", past.ID, source, err)
	}
	return nil
}

func (p Past) write(h nats.Header) {
	h.Set(topology.HeaderBackfill, p.ID)
	h.Set(topology.HeaderBackfillFrom, p.From.Format(time.RFC3339))
	h.Set(topology.HeaderBackfillTo, p.To.Format(time.RFC3339))
}

// backfillSuffix begins the end of the subjects of schedules that queue a failed backfill job again.
const backfillSuffix = "_backfill-"

// backfillAfter makes the server queue a backfill job that failed again, each time after a longer wait.
func backfillAfter(ctx context.Context, js jetstream.JetStream, src Source, j job) error {
	which := fnv.New64a()
	_, _ = which.Write([]byte(j.past.ID + j.past.From.UTC().String()))
	msg := nats.NewMsg(topology.ScheduleSubject(src.Connection, src.Name) + backfillSuffix + strconv.FormatUint(which.Sum64(), 36))
	j.past.write(msg.Header)
	msg.Header.Set(topology.HeaderBackfillFailed, strconv.Itoa(j.failed+1))
	_, err := js.PublishMsg(ctx, msg, jetstream.WithScheduleAt(time.Now().Add(j.rest())), jetstream.WithScheduleTarget(topology.PollSubject(src.Connection, src.Name)))
	if err != nil {
		return fmt.Errorf("queue backfill %s of source %s again: %w", j.past.ID, src.Name, err)
	}
	return nil
}

// job is one message of a connection's queue: a backfill when past has an id, a recount when there is
// one, else a tick.
type job struct {
	source  string
	past    Past
	recount *recountJob
	// failed is how often a backfill job has failed before.
	failed int
}

// rest is how long a backfill job waits that failed once more.
func (j job) rest() time.Duration { return min(backfillFirst<<min(j.failed, 8), backfillMost) }

// mostFailed bounds the count of failures, which is read from a message.
const mostFailed = 1_000_000

// isTick reports whether a message of the queue asks for a live poll.
func isTick(h nats.Header) bool {
	return h.Get(topology.HeaderBackfill) == "" && h.Get(topology.HeaderRecount) == ""
}

// sourceOf returns the source that a job on that subject is for.
func sourceOf(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

func parseJob(msg jetstream.Msg) (job, error) {
	j := job{
		source: sourceOf(msg.Subject()),
		past:   Past{ID: msg.Headers().Get(topology.HeaderBackfill)},
	}
	if j.past.ID == "" {
		var err error
		j.recount, err = parseRecount(msg.Headers())
		return j, err
	}
	failed, _ := strconv.Atoi(msg.Headers().Get(topology.HeaderBackfillFailed)) // none where it is not there
	j.failed = min(max(failed, 0), mostFailed)
	var errFrom, errTo error
	j.past.From, errFrom = time.Parse(time.RFC3339, msg.Headers().Get(topology.HeaderBackfillFrom))
	j.past.To, errTo = time.Parse(time.RFC3339, msg.Headers().Get(topology.HeaderBackfillTo))
	if err := cmp.Or(errFrom, errTo); err != nil {
		return j, fmt.Errorf("backfill %s of source %s: %w", j.past.ID, j.source, err)
	}
	return j, nil
}
