package dataset

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnEditorEndsAtItsGoal(t *testing.T) {
	s := New(Receipts(params(20)))
	if _, err := s.EditAny(5, Change{}, Control, noon); err != nil {
		t.Fatal(err)
	}
	e := NewEditor(s, Edits{Prompt: 7})
	for _, want := range []int{3, 0, 0} {
		if err := e.Some(4, noon); err != nil || e.Remaining() != want {
			t.Errorf("%d remaining, %v, want %d", e.Remaining(), err, want)
		}
	}
	if got := s.Edits(); got[Stream] != 7 || got[Control] != 5 {
		t.Errorf("edits are %v", got)
	}
}

// A late edit bears a time from before it is seen, but never one from before the last edit of the
// document.
func TestLateEditsBearAnEarlierTime(t *testing.T) {
	s := New(Receipts(params(20)))
	plan := Edits{Prompt: 20, Late: 40, LateBy: 10 * time.Second}
	e, now, late, most := NewEditor(s, plan), noon, 0, time.Duration(0)
	for e.Remaining() > 0 {
		before := map[int64]*Receipt{}
		for _, r := range s.Documents() {
			before[r.Key()] = r
		}
		if err := e.Some(1, now); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Documents() {
			old := before[r.Key()]
			if r == old {
				continue
			}
			delay := now.Sub(r.Modified)
			if r.Modified.Before(old.Modified) || delay < 0 || delay > plan.LateBy {
				t.Errorf("receipt %d goes from %v to %v at %v", r.Key(), old.Modified, r.Modified, now)
			}
			if delay > 0 {
				late, most = late+1, max(most, delay)
			}
		}
		now = now.Add(time.Second)
	}
	if got := s.Edits(); got[Stream] != 20 || got[Late] != 40 {
		t.Errorf("edits are %v", got)
	}
	if late < 20 || most < 8*time.Second {
		t.Errorf("%d edits were late, by %v at most", late, most)
	}
}

// Without documents there is no edit to wait for.
func TestAnEditorOfNothingIsDone(t *testing.T) {
	e := NewEditor(New(Receipts(params(0))), Edits{Prompt: 7})
	if err := e.Some(1, noon); err != nil || e.Remaining() != 0 {
		t.Errorf("%d remaining, %v", e.Remaining(), err)
	}
}

func TestEditAllEditsEachAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many, few, begun := New(Receipts(params(20))), New(Receipts(params(20))), make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() {
			done <- EditAll(ctx, 2, begun, time.Now, NewEditor(many, Edits{Prompt: 100}), NewEditor(few, Edits{Prompt: 3}))
		}()
		time.Sleep(time.Minute)
		if n := many.Edits()[Stream]; n != 0 {
			t.Errorf("%d edits before the begin", n)
		}
		close(begun)
		time.Sleep(10*time.Second + time.Millisecond)
		if a, b := many.Edits()[Stream], few.Edits()[Stream]; a != 20 || b != 3 {
			t.Errorf("%d and %d edits in 10 s, want 20 and 3", a, b)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if err := EditAll(context.Background(), 0, nil, time.Now); err != nil {
		t.Error(err)
	}
}
