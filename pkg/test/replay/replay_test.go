package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

func job(flow string) replay.Job {
	return replay.Job{Flow: flow, Source: "s", System: "jushuitan", Rate: 1}
}

// TestNumbers asks for many replays at once: each has a number of its own, and a flow counts for itself.
func TestNumbers(t *testing.T) {
	js := natstest.Run(t)
	const many = 10
	var asking sync.WaitGroup
	for range many {
		asking.Go(func() {
			if _, err := replay.Ask(t.Context(), js, job("a")); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	if e, err := replay.Ask(t.Context(), js, job("b")); err != nil || e.ID != 1 || e.State != replay.Queued {
		t.Errorf("%+v, %v", e, err)
	}
	all, err := replay.List(t.Context(), js, "a")
	if err != nil || len(all) != many || all[many-1].ID != many {
		t.Errorf("%d replays, %+v, %v", len(all), all, err)
	}
	if all, err := replay.List(t.Context(), js, ""); err != nil || len(all) != many+1 || all[many].Flow != "b" {
		t.Errorf("%d replays of all flows, %v", len(all), err)
	}
}

// TestOnlyOneNotes lets two replicas note the same step: one of them has the replay then, the other one not.
func TestOnlyOneNotes(t *testing.T) {
	js := natstest.Run(t)
	e, err := replay.Ask(t.Context(), js, job("a"))
	if err != nil {
		t.Fatal(err)
	}
	first, second := e, e
	first.Holder, second.Holder = "one", "two"
	noted, err := replay.Note(t.Context(), js, first)
	if err != nil || noted.Step <= e.Step {
		t.Fatalf("%+v, %v", noted, err)
	}
	if _, err := replay.Note(t.Context(), js, second); !errors.Is(err, replay.ErrTaken) {
		t.Errorf("the second note: %v", err)
	}
	if _, err := replay.Cancel(t.Context(), js, "a", 1, "li"); err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Note(t.Context(), js, noted); !errors.Is(err, replay.ErrTaken) {
		t.Errorf("a note of what was cancelled: %v", err)
	}
	if e, err := replay.Get(t.Context(), js, "a", 1); err != nil || e.State != replay.Cancelled || e.Holder != "" || e.Why != "cancelled by li" {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := replay.Cancel(t.Context(), js, "a", 1, "wang"); err != nil || e.Why != "cancelled by li" {
		t.Errorf("cancelled twice: %+v, %v", e, err)
	}
	if _, err := replay.Cancel(t.Context(), js, "a", 7, "li"); err == nil || !strings.Contains(err.Error(), "no replay 7") {
		t.Errorf("cancelled what is not there: %v", err)
	}
}

// TestOldReplaysAreForgotten keeps those that are open, however old they are, and the newest of the others.
func TestOldReplaysAreForgotten(t *testing.T) {
	js := natstest.Run(t)
	if _, err := replay.Ask(t.Context(), js, job("a")); err != nil {
		t.Fatal(err)
	}
	for range replay.Kept + 5 {
		e, err := replay.Ask(t.Context(), js, job("a"))
		if err == nil {
			_, err = replay.Cancel(t.Context(), js, "a", e.ID, "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	last, err := replay.Ask(t.Context(), js, job("a"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := replay.List(t.Context(), js, "a")
	if err != nil || len(all) != replay.Kept+2 || all[0].ID != 1 || last.ID != replay.Kept+7 {
		t.Errorf("%d replays, the first is %d and the last %d, %v", len(all), all[0].ID, last.ID, err)
	}
}

func TestWhatCannotBeAsked(t *testing.T) {
	js := natstest.Run(t)
	now := time.Now()
	for want, change := range map[string]func(*replay.Job){
		"rate 0":           func(j *replay.Job) { j.Rate = 0 },
		"rate 1e+06":       func(j *replay.Job) { j.Rate = 1e6 },
		"1001 keys":        func(j *replay.Job) { j.Keys = make([]string, replay.MostKeys+1) },
		"is not before it": func(j *replay.Job) { j.From, j.To = now, now },
	} {
		j := job("a")
		change(&j)
		if _, err := replay.Ask(t.Context(), js, j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if all, err := replay.List(t.Context(), js, ""); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestFollow hears of each step until the end.
func TestFollow(t *testing.T) {
	js := natstest.Run(t)
	e, err := replay.Ask(t.Context(), js, job("a"))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan replay.State, 10)
	ended := make(chan error)
	go func() {
		ended <- replay.Follow(t.Context(), js, "a", e.ID, func(e replay.Entry) error { heard <- e.State; return nil })
	}()
	for _, state := range []replay.State{replay.Running, replay.Finished} {
		<-heard
		e.State = state
		if e, err = replay.Note(t.Context(), js, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil || <-heard != replay.Finished {
		t.Errorf("the end was not heard: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := replay.Follow(stopped, js, "a", e.ID, func(replay.Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v with a context that is done", err)
	}
}

func TestPartitions(t *testing.T) {
	if all := job("a").Partitions(); len(all) != topology.Partitions || !slices.IsSorted(all) {
		t.Errorf("%v", all)
	}
	j := job("a")
	j.Keys = []string{"1", "2", "1"}
	want := []string{topology.Partition("1"), topology.Partition("2")}
	slices.Sort(want)
	if got := j.Partitions(); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestHolds puts holds, reads those that are active, and lifts them.
func TestHolds(t *testing.T) {
	js := natstest.Run(t)
	now := time.Now()
	for flow, until := range map[string]time.Time{"a": {}, "b": now.Add(time.Hour), "c": now.Add(-time.Second)} {
		if err := hold.Put(t.Context(), js, hold.Hold{Flow: flow, By: "li", Since: now, Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]string{{"a", "b"}, {"b"}, {"b"}} {
		holds, err := hold.All(t.Context(), js)
		var got []string
		for flow, h := range holds {
			if got = append(got, flow); h.By != "li" || !h.Since.Equal(now) {
				t.Errorf("%+v", h)
			}
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("flows %v stand still, want %v, %v", got, want, err)
		}
		if err := hold.Lift(t.Context(), js, "a"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWithoutProvision says what to do on a server that has no such bucket yet.
func TestWithoutProvision(t *testing.T) {
	js := natstest.Connect(t, natstest.Server(t))
	_, err := hold.All(t.Context(), js)
	_, err2 := replay.List(t.Context(), js, "")
	for _, err := range []error{err, err2, hold.Lift(t.Context(), js, "a")} {
		if err == nil || !strings.Contains(fmt.Sprint(err), "erpstream provision") {
			t.Errorf("%v", err)
		}
	}
}
