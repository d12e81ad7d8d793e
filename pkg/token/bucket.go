package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Bucket is the Store of a fleet: the key-value bucket topology.BucketTokens.
type Bucket struct{ kv jetstream.KeyValue }

// Open returns the bucket. It blocks for one question to the server.
func Open(ctx context.Context, js jetstream.JetStream) (*Bucket, error) {
	kv, err := js.KeyValue(ctx, topology.BucketTokens)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketTokens, err)
	}
	return &Bucket{kv}, nil
}

// For returns the bucket, or a store of this process alone where js is nil.
func For(ctx context.Context, js jetstream.JetStream) (Store, error) {
	if js == nil {
		return &Memory{}, nil
	}
	return Open(ctx, js)
}

// Load returns an entry.
func (b *Bucket) Load(ctx context.Context, name string) (data []byte, revision uint64, err error) {
	e, err := b.kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s from bucket %s: %w", name, topology.BucketTokens, err)
	}
	return e.Value(), e.Revision(), nil
}

// Save writes an entry by compare-and-set.
func (b *Bucket) Save(ctx context.Context, name string, data []byte, revision uint64) (uint64, error) {
	var err error
	if revision == 0 {
		revision, err = b.kv.Create(ctx, name, data) // takes a deleted entry for one that is not there
	} else {
		revision, err = b.kv.Update(ctx, name, data, revision)
	}
	if topology.IsFenced(err) || errors.Is(err, jetstream.ErrKeyExists) {
		return 0, ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("write %s to bucket %s: %w", name, topology.BucketTokens, err)
	}
	return revision, nil
}

// Wait watches an entry until it is newer.
func (b *Bucket) Wait(ctx context.Context, name string, revision uint64) error {
	watch, err := b.kv.Watch(ctx, name)
	if err != nil {
		return fmt.Errorf("watch %s in bucket %s: %w", name, topology.BucketTokens, err)
	}
	defer func() { _ = watch.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, open := <-watch.Updates():
			switch {
			case !open && ctx.Err() != nil:
				return context.Cause(ctx)
			case !open:
				return fmt.Errorf("watch %s in bucket %s: the connection was closed", name, topology.BucketTokens)
			case e != nil && e.Revision() > revision:
				return nil
			}
		}
	}
}
