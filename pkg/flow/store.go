package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Snapshot is the stored configuration at one moment.
type Snapshot struct {
	Set
	// Documents holds every document by <kind>.<name>, as it was applied.
	Documents map[string]Document
	revisions map[string]uint64
}

// Revision returns the revision of a document, 0 when there is none.
func (s Snapshot) Revision(kind, name string) uint64 { return s.revisions[key(kind, name)] }

func key(kind, name string) string { return kind + "." + name }

// Load reads the configuration that is stored.
func Load(ctx context.Context, js jetstream.JetStream) (Snapshot, error) {
	watch, err := watcher(ctx, js)
	if err != nil {
		return Snapshot{}, err
	}
	defer func() { _ = watch.Stop() }()
	b := builder{entries: map[string]jetstream.KeyValueEntry{}}
	for {
		select {
		case <-ctx.Done():
			return Snapshot{}, fmt.Errorf("read bucket %s: %w", topology.BucketConfig, ctx.Err())
		case entry, open := <-watch.Updates():
			if !open || entry == nil {
				return b.snapshot()
			}
			b.take(entry)
		}
	}
}

// settleTime is how long Watch waits for further documents of the same apply.
const settleTime = 100 * time.Millisecond

// Watch sends the stored configuration, at once and after each change, until ctx is done. A
// document that this release can't read is left out and logged.
func Watch(ctx context.Context, js jetstream.JetStream, log *slog.Logger) (<-chan Snapshot, error) {
	watch, err := watcher(ctx, js)
	if err != nil {
		return nil, err
	}
	snapshots := make(chan Snapshot)
	go func() {
		defer close(snapshots)
		defer func() { _ = watch.Stop() }()
		b := builder{entries: map[string]jetstream.KeyValueEntry{}}
		var settled <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case entry, open := <-watch.Updates():
				if !open {
					return
				}
				if entry != nil {
					b.take(entry)
				}
				settled = time.After(settleTime)
			case <-settled:
				snapshot, err := b.snapshot()
				if err != nil {
					log.ErrorContext(ctx, "stored configuration", "err", err)
				}
				select {
				case snapshots <- snapshot:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return snapshots, nil
}

func watcher(ctx context.Context, js jetstream.JetStream) (jetstream.KeyWatcher, error) {
	kv, err := js.KeyValue(ctx, topology.BucketConfig)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketConfig, err)
	}
	watch, err := kv.WatchAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch bucket %s: %w", topology.BucketConfig, err)
	}
	return watch, nil
}

// builder holds the newest entry of each key.
type builder struct {
	entries map[string]jetstream.KeyValueEntry
}

func (b builder) take(entry jetstream.KeyValueEntry) {
	if entry.Operation() == jetstream.KeyValuePut {
		b.entries[entry.Key()] = entry
		return
	}
	delete(b.entries, entry.Key())
}

// snapshot reads all documents; those that can't be read are in the error and not in it.
func (b builder) snapshot() (Snapshot, error) {
	s := Snapshot{Documents: map[string]Document{}, revisions: map[string]uint64{}}
	var docs []Document
	var errs []error
	for k, entry := range b.entries {
		kind, name, _ := strings.Cut(k, ".")
		doc, err := ParseStored(kind, name, entry.Value())
		if err != nil {
			errs = append(errs, fmt.Errorf("stored %s %s, revision %d: %w", kind, name, entry.Revision(), err))
			continue
		}
		docs = append(docs, doc)
		s.Documents[k], s.revisions[k] = doc, entry.Revision()
	}
	s.Set = s.With(docs...)
	return s, errors.Join(errs...)
}

// Change is what Apply did, or would do, with one document.
type Change struct {
	Kind, Name string
	// Action is create, update or keep.
	Action string
}

// ErrChanged means that somebody else applied at the same time; nothing was stored.
var ErrChanged = errors.New("the configuration was changed by somebody else meanwhile: apply again")

// Apply checks documents together with what is stored already and stores all that differ in one
// atomic batch, or none. Its errors are those of check (check.Set, but for tests), ErrChanged, or
// NATS's. Tests are left out.
func Apply(ctx context.Context, js jetstream.JetStream, docs []Document, check func(Set) error) ([]Change, error) {
	stored, err := Load(ctx, js)
	if err != nil {
		return nil, err
	}
	return ApplyOver(ctx, js, stored, docs, check)
}

// ApplyOver is Apply over a configuration that was loaded before: where one of the documents was changed
// since then, nothing is stored and the error is ErrChanged.
func ApplyOver(ctx context.Context, js jetstream.JetStream, stored Snapshot, docs []Document, check func(Set) error) ([]Change, error) {
	docs = slices.DeleteFunc(slices.Clone(docs), func(d Document) bool { return d.Kind == KindTests })
	if err := check(stored.With(docs...)); err != nil {
		return nil, err
	}
	var changes []Change
	var puts []*nats.Msg
	for _, d := range docs {
		k, action := key(d.Kind, d.Name), "create"
		if old, ok := stored.Documents[k]; ok {
			action = "update"
			if old.Text == d.Text {
				action = "keep"
			}
		}
		changes = append(changes, Change{d.Kind, d.Name, action})
		if action != "keep" {
			puts = append(puts, put(k, []byte(d.Text), stored.revisions[k]))
		}
	}
	if len(puts) == 0 {
		return changes, nil
	}
	if len(puts) > topology.BatchLimit {
		return nil, fmt.Errorf("%d documents changed: at most %d can be applied together", len(puts), topology.BatchLimit)
	}
	_, err := batch.Publish(ctx, js, puts)
	if topology.IsFenced(err) {
		return nil, ErrChanged
	}
	if err != nil {
		return nil, fmt.Errorf("store %d documents: %w", len(puts), err)
	}
	return changes, nil
}

// put stores a value if its key is still at that revision.
func put(key string, value []byte, revision uint64) *nats.Msg {
	msg := nats.NewMsg("$KV." + topology.BucketConfig + "." + key)
	msg.Data = value
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(revision, 10))
	return msg
}
