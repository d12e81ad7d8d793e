package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/shape"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// put publishes records of a source into RAW.
func (w *world) put(source string, n int, body string) {
	w.Helper()
	for range n {
		w.raw++
		e := record.Envelope{ID: fmt.Sprint("d", w.raw), Source: source, Type: "jushuitan.purchasein", Key: fmt.Sprint(w.raw), Version: 1, Time: time.Now()}
		msg := nats.NewMsg(topology.RawSubject("jushuitan", source, e.Key))
		msg.Header, msg.Data = e.Header(), []byte(body)
		_, err := w.js.PublishMsg(w.Context(), msg)
		w.must(err)
	}
}

// knows waits until so many records of a source were looked at, and returns its shape.
func (w *world) knows(source string, records int64) *shape.Shape {
	w.Helper()
	var s *shape.Shape
	natstest.Eventually(w.T, func() error {
		var err error
		if s, err = shape.Load(w.Context(), w.js, source); err != nil {
			return err
		}
		if s.Records < records {
			return fmt.Errorf("%d records were looked at, want %d", s.Records, records)
		}
		return nil
	})
	return s
}

// drifted waits for so many events of drift.
func (w *world) drifted(n int) []event.Event {
	w.Helper()
	var drifts []event.Event
	natstest.Eventually(w.T, func() error {
		drifts = nil
		for _, e := range w.events() {
			if e.Kind == kindDrift {
				drifts = append(drifts, e)
			}
		}
		if len(drifts) != n {
			return fmt.Errorf("%d events of drift, want %d: %+v", len(drifts), n, drifts)
		}
		return nil
	})
	return drifts
}

func (w *world) drift() drift {
	return drift{js: w.js, log: slog.New(slog.DiscardHandler), rules: shape.Rules{Records: 50, For: 0, Absent: 30}}
}

// TestDrift has two replicas that learn from the same records, and a source whose records change.
func TestDrift(t *testing.T) {
	w := newWorld(t)
	stop := w.background(w.drift().run)
	w.background(w.drift().run)
	if _, err := shape.Load(t.Context(), w.js, "jst-purchasein"); !errors.Is(err, shape.ErrUnknown) {
		t.Errorf("the shape of nothing: %v", err)
	}
	w.put("jst-purchasein", 60, `{"io_id":1,"qty":"2"}`)
	w.put("other", 1, `{"x":1}`)
	s := w.knows("jst-purchasein", 60)
	if s.Fields["qty"].Kinds[shape.Text] < 60 || s.Feed != "jushuitan.purchasein" || s.Fields["x"] != nil {
		t.Errorf("the shape is %+v", s)
	}
	w.drifted(0)

	w.put("jst-purchasein", 40, `{"io_id":1,"qty":2.5,"town":"上海"}`)
	drifts := w.drifted(2)
	for i, want := range []string{
		`records of source jst-purchasein (feed jushuitan.purchasein) have number in the field qty, such as 9.9, where it was text`,
		`have a field that they never had: town, text such as "文文"`,
	} {
		if !strings.Contains(drifts[0].Text+drifts[1].Text, want) {
			t.Errorf("event %d: %q and %q, want %q", i, drifts[0].Text, drifts[1].Text, want)
		}
	}
	w.learned() // else what the replica has in hand comes again, later than the rest
	stop()      // the other replica goes on
	w.put("jst-purchasein", 60, `{"io_id":1,"town":"上海"}`)
	drifts = w.drifted(3)
	if last := drifts[2]; last.Part != "qty" || last.Severity != event.Warning || !strings.Contains(last.Text, "have no field qty any more") {
		t.Errorf("the event is %+v", last)
	}
	w.learned()
	s, err := shape.Accept(t.Context(), w.js, "jst-purchasein")
	w.must(err)
	if len(s.Changes) > 0 || s.Fields["qty"] != nil {
		t.Errorf("the accepted shape is %+v", s)
	}
	w.put("jst-purchasein", 30, `{"io_id":1,"town":"上海"}`)
	w.knows("jst-purchasein", 190)
	w.drifted(3)
}

// learned waits until nothing of RAW is in any replica's hand.
func (w *world) learned() {
	w.Helper()
	natstest.Eventually(w.T, func() error {
		cons, err := w.js.Consumer(w.Context(), topology.Raw, topology.WatchdogConsumer)
		if err != nil {
			return err
		}
		if info := cons.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			return fmt.Errorf("%d records to come, %d in hand", info.NumPending, info.NumAckPending)
		}
		return nil
	})
}

// TestADriftThatNobodyToldIsTold has a replica that died when it had noted a change.
func TestADriftThatNobodyToldIsTold(t *testing.T) {
	w := newWorld(t)
	_, err := shape.Update(t.Context(), w.js, "jst-purchasein", func(s *shape.Shape) {
		for i, body := range []string{`{"a":1}`, `{"a":1,"b":1}`} {
			_ = s.Learn(shape.Record{Body: []byte(body), Key: "k", Time: time.Unix(int64(i), 0)}, shape.Rules{Records: 1})
		}
	})
	w.must(err)
	w.background(w.drift().run)
	w.put("jst-purchasein", 1, `{"a":1,"b":1}`)
	w.drifted(1)
}

// TestVeryManyChangesAreFewEvents has a vendor that sends something else altogether.
func TestVeryManyChangesAreFewEvents(t *testing.T) {
	w := newWorld(t)
	w.put("jst-purchasein", 60, `{"io_id":1}`)
	var fields []string
	for i := range 50 {
		fields = append(fields, fmt.Sprintf(`"f%02d":1`, i))
	}
	w.put("jst-purchasein", 1, "{"+strings.Join(fields, ",")+"}")
	w.background(w.drift().run)
	drifts := w.drifted(tellAtOnce + 1)
	if last := drifts[tellAtOnce]; !strings.HasPrefix(last.Text, "40 more changes in the records of source jst-purchasein") {
		t.Errorf("the last event is %+v", last)
	}
}

// TestWhatHasNoShape has records that nobody can learn from; they do not stop the others.
func TestWhatHasNoShape(t *testing.T) {
	w := newWorld(t)
	w.put("jst-purchasein", 1, `{"broken`)
	w.put("jst-purchasein", 1, ``)
	_, err := w.js.Publish(t.Context(), topology.RawSubject("jushuitan", "jst-purchasein", "x"), []byte(`{"a":1}`)) // without an envelope
	w.must(err)
	w.put("jst-purchasein", 1, `{"a":1}`)
	w.background(w.drift().run)
	if s := w.knows("jst-purchasein", 1); s.Records != 1 || s.Fields["a"] == nil {
		t.Errorf("the shape is %+v", s)
	}
}
