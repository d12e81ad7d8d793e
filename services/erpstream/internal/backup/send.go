package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
)

// chunkSize is how much of an archive goes into one message, window how many of them wait for an answer. The server
// gives up when it has worked at one chunk for five seconds: packed, it may be a hundred times as much.
const (
	chunkSize = 32 << 10
	window    = 16
)

// chunkWait bounds the answer to a chunk, endWait the one to the end, before which the server has everything on
// its disk.
const (
	chunkWait = time.Minute
	endWait   = 30 * time.Minute
)

// send makes a stream of an archive and returns when the server has all of it. After an error the server is done with
// it, too; what it has then is a part.
func send(ctx context.Context, js jetstream.JetStream, stream string, config json.RawMessage, state server.StreamState, from io.Reader) (err error) {
	var answer struct {
		To string `json:"deliver_subject"`
	}
	request := map[string]any{"config": config, "state": state}
	if err := call(ctx, js, "STREAM.RESTORE."+stream, request, &answer); err != nil {
		return err
	}
	nc := js.Conn()
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			giveUp(ctx, nc, answers, answer.To, inbox)
		}
		_ = answers.Unsubscribe()
	}()
	chunk := make([]byte, min(chunkSize, nc.MaxPayload()/2))
	open := 0
	for first := true; ; first = false {
		n, err := io.ReadFull(from, chunk)
		if n > 0 {
			if err := nc.PublishRequest(answer.To, inbox, chunk[:n]); err != nil {
				return err
			}
			open++
		}
		if first {
			if err := begun(ctx, nc, answers, answer.To, inbox, chunk[:n]); err != nil {
				return err
			}
			open = 0
		}
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return err
		}
		for ; open >= window || ended && open > 0; open-- {
			if err := answered(ctx, answers, chunkWait); err != nil {
				return err
			}
		}
		if ended {
			break
		}
	}
	if err := nc.PublishRequest(answer.To, inbox, nil); err != nil {
		return err
	}
	return answered(ctx, answers, endWait)
}

// giveUp ends what the server has begun, and waits until it has: else it would make the stream yet.
func giveUp(ctx context.Context, nc *nats.Conn, answers *nats.Subscription, to, inbox string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiWait)
	defer cancel()
	if nc.PublishRequest(to, inbox, nil) != nil {
		return
	}
	for {
		msg, err := answers.NextMsgWithContext(ctx)
		if err != nil || len(msg.Data) > 0 { // chunks are answered with nothing
			return
		}
	}
}

// begun waits for the answer to the first chunk. The server of a cluster that restores may not have told the
// others yet that it listens: then the chunk is sent again.
func begun(ctx context.Context, nc *nats.Conn, answers *nats.Subscription, to, inbox string, chunk []byte) error {
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	for {
		err := answered(ctx, answers, chunkWait)
		if !errors.Is(err, nats.ErrNoResponders) {
			return err
		}
		consume.Pause(ctx, again)
		if err := nc.PublishRequest(to, inbox, chunk); err != nil {
			return err
		}
	}
}

// again is how long a chunk waits that nobody listened for.
const again = 50 * time.Millisecond

// answered waits for the next answer, and returns the refusal that it may be.
func answered(ctx context.Context, answers *nats.Subscription, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	msg, err := answers.NextMsgWithContext(ctx)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	if len(msg.Data) == 0 {
		return nil
	}
	return read(msg.Data, &struct{}{})
}
