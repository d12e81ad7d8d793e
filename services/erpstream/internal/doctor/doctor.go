// Package doctor examines a NATS server that erpstream runs on: whether what is acknowledged is on disk
// and on other servers, whether anything may be dropped before it was seen to, and whether all parts are
// at work. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// Options say how strictly is looked.
type Options struct {
	// Monitors are the monitoring addresses of the servers, http://host:8222: only these tell whether
	// what is acknowledged is on disk.
	Monitors []string
	// AllowR1 takes streams with fewer than three replicas for a warning.
	AllowR1 bool
	// Secrets is the folder with the secrets of connections; "" leaves it unexamined.
	Secrets string
	// Service looks at nothing but the connection and the permissions of one of Services; its user may not look
	// at anything else.
	Service string
}

// Examine looks at everything. Its findings are for people; it returns what it found however far it came.
func Examine(ctx context.Context, js jetstream.JetStream, o Options) []probe.Finding {
	e := &examination{js: js, Options: o}
	violations := watch(js.Conn())
	defer violations.stop()
	switch {
	case o.Service != "":
		e.connection()
		e.permissions(ctx, violations)
	case e.server(ctx):
		e.connection()
		e.secrets()
		e.monitors(ctx)
		if e.load(ctx) {
			e.replicas()
			e.leaders()
			e.limits()
			e.dedupe(ctx)
			e.retention()
			e.clock()
			e.configured(ctx)
		}
		e.account(ctx)
		e.permissions(ctx, violations)
	}
	e.refused(violations)
	return e.findings
}

// examination is one run of Examine.
type examination struct {
	Options
	js       jetstream.JetStream
	findings []probe.Finding
	// streams are those that there are, in the order in which they are created.
	streams []*jetstream.StreamInfo
	// skew is how far the clock of the server that leads the streams is ahead of this one's.
	skew time.Duration
	// servers are those that a monitoring address told of.
	servers []varz
}

func (e *examination) found(check string, state probe.State, format string, args ...any) {
	e.findings = append(e.findings, probe.Finding{Check: check, State: state, Text: fmt.Sprintf(format, args...)})
}

// worse is Warn where R1 is allowed, else Fail.
func (e *examination) worse() probe.State {
	if e.AllowR1 {
		return probe.Warn
	}
	return probe.Fail
}

// sum adds a finding of a check: that all is well when there are no faults, else one for each.
func (e *examination) sum(check, well string, faults []fault) {
	if len(faults) == 0 {
		e.found(check, probe.OK, "%s", well)
	}
	for _, f := range faults {
		e.found(check, f.state, "%s", f.text)
	}
}

// fault is something that is not as it should be.
type fault struct {
	state probe.State
	text  string
}

func fails(format string, args ...any) fault {
	return fault{probe.Fail, fmt.Sprintf(format, args...)}
}

func warns(format string, args ...any) fault {
	return fault{probe.Warn, fmt.Sprintf(format, args...)}
}

// server looks at the server and its streams beside what provision wants. It reports whether there is
// anything to look at further.
func (e *examination) server(ctx context.Context) bool {
	nc := e.js.Conn()
	ctx, cancel := context.WithTimeout(ctx, planWait)
	defer cancel()
	plan, err := topology.Plan(ctx, e.js, e.planned(ctx))
	if err != nil {
		e.found("server", probe.Fail, "%v", err)
		return false
	}
	e.found("server", probe.OK, "version %s at %s, round trip %s", nc.ConnectedServerVersion(), nc.ConnectedUrlRedacted(), roundTrip(nc))
	var faults []fault
	for _, c := range plan {
		switch c.Action {
		case topology.Create:
			faults = append(faults, fails("%s is missing: run `erpstream provision`", c.Stream))
		case topology.Update:
			faults = append(faults, warns("%s is not as provision makes it (%s): run `erpstream provision`", c.Stream, strings.Join(c.Diffs, "; ")))
		case topology.Refuse:
			faults = append(faults, warns("%s was set otherwise by hand (%s), which provision leaves alone", c.Stream, strings.Join(c.Diffs, "; ")))
		}
	}
	e.sum("streams", fmt.Sprintf("%d streams and buckets are as provision makes them", len(plan)), faults)
	return true
}

// planWait bounds the look at all streams: what a user may not ask has no answer.
const planWait = 15 * time.Second

// planned is how many replicas RAW has, so that the plan tells of other things than replicas.
func (e *examination) planned(ctx context.Context) int {
	stream, err := e.js.Stream(ctx, topology.Raw)
	if err != nil {
		return 1
	}
	return max(stream.CachedInfo().Config.Replicas, 1)
}

// load reads all streams that there are, and how far the server's clock is from this one. It reports
// whether there are any.
func (e *examination) load(ctx context.Context) bool {
	for _, want := range topology.Streams(1) {
		began := time.Now()
		stream, err := e.js.Stream(ctx, want.Name)
		if err != nil {
			continue
		}
		info := stream.CachedInfo()
		e.skew = info.TimeStamp.Sub(began.Add(time.Since(began) / 2))
		e.streams = append(e.streams, info)
	}
	return len(e.streams) > 0
}

// stream returns a stream, nil when it is not there.
func (e *examination) stream(name string) *jetstream.StreamInfo {
	i := slices.IndexFunc(e.streams, func(s *jetstream.StreamInfo) bool { return s.Config.Name == name })
	if i < 0 {
		return nil
	}
	return e.streams[i]
}

// account looks at what the account may store.
func (e *examination) account(ctx context.Context) {
	info, err := e.js.AccountInfo(ctx)
	if err != nil {
		e.found("account", probe.Fail, "ask for its limits: %v", err)
		return
	}
	tiers := map[string]jetstream.Tier{"": info.Tier}
	for name, tier := range info.Tiers {
		tiers["tier "+name+": "] = tier
	}
	var faults []fault
	for name, t := range tiers {
		faults = append(faults, near(name+"bytes on disk", t.Store, t.Limits.MaxStore)...)
		faults = append(faults, near(name+"streams", uint64(max(t.Streams, 0)), int64(t.Limits.MaxStreams))...)
		faults = append(faults, near(name+"consumers", uint64(max(t.Consumers, 0)), int64(t.Limits.MaxConsumers))...)
	}
	e.sum("account", fmt.Sprintf("%d MiB stored, %d streams, %d consumers: no limit is near", info.Store>>20, info.Streams, info.Consumers), faults)
	const wanted = 8 << 20
	if size := e.js.Conn().MaxPayload(); size < wanted {
		e.found("max payload", probe.Warn, "the server takes messages of %d KiB: a document that is larger can't be published; set max_payload: 8MB", size>>10)
	} else {
		e.found("max payload", probe.OK, "the server takes messages of %d MiB", size>>20)
	}
}

// near is the fault of a limit that is nearly reached; none is 0 or less.
func near(what string, used uint64, limit int64) []fault {
	if limit <= 0 {
		return nil
	}
	share := float64(used) / float64(limit)
	text := fmt.Sprintf("%s: %d of %d are used (%.0f %%)", what, used, limit, 100*share)
	switch {
	case share >= 0.95:
		return []fault{fails("%s: what comes will be refused soon", text)}
	case share >= 0.8:
		return []fault{warns("%s", text)}
	default:
		return nil
	}
}

// configured looks at what the stored documents need.
func (e *examination) configured(ctx context.Context) {
	stored, err := flow.Load(ctx, e.js)
	if err != nil {
		e.found("configuration", probe.Fail, "%v", err)
		return
	}
	e.ways(stored)
	if len(stored.Flows) == 0 {
		e.found("configuration", probe.Warn, "no flows are applied: `erpstream apply` does that")
		return
	}
	e.consumers(ctx, stored)
	e.services(ctx, stored)
	e.pauses(ctx, stored)
}
