package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/check"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/parked"
	"github.com/erpstream/erpstream/pkg/position"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/shape"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/topology"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// meaning is what the readers of this version make of everything on a server: a line of JSON each.
type meaning []line

// line is what one reader makes of one thing.
type line struct {
	Of   string          `json:"of"`
	Says json.RawMessage `json:"says"`
}

// reading gathers the meaning of a server.
type reading struct {
	t     testing.TB
	js    jetstream.JetStream
	lines meaning
}

// understand reads everything.
func understand(t testing.TB, js jetstream.JetStream) meaning {
	t.Helper()
	r := &reading{t: t, js: js}
	r.messages(topology.Raw, r.raw)
	r.messages(topology.Target, r.target)
	r.messages(topology.Parked, r.envelope)
	r.messages(topology.Receipts, r.receipts)
	r.messages(topology.Events, func(msg jetstream.Msg, of string) { r.json(of, msg.Data(), new(event.Event)) })
	r.letters()
	r.parked()
	r.control()
	r.configuration()
	r.entries(topology.BucketLinks, r.link)
	r.entries(topology.BucketPositions, func(e jetstream.KeyValueEntry) { r.position(e) })
	r.entries(topology.BucketShapes, func(e jetstream.KeyValueEntry) {
		s, err := shape.Load(t.Context(), js, e.Key())
		r.say("shape "+e.Key(), s, err)
	})
	r.references()
	r.accounts()
	return r.lines
}

func (r *reading) say(of string, what any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Errorf("%s: %v", of, err)
		return
	}
	text, err := json.Marshal(what)
	if err != nil {
		r.t.Fatalf("%s: %v", of, err)
	}
	r.lines = append(r.lines, line{of, text})
}

// proto says a protobuf message.
func (r *reading) proto(of string, body []byte, into proto.Message) {
	r.t.Helper()
	text, err := []byte(nil), proto.Unmarshal(body, into)
	if err == nil {
		text, err = protojson.MarshalOptions{UseProtoNames: true}.Marshal(into)
	}
	if err == nil {
		text, err = plain(text)
	}
	r.say(of, json.RawMessage(text), err)
}

// plain takes out the blanks that protojson strews in.
func plain(text []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, text)
	return b.Bytes(), err
}

func (r *reading) json(of string, body []byte, into any) {
	r.t.Helper()
	err := json.Unmarshal(body, into)
	r.say(of, into, err)
}

// messages reads all messages of a stream.
func (r *reading) messages(stream string, take func(msg jetstream.Msg, of string)) {
	r.t.Helper()
	err := consume.Read(r.t.Context(), r.js, stream, consume.Reading{}, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if (stream == topology.Raw || stream == topology.Target) && meta.Sequence.Stream%5 != 0 {
			return nil // there are many alike, and the kept flows read all of them
		}
		take(msg, fmt.Sprintf("%s %d", stream, meta.Sequence.Stream))
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
}

func (r *reading) raw(msg jetstream.Msg, of string) {
	if strings.HasPrefix(msg.Subject(), "window.") {
		r.proto(of, msg.Data(), new(ledgerv1.Window))
		return
	}
	r.envelope(msg, of)
}

func (r *reading) envelope(msg jetstream.Msg, of string) {
	e, err := record.Parse(msg.Headers())
	r.say(of, e, err)
}

// target reads a target message as a sink does.
func (r *reading) target(msg jetstream.Msg, of string) {
	e, err := record.Parse(msg.Headers())
	if err != nil {
		r.say(of, nil, err)
		return
	}
	references, _, err := record.ReadReferences(e.References)
	r.say(of+" references", references, err)
	options, err := url.ParseQuery(e.Options)
	r.say(of+" options", options, err)
	decoded, err := sink.Message{Envelope: e, Body: msg.Data()}.Decode()
	if err != nil {
		r.say(of, nil, err)
		return
	}
	r.say(of+" envelope", e, nil)
	r.proto(of, msg.Data(), decoded)
}

func (r *reading) receipts(msg jetstream.Msg, of string) {
	r.proto(of, msg.Data(), new(ledgerv1.Receipts))
}

// letters reads DEAD as `erpstream dead` does. When a letter came is not kept.
func (r *reading) letters() {
	for b, err := range dead.List(r.t.Context(), r.js, dead.Filter{}) {
		b.Time = time.Time{}
		if b.Note != nil {
			b.Note.Time = time.Time{}
		}
		r.say(fmt.Sprintf("letter %d", b.Sequence), b, err)
	}
}

func (r *reading) parked() {
	all, err := parked.List(r.t.Context(), r.js, parked.Filter{})
	for _, p := range all {
		p.Sequence = 0
		r.say(fmt.Sprintf("parked %s %d", p.Subject, p.RawSequence), p, err)
	}
	r.say("parked", len(all), err)
}

// control reads what operators asked for. A hold that has ended since holds no more.
func (r *reading) control() {
	r.entries(topology.BucketControl, func(e jetstream.KeyValueEntry) {
		if h, ok := hold.Read(e); ok {
			r.say("hold "+h.Flow, h, nil)
		}
		if job, ok, err := replay.Read(e); ok {
			r.say("replay "+e.Key(), job.Job, err)
		}
	})
}

func (r *reading) configuration() {
	stored, err := flow.Load(r.t.Context(), r.js)
	r.say("documents", stored.Names(flow.KindFlow), err)
	r.say("checked", "all right", check.Set(stored.Set))
}

// entries gives take all entries of a bucket, sorted by key.
func (r *reading) entries(bucket string, take func(jetstream.KeyValueEntry)) {
	r.t.Helper()
	kv, err := r.js.KeyValue(r.t.Context(), bucket)
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := kv.Keys(r.t.Context())
	if err != nil {
		r.t.Fatalf("bucket %s: %v", bucket, err)
	}
	slices.Sort(keys)
	for _, key := range keys {
		e, err := kv.Get(r.t.Context(), key)
		if err != nil {
			r.t.Fatalf("bucket %s, key %s: %v", bucket, key, err)
		}
		take(e)
	}
}

func (r *reading) link(e jetstream.KeyValueEntry) {
	if strings.Contains(e.Key(), "=owner") {
		r.say("owner "+e.Key(), string(e.Value()), nil)
		return
	}
	r.proto("link "+e.Key(), e.Value(), new(bookingv1.Link))
}

func (r *reading) position(e jetstream.KeyValueEntry) {
	if strings.HasPrefix(e.Key(), "alarm.") || strings.HasPrefix(e.Key(), "warned.") {
		r.json("position "+e.Key(), e.Value(), &struct {
			Since time.Time `json:"since"`
		}{})
		return
	}
	r.json("position "+e.Key(), e.Value(), new(position.Position))
}

// references looks some master data of each connection up.
func (r *reading) references() {
	for connection, asked := range map[string][]string{
		"kd-main": {"kingdee.material", "kingdee.store"}, "kis-main": {"kis.material", "kis.unit"},
	} {
		store := follow(r.t, r.js, connection)
		for _, collection := range asked {
			r.say("reference "+connection+" "+collection, store.Len(collection), nil)
		}
	}
	slices.SortStableFunc(r.lines, func(a, b line) int {
		if !strings.HasPrefix(a.Of, "reference") || !strings.HasPrefix(b.Of, "reference") {
			return 0
		}
		return strings.Compare(a.Of, b.Of)
	})
}

// follow returns the master data of a connection, read to its end.
func follow(t testing.TB, js jetstream.JetStream, connection string) *reference.Store {
	t.Helper()
	store := reference.NewStore(js, connection, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if err := store.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// accounts adds up as audit and `up` do.
func (r *reading) accounts() {
	raw, err := r.js.Stream(r.t.Context(), topology.Raw)
	if err != nil {
		r.t.Fatal(err)
	}
	natsWindows(r.t, r.js, raw)
	books := ledger.Open(r.js)
	err = books.Refresh(r.t.Context())
	stored, loadErr := flow.Load(r.t.Context(), r.js)
	err = errors.Join(err, loadErr)
	for _, name := range stored.Names(flow.KindSource) {
		r.say("intake "+name, books.Intake(name), err)
	}
	for _, name := range stored.Names(flow.KindFlow) {
		r.say("outcomes "+name, books.Outcomes(name), err)
		r.say("waiting "+name, books.Parked(name), err)
	}
}
