// Package reference answers look-ups of master data from memory. The bucket "reference" holds what
// sink-reference wrote; a Store follows it for one connection.
package reference

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/topology"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

// Store holds the master data of one connection. Its methods may be called at once.
type Store struct {
	js         jetstream.JetStream
	connection string
	log        *slog.Logger
	ready      chan struct{}
	readyOnce  sync.Once

	mu          sync.RWMutex
	collections map[string]*collection
	shapes      shapes
	listeners   map[chan struct{}]bool
}

// NewStore returns an empty Store; Run fills it.
func NewStore(js jetstream.JetStream, connection string, log *slog.Logger) *Store {
	return &Store{
		js: js, connection: connection, log: log, ready: make(chan struct{}),
		collections: map[string]*collection{}, shapes: newShapes(), listeners: map[chan struct{}]bool{},
	}
}

// Run follows the bucket until ctx is done, and through reconnects. When it returns before, it can be
// called again: it then reads the bucket anew and forgets what is gone. It is not called twice at once.
func (s *Store) Run(ctx context.Context) error {
	stream, err := s.js.Stream(ctx, Stream)
	if err != nil {
		return fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketReference, err)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{Filter(s.connection)}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return fmt.Errorf("read bucket %s: %w", topology.BucketReference, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("read bucket %s: %w", topology.BucketReference, err)
	}
	messages, err := consumer.Messages(jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("read bucket %s: %w", topology.BucketReference, err)
	}
	defer messages.Stop()
	return s.follow(ctx, messages, info.NumPending)
}

// A request that is lost with its server, or with the leader of the consumer, is noticed after two
// heartbeats and made again: flows wait for the first reading.
const (
	pullExpiry    = 20 * time.Second
	pullHeartbeat = 2 * time.Second
)

// follow applies messages as they come. pending is how many there were when the reading began.
func (s *Store) follow(ctx context.Context, messages jetstream.MessagesContext, pending uint64) error {
	stale := s.all()
	for {
		if pending == 0 && stale != nil {
			s.forget(stale)
			stale = nil
			s.readyOnce.Do(func() { close(s.ready) })
			s.tell()
		}
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read bucket %s: %w", topology.BucketReference, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read bucket %s: %w", topology.BucketReference, err)
		}
		if pending > 0 { // also counted here, for a bucket that is written all the time is never read to its end
			pending = min(pending-1, meta.NumPending)
		}
		delete(stale, msg.Subject())
		if s.apply(ctx, msg.Subject(), msg.Headers(), msg.Data()) && stale == nil {
			s.tell()
		}
	}
}

// Wait returns when all that was in the bucket is known, or with the context's error.
func (s *Store) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Arrivals returns a channel that holds a value whenever something came or changed since it was last
// received from. A burst is one value. Call stop when nobody listens any more.
func (s *Store) Arrivals() (arrivals <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, c)
	}
}

func (s *Store) tell() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Find returns the entries of a collection whose field has a value, without the blanks around it on
// either side: none, one, or as many as there are. The first search by a field reads the whole
// collection; from then on it is one access.
func (s *Store) Find(collection, field, value string) []Entry {
	s.mu.RLock()
	found, indexed := s.collections[collection].find(field, value)
	s.mu.RUnlock()
	if indexed {
		return found
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[collection]
	c.index(field)
	found, _ = c.find(field, value)
	return found
}

// Len returns how many entries a collection has.
func (s *Store) Len(collection string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.collections[collection]; c != nil {
		return len(c.entries)
	}
	return 0
}

// apply takes over what the bucket says of one key, and reports whether that is news. What can't be
// read is left out and logged: nobody waits for it for ever, for a look-up of it parks its record.
func (s *Store) apply(ctx context.Context, subject string, header nats.Header, body []byte) bool {
	name, id, err := place(s.connection, subject)
	if err != nil {
		s.log.ErrorContext(ctx, "entry of master data left out", "err", err)
		return false
	}
	entry := new(referencev1.Entry)
	gone := removed(header)
	if !gone {
		if err := proto.Unmarshal(body, entry); err != nil {
			s.log.ErrorContext(ctx, "entry of master data left out", "subject", subject, "err", err)
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.collections[name]
	switch {
	case gone && c == nil:
		return false
	case gone:
		c.remove(id)
		return false
	case c == nil:
		c = newCollection()
		s.collections[name] = c
	}
	return c.put(id, s.shapes.entry(entry.GetId(), entry.GetFields()))
}

// all returns the subjects of the entries that the Store has.
func (s *Store) all() map[string]bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	subjects := map[string]bool{}
	for name, c := range s.collections {
		for id := range c.entries {
			subjects[subjectPrefix+s.connection+"."+name+"."+id] = true
		}
	}
	return subjects
}

// forget drops entries that the bucket has no more.
func (s *Store) forget(subjects map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for subject := range maps.Keys(subjects) {
		if name, id, err := place(s.connection, subject); err == nil {
			s.collections[name].remove(id)
		}
	}
}

// collection is the entries of one kind, by their encoded id, and what they are found by.
type collection struct {
	entries map[string]*Entry
	// indexes lead from a field and its value to the encoded ids. A field is there once it was
	// searched by.
	indexes map[string]map[string][]string
}

func newCollection() *collection {
	return &collection{entries: map[string]*Entry{}, indexes: map[string]map[string][]string{}}
}

// find returns what a field's index says; indexed is false when there is none yet. A collection that
// is not there has nothing.
func (c *collection) find(field, value string) (found []Entry, indexed bool) {
	if c == nil {
		return nil, true
	}
	index := c.indexes[field]
	if index == nil {
		return nil, false
	}
	for _, id := range index[strings.TrimSpace(value)] {
		found = append(found, *c.entries[id])
	}
	return found, true
}

// index makes the index of a field.
func (c *collection) index(field string) {
	if c == nil || c.indexes[field] != nil {
		return
	}
	index := make(map[string][]string, len(c.entries))
	for id, e := range c.entries {
		enter(index, field, id, e)
	}
	c.indexes[field] = index
}

// put stores an entry and reports whether that changed anything.
func (c *collection) put(id string, e Entry) bool {
	if old := c.entries[id]; old != nil && old.equal(e) {
		return false
	}
	c.remove(id)
	c.entries[id] = &e
	for field, index := range c.indexes {
		enter(index, field, id, &e)
	}
	return true
}

// remove drops an entry if it is there.
func (c *collection) remove(id string) {
	e := c.entries[id]
	if e == nil {
		return
	}
	delete(c.entries, id)
	for field, index := range c.indexes {
		leave(index, field, id, e)
	}
}

// enter adds an entry to the index of a field, if it has one.
func enter(index map[string][]string, field, id string, e *Entry) {
	if value, ok := e.Field(field); ok {
		value = strings.TrimSpace(value)
		index[value] = append(index[value], id)
	}
}

// leave takes an entry out of the index of a field.
func leave(index map[string][]string, field, id string, e *Entry) {
	value, ok := e.Field(field)
	if !ok {
		return
	}
	value = strings.TrimSpace(value)
	var rest []string
	for _, other := range index[value] {
		if other != id {
			rest = append(rest, other)
		}
	}
	if rest == nil {
		delete(index, value)
		return
	}
	index[value] = rest
}
