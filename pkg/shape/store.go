package shape

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// rounds is how often a shape is tried that another process writes at the same time.
const rounds = 20

// ErrUnknown says that nothing is known of the records of a source.
var ErrUnknown = errors.New("no record of the source was looked at yet: is the watchdog running?")

// Load returns what is known of the records of a source; ErrUnknown where that is nothing.
func Load(ctx context.Context, js jetstream.JetStream, source string) (*Shape, error) {
	kv, err := bucket(ctx, js)
	if err != nil {
		return nil, err
	}
	s, revision, err := read(ctx, kv, source)
	if err == nil && revision == 0 {
		return nil, fmt.Errorf("shape of source %s: %w", source, ErrUnknown)
	}
	return s, err
}

// Update changes the shape of a source and returns it as it is stored then. change may be called several
// times, each time with what another process wrote meanwhile; it must have no effects of its own.
func Update(ctx context.Context, js jetstream.JetStream, source string, change func(*Shape)) (*Shape, error) {
	kv, err := bucket(ctx, js)
	if err != nil {
		return nil, err
	}
	for range rounds {
		s, revision, err := read(ctx, kv, source)
		if err != nil {
			return nil, err
		}
		change(s)
		value, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("encode shape of source %s: %w", source, err)
		}
		_, err = kv.Update(ctx, source, value, revision)
		if err == nil {
			return s, nil
		}
		if !topology.IsFenced(err) {
			return nil, fmt.Errorf("write shape of source %s: %w", source, err)
		}
	}
	return nil, fmt.Errorf("write shape of source %s: other processes wrote it %d times meanwhile", source, rounds)
}

// Accept takes the shape of a source for normal as it is now.
func Accept(ctx context.Context, js jetstream.JetStream, source string) (*Shape, error) {
	if _, err := Load(ctx, js, source); err != nil {
		return nil, err
	}
	return Update(ctx, js, source, (*Shape).Accept)
}

func bucket(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, topology.BucketShapes)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketShapes, err)
	}
	return kv, nil
}

// read returns a shape with its revision, a new one with 0 where there is none.
func read(ctx context.Context, kv jetstream.KeyValue, source string) (*Shape, uint64, error) {
	entry, err := kv.Get(ctx, source)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return New(source), 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read shape of source %s: %w", source, err)
	}
	s := New(source)
	if err := json.Unmarshal(entry.Value(), s); err != nil {
		return nil, 0, fmt.Errorf("read shape of source %s: %w", source, err)
	}
	return s, entry.Revision(), nil
}
