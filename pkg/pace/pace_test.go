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

func TestInterval(t *testing.T) {
	tests := []struct {
		second, minute, percent int
		want                    time.Duration
	}{
		{0, 0, 0, 0},
		{5, 0, 0, 206 * time.Millisecond},
		{0, 50, 0, 1236 * time.Millisecond},
		{5, 100, 0, 618 * time.Millisecond},
		{5, 6000, 0, 206 * time.Millisecond},
		{1, 6000, 100, 1030 * time.Millisecond},
		{5, 1, 0, 61800 * time.Millisecond},
		{0, 500, 80, 154500 * time.Microsecond},
		{10, 500, 20, 618 * time.Millisecond},
	}
	for _, tt := range tests {
		b := pace.Budget{PerSecond: tt.second, PerMinute: tt.minute, Percent: tt.percent}
		if got := b.Interval(); got != tt.want {
			t.Errorf("%d/s, %d/min, %d %%: %v, want %v", tt.second, tt.minute, tt.percent, got, tt.want)
		}
	}
}

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

// Calls are an interval apart from the first on, whoever makes them. At no more than 60 a minute no
// two begin in one second of the clock.
func TestWaitSpacesEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerMinute: 60})
		last := time.Now()
		got := starts(t, 4, 25, func(began func()) {
			if err := l.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			began()
		})
		seconds := map[int64]bool{}
		for i, at := range got {
			if gap := at.Sub(last); gap != 1030*time.Millisecond {
				t.Fatalf("call %d came %v after the one before", i+1, gap)
			}
			if last = at; seconds[at.Unix()] {
				t.Errorf("two calls in the second %d", at.Unix())
			}
			seconds[at.Unix()] = true
		}
	})
}

// With Do one call is made at a time, however long it takes; its error comes back.
func TestDoIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 10})
		own := errors.New("own")
		got := starts(t, 3, 2, func(began func()) {
			err := l.Do(t.Context(), func(context.Context) error {
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

// Enter tells when each call was let through, an interval apart however late its caller looks, and lets
// no other through before leave.
func TestEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 1})
		var last time.Time
		for i := range 3 {
			at, leave, err := l.Enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 && at.Sub(last) != 1030*time.Millisecond {
				t.Errorf("call %d was let through %v after the one before", i+1, at.Sub(last))
			}
			last = at
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			if _, _, err := l.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("another entered: %v", err)
			}
			cancel()
			leave()
		}
	})
}

// After a while another replica may have used the account: the first call waits again.
func TestIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{PerSecond: 2})
		for _, tt := range []struct{ idle, want time.Duration }{
			{0, 515 * time.Millisecond}, {time.Hour, 515 * time.Millisecond}, {time.Second, 0}, {200 * time.Millisecond, 315 * time.Millisecond},
		} {
			time.Sleep(tt.idle)
			before := time.Now()
			if err := l.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(before); took != tt.want {
				t.Errorf("after %v: waited %v, want %v", tt.idle, took, tt.want)
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
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The hold began half a second after us; then one interval follows.
		if took, want := time.Since(begin), 60500*time.Millisecond+1030*time.Millisecond; took != want {
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
			if err := l.Wait(t.Context()); err != nil {
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
	if err := l.Do(ended, func(context.Context) error { t.Error("called"); return nil }); !errors.Is(err, own) {
		t.Errorf("spacing: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := pace.New(pace.Budget{})
		release := make(chan struct{})
		go func() {
			if err := l.Do(t.Context(), func(context.Context) error { <-release; return nil }); err != nil {
				t.Errorf("the call: %v", err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("behind a call: %v", err)
		}
		close(release)
		if err := l.Wait(t.Context()); err != nil {
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
