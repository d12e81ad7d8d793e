package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// lookEvery is how often a watch looks: recoveries are known that exactly.
const lookEvery = 150 * time.Millisecond

// watch looks at the consumers of a run all the while: who has work, and who gets on with it.
type watch struct {
	js jetstream.JetStream
	// sandbox is the index of the sandbox's own pages.
	sandbox string

	mu     sync.Mutex
	last   look
	wounds []wound
	// hits are the calls that the sandbox misbehaved at while documents were on their way.
	hits       int
	recoveries []time.Duration
}

// look is what was seen at one moment.
type look struct {
	at time.Time
	// parts are the services by name, without the number of a replica; all is everything on TARGET.
	parts map[string]progress
	// edits are those that the sandbox is still going to make.
	edits int
	// moved are the edits that the sandbox has made by itself.
	moved int
	// struck are the calls that the sandbox misbehaved at, by vendor, kinds the same by what it did.
	struck, kinds map[string]int
}

// progress is how far the consumers of a part have come.
type progress struct{ floor, unsettled uint64 }

// all stands for every sink.
const all = "all"

// wound is a fault whose part did not get on since.
type wound struct {
	part  string
	since time.Time
	was   progress
	// looked is whether was is of a time after it.
	looked bool
	// waits is whether there was work since; the time counts from then.
	waits bool
}

// newWatch watches until the test ends.
func newWatch(t *testing.T, js jetstream.JetStream, sandbox string) *watch {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watch{js: js, sandbox: sandbox}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.look(ctx, t)
			select {
			case <-ctx.Done():
			case <-time.After(lookEvery):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// look takes one look; what can't be seen, because a server is away, is seen the next time.
func (w *watch) look(ctx context.Context, t *testing.T) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	now := look{at: time.Now(), parts: map[string]progress{}, struck: map[string]int{}, kinds: map[string]int{}}
	for _, stream := range []string{topology.Polls, topology.Raw, topology.Target} {
		if w.consumers(ctx, stream, now.parts) != nil {
			return
		}
	}
	if readStats(ctx, w.sandbox, &now) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.last
	w.last = now
	w.heal(now)
	for vendor, n := range now.struck {
		if before.struck == nil || n <= before.struck[vendor] || !before.working() {
			continue
		}
		w.hits += n - before.struck[vendor]
		w.wounds = append(w.wounds, wound{part: callers[vendor], since: now.at})
	}
}

// callers is who suffers from the faults of a vendor.
var callers = map[string]string{
	"jushuitan": "poller-jushuitan", "wangdiantong": "poller-wangdiantong", "xingchen": "sink-kingdee", "kis": "sink-kis", "gateway": "sink-kingdee",
}

// consumers adds up the consumers of a stream by the service that they belong to.
func (w *watch) consumers(ctx context.Context, stream string, parts map[string]progress) error {
	s, err := w.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		add(parts, partOf(info.Name), info)
		if stream == topology.Target {
			add(parts, all, info)
		}
	}
	return list.Err()
}

func add(parts map[string]progress, part string, info *jetstream.ConsumerInfo) {
	p := parts[part]
	p.floor += info.AckFloor.Consumer
	p.unsettled += info.NumPending + uint64(info.NumAckPending)
	parts[part] = p
}

// partOf returns the service that a consumer belongs to.
func partOf(consumer string) string {
	role, rest, _ := strings.Cut(consumer, "-")
	if role == "transformer" {
		return role
	}
	name, _, _ := strings.Cut(rest, "-")
	switch {
	case role == "poller" && name == "jst":
		return "poller-jushuitan"
	case role == "poller" && name == "wdt":
		return "poller-wangdiantong"
	case role == "poller":
		return "poller-kingdee"
	default:
		return role + "-" + name
	}
}

// readStats reads what the sandbox says of itself.
func readStats(ctx context.Context, sandbox string, into *look) error {
	var stats struct {
		Left    int `json:"edits_remaining"`
		Vendors map[string]struct {
			Rejections map[string]int  `json:"rejections"`
			Edits      json.RawMessage `json:"edits"`
		} `json:"vendors"`
	}
	if err := fetchJSON(ctx, sandbox+"stats", &stats); err != nil {
		return err
	}
	into.edits = stats.Left
	for name, v := range stats.Vendors {
		into.moved += movedOf(v.Edits)
		for code, count := range v.Rejections {
			if code != notFound {
				into.strike(name, code, count)
			}
		}
	}
	return nil
}

func (l *look) strike(vendor, kind string, count int) {
	if count > 0 {
		l.struck[vendor] += count
		l.kinds[vendor+" "+kind] = count
	}
}

// movedOf counts the edits of a vendor, late ones included. Some vendors list them by feed.
func movedOf(edits json.RawMessage) int {
	var by map[string]json.RawMessage
	if json.Unmarshal(edits, &by) != nil {
		return 0
	}
	n := 0
	for name, value := range by {
		var count int
		switch {
		case json.Unmarshal(value, &count) != nil:
			n += movedOf(value)
		case name == "late" || name == "stream":
			n += count
		}
	}
	return n
}

// heal closes the wounds of parts that get on, and notes how long that took.
func (w *watch) heal(now look) {
	var open []wound
	for _, x := range w.wounds {
		p := now.parts[x.part]
		switch {
		case !x.looked: // what it did until now it may have done before
			x.looked, x.was, x.waits = true, p, p.unsettled > 0
		case p.floor > x.was.floor || p.unsettled < x.was.unsettled:
			w.recoveries = append(w.recoveries, now.at.Sub(x.since))
			continue
		case !x.waits && p.unsettled > 0:
			x.waits = true
		case !x.waits:
			x.since, x.was = now.at, p
		}
		open = append(open, x)
	}
	w.wounds = open
}

// wound notes that a part was struck right now.
func (w *watch) wound(part string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wounds = append(w.wounds, wound{part: part, since: time.Now()})
}

// seen is the last look.
func (w *watch) seen() look {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// working reports whether documents are on their way, or about to be edited at their source.
func (l look) working() bool {
	return l.edits > 0 || l.parts["transformer"].unsettled+l.parts[all].unsettled > 0
}

func (l look) String() string {
	return fmt.Sprintf("%d edits to come, %d records and %d target messages not settled", l.edits, l.parts["transformer"].unsettled, l.parts[all].unsettled)
}
