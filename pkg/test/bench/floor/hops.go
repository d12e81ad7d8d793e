package floor

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	"github.com/erpstream/erpstream/pkg/topology"
)

// The modes in which this program is one of the floor's.
const (
	TransformerMode = "floor-transformer"
	SinkMode        = "floor-sink"
)

// Modes are the programs of the floor.
func Modes() rig.Modes { return rig.Modes{TransformerMode: transformer, SinkMode: sink} }

// Subject is where the transformer of the floor publishes.
const Subject = "target.mysql.floor.floor.00"

// rawFilter matches the records.
const rawFilter = "raw.>"

// inFlight is how many messages are under way at once, unacknowledged.
const inFlight = 5000

// stalled is how long nothing may come before a program gives up.
const stalled = 30 * time.Second

// Work is what a program of the floor is to do.
type Work struct {
	// NATS is the server's URL, Records how many there are.
	NATS    string
	Records int
	// DSN is the sink's database, as go-sql-driver/mysql reads it.
	DSN string
	// OneHop lets the sink take the records themselves and map them, without a transformer.
	OneHop bool
	// LoadData lets the sink write with LOAD DATA, and not with REPLACE.
	LoadData bool
	// Promises is how many of the promises are kept, in their order.
	Promises Promises
}

// Arguments is the work as arguments of the programs.
func (w Work) Arguments() []string {
	return []string{
		"-nats", w.NATS, "-records", strconv.Itoa(w.Records), "-dsn", w.DSN,
		"-one-hop=" + strconv.FormatBool(w.OneHop), "-load-data=" + strconv.FormatBool(w.LoadData),
		"-promises", strconv.Itoa(int(w.Promises)),
	}
}

func readWork(args []string) (w Work, err error) {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	flags.StringVar(&w.NATS, "nats", "", "NATS server")
	flags.IntVar(&w.Records, "records", 0, "how many to take")
	flags.StringVar(&w.DSN, "dsn", "", "database")
	flags.BoolVar(&w.OneHop, "one-hop", false, "take records and map them")
	flags.BoolVar(&w.LoadData, "load-data", false, "LOAD DATA")
	flags.IntVar((*int)(&w.Promises), "promises", 0, "how many promises to keep")
	return w, flags.Parse(args)
}

// hop is what a program of the floor works on.
type hop struct {
	Work
	nc *nats.Conn
	js jetstream.JetStream
}

// openHop reads arguments and connects.
func openHop(args []string) (*hop, error) {
	w, err := readWork(args)
	if err != nil {
		return nil, err
	}
	h := &hop{Work: w}
	if h.nc, err = nats.Connect(w.NATS); err != nil {
		return nil, err
	}
	h.js, err = jetstream.New(h.nc, jetstream.WithPublishAsyncMaxPending(inFlight))
	return h, err
}

// messages takes the hop's number of messages from a stream, in order.
func (h *hop) messages(ctx context.Context, stream, filter, durable string, take func(jetstream.Msg) error) error {
	cons, err := h.js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: inFlight,
	})
	if err != nil {
		return fmt.Errorf("consumer on %s: %w", stream, err)
	}
	messages, err := cons.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range h.Records {
		msg, err := messages.Next(jetstream.NextMaxWait(stalled))
		if err != nil {
			return fmt.Errorf("next message of %s: %w", stream, err)
		}
		if err := take(msg); err != nil {
			return err
		}
	}
	return nil
}

// mapped is a record whose target message is on its way.
type mapped struct {
	raw  jetstream.Msg
	sent jetstream.PubAckFuture
}

// transformer maps each record and acknowledges it once its target message is stored.
func transformer(ctx context.Context, args []string) error {
	h, err := openHop(args)
	if err != nil {
		return err
	}
	defer h.nc.Close()
	if h.Promises >= Flushed {
		return h.transformBatches(ctx)
	}
	sent := make(chan mapped, inFlight)
	settled := make(chan error, 1)
	go func() { settled <- settle(sent) }()
	err = h.messages(ctx, topology.Raw, rawFilter, "floor-transformer", func(msg jetstream.Msg) error {
		body, err := PurchaseIn(make([]byte, 0, len(msg.Data())), msg.Data())
		if err != nil {
			return err
		}
		future, err := h.js.PublishAsync(Subject, body)
		if err == nil {
			sent <- mapped{msg, future}
		}
		return err
	})
	close(sent)
	return errors.Join(err, <-settled, h.nc.FlushTimeout(stalled))
}

// settle acknowledges records in the order in which they were mapped, and returns the first error.
func settle(sent <-chan mapped) error {
	var first error
	for m := range sent {
		var err error
		select {
		case <-m.sent.Ok():
			err = m.raw.Ack()
		case err = <-m.sent.Err():
		}
		first = cmp.Or(first, err)
	}
	return first
}
