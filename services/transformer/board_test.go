package main

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// teller is a replica that tells when it stands still and when it goes on.
func teller(t *testing.T, js jetstream.JetStream, revision uint64) (tr transform, heard chan string) {
	heard = make(chan string, 100)
	tr = newTransform(t, js, revision)
	tr.paused, tr.resumed = func() { heard <- "paused" }, func() { heard <- "resumed" }
	return tr, heard
}

// hears waits until a replica says so. It may say several times that it stands still.
func hears(t *testing.T, heard chan string, want string) {
	t.Helper()
	for patience := time.After(10 * time.Minute); ; {
		select {
		case word := <-heard:
			if word == want {
				return
			}
		case <-patience:
			t.Fatalf("the replica does not say that it is %s", want)
		}
	}
}

func pause(t *testing.T, js jetstream.JetStream, until time.Time) {
	t.Helper()
	if err := hold.Put(t.Context(), js, hold.Hold{Flow: "to-bi", By: "li", Reason: "test", Since: time.Now(), Until: until}); err != nil {
		t.Fatal(err)
	}
}

// TestPausedFlowKeepsItsPlace pauses a flow under load, at two replicas: nothing is mapped, no record that
// comes, none that is replayed, also by replicas that start meanwhile; then everything goes on, and each
// record is there once.
func TestPausedFlowKeepsItsPlace(t *testing.T) {
	js := natstest.Run(t)
	const many = 3_000
	var replicas []chan string
	for id := range many {
		publish(t, js, 1_000+id, feedName, purchase(1, "Confirmed"))
		if id != many/2 {
			continue
		}
		for range 2 {
			tr, heard := teller(t, js, 1)
			start(t, tr)
			hears(t, heard, "resumed")
			replicas = append(replicas, heard)
		}
	}
	pause(t, js, time.Time{})
	for _, heard := range replicas {
		hears(t, heard, "paused")
	}
	before := messages(t, js, topology.Target)
	publish(t, js, 9_001, feedName, purchase(1, "Confirmed"))
	late, heard := teller(t, js, 2)
	stopLate := start(t, late)
	hears(t, heard, "paused")
	stopLate()
	asked := ask(t, js, replay.Job{Keys: []string{"1001"}})
	if now := messages(t, js, topology.Target); now != before {
		t.Errorf("%d messages were made while the flow was paused", now-before)
	}
	if e, err := replay.Get(t.Context(), js, "to-bi", asked.ID); err != nil || e.State != replay.Queued {
		t.Errorf("the replay of a paused flow is %s, %v", e.State, err)
	}
	if err := hold.Lift(t.Context(), js, "to-bi"); err != nil {
		t.Fatal(err)
	}
	for _, heard := range replicas {
		hears(t, heard, "resumed")
	}
	over(t, js, asked)
	has(t, js, many+2, ledger.Outcomes{})
	drained(t, js)
}

// TestPauseEndsByItself pauses a flow for a moment, and for longer before that is over.
func TestPauseEndsByItself(t *testing.T) {
	js := natstest.Run(t)
	tr, heard := teller(t, js, 1)
	pause(t, js, time.Now().Add(time.Hour))
	start(t, tr)
	hears(t, heard, "paused")
	until := time.Now().Add(time.Second)
	pause(t, js, until)
	hears(t, heard, "resumed")
	if now := time.Now(); now.Before(until) {
		t.Errorf("the flow went on %v too early", until.Sub(now))
	}
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	has(t, js, 1, ledger.Outcomes{})
}

// TestAHoldThatCannotBeReadHolds writes nonsense into the bucket: who wanted the flow to stand still, in a way
// that this release does not know, gets that.
func TestAHoldThatCannotBeReadHolds(t *testing.T) {
	js := natstest.Run(t)
	kv, err := js.KeyValue(t.Context(), topology.BucketControl)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"hold.to-bi", "replay.to-bi.1", "replay.to-bi.x", "replay.to-bi", "other"} {
		if _, err := kv.PutString(t.Context(), key, "{"); err != nil {
			t.Fatal(err)
		}
	}
	tr, heard := teller(t, js, 1)
	start(t, tr)
	hears(t, heard, "paused")
	if err := hold.Lift(t.Context(), js, "to-bi"); err != nil {
		t.Fatal(err)
	}
	hears(t, heard, "resumed")
	publish(t, js, 1, feedName, purchase(1, "Confirmed"))
	has(t, js, 1, ledger.Outcomes{})
	if asked := ask(t, js, replay.Job{}); asked.ID != 2 {
		t.Errorf("replay %d, want the one after that which can't be read", asked.ID)
	} else if done := over(t, js, asked); done.Mapped != 1 {
		t.Errorf("%+v", done.Job)
	}
}
