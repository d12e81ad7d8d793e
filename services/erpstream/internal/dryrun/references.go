package dryrun

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/reference"
)

// References reads the master data that a flow looks up, as it is now. It blocks until all of the connection
// is read; what can't be read is logged. It returns nil for a flow that looks up nothing.
func References(ctx context.Context, js jetstream.JetStream, connection string, j verdict.Judge, log *slog.Logger) (mapping.Lookup, error) {
	if len(j.Mapping.Uses()) == 0 {
		return nil, nil
	}
	store := reference.NewStore(js, connection, log)
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		cancel(store.Run(ctx))
	}()
	err := store.Wait(ctx)
	if err != nil {
		err = context.Cause(ctx)
	}
	cancel(nil)
	<-done
	if err != nil {
		return nil, err
	}
	return store, nil
}
