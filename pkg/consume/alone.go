package consume

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AloneGroup is the priority group of consumers that serve one client at a time.
const AloneGroup = "alone"

// Alone takes messages from a consumer that serves one client at a time (priority policy
// pinned_client, group AloneGroup).
type Alone struct {
	// Takeover is the consumer's PinnedTTL: how long the server waits for a request of the client
	// that it serves before it turns to another. A third of it passes between requests.
	Takeover time.Duration
	Linger   time.Duration
	Log      *slog.Logger
}

// Batch is the function Batch for the client that is served; it waits while another one is.
func (a Alone) Batch(ctx context.Context, cons jetstream.Consumer, size int) ([]jetstream.Msg, error) {
	group := []jetstream.FetchOpt{jetstream.FetchPriorityGroup(AloneGroup)}
	return request{wait: a.Takeover / 3, linger: a.Linger, log: a.Log, opts: group}.batch(ctx, cons, size)
}

// Keep makes the server go on serving this client while it works on a batch, until the returned
// function is called or ctx is done: it asks for messages of one byte at most, which there are
// none of, for any request renews the client's time.
func (a Alone) Keep(ctx context.Context, cons jetstream.Consumer) (stop func()) {
	return beat(ctx, a.Takeover/3, func() {
		// FetchBytes would make room for a million messages each time.
		none, err := cons.Fetch(1, jetstream.FetchMaxBytes(1), jetstream.FetchPriorityGroup(AloneGroup), jetstream.FetchMaxWait(a.Takeover/6))
		if err != nil {
			a.Log.WarnContext(ctx, "the server may turn to another replica", "err", err)
			return
		}
		for range none.Messages() {
		}
	})
}

// HandOver lets the server turn to another replica at once when this one stops, though ctx is done. It
// blocks for two seconds at most. Where another one is being served already the server chooses anew, and
// no message is in two hands.
func (a Alone) HandOver(ctx context.Context, js jetstream.JetStream, cons jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	info := cons.CachedInfo()
	stream, err := js.Stream(ctx, info.Stream)
	if err == nil {
		err = stream.UnpinConsumer(ctx, info.Name, AloneGroup)
	}
	if err != nil {
		a.Log.WarnContext(ctx, "consumer not handed over, another replica takes it when its time is up", "consumer", info.Name, "wait", a.Takeover, "err", err)
	}
}
