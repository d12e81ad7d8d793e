package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Revision is a document as it was stored once.
type Revision struct {
	Number uint64    `json:"revision"`
	Time   time.Time `json:"time"`
	// Text is the document as it was written; empty where Deleted says that it was deleted.
	Text    string `json:"text,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

// History returns the revisions of a document that the bucket keeps (topology.ConfigHistory of them), the
// oldest first; none where there never was such a document.
func History(ctx context.Context, js jetstream.JetStream, kind, name string) ([]Revision, error) {
	kv, err := js.KeyValue(ctx, topology.BucketConfig)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w (has `erpstream provision` been run?)", topology.BucketConfig, err)
	}
	entries, err := kv.History(ctx, key(kind, name))
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, fmt.Errorf("revisions of %s %s: %w", kind, name, err)
	}
	var all []Revision
	for _, entry := range entries {
		all = append(all, Revision{
			Number: entry.Revision(), Time: entry.Created(), Text: string(entry.Value()),
			Deleted: entry.Operation() != jetstream.KeyValuePut,
		})
	}
	return all, nil
}
