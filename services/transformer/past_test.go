package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// day is a day of the records of these tests.
func day(n int) time.Time { return time.Date(2026, 1, n, 8, 0, 0, 0, time.UTC) }

// changes puts a state of a document into RAW that changed on that day.
func changes(t *testing.T, js jetstream.JetStream, id int, version int64, at time.Time) {
	t.Helper()
	key, body := strconv.Itoa(id), purchase(id, "Confirmed")
	msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
	msg.Header = record.Envelope{
		ID: record.NewID("receipts", key, version, []byte(body)), Source: "receipts", Type: feedName, Key: key, Version: version, Time: at,
	}.Header()
	msg.Data = []byte(body)
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

// ask asks for a replay of the flow to-bi.
func ask(t *testing.T, js jetstream.JetStream, job replay.Job) replay.Entry {
	t.Helper()
	job.Flow, job.Source, job.System = "to-bi", "receipts", "jushuitan"
	if job.Rate == 0 {
		job.Rate = replay.MostRate
	}
	e, err := replay.Ask(t.Context(), js, job)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// over waits until a replay is over and returns it.
func over(t *testing.T, js jetstream.JetStream, e replay.Entry) replay.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	last := e
	if err := replay.Follow(ctx, js, e.Flow, e.ID, func(now replay.Entry) error { last = now; return nil }); err != nil {
		t.Fatalf("%v; last seen: %+v", err, last)
	}
	return last
}

// made is a target message: which state of which document, by which revision, and by which replay.
type made struct {
	key      string
	version  int64
	revision uint64
	replay   string
}

// targets returns what is in TARGET, in its order.
func targets(t *testing.T, js jetstream.JetStream) []made {
	t.Helper()
	stream := open(t, js, topology.Target)
	var all []made
	for s := uint64(1); s <= stream.CachedInfo().State.LastSeq; s++ {
		msg, err := stream.GetMsg(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		e, err := record.Parse(msg.Header)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, made{e.Key, e.Version, e.FlowRevision, msg.Header.Get(topology.HeaderReplayJob)})
	}
	return all
}

// TestReplayMapsTheNewestOfTheRange replays two days in the middle: of each document the newest state, where
// that is of these days, by the revision that the flow has now, once; an outcome of a record is counted once.
func TestReplayMapsTheNewestOfTheRange(t *testing.T) {
	js := natstest.Run(t)
	changes(t, js, 1, 1, day(1)) // before the range
	changes(t, js, 2, 1, day(2)) // at its begin
	changes(t, js, 3, 1, day(2)) // changed again in the range
	changes(t, js, 4, 1, day(3)) // changed again after the range
	changes(t, js, 3, 2, day(3))
	changes(t, js, 4, 2, day(5))
	changes(t, js, 5, 1, day(4)) // at its end, which is not part of it
	changes(t, js, 6, 2, day(3)) // came before its older state
	changes(t, js, 6, 1, day(2))
	changes(t, js, 14, 1, day(3)) // left out by a rule
	stop := start(t, newTransform(t, js, 1))
	has(t, js, 9, ledger.Outcomes{Filtered: 1})
	stop()

	start(t, newTransform(t, js, 2))
	done := over(t, js, ask(t, js, replay.Job{From: day(2), To: day(4)}))
	if done.State != replay.Finished || done.Mapped != 3 || done.Filtered != 1 || done.Records() != 4 || done.Revision != 2 || done.Holder != "" {
		t.Errorf("%+v", done.Job)
	}
	has(t, js, 12, ledger.Outcomes{Filtered: 1})
	again := targets(t, js)[9:]
	slices.SortFunc(again, func(a, b made) int { return strings.Compare(a.key, b.key) })
	if want := []made{{"2", 1, 2, "1"}, {"3", 2, 2, "1"}, {"6", 2, 2, "1"}}; !slices.Equal(again, want) {
		t.Errorf("replayed %v, want %v", again, want)
	}

	// The same again, by the same revision and within the time in which the server remembers ids.
	done = over(t, js, ask(t, js, replay.Job{Keys: []string{"3", "1", "77"}}))
	if done.ID != 2 || done.Mapped != 2 {
		t.Errorf("%+v", done.Job)
	}
	has(t, js, 14, ledger.Outcomes{Filtered: 1})
}

// TestReplayGoesOnWhereItsHolderDied lets a replica die in the middle of a replay, at both of the points that
// matter: another one goes on, nothing is left out, and nothing is twice in TARGET.
func TestReplayGoesOnWhereItsHolderDied(t *testing.T) {
	js := natstest.Run(t)
	const many = 400
	for id := range many {
		changes(t, js, 1_000+id, 1, day(1))
	}
	stop := start(t, newTransform(t, js, 1))
	has(t, js, many, ledger.Outcomes{})
	stop()

	asked := ask(t, js, replay.Job{})
	// The one that dies has mapped three partitions and a part of the fourth, the last of which it did not note.
	dying := newTransform(t, js, 2)
	u := &undertaking{replayer: replayer{transform: dying, onParked: func() {}}, entry: asked}
	note := func(change func(*replay.Job)) {
		if err := u.note(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	note(func(j *replay.Job) { j.State, j.Holder = replay.Running, dying.instance })
	for range 3 {
		handled(t, u, 1)
		u.next()
	}
	handled(t, u, 0.5)
	before := u.now().Job
	handled(t, u, 0.5)
	note(func(j *replay.Job) { *j = before }) // as if it had died before its last note

	for range 2 {
		start(t, newTransform(t, js, 2))
	}
	done := over(t, js, asked)
	if done.State != replay.Finished || done.Mapped != many {
		t.Errorf("%+v", done.Job)
	}
	seen := map[made]int{}
	for _, m := range targets(t, js)[many:] {
		seen[m]++
	}
	if len(seen) != many {
		t.Errorf("%d documents were replayed, want %d", len(seen), many)
	}
	for m, n := range seen {
		if n != 1 || m.revision != 2 || m.replay != "1" {
			t.Errorf("%+v is %d times in TARGET", m, n)
		}
	}
}

// handled maps a share of the partition that a replay is at.
func handled(t *testing.T, u *undertaking, share float64) {
	t.Helper()
	job := u.now().Job
	p := past{js: u.js, job: job}
	chosen, err := p.partition(t.Context(), job.Partitions()[job.Partition], job.Done)
	if err != nil {
		t.Fatal(err)
	}
	chosen = chosen[:int(share*float64(len(chosen)))]
	if len(chosen) == 0 {
		t.Fatal("there is nothing to map: the test shows nothing")
	}
	if err := u.handle(t.Context(), p, chosen); err != nil {
		t.Fatal(err)
	}
}

// TestReplayIsTakenOverOnlyFromWhoIsSilent shows that a note by somebody else ends the work of a replica.
func TestReplayIsTakenOverOnlyFromWhoIsSilent(t *testing.T) {
	js := natstest.Run(t)
	for id := range 50 {
		changes(t, js, 1_000+id, 1, day(1))
	}
	start(t, newTransform(t, js, 1))
	drained(t, js)
	asked := ask(t, js, replay.Job{Rate: 1})
	natstest.Eventually(t, func() error {
		e, err := replay.Get(t.Context(), js, "to-bi", asked.ID)
		if err == nil && (e.State != replay.Running || e.Records() == 0) {
			err = fmt.Errorf("%+v", e.Job)
		}
		return err
	})
	ended, err := replay.Cancel(t.Context(), js, "to-bi", asked.ID, "li")
	if err != nil || ended.State != replay.Cancelled || ended.Records() >= 50 {
		t.Fatalf("%+v, %v", ended.Job, err)
	}
	next := over(t, js, ask(t, js, replay.Job{Keys: []string{"1001"}}))
	if next.State != replay.Finished || next.Mapped != 1 || next.ID != 2 {
		t.Errorf("%+v", next.Job)
	}
	if e, err := replay.Get(t.Context(), js, "to-bi", asked.ID); err != nil || e.State != replay.Cancelled || e.Step != ended.Step {
		t.Errorf("the replay that was cancelled goes on: %+v, %v", e.Job, err)
	}
}

// TestLiveRecordsGoFirst keeps records in front of the flow's consumer, then messages in front of its sink:
// the replay maps nothing and says why, until they are gone.
func TestLiveRecordsGoFirst(t *testing.T) {
	js := natstest.Run(t)
	changes(t, js, 1, 1, day(1))
	tr := newTransform(t, js, 2)
	stop := start(t, tr)
	has(t, js, 1, ledger.Outcomes{})
	stop()
	changes(t, js, 2, 1, day(2)) // waits, for nobody maps now

	waits := func(e replay.Entry, why string) replay.Entry {
		t.Helper()
		u := &undertaking{replayer: replayer{transform: tr, onParked: func() {}}, entry: e}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- u.run(ctx) }()
		natstest.Eventually(t, func() error {
			if now := u.now(); !strings.Contains(now.Why, why) || now.Records() > 0 {
				return fmt.Errorf("%+v", now.Job)
			}
			return nil
		})
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("run = %v", err)
		}
		return u.now()
	}
	e := waits(ask(t, js, replay.Job{To: day(2)}), "1 records that come now go first")
	if _, err := replay.Cancel(t.Context(), js, "to-bi", e.ID, "li"); err != nil {
		t.Fatal(err)
	}

	stop = start(t, newTransform(t, js, 2))
	drained(t, js)
	stop()
	has(t, js, 2, ledger.Outcomes{})
	sink, err := js.CreateConsumer(t.Context(), topology.Target, jetstream.ConsumerConfig{
		Durable: topology.SinkConsumer("mysql", "bi"), FilterSubject: topology.TargetFilter("mysql", "bi"), AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range replayBatch {
		if _, err := js.Publish(t.Context(), topology.TargetSubject("mysql", "bi", "to-bi", strconv.Itoa(n)), nil); err != nil {
			t.Fatal(err)
		}
	}
	e = waits(ask(t, js, replay.Job{To: day(2)}), "messages wait for sink-mysql-bi")
	batch, err := sink.FetchNoWait(replayBatch + 10)
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		if err := msg.Ack(); err != nil {
			t.Fatal(err)
		}
	}
	start(t, newTransform(t, js, 2))
	if done := over(t, js, e); done.Mapped != 1 || done.Why != "" {
		t.Errorf("%+v", done.Job)
	}
}

// TestReplaySettlesLetters replays a record that had died: its letter is settled when it goes on now, and when
// it dies again there is one letter that is open.
func TestReplaySettlesLetters(t *testing.T) {
	js := natstest.Run(t)
	changes(t, js, 13, 1, day(1))
	stop := start(t, newTransform(t, js, 1))
	first := letters(t, js, 1)[0]
	if done := over(t, js, ask(t, js, replay.Job{})); done.Died != 1 {
		t.Errorf("%+v", done.Job)
	}
	second := letters(t, js, 1)[0]
	if second.Sequence <= first.Sequence || second.RawSequence != first.RawSequence {
		t.Errorf("%+v died again as %+v", first, second)
	}
	stop()
	mended := newTransform(t, js, 2)
	mended.mapping = lenient(t, mended)
	start(t, mended)
	if done := over(t, js, ask(t, js, replay.Job{By: "li"})); done.Mapped != 1 || done.Died != 0 {
		t.Errorf("%+v", done.Job)
	}
	letters(t, js, 0)
	for b, err := range dead.List(t.Context(), js, dead.Filter{All: true}) {
		if err != nil || b.State() != dead.Replayed || b.Sequence == second.Sequence && (b.Note.By != "li" || b.Note.Why != "replay 2 of the flow") {
			t.Errorf("%+v, %+v, %v", b, b.Note, err)
		}
	}
}

// TestReplayOfAnotherSource refuses records that the flow does not read any more.
func TestReplayOfAnotherSource(t *testing.T) {
	js := natstest.Run(t)
	start(t, newTransform(t, js, 1))
	e, err := replay.Ask(t.Context(), js, replay.Job{Flow: "to-bi", Source: "other", System: "jushuitan", Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	if done := over(t, js, e); done.State != replay.Failed || !strings.Contains(done.Why, "source other") {
		t.Errorf("%+v", done.Job)
	}
}

// TestReplayWaitsForTheRevision asks for a replay by a revision that this replica does not have yet, as who applies
// a flow and replays it in one breath does.
func TestReplayWaitsForTheRevision(t *testing.T) {
	js := natstest.Run(t)
	changes(t, js, 1, 1, day(1))
	old := newTransform(t, js, 1)
	start(t, old)
	drained(t, js)
	first := ask(t, js, replay.Job{AtLeast: 2})
	natstest.Eventually(t, func() error {
		if _, open, _ := old.board.next("to-bi"); !open {
			return errors.New("the replica does not know of the replay")
		}
		return nil
	})
	start(t, newTransform(t, js, 2))
	if done := over(t, js, first); done.Mapped != 1 || done.Revision != 2 {
		t.Errorf("%+v", done.Job)
	}
	if all := targets(t, js); !slices.Equal(all, []made{{"1", 1, 1, ""}, {"1", 1, 2, "1"}}) {
		t.Errorf("%v", all)
	}
}

// TestReplayKeepsItsRate maps ten records at five a second: that takes no less than the rate allows.
func TestReplayKeepsItsRate(t *testing.T) {
	js := natstest.Run(t)
	keys := make([]string, 10)
	for i := range keys {
		keys[i] = strconv.Itoa(1_000 + i)
		changes(t, js, 1_000+i, 1, day(1))
	}
	start(t, newTransform(t, js, 1))
	drained(t, js)
	began := time.Now()
	done := over(t, js, ask(t, js, replay.Job{Keys: keys, Rate: 5}))
	// The last batch is followed by no wait.
	if took := time.Since(began); done.Mapped != 10 || took < time.Second {
		t.Errorf("%d records in %v", done.Mapped, took)
	}
}

// TestTheRulesHoldForThePast has a document that was too old when it was read: it dies again.
func TestTheRulesHoldForThePast(t *testing.T) {
	js := natstest.Run(t)
	changes(t, js, 1, 1, day(1))
	start(t, ruled(t, js, 2, `{fresh: {field: record.modified, within: 2h}, else: dead}`))
	letters(t, js, 1)
	if done := over(t, js, ask(t, js, replay.Job{To: day(2)})); done.Died != 1 || done.Mapped != 0 {
		t.Errorf("%+v, want it dead again", done.Job)
	}
}
