package consume

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/position"
)

// Durable returns the durable consumer of a stream, as config says (deliver policy all). One that is
// there keeps its place. One that isn't is made, and goes on where its predecessor of that name was
// when its position was last noted, from the stream's begin when it never was: it may deliver again
// what was settled, and leaves nothing out. Replicas may call it side by side.
func Durable(ctx context.Context, js jetstream.JetStream, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	for {
		have, err := js.Consumer(ctx, stream, config.Durable)
		if err == nil {
			was := have.CachedInfo().Config // where it began can't be changed any more
			config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = was.DeliverPolicy, was.OptStartSeq, was.OptStartTime
			have, err = js.UpdateConsumer(ctx, stream, config)
		}
		if !errors.Is(err, jetstream.ErrConsumerDoesNotExist) && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return have, err
		}
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverAllPolicy, 0, nil
		// A start sequence in its configuration would keep it from ever being set back below that.
		made, err := js.CreateConsumer(ctx, stream, config)
		if errors.Is(err, jetstream.ErrConsumerExists) {
			continue // another replica was faster, with another configuration
		}
		if err != nil {
			return nil, err
		}
		return made, resume(ctx, js, stream, made.CachedInfo())
	}
}

// resume sets a consumer that was just made, by this replica or by one beside it, to the place of its
// predecessor.
func resume(ctx context.Context, js jetstream.JetStream, stream string, made *jetstream.ConsumerInfo) error {
	next, err := position.Next(ctx, js, stream, made.Name)
	if err != nil || next <= made.AckFloor.Stream+1 {
		return err
	}
	if _, err := js.ResetConsumerToSequence(ctx, stream, made.Name, next); err != nil {
		return fmt.Errorf("set consumer %s of stream %s to sequence %d: %w", made.Name, stream, next, err)
	}
	return nil
}
