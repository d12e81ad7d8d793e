// Package position remembers how far durable consumers are, so that one that was deleted goes on
// where it was instead of delivering all of its stream again.
package position

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Position is how far a consumer was.
type Position struct {
	// Floor is the sequence of the stream up to which everything is settled.
	Floor uint64 `json:"floor"`
	// Made is when the consumer was made, StreamMade when its stream was: the sequences of another
	// stream of that name mean nothing.
	Made       time.Time `json:"made"`
	StreamMade time.Time `json:"stream_made"`
}

// Note stores the position of a consumer; one that is stored already costs nothing.
func Note(ctx context.Context, kv jetstream.KeyValue, stream, consumer string, p Position) error {
	name := key(stream, consumer)
	entry, err := kv.Get(ctx, name)
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("read position %s: %w", name, err)
	}
	if err == nil {
		var was Position
		if json.Unmarshal(entry.Value(), &was) == nil && was.Floor == p.Floor && was.Made.Equal(p.Made) && was.StreamMade.Equal(p.StreamMade) {
			return nil
		}
	}
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode position %s: %w", name, err)
	}
	if _, err := kv.Put(ctx, name, value); err != nil {
		return fmt.Errorf("write position %s: %w", name, err)
	}
	return nil
}

// Forget removes the position of a consumer that is not to come again.
func Forget(ctx context.Context, kv jetstream.KeyValue, stream, consumer string) error {
	if err := kv.Purge(ctx, key(stream, consumer)); err != nil {
		return fmt.Errorf("forget position %s: %w", key(stream, consumer), err)
	}
	return nil
}

// Next returns the sequence from which a consumer goes on that was deleted: 1 where nothing readable is
// known of it, or the stream isn't the one that it is known of, or has lost what it had.
func Next(ctx context.Context, js jetstream.JetStream, stream, consumer string) (uint64, error) {
	kv, err := js.KeyValue(ctx, topology.BucketPositions)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return 1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("bucket %s: %w", topology.BucketPositions, err)
	}
	entry, err := kv.Get(ctx, key(stream, consumer))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read position %s: %w", key(stream, consumer), err)
	}
	p, ok := decode(entry.Value())
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", stream, err)
	}
	info := s.CachedInfo()
	if !ok || !info.Created.Equal(p.StreamMade) || p.Floor > info.State.LastSeq {
		return 1, nil
	}
	return p.Floor + 1, nil
}

func decode(value []byte) (p Position, ok bool) {
	err := json.Unmarshal(value, &p)
	return p, err == nil
}

func key(stream, consumer string) string { return stream + "." + consumer }
