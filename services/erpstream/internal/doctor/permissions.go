package doctor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// nobody is a name that no stream, consumer, flow or source has.
const nobody = "erpstream-doctor"

// probeWait bounds the wait for the answer to one probe.
const probeWait = 3 * time.Second

// publishes is what a part publishes, by part: a subject of each kind.
func publishes() map[string][]string {
	bucket := func(name string) string { return "$KV." + name + "." + nobody }
	event := topology.EventSubject("info", nobody)
	return map[string][]string{
		"poller": {
			topology.RawSubject("doctor", nobody, nobody), topology.WindowSubject(nobody), topology.PollSubject(nobody, nobody),
			topology.ScheduleSubject(nobody, nobody), event, bucket(topology.BucketStatus), bucket(topology.BucketTokens),
		},
		"transformer": {
			topology.TargetSubject("doctor", nobody, nobody, nobody), topology.ParkedSubject(nobody, "doctor", nobody),
			topology.DeadSubject("transform", nobody), topology.ReceiptSubject(nobody, nobody), event, bucket(topology.BucketStatus),
			bucket(topology.BucketUnique), bucket(topology.BucketPositions), topology.DeadNoteSubject(nobody), bucket(topology.BucketControl),
		},
		"sink": {
			topology.DeadSubject("sink", nobody), topology.ReceiptSubject(nobody, nobody), event, bucket(topology.BucketStatus),
			bucket(topology.BucketLinks), bucket(topology.BucketTokens), bucket(topology.BucketReference),
		},
		"watchdog": {
			topology.WatchSchedule, topology.ScheduleSubject(nobody, nobody), topology.DeadSubject("sink", nobody), event,
			bucket(topology.BucketStatus), bucket(topology.BucketPositions), bucket(topology.BucketShapes),
		},
	}
}

// requests is what a part asks JetStream for, by part: a request for each kind that changes nothing, for
// it is about something that is not there.
func requests() map[string][]string {
	consume := func(stream string) []string {
		return []string{
			"$JS.API.STREAM.INFO." + stream, "$JS.API.CONSUMER.CREATE." + stream + "." + nobody,
			"$JS.API.CONSUMER.INFO." + stream + "." + nobody, "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + nobody, "$JS.ACK." + stream + "." + nobody,
		}
	}
	return map[string][]string{
		"poller": append(consume(topology.Polls), "$JS.API.STREAM.INFO."+topology.Raw),
		"transformer": slices.Concat(consume(topology.Raw), consume(topology.Dead), []string{
			"$JS.API.STREAM.INFO." + topology.Parked, "$JS.API.STREAM.MSG.GET." + topology.Parked, "$JS.API.STREAM.MSG.GET." + topology.Raw,
			"$JS.API.CONSUMER.INFO." + topology.Target + "." + nobody,
		}),
		"sink": consume(topology.Target),
		"watchdog": slices.Concat(consume(topology.Polls), consume(topology.Advisories), consume(topology.Raw), []string{
			"$JS.API.STREAM.INFO." + topology.Target,
			"$JS.API.CONSUMER.INFO." + topology.Target + "." + nobody,
		}),
	}
}

// Services are the parts whose permissions can be looked at.
func Services() []string { return []string{"poller", "transformer", "sink", "watchdog"} }

// subjects are those of the part that is looked at, or of all.
func (e *examination) subjects(of map[string][]string) []string {
	var all []string
	for _, name := range Services() {
		if e.Service == "" || e.Service == name {
			all = append(all, of[name]...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// permissions tries what the services do, in a way that the server refuses whoever may do it: messages
// for a stream of another name, requests about consumers that are not there.
func (e *examination) permissions(ctx context.Context, seen *violations) {
	published, requested := e.subjects(publishes()), e.subjects(requests())
	var mu sync.Mutex
	var silent []string
	var g errgroup.Group
	for _, subject := range append(published, requested...) {
		g.Go(func() error {
			if err := try(ctx, e.js.Conn(), subject, seen); err != nil {
				mu.Lock()
				defer mu.Unlock()
				silent = append(silent, subject)
			}
			return nil
		})
	}
	_ = g.Wait()
	var faults []fault
	if denied := seen.denied(append(published, requested...)); len(denied) > 0 {
		faults = append(faults, fails("this user may not publish on %s: give it these subjects, or look with the credentials of each service (--service)", strings.Join(denied, ", ")))
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		faults = append(faults, warns("no answer on %s", strings.Join(silent, ", ")))
	}
	of := "the services need"
	if e.Service != "" {
		of = "a " + e.Service + " needs"
	}
	e.sum("permissions", fmt.Sprintf("this user may do what %s (%d subjects tried)", of, len(published)+len(requested)), faults)
}

// try publishes what the server refuses, and waits for its answer. The error is that there was none;
// what this user may not do has one, in seen.
func try(ctx context.Context, nc *nats.Conn, subject string, seen *violations) error {
	msg := nats.NewMsg(subject)
	if !strings.HasPrefix(subject, "$JS.") {
		msg.Header.Set(jetstream.ExpectedStreamHeader, nobody)
	}
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	stop := seen.on(subject, cancel)
	defer stop()
	_, err := nc.RequestMsgWithContext(ctx, msg)
	if err == nil || errors.Is(err, nats.ErrNoResponders) || seen.has(subject) {
		return nil
	}
	return err
}

// violations are what the server said that this user may not do.
type violations struct {
	nc     *nats.Conn
	before nats.ErrHandler

	mu       sync.Mutex
	subjects map[string]string
	waiting  map[string]func()
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// watch begins to hear of violations on a connection.
func watch(nc *nats.Conn) *violations {
	v := &violations{nc: nc, before: nc.Opts.AsyncErrorCB, subjects: map[string]string{}, waiting: map[string]func(){}}
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if !errors.Is(err, nats.ErrPermissionViolation) {
			return
		}
		subject := err.Error()
		if m := quoted.FindStringSubmatch(subject); m != nil {
			subject = m[1]
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.subjects[subject] = err.Error()
		if give := v.waiting[subject]; give != nil {
			give()
		}
	})
	return v
}

func (v *violations) stop() { v.nc.SetErrorHandler(v.before) }

// on calls do when the server says that this user may not publish on a subject.
func (v *violations) on(subject string, do func()) (stop func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting[subject] = do
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.waiting, subject)
	}
}

func (v *violations) has(subject string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.subjects[subject]
	return ok
}

// denied are those of the subjects that were refused; they are not told of again.
func (v *violations) denied(subjects []string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []string
	for _, subject := range subjects {
		if _, ok := v.subjects[subject]; ok {
			all = append(all, subject)
			delete(v.subjects, subject)
		}
	}
	return all
}

// refused tells of all else that this user may not do.
func (e *examination) refused(v *violations) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, text := range v.subjects {
		e.found("permissions", probe.Fail, "%s", text)
	}
}
