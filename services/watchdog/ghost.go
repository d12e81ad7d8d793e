package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
)

// ghost is the first sequence that a consumer leaves out, and since when that was seen.
type ghost struct {
	first uint64
	since time.Time
}

// ghostAfter is how long it must be seen: a server that was away, or has much to do, counts what came
// for a consumer later than what came to the stream.
const ghostAfter = 30 * time.Second

// lookForGhost sees whether the server says that nothing is left for a consumer while its stream holds
// messages beyond it: the consumer is wrong, or is for other subjects than its service thinks. Its
// service is made to make it anew, from the first of them on.
func (w *watch) lookForGhost(ctx context.Context, c watched, info *jetstream.ConsumerInfo) error {
	if info == nil || info.NumPending > 0 || info.NumAckPending > 0 {
		delete(w.ghosts, c.consumer)
		return nil
	}
	first, err := w.firstBeyond(ctx, c, info.AckFloor.Stream)
	if err != nil {
		return err
	}
	if first == 0 {
		delete(w.ghosts, c.consumer)
		return w.alarms.resolve(ctx, kindGhost, kindGhost+sayResolved, c.consumer, fmt.Sprintf("consumer %s of %s leaves no message out", c.consumer, c.stream))
	}
	if w.ghosts[c.consumer].first != first {
		w.ghosts[c.consumer] = ghost{first, w.now()}
	}
	if w.now().Sub(w.ghosts[c.consumer].since) < ghostAfter {
		return nil
	}
	raised, err := w.alarms.get(ctx, kindGhost, c.consumer)
	if err != nil || raised != nil && raised.Sequence == first && w.now().Sub(raised.Since) < w.audit {
		return err
	}
	if err := w.remake(ctx, c.stream, c.consumer, first); err != nil {
		return fmt.Errorf("make consumer %s of %s anew: %w", c.consumer, c.stream, err)
	}
	return w.alarms.renew(ctx, event.Event{Severity: event.Critical, Kind: kindGhost, Subject: c.consumer, Text: fmt.Sprintf(
		"consumer %s has nothing to deliver, though sequence %d of %s is for its service: it is made anew from there on", c.consumer, first, c.stream)}, first)
}

// firstBeyond is the first sequence of a consumer's stream beyond a place that is for its service, 0 when
// there is none.
func (w *watch) firstBeyond(ctx context.Context, c watched, place uint64) (uint64, error) {
	stream, err := w.js.Stream(ctx, c.stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", c.stream, err)
	}
	msg, err := stream.GetMsg(ctx, place+1, jetstream.WithGetMsgSubject(c.filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("next message of stream %s for consumer %s: %w", c.stream, c.consumer, err)
	}
	return msg.Sequence, nil
}
