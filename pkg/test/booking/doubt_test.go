package booking_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
)

// restored is a world whose target has what was booked after the links were backed up.
func restored(t *testing.T, booked ...sink.Message) (*world, jetstream.JetStream) {
	t.Helper()
	w := newWorld(t, bucket(t))
	for _, m := range booked {
		w.book(t, m, follow)
	}
	js := natstest.Run(t)
	links, err := js.KeyValue(t.Context(), topology.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	w.links = links
	if err := booking.Doubt(t.Context(), js, w.clock().Add(-time.Hour), w.clock()); err != nil {
		t.Fatal(err)
	}
	return w, js
}

func TestLinksInDoubtBookNothingTwice(t *testing.T) {
	tests := []struct {
		name  string
		again sink.Message
		calls int
	}{
		{"the same", bill("1", 1, "one"), 1},
		{"a later version", bill("1", 2, "two"), 2},
		{"a version of another date", dated(bill("1", 2, "one"), "2024-02-29"), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := restored(t, bill("1", 1, "one"))
			early := tt.again
			_, err := w.replica(nil).once(t.Context(), &early, follow)
			if fault.KindOf(err) != fault.BusyKind || fault.Delay(err, 1) < longest || w.calls != 1 {
				t.Fatalf("right after the restore: %v with %d calls, want it to wait for calls that may be under way", err, w.calls)
			}
			w.pass(longest + settle)
			m := w.book(t, tt.again, follow)
			w.check(t, tt.name, m)
			if len(w.papers) != 1 || w.calls != tt.calls || m.ExternalID != "1" {
				t.Errorf("%d documents after %d calls, id %q; want one after %d", len(w.papers), w.calls, m.ExternalID, tt.calls)
			}
		})
	}
}

// dated is a message with another date of its bill.
func dated(m sink.Message, date string) sink.Message {
	msg, err := m.Decode()
	if err == nil {
		msg.(*kingdeev1.InventoryGainBill).BillDate = &date
		m.Body, err = proto.Marshal(msg)
	}
	if err != nil {
		panic(err)
	}
	return m
}

func TestLinksInDoubtBookWhatIsNew(t *testing.T) {
	w, js := restored(t, bill("1", 1, "one"))
	w.pass(longest + settle)
	m := w.book(t, bill("2", 1, "two"), follow)
	if len(w.papers) != 2 || m.ExternalID != "2" {
		t.Errorf("%d documents, id %q; want a second one", len(w.papers), m.ExternalID)
	}
	if was, err := booking.Trust(t.Context(), js); err != nil || !was {
		t.Fatalf("Trust = %v, %v", was, err)
	}
	r := w.replica(nil)
	third := bill("3", 1, "three")
	if _, err := r.once(t.Context(), &third, follow); err != nil {
		t.Fatal(err)
	}
	for _, name := range r.names {
		if name == "find" {
			t.Errorf("steps = %v: the target is asked although there is no doubt", r.names)
		}
	}
	if was, err := booking.Trust(t.Context(), js); err != nil || was {
		t.Errorf("Trust without a doubt = %v, %v", was, err)
	}
}

func TestRefusalInDoubtLeavesNoLink(t *testing.T) {
	w, _ := restored(t)
	w.pass(longest + settle)
	r := w.replica(map[int]blow{5: refused})
	m := bill("1", 1, "one")
	if _, err := r.once(t.Context(), &m, follow); !fault.IsPermanent(err) {
		t.Fatalf("refused = %v after %v, want permanent", err, r.names)
	}
	keys, err := w.links.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Errorf("keys %v, %v, want that of the doubt alone", keys, err)
	}
}

// TestLinkOfANewerVersionWaits leaves a document alone whose link is in a state that this version does not know.
func TestLinkOfANewerVersionWaits(t *testing.T) {
	w := newWorld(t, bucket(t))
	value, err := proto.Marshal(&bookingv1.Link{State: bookingv1.State(99).Enum(), ExternalId: proto.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	m := bill("1", 1, "one")
	if _, err := w.links.Put(t.Context(), booking.LinkKey("kd-main", m.Schema, m.Source, m.Key), value); err != nil {
		t.Fatal(err)
	}
	if _, err := w.replica(nil).once(t.Context(), &m, follow); fault.KindOf(err) != fault.BusyKind || w.calls != 0 {
		t.Errorf("book = %v after %d calls, want it to wait for a newer version", err, w.calls)
	}
}
