package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	reapBatch = 256
	reapWait  = 30 * time.Second
	// fresh is how young an advisory is while DEAD itself drops a second letter of the same message by
	// its id: well within the time for which it remembers ids.
	fresh = 5 * time.Minute
	// before is how long before an advisory its letter may have been buried.
	before = time.Minute
)

// The classes of letters that the watchdog writes.
const (
	classMaxDeliver = "max-deliver"
	classTerminated = "terminated"
)

// reaper buries what consumers gave up, so that no message ends without a letter. Our own services bury
// before they end a message; what is left is a MaxDeliver that an operator set, a message that was ended
// by hand, and the consumers of other teams.
type reaper struct {
	js  jetstream.JetStream
	log *slog.Logger
}

// advisory is what the server says of a message.
type advisory struct {
	Type       string    `json:"type"`
	Time       time.Time `json:"timestamp"`
	Stream     string    `json:"stream"`
	Consumer   string    `json:"consumer"`
	Sequence   uint64    `json:"stream_seq"`
	Deliveries uint64    `json:"deliveries"`
	Reason     string    `json:"reason"`
}

// place is where a message was.
type place struct {
	stream   string
	sequence uint64
}

func (a advisory) place() place { return place{a.Stream, a.Sequence} }

// run reads advisories until ctx is done or the consumer is gone. Any number of replicas may.
func (r reaper) run(ctx context.Context) error {
	cons, err := consume.Durable(ctx, r.js, topology.Advisories, jetstream.ConsumerConfig{
		Durable: topology.WatchdogConsumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: reapWait, MaxDeliver: -1,
	})
	if err != nil {
		return fmt.Errorf("consumer of stream %s: %w", topology.Advisories, err)
	}
	for ctx.Err() == nil {
		batch, err := consume.Batch(ctx, cons, reapBatch, 20*time.Millisecond, r.log)
		if err != nil {
			return fmt.Errorf("consumer of stream %s: %w", topology.Advisories, err)
		}
		r.handle(ctx, batch)
	}
	return ctx.Err()
}

// handle sees to a batch of advisories; what fails comes again.
func (r reaper) handle(ctx context.Context, batch []jetstream.Msg) {
	stop := consume.Beat(ctx, reapWait/3, batch...)
	defer stop()
	var known map[place]bool
	for _, msg := range batch {
		var a advisory
		err := json.Unmarshal(msg.Data(), &a)
		if err != nil {
			r.log.WarnContext(ctx, "advisory can't be read", "subject", msg.Subject(), "err", err)
			_ = msg.Ack()
			continue
		}
		if known == nil && time.Since(a.Time) > fresh {
			known, err = r.letters(ctx, a.Time.Add(-before))
		}
		if err == nil && !known[a.place()] {
			err = r.reap(ctx, a)
		}
		if err != nil {
			r.log.WarnContext(ctx, "message not buried, it is tried again", "stream", a.Stream, "sequence", a.Sequence, "err", err)
			err = msg.NakWithDelay(reapWait)
		} else {
			err = msg.Ack()
		}
		if err != nil {
			r.log.WarnContext(ctx, "advisory not settled, it comes again", "err", err)
		}
	}
}

// letters are the messages that have been buried since a time.
func (r reaper) letters(ctx context.Context, since time.Time) (map[place]bool, error) {
	known := map[place]bool{}
	for l, err := range dead.List(ctx, r.js, dead.Filter{Since: since, All: true}) {
		if err != nil {
			return nil, err
		}
		known[place{l.Stream, l.StreamSequence}] = true
	}
	return known, nil
}

// reap buries the message of an advisory, unless it was.
func (r reaper) reap(ctx context.Context, a advisory) error {
	if a.Stream != topology.Raw && a.Stream != topology.Target {
		return nil
	}
	stream, err := r.js.Stream(ctx, a.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", a.Stream, err)
	}
	msg, err := stream.GetMsg(ctx, a.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return r.lost(ctx, a)
	}
	if err != nil {
		return fmt.Errorf("read sequence %d of %s: %w", a.Sequence, a.Stream, err)
	}
	letter, ok := a.letter(msg)
	if !ok {
		return r.tell(ctx, event.Warning, "foreign-ended", a,
			fmt.Sprintf("consumer %s gave up sequence %d of %s (%s): it belongs to no flow, so no dead letter was written; ask its team", a.Consumer, a.Sequence, a.Stream, a.why()))
	}
	return dead.Bury(ctx, r.js, letter)
}

// lost tells of a message that was given up and is gone, where no letter has it.
func (r reaper) lost(ctx context.Context, a advisory) error {
	known, err := r.letters(ctx, a.Time.Add(-before))
	if err != nil || known[a.place()] {
		return err
	}
	return r.tell(ctx, event.Critical, "message-lost", a,
		fmt.Sprintf("consumer %s gave up sequence %d of %s (%s), which is in the stream no more, and no dead letter has it: run `erpstream audit` to see which record it was, and backfill its window", a.Consumer, a.Sequence, a.Stream, a.why()))
}

func (r reaper) tell(ctx context.Context, severity, kind string, a advisory, text string) error {
	return event.Publish(ctx, r.js, event.Event{
		Severity: severity, Kind: kind, Subject: a.Consumer, Part: strconv.FormatUint(a.Sequence, 10), Text: text,
		ID: fmt.Sprintf("%s/%s/%s/%d", kind, a.Stream, a.Consumer, a.Sequence),
	})
}

// letter is the one to write; ok is false where the message is on no flow's account. A consumer of
// another team has letters of its own, which no account counts: the record goes on at our sink.
func (a advisory) letter(msg *jetstream.RawStreamMsg) (l dead.Letter, ok bool) {
	l = dead.Letter{Reason: a.reason(), Message: given{a, msg}}
	if a.Stream == topology.Raw {
		l.Stage, l.RawSequence = dead.Transform, a.Sequence
		l.Flow, ok = strings.CutPrefix(a.Consumer, topology.TransformerConsumer(""))
		return l, ok
	}
	tokens := strings.Split(msg.Subject, ".")
	if len(tokens) != 5 {
		return l, false
	}
	l.Stage, l.Flow = dead.Sink, tokens[3]
	if a.Consumer != topology.SinkConsumer(tokens[1], tokens[2]) {
		l.Consumer = a.Consumer
		return l, true
	}
	l.RawSequence, _ = strconv.ParseUint(msg.Header.Get(topology.HeaderRawSequence), 10, 64)
	return l, true
}

// reason is what the letter says.
func (a advisory) reason() error {
	class := classTerminated
	if a.exceeded() {
		class = classMaxDeliver
	}
	return fault.Permanent(class, fmt.Errorf("consumer %s gave it up: %s", a.Consumer, a.why()))
}

func (a advisory) why() string {
	switch {
	case a.exceeded():
		return fmt.Sprintf("it was delivered %d times, as often as the consumer's MaxDeliver allows", a.Deliveries)
	case a.Reason == "":
		return "its client ended it, without a reason"
	default:
		return "its client ended it: " + a.Reason
	}
}

func (a advisory) exceeded() bool { return strings.HasSuffix(a.Type, ".max_deliver") }

// given is a message that was given up, as dead.Bury takes it.
type given struct {
	a   advisory
	msg *jetstream.RawStreamMsg
}

func (g given) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{
		Stream: g.a.Stream, Consumer: g.a.Consumer, NumDelivered: g.a.Deliveries,
		Sequence: jetstream.SequencePair{Stream: g.a.Sequence},
	}, nil
}
func (g given) Subject() string      { return g.msg.Subject }
func (g given) Headers() nats.Header { return g.msg.Header }
func (g given) Data() []byte         { return g.msg.Data }
