package pace_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/pace"
)

func TestCheck(t *testing.T) {
	for _, b := range []pace.Budget{{}, {PerSecond: 1, PerMinute: 1, Percent: 100}} {
		if err := b.Check(); err != nil {
			t.Errorf("%+v: %v", b, err)
		}
	}
	for _, b := range []pace.Budget{{PerSecond: -1}, {PerMinute: -1}, {Percent: -1}, {Percent: 101}} {
		if b.Check() == nil {
			t.Errorf("%+v: no error", b)
		}
	}
}

// starts returns when each of n calls by several callers began.
func starts(t *testing.T, callers, each int, call func(func())) []time.Time {
	var mu sync.Mutex
	var out []time.Time
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				call(func() {
					mu.Lock()
					defer mu.Unlock()
					out = append(out, time.Now())
				})
			}
		})
	}
	all.Wait()
	if len(out) != callers*each {
		t.Fatalf("%d calls of %d", len(out), callers*each)
	}
	return out
}

// wait makes a call that takes no time.
func wait(ctx context.Context, l *pace.Limiter) error {
	_, end, err := l.Begin(ctx)
	if err == nil {
		end()
	}
	return err
}

// Calls are evenly spaced from the first on, whoever makes them, and use what the budget allows.
func TestCallsAreEven(t *testing.T) {
	tests := []struct {
		second, minute, percent int
		want                    time.Duration // but for less than half a percent
	}{
		{0, 0, 0, 0},
		{5, 0, 0, 200 * time.Millisecond},
		{0, 50, 0, 1200 * time.Millisecond},
		{5, 100, 0, 600 * time.Millisecond},
		{5, 6000, 0, 200 * time.Millisecond},
		{1, 6000, 100, time.Second},
		{5, 1, 0, time.Minute},
		{0, 500, 80, 150 * time.Millisecond},
		{10, 500, 20, 600 * time.Millisecond},
		{1, 0, 20, 5 * time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := pace.Budget{PerSecond: tt.second, PerMinute: tt.minute, Percent: tt.percent}
			l := pace.New(b)
			began := time.Now()
			got := starts(t, 4, 25, func(began func()) {
				if err := wait(t.Context(), l); err != nil {
					t.Error(err)
				}
				began()
			})
			for i := 1; i < len(got); i++ {
				if gap := got[i].Sub(got[i-1]); gap < tt.want || gap > tt.want+tt.want/200 {
					t.Fatalf("%+v: call %d came %v after the one before, want %v", b, i+1, gap, tt.want)
				}
			}
			if first := got[0].Sub(began); first < tt.want || tt.want == 0 && first > 0 {
				t.Errorf("%+v: the first call came after %v: another process may just have called", b, first)
			}
		})
	}
}

// What comes late is made up for, at twice the pace at most; a longer pause is not. At no more than 60
// calls a minute no two begin in one second of the clock.
func TestLateCallsAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			minute, calls int
			gap, pause    time.Duration
		}{
			{100, 50, 300 * time.Millisecond, 600 * time.Millisecond},
			{100, 49, 300 * time.Millisecond, 1800 * time.Millisecond},
			{60, 30, time.Second, 50 * time.Millisecond},
		} {
			l := pace.New(pace.Budget{PerMinute: tt.minute})
			var first, last time.Time
			n, seconds := 0, map[int64]bool{}
			for ; n == 0 || time.Since(first) < 30*time.Second; n++ {
				if n == 10 {
					time.Sleep(tt.pause)
				}
				if err := wait(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					first = time.Now()
				} else if gap := time.Since(last); gap < tt.gap {
					t.Errorf("%+v: call %d came %v after the one before", tt, n+1, gap)
				}
				last = time.Now()
				if tt.minute == 60 && seconds[last.Unix()] {
					t.Errorf("two calls in the second %d", last.Unix())
				}
				seconds[last.Unix()] = true
			}
			if n < tt.calls || n > tt.calls+1 {
				t.Errorf("%+v: %d calls in half a minute", tt, n)
			}
		}
	})
}

// With Do one call is made at a time, however long it takes; its error comes back.
func TestDoIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 10})
		own := errors.New("own")
		got := starts(t, 3, 2, func(began func()) {
			err := l.Do(t.Context(), func(context.Context, time.Time) error {
				began()
				time.Sleep(2 * time.Second)
				return own
			})
			if !errors.Is(err, own) {
				t.Error(err)
			}
		})
		for i := 1; i < len(got); i++ {
			if gap := got[i].Sub(got[i-1]); gap != 2*time.Second {
				t.Errorf("call %d began %v after the one before", i+1, gap)
			}
		}
	})
}

// A call that does not end takes one of those that the budget allows, and no more.
func TestACallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 2})
		_, end, err := l.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			before := time.Now()
			if err := wait(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(before); took > 1100*time.Millisecond {
				t.Errorf("waited %v beside a call that hangs", took)
			}
		}
		_, end2, err := l.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := wait(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third call beside two that hang: %v", err)
		}
		time.AfterFunc(time.Second, end)
		before := time.Now()
		if err := wait(t.Context(), l); err != nil || time.Since(before) < 2*time.Second {
			t.Errorf("%v after %v, want a second after the end of the one that hung", err, time.Since(before))
		}
		end2()
	})
}

// A limiter that rests waits for its turn, and for what others may have made up for.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 2})
		for i, want := range []time.Duration{time.Second, 0, time.Second} {
			if i > 0 {
				time.Sleep(time.Hour)
			}
			if i == 2 {
				l.Rest()
			}
			before := time.Now()
			if err := wait(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(before); took < want || took > want+want/100 {
				t.Errorf("call %d: waited %v, want %v", i+1, took, want)
			}
		}
	})
}

// A hold keeps all calls back, also the one that is being spaced already; the longest stands.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 1})
		begin := time.Now()
		go func() {
			time.Sleep(500 * time.Millisecond)
			if l.Hold(time.Minute) != time.Minute || l.Hold(time.Second) != time.Second {
				t.Error("Hold returns another time than it was given")
			}
		}()
		if err := wait(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if took, want := time.Since(begin), 60500*time.Millisecond; took != want { // it began half a second after us
			t.Errorf("waited %v, want %v", took, want)
		}
	})
}

func TestMinuteLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{})
		if left := l.MinuteLeft(); left > 0 {
			t.Errorf("before any call %v are left", left)
		}
		call := func() {
			if err := wait(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		call()
		time.Sleep(20 * time.Second)
		call()
		if left := l.MinuteLeft(); left != 40*time.Second {
			t.Errorf("20 s after the first call %v are left", left)
		}
		time.Sleep(41 * time.Second)
		call()
		if left := l.MinuteLeft(); left != time.Minute {
			t.Errorf("a new minute has %v", left)
		}
	})
}

func TestBackoff(t *testing.T) {
	for n, ms := range map[int]int{1: 500, 2: 1000, 3: 2000, 5: 8000, 6: 8000, 100: 8000} {
		least := time.Duration(ms) * time.Millisecond
		for range 50 {
			if got := pace.Backoff(500*time.Millisecond, 8*time.Second, n); got < least || got >= least*5/4 {
				t.Errorf("attempt %d: %v, want %v and a little", n, got, least)
			}
		}
	}
	if got := pace.Jitter(0); got != 0 {
		t.Errorf("Jitter(0) = %v", got)
	}
}

// Every wait ends with its context, with its cause, and a call is not made then.
func TestContextEndsWaits(t *testing.T) {
	own := errors.New("own")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(own)
	l := pace.New(pace.Budget{PerMinute: 1})
	if err := l.Do(ended, func(context.Context, time.Time) error { t.Error("called"); return nil }); !errors.Is(err, own) {
		t.Errorf("spacing: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{})
		release := make(chan struct{})
		go func() {
			if err := l.Do(t.Context(), func(context.Context, time.Time) error { <-release; return nil }); err != nil {
				t.Errorf("the call: %v", err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Do(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("behind a call: %v", err)
		}
		close(release)
		if err := wait(t.Context(), l); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
	if err := pace.Sleep(ended, time.Hour); !errors.Is(err, own) {
		t.Errorf("Sleep: %v", err)
	}
	if err := pace.Sleep(ended, -1); err != nil {
		t.Errorf("Sleep of nothing: %v", err)
	}
}
