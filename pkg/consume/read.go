package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Reading says which messages of a stream are read.
type Reading struct {
	// Filters are the subjects, all when there are none.
	Filters []string
	// From and To are the first and the last sequence; 0 is no bound.
	From, To uint64
	// Since leaves out what was stored before; it does not go with From.
	Since time.Time
	// HeadersOnly leaves the bodies at the server.
	HeadersOnly bool
	// Leave leaves the consumer of the reading to the server, which soon forgets it: for services that may
	// not delete consumers of the stream, where others have theirs.
	Leave bool
}

// ErrEnough ends a reading early, without an error, when its take returns it.
var ErrEnough = errors.New("enough was read")

// silence is how long nothing comes before the server is asked whether there is anything left: what is
// deleted while it is read never comes.
const silence = 2 * time.Second

// A request that a cluster loses, because it comes before all servers know of the new consumer, is
// made again after two heartbeats. The client counts them anew for each message that it waits for:
// silence must be longer.
const (
	readHeartbeat = 500 * time.Millisecond
	readExpiry    = 10 * time.Second
)

// How long the server keeps a consumer that nobody asks: one that was to be deleted, and one that is left to it.
const (
	forgotten = 30 * time.Second
	unasked   = 10 * time.Second
)

// Read gives take the messages that a stream holds when the reading begins, in order, and blocks until
// the last. It settles nothing. The first error of take ends it. A stream has room for so many consumers
// (topology.MaxConsumers), so that of a reading does not outlive it, or not for long.
func Read(ctx context.Context, js jetstream.JetStream, name string, what Reading, take func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s: %w (has `erpstream provision` been run?)", name, err)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", name, err)
	}
	state := stream.CachedInfo().State
	last := state.LastSeq
	if what.To > 0 {
		last = min(last, what.To)
	}
	if state.Msgs == 0 || last < what.From {
		return nil
	}
	read := ordered
	if what.Leave {
		read = leaving
	}
	if err := read(ctx, stream, what, last, take); err != nil && !errors.Is(err, ErrEnough) {
		return fmt.Errorf("read stream %s: %w", name, err)
	}
	return nil
}

// ordered reads through a consumer of the client library, which deletes it when it makes it anew.
func ordered(ctx context.Context, stream jetstream.Stream, what Reading, last uint64, take func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	cons, err := stream.OrderedConsumer(ctx, what.config())
	if err != nil {
		return err
	}
	defer discard(ctx, stream, cons)
	if cons.CachedInfo().NumPending == 0 {
		return nil
	}
	return drain(ctx, cons, last, take)
}

// lives is how many consumers in a row may end before one message is read.
const lives = 5

// errSkipped means that a message was lost on the way, as when the client reads more slowly than it is sent.
var errSkipped = errors.New("a message was skipped")

// leaving does as ordered does, and deletes nothing: a consumer that ended, fell silent or skipped a message is left,
// and the next one begins behind the last message that was taken.
func leaving(ctx context.Context, stream jetstream.Stream, what Reading, last uint64, take func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	for left := lives; ; {
		cons, err := stream.CreateConsumer(ctx, what.left())
		if err != nil || cons.CachedInfo().NumPending == 0 {
			return err
		}
		var read uint64
		refused := false
		err = drain(ctx, cons, last, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
			if read++; meta.Sequence.Consumer != read {
				return errSkipped
			}
			what.From, left = meta.Sequence.Stream+1, lives
			err := take(msg, meta)
			refused = err != nil
			return err
		})
		if left--; err == nil || refused || left == 0 || ctx.Err() != nil {
			return err
		}
	}
}

// left is a consumer as an ordered one is, which the server soon forgets.
func (r Reading) left() jetstream.ConsumerConfig {
	from := r.config()
	config := jetstream.ConsumerConfig{
		FilterSubjects: from.FilterSubjects, HeadersOnly: from.HeadersOnly,
		DeliverPolicy: from.DeliverPolicy, OptStartSeq: from.OptStartSeq, OptStartTime: from.OptStartTime,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: unasked,
	}
	if len(r.Filters) == 1 { // then the request names it, and who may read nothing else may ask
		config.FilterSubject, config.FilterSubjects = r.Filters[0], nil
	}
	return config
}

func (r Reading) config() jetstream.OrderedConsumerConfig {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: r.Filters, HeadersOnly: r.HeadersOnly, InactiveThreshold: forgotten}
	switch {
	case r.From > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	case r.Since.After(time.Unix(0, 0)): // the server takes no time before all clocks
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	default:
		config.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	return config
}

// drain takes messages up to a sequence, or until none is left.
func drain(ctx context.Context, cons jetstream.Consumer, last uint64, take func(jetstream.Msg, *jetstream.MsgMetadata) error) error {
	messages, err := cons.Messages(jetstream.PullExpiry(readExpiry), jetstream.PullHeartbeat(readHeartbeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(silence))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrTimeout):
			if info, err := cons.Info(ctx); err == nil && info.NumPending == 0 {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Stream > last {
			return nil
		}
		if err := take(msg, meta); err != nil {
			return fmt.Errorf("sequence %d: %w", meta.Sequence.Stream, err)
		}
		if meta.Sequence.Stream == last || meta.NumPending == 0 {
			return nil
		}
	}
}

// discard takes a consumer that is done with off the server. One that can't be reached ends there by
// itself after forgotten.
func discard(ctx context.Context, stream jetstream.Stream, cons jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = stream.DeleteConsumer(ctx, cons.CachedInfo().Name)
}
