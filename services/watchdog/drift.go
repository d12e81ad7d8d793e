package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/personal"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/shape"
	"github.com/erpstream/erpstream/pkg/topology"
)

const (
	kindDrift  = "schema-drift"
	driftBatch = 500
	driftWait  = 30 * time.Second
	// tellAtOnce is how many changes of one source are events of their own; of more the rest is one.
	tellAtOnce = 10
)

// drift learns the shape of all sources from RAW and tells operators when it changes. Any number of
// replicas share the work; what is known is in the bucket "shapes". A record that comes again because a
// replica died counts twice, which changes no verdict.
type drift struct {
	js    jetstream.JetStream
	log   *slog.Logger
	rules shape.Rules
}

// run reads RAW until ctx is done or the consumer is gone.
func (d drift) run(ctx context.Context) error {
	cons, err := consume.Durable(ctx, d.js, topology.Raw, jetstream.ConsumerConfig{
		Durable: topology.WatchdogConsumer, FilterSubject: topology.RawFilter("*", "*"), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: driftWait, MaxDeliver: -1, MaxAckPending: 4 * driftBatch,
	})
	if err != nil {
		return fmt.Errorf("consumer of stream %s: %w", topology.Raw, err)
	}
	for ctx.Err() == nil {
		batch, err := consume.Batch(ctx, cons, driftBatch, 100*time.Millisecond, d.log)
		if err != nil {
			return fmt.Errorf("consumer of stream %s: %w", topology.Raw, err)
		}
		d.handle(ctx, batch)
	}
	return ctx.Err()
}

// lesson is what a batch has of one source.
type lesson struct {
	feed    string
	records []shape.Record
	msgs    []jetstream.Msg
}

// handle learns from a batch; what fails comes again.
func (d drift) handle(ctx context.Context, batch []jetstream.Msg) {
	stop := consume.Beat(ctx, driftWait/3, batch...)
	defer stop()
	for source, l := range lessons(batch) {
		err := d.learn(ctx, source, l)
		if err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "shape of records not learned, it is tried again", "source", source, "err", err)
		}
		for _, msg := range l.msgs {
			if err != nil {
				_ = msg.NakWithDelay(driftWait / 3)
				continue
			}
			_ = msg.Ack()
		}
	}
}

// lessons sorts a batch by source. A tombstone and a row that the poller could not read have no shape.
func lessons(batch []jetstream.Msg) map[string]*lesson {
	all := map[string]*lesson{}
	for _, msg := range batch {
		source := strings.Split(msg.Subject(), ".")[2]
		if all[source] == nil {
			all[source] = &lesson{}
		}
		l := all[source]
		l.msgs = append(l.msgs, msg)
		e, err := record.Parse(msg.Headers())
		meta, metaErr := msg.Metadata()
		if err != nil || metaErr != nil || e.Removed() || e.Unreadable() {
			continue
		}
		l.feed = e.Type
		l.records = append(l.records, shape.Record{Body: msg.Data(), Key: e.Key, Time: meta.Timestamp, Personal: personal.RecordPaths(e.Type)})
	}
	return all
}

// learn takes in the records of a source, and tells what is new. What a replica noted and did not come to
// tell is told here too.
func (d drift) learn(ctx context.Context, source string, l *lesson) error {
	if len(l.records) == 0 {
		return nil
	}
	s, err := shape.Update(ctx, d.js, source, func(s *shape.Shape) {
		s.Feed = l.feed
		for _, r := range l.records {
			_ = s.Learn(r, d.rules) // what is no JSON is the transformer's to bury
		}
	})
	if err != nil {
		return err
	}
	var news []shape.Change
	for _, c := range s.Changes {
		if !c.Told {
			news = append(news, c)
		}
	}
	if len(news) == 0 {
		return nil
	}
	for _, e := range d.events(s, news) {
		if err := event.Publish(ctx, d.js, e); err != nil {
			return err
		}
	}
	_, err = shape.Update(ctx, d.js, source, func(s *shape.Shape) { markTold(s, news) })
	return err
}

func markTold(s *shape.Shape, told []shape.Change) {
	for i := range s.Changes {
		for _, c := range told {
			if is := &s.Changes[i]; is.Kind == c.Kind && is.Path == c.Path && is.Time.Equal(c.Time) {
				is.Told = true
			}
		}
	}
}

// events are what operators hear of changes. Their ids follow from the changes, so that two replicas that
// are at it together are heard once.
func (drift) events(s *shape.Shape, news []shape.Change) []event.Event {
	var events []event.Event
	for _, c := range news[:min(len(news), tellAtOnce)] {
		e := event.Event{
			Severity: event.Info, Kind: kindDrift, Subject: s.Source, Part: c.Path, Text: driftText(s, c),
			ID: fmt.Sprintf("%s/%s/%s/%s/%d", kindDrift, s.Source, c.Kind, c.Path, c.Time.UnixNano()),
		}
		if c.Kind == shape.Gone || c.Kind == shape.TypeChanged {
			e.Severity = event.Warning
		}
		events = append(events, e)
	}
	if more := len(news) - tellAtOnce; more > 0 {
		events = append(events, event.Event{
			Severity: event.Warning, Kind: kindDrift, Subject: s.Source,
			Text: fmt.Sprintf("%d more changes in the records of source %s: `erpstream feed drift %s` shows all", more, s.Source, s.Source),
			ID:   fmt.Sprintf("%s/%s/more/%d", kindDrift, s.Source, news[len(news)-1].Time.UnixNano()),
		})
	}
	return events
}

// driftText says what changed and what to do.
func driftText(s *shape.Shape, c shape.Change) string {
	var what string
	switch c.Kind {
	case shape.Appeared:
		what = fmt.Sprintf("have a field that they never had: %s, %s such as %s; map it where a flow should use it", c.Path, c.To, c.Sample)
	case shape.Gone:
		what = fmt.Sprintf("have no field %s any more, which was always there (%s); look at the flows that read it, and ask the vendor", c.Path, c.From)
	case shape.Back:
		what = fmt.Sprintf("have the field %s again, which was gone", c.Path)
	case shape.TypeChanged:
		what = fmt.Sprintf("have %s in the field %s, such as %s, where it was %s; look at the flows that read it", c.To, c.Path, c.Sample, c.From)
	}
	return fmt.Sprintf("records of source %s (feed %s) %s; first in document %s, read %s; `erpstream feed drift %s` shows all, with --accept it is the normal shape",
		s.Source, s.Feed, what, c.Key, c.Time.Format(time.RFC3339), s.Source)
}
