package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// scheduled sets the schedule of the source, as its poller does.
func (w *world) scheduled(watch *watch) {
	w.Helper()
	for _, s := range w.set.Sources {
		w.must(poll.Schedule(w.Context(), w.js, poll.Source{Name: s.Name, Connection: s.Connection, Every: s.Every}))
	}
	w.look(watch)
}

// says writes what a replica of a service says of a unit.
func (w *world) says(service, unit, state string) {
	w.Helper()
	kv, err := w.js.KeyValue(w.Context(), topology.BucketStatus)
	w.must(err)
	_, err = kv.PutString(w.Context(), service+".i1."+unit, fmt.Sprintf(`{"service":%q,"instance":"i1","unit":%q,"state":%q}`, service, unit, state))
	w.must(err)
}

// TestADeletedConsumerGoesOnFromItsNotedPosition deletes what the watchdog has looked at.
func TestADeletedConsumerGoesOnFromItsNotedPosition(t *testing.T) {
	w := newWorld(t)
	watch, _ := w.watch()
	w.window(20)
	w.transform()
	w.look(watch)
	if got := w.value(topology.Raw + "." + transformer); got["floor"] != float64(20) {
		t.Errorf("position %v, want 20", got)
	}
	w.must(w.js.DeleteConsumer(t.Context(), topology.Raw, transformer))
	w.window(5)
	mapped := 0
	w.each(w.durable(topology.Raw, transformer, topology.RawFilter("jushuitan", "jst-purchasein")), func(jetstream.Msg) { mapped++ })
	if mapped != 5 {
		t.Errorf("%d records were delivered after the consumer was deleted, want the 5 new ones", mapped)
	}
}

// TestALostPositionIsMended sets consumers to places that they had not come to, as a person can.
func TestALostPositionIsMended(t *testing.T) {
	for name, consumer := range map[string]struct {
		stream, name string
		first        uint64
	}{"transformer": {topology.Raw, transformer, 11}, "sink": {topology.Target, sinkName, 10}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			watch, clock := w.watch()
			w.window(9)
			w.transform()
			w.write()
			w.scheduled(watch)
			w.window(30)
			if consumer.stream == topology.Target {
				w.transform()
			}
			_, err := w.js.ResetConsumerToSequence(t.Context(), consumer.stream, consumer.name, consumer.first+30)
			w.must(err)
			w.transform()
			w.write()
			w.look(watch)
			w.wantEvents("position-lost")
			if e := w.events()[0]; !strings.HasPrefix(e.Text, "30 records of flow flow-a") || !strings.Contains(e.Text, fmt.Sprintf("from sequence %d on", consumer.first)) {
				t.Errorf("the event says %q", e.Text)
			}
			// Another replica that takes over does not do it again.
			second, _ := w.watch()
			second.due["flow-a"] = time.Now()
			w.transform()
			w.write()
			clock.forward(2 * time.Minute)
			w.look(watch)
			w.wantEvents("position-lost", "position-mended")
			w.look(second)
			w.wantEvents("position-lost", "position-mended")
		})
	}
}

// TestAPositionAheadOfTheStreamIsMended sets a consumer to a place that the stream has not come to: what
// it leaves out is yet to come.
func TestAPositionAheadOfTheStreamIsMended(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	w.window(9)
	w.transform()
	w.write()
	w.scheduled(watch)
	_, err := w.js.ResetConsumerToSequence(t.Context(), topology.Raw, transformer, 1000)
	w.must(err)
	w.look(watch)
	w.wantEvents()
	w.window(20)
	w.transform()
	clock.forward(30 * time.Minute)
	w.look(watch)
	w.wantEvents("position-lost")
	w.transform()
	w.write()
	clock.forward(2 * time.Minute)
	w.look(watch)
	w.wantEvents("position-lost", "position-mended")
}

// TestAGhostIsMadeAnew has a consumer that someone made to be for other subjects: the server says that
// nothing is left for it.
func TestAGhostIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	w.window(4)
	w.transform()
	w.write()
	w.scheduled(watch)
	w.durable(topology.Raw, transformer, "raw.nobody.>")
	w.window(6)
	w.look(watch)
	clock.forward(ghostAfter - time.Second)
	w.look(watch)
	w.wantEvents()
	clock.forward(time.Second)
	w.look(watch)
	w.wantEvents("position-ghost")
	w.look(watch)
	w.transform()
	w.write()
	if n := w.count(topology.Target); n != 10 {
		t.Errorf("%d target messages, want 10: what was settled before does not come again", n)
	}
	w.look(watch)
	w.wantEvents("position-ghost", "position-ghost-resolved")
}

// TestARecordThatDoesNotComeBackIsNotAskedForForEver has a service that acknowledges and books nothing.
func TestARecordThatDoesNotComeBackIsNotAskedForForEver(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	w.window(3)
	w.transform()
	w.scheduled(watch)
	forget := func() {
		w.each(w.durable(topology.Target, sinkName, topology.TargetFilter("mysql", "bi-main")), func(jetstream.Msg) {})
	}
	forget()
	for range 5 {
		clock.forward(2 * time.Minute)
		w.look(watch)
		forget()
	}
	w.wantEvents("position-lost")
	clock.forward(time.Hour)
	w.look(watch)
	w.wantEvents("position-lost", "position-lost")
	if text := w.events()[1].Text; !strings.Contains(text, "that did not help") {
		t.Errorf("the second event says %q", text)
	}
}

// TestAConsumerThatCantBeSetBackIsMadeAnew has a consumer that someone made to deliver new messages only.
func TestAConsumerThatCantBeSetBackIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	w.window(7)
	_, err := w.js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{
		Durable: transformer, FilterSubject: topology.RawFilter("jushuitan", "jst-purchasein"), AckPolicy: jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverNewPolicy,
	})
	w.must(err)
	w.window(2)
	w.transform()
	w.write()
	w.scheduled(watch)
	clock.forward(2 * time.Minute)
	w.look(watch)
	w.wantEvents("position-lost")
	w.transform()
	w.write()
	clock.forward(2 * time.Minute)
	w.look(watch)
	w.wantEvents("position-lost", "position-mended")
}

// TestAConsumerThatNobodyAsksIsAnAlarm stops a service, with messages waiting for it.
func TestAConsumerThatNobodyAsksIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	watch.stall = time.Minute
	w.window(3)
	w.transform()
	w.scheduled(watch)
	w.durable(topology.Target, sinkName, topology.TargetFilter("mysql", "bi-main"))
	w.look(watch)
	clock.forward(50 * time.Second)
	w.look(watch)
	w.wantEvents()
	clock.forward(20 * time.Second)
	w.says("sink-mysql", "bi-main", status.Open) // an open breaker says so itself
	w.look(watch)
	w.wantEvents()
	w.says("sink-mysql", "bi-main", status.Running)
	w.look(watch)
	w.look(watch)
	w.wantEvents("consumer-stalled")
	if text := w.events()[0].Text; !strings.Contains(text, "3 messages wait") || !strings.Contains(text, "restart it") {
		t.Errorf("the event says %q", text)
	}
	w.write()
	w.look(watch)
	w.wantEvents("consumer-stalled", "consumer-stalled-resolved")
}

// TestAPausedFlowIsNoAlarm pauses a flow whose records wait, and one of which it was said already that it stands
// still. When it goes on it has its time again.
func TestAPausedFlowIsNoAlarm(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	watch.stall = time.Minute
	w.window(3)
	w.scheduled(watch)
	w.durable(topology.Raw, transformer, topology.RawFilter("jushuitan", "jst-purchasein"))
	w.durable(topology.Target, sinkName, topology.TargetFilter("mysql", "bi-main"))
	held := hold.Hold{Flow: "flow-a", Since: time.Now()}
	if err := hold.Put(t.Context(), w.js, held); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.look(watch)
		clock.forward(50 * time.Second)
	}
	w.wantEvents()
	if err := hold.Lift(t.Context(), w.js, "flow-a"); err != nil {
		t.Fatal(err)
	}
	w.look(watch)
	w.wantEvents()
	clock.forward(70 * time.Second)
	w.look(watch)
	w.wantEvents("consumer-stalled")
	if err := hold.Put(t.Context(), w.js, held); err != nil {
		t.Fatal(err)
	}
	w.look(watch)
	w.wantEvents("consumer-stalled", "consumer-stalled-resolved")
}

// TestAMissingScheduleIsSetAgain takes away the schedule of a source.
func TestAMissingScheduleIsSetAgain(t *testing.T) {
	w := newWorld(t)
	watch, _ := w.watch()
	w.scheduled(watch)
	polls, err := w.js.Stream(t.Context(), topology.Polls)
	w.must(err)
	w.must(polls.Purge(t.Context(), jetstream.WithPurgeSubject(scheduleOf)))
	w.look(watch)
	if _, err := polls.GetLastMsgForSubject(t.Context(), scheduleOf); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the schedule was set again at the first look: its poller may have taken it away")
	}
	w.look(watch)
	if _, err := polls.GetLastMsgForSubject(t.Context(), scheduleOf); err != nil {
		t.Errorf("the schedule was not set again: %v", err)
	}
	w.wantEvents("ticks-stopped")
	w.look(watch)
	w.wantEvents("ticks-stopped", "ticks-stopped-resolved")
}

// TestASourceThatIsNotPolledIsAnAlarm has a schedule, and windows that stop coming.
func TestASourceThatIsNotPolledIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	watch.ticks = 2 * time.Minute
	w.window(1)
	w.transform()
	w.write()
	w.scheduled(watch)
	clock.forward(3 * time.Minute)
	w.look(watch)
	w.wantEvents("ticks-stopped")
	if text := w.events()[0].Text; !strings.Contains(text, "start poller-jushuitan") {
		t.Errorf("the event says %q", text)
	}
	clock.ahead = 0
	w.look(watch)
	w.wantEvents("ticks-stopped", "ticks-stopped-resolved")
	clock.forward(3 * time.Minute)
	w.says("poller-jushuitan", "jst-purchasein", status.Failed) // which it says itself
	w.look(watch)
	w.wantEvents("ticks-stopped", "ticks-stopped-resolved")
	w.says("poller-jushuitan", "jst-purchasein", status.Running)
	w.look(watch)
	w.wantEvents("ticks-stopped", "ticks-stopped-resolved", "ticks-stopped")
	if text := w.events()[2].Text; !strings.Contains(text, "set again") {
		t.Errorf("the event says %q", text)
	}
}

// TestAJobThatTakesTooLongIsAnAlarm takes a job and does not settle it.
func TestAJobThatTakesTooLongIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	watch, clock := w.watch()
	watch.stuck = 10 * time.Minute
	w.scheduled(watch)
	cons := w.durable(topology.Polls, topology.PollerConsumer("jst-main"), topology.PollFilter("jst-main"))
	job, err := cons.Next(jetstream.FetchMaxWait(10 * time.Second))
	w.must(err)
	clock.forward(11 * time.Minute)
	w.look(watch)
	w.wantEvents("job-stuck")
	w.must(job.DoubleAck(t.Context()))
	clock.ahead = 0
	w.look(watch)
	w.wantEvents("job-stuck", "job-stuck-resolved")
}

// TestOneReplicaLooks runs two of them on the real schedule; the second takes over.
func TestOneReplicaLooks(t *testing.T) {
	w := newWorld(t)
	w.window(2)
	w.transform()
	first, _ := w.watch()
	second, _ := w.watch()
	stop := w.background(first.run)
	noted := func(key string) func() error {
		return func() error {
			if w.value(key) == nil {
				return errors.New("nobody looked")
			}
			return nil
		}
	}
	natstest.Eventually(t, noted(topology.Raw+"."+transformer))
	w.background(second.run)
	w.write()
	natstest.Eventually(t, noted(topology.Target+"."+sinkName))
	stop()
	if len(second.seen) != 0 {
		t.Error("both replicas looked around")
	}
	w.must(w.js.DeleteConsumer(t.Context(), topology.Target, sinkName))
	w.must(func() error {
		kv, err := w.js.KeyValue(t.Context(), topology.BucketPositions)
		if err != nil {
			return err
		}
		return kv.Purge(t.Context(), topology.Target+"."+sinkName)
	}())
	w.write()
	natstest.Eventually(t, noted(topology.Target+"."+sinkName))
}
