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
	e := NewEditor(s, 7)
	for _, want := range []int{3, 0, 0} {
		if err := e.Some(4, noon); err != nil || e.Remaining() != want {
			t.Errorf("%d remaining, %v, want %d", e.Remaining(), err, want)
		}
	}
	if got := s.Edits(); got[Stream] != 7 || got[Control] != 5 {
		t.Errorf("edits are %v", got)
	}
}

// Without documents there is no edit to wait for.
func TestAnEditorOfNothingIsDone(t *testing.T) {
	e := NewEditor(New(Receipts(params(0))), 7)
	if err := e.Some(1, noon); err != nil || e.Remaining() != 0 {
		t.Errorf("%d remaining, %v", e.Remaining(), err)
	}
}

func TestEditAllEditsEachAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many, few, begun := New(Receipts(params(20))), New(Receipts(params(20))), make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- EditAll(ctx, 2, begun, time.Now, NewEditor(many, 100), NewEditor(few, 3)) }()
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
