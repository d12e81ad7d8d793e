// Package status is how replicas say what they are doing, in a bucket whose entries vanish when
// nobody renews them.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Entry is the state of one unit (a connection, a flow) at one replica of a service.
type Entry struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Unit     string `json:"unit"`
	// State is running, failed, waiting, paused (by an operator) or open (the circuit breaker).
	State string `json:"state"`
	// Revision is the configuration's that the unit runs with.
	Revision uint64 `json:"revision,omitempty"`
	// Error says what keeps the unit from working.
	Error string `json:"error,omitempty"`
	// Since is when the unit came into this state.
	Since time.Time `json:"since"`
}

// The states of a unit.
const (
	Running = "running"
	Failed  = "failed"
	Waiting = "waiting"
	Paused  = "paused"
	Open    = "open"
)

// Of returns Running without an error, and failed with one.
func Of(err error, failed string) string {
	if err == nil {
		return Running
	}
	return failed
}

// Reporter keeps the entries of one replica. Its methods may be called at once.
type Reporter struct {
	js       jetstream.JetStream
	service  string
	instance string
	log      *slog.Logger

	mu      sync.Mutex
	entries map[string]Entry
	news    map[string]bool // units that changed since they were written
	changed chan struct{}
}

// NewReporter returns a Reporter for a replica; nothing is written until Run.
func NewReporter(ctx context.Context, js jetstream.JetStream, service, instance string, log *slog.Logger) (*Reporter, error) {
	if _, err := js.KeyValue(ctx, topology.BucketStatus); err != nil {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketStatus, err)
	}
	return &Reporter{
		js: js, service: service, instance: instance, log: log,
		entries: map[string]Entry{}, news: map[string]bool{}, changed: make(chan struct{}, 1),
	}, nil
}

// Set changes the state of a unit. It does not block.
func (r *Reporter) Set(unit, state string, revision uint64, err error) {
	e := Entry{Service: r.service, Instance: r.instance, Unit: unit, State: state, Revision: revision, Since: time.Now()}
	if err != nil {
		e.Error = err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.entries[unit]; ok && old.State == e.State && old.Revision == e.Revision && old.Error == e.Error {
		return
	}
	r.entries[unit], r.news[unit] = e, true
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run writes changes as they come and renews all entries before they vanish, until ctx is done.
// It always returns nil.
func (r *Reporter) Run(ctx context.Context) error {
	renew := time.NewTicker(topology.StatusTTL / 3)
	defer renew.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
			r.write(ctx, r.take(func(unit string) bool { return r.news[unit] }))
		case <-renew.C:
			r.write(ctx, r.take(func(string) bool { return true }))
		}
	}
}

// take returns the entries to be written.
func (r *Reporter) take(due func(unit string) bool) []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var entries []Entry
	for unit, e := range r.entries {
		if due(unit) {
			entries = append(entries, e)
		}
	}
	clear(r.news)
	return entries
}

// write writes entries, all at once: there is one for each flow, and each is flushed to the server's disk.
func (r *Reporter) write(ctx context.Context, entries []Entry) {
	written := make([]jetstream.PubAckFuture, len(entries))
	for i, e := range entries {
		value, err := json.Marshal(e)
		if err == nil {
			written[i], err = r.js.PublishAsync("$KV."+topology.BucketStatus+"."+key(e), value)
		}
		if err != nil {
			r.complain(ctx, e, err)
		}
	}
	for i, future := range written {
		if future == nil {
			continue
		}
		select {
		case <-future.Ok():
		case err := <-future.Err():
			r.complain(ctx, entries[i], err)
		case <-ctx.Done():
			return
		}
	}
}

func (r *Reporter) complain(ctx context.Context, e Entry, err error) {
	if ctx.Err() == nil {
		r.log.WarnContext(ctx, "status not written", "unit", e.Unit, "err", err)
	}
}

// key is <service>.<instance>.<unit>, with what a key may not hold replaced.
func key(e Entry) string {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
				return r
			}
			return '_'
		}, s)
	}
	return clean(e.Service) + "." + clean(e.Instance) + "." + clean(e.Unit)
}

// Read returns the entries of all living replicas.
func Read(ctx context.Context, js jetstream.JetStream) ([]Entry, error) {
	kv, err := js.KeyValue(ctx, topology.BucketStatus)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", topology.BucketStatus, err)
	}
	watch, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("watch bucket %s: %w", topology.BucketStatus, err)
	}
	defer func() { _ = watch.Stop() }()
	var entries []Entry
	var errs []error
	for value := range watch.Updates() {
		if value == nil {
			break
		}
		var e Entry
		if err := json.Unmarshal(value.Value(), &e); err != nil {
			errs = append(errs, fmt.Errorf("status %s: %w", value.Key(), err))
			continue
		}
		entries = append(entries, e)
	}
	return entries, errors.Join(errs...)
}
