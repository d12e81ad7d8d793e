package wangdiantong_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/wangdiantong"
)

const interval = 1200 * time.Millisecond // of 50 a minute

// usual gives a client the default budget.
func usual(cfg *wangdiantong.Config) { cfg.Budget = pace.Budget{} }

// between reports whether d is in a range.
func between(d, low, high time.Duration) bool { return d >= low && d <= high }

// limited refuses as the vendor counts: 60 calls in any minute.
func limited(v *vendor, a account) func(arrival, int) (int, string) {
	return func(got arrival, _ int) (int, string) {
		time.Sleep(200 * time.Millisecond) // an answer takes its time
		calls := 0
		for _, b := range v.seen() {
			if got.at.Sub(b.at) < time.Minute {
				calls++
			}
		}
		if calls > 60 {
			return 200, a.refusal(1012, "超过每分钟最大调用频率限制")
		}
		return 200, a.ok("", "[]")
	}
}

// Four callers at once use the budget evenly, one call at a time, and are never refused.
func TestSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, enterpriseDirect, 200, "")
		v.answer = limited(v, enterpriseDirect)
		c := v.client(func(cfg *wangdiantong.Config) { usual(cfg); cfg.Attempts = 1 })
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for range 40 {
					if _, err := c.Page(t.Context(), enterpriseDirect.call(0)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		calls := v.seen()
		for i := 1; i < len(calls); i++ {
			if gap := calls[i].at.Sub(calls[i-1].at); gap < interval || gap > interval*101/100 {
				t.Fatalf("call %d came %v after the one before, want %v", i+1, gap, interval)
			}
		}
	})
}

// A call that takes longer than the interval holds back the next until it is answered.
func TestOneCallAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, flagshipDirect, 200, "")
		v.answer = func(arrival, int) (int, string) {
			time.Sleep(3 * time.Second)
			return 200, flagshipDirect.ok("", "[]")
		}
		c := v.client(usual)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				if _, err := c.Page(t.Context(), flagshipDirect.call(0)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		got := v.seen()
		for i := 1; i < len(got); i++ {
			if gap := got[i].at.Sub(got[i-1].at); gap != 3*time.Second {
				t.Errorf("call %d came %v after the one before", i+1, gap)
			}
		}
	})
}

// A limit waits to the end of our minute, at least RateWait, and doubles from there; a quarter may
// come on top. Each attempt is signed anew (the fake checks).
func TestRateWaits(t *testing.T) {
	minute := time.Minute
	for _, a := range []account{enterpriseDirect, flagshipQimen} {
		synctest.Test(t, func(t *testing.T) {
			code := map[account]int{enterpriseDirect: 1012, flagshipQimen: 100}[a]
			v := newVendor(t, a, 200, a.refusal(code, "超过每分钟最大调用频率限制,请稍后重试"))
			_, err := v.client(usual).Page(t.Context(), a.call(0))
			if after := fault.Delay(err, 0); !between(after, 8*minute, 10*minute) {
				t.Errorf("%s: come back after %v", a, after)
			}
			got := v.seen()
			if len(got) != 5 {
				t.Fatalf("%s: %d attempts", a, len(got))
			}
			for i, least := range []time.Duration{minute, minute, 2 * minute, 4 * minute} {
				if gap := got[i+1].at.Sub(got[i].at); !between(gap, least, least*5/4+interval) {
					t.Errorf("%s: wait %d = %v, want %v and a little", a, i+1, gap, least)
				}
			}
		})
	}
}

// Late in our minute the wait is short, never shorter than RateWait, which is a setting.
func TestFirstRateWait(t *testing.T) {
	tests := []struct {
		calls     int
		rateWait  time.Duration
		low, high time.Duration
	}{
		{10, 0, 48 * time.Second, 63 * time.Second},
		{40, 0, 30 * time.Second, 39 * time.Second},
		{1, time.Second, 2 * time.Second, 4 * time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, enterpriseDirect, 200, "")
			v.answer = func(_ arrival, n int) (int, string) {
				if n == tt.calls {
					return 200, enterpriseDirect.refusal(1012, "频率")
				}
				return 200, enterpriseDirect.ok("", "[]")
			}
			c := v.client(func(cfg *wangdiantong.Config) { usual(cfg); cfg.RateWait = tt.rateWait })
			for range tt.calls {
				if _, err := c.Page(t.Context(), enterpriseDirect.call(0)); err != nil {
					t.Fatal(err)
				}
			}
			got := v.seen()
			if gap := got[tt.calls].at.Sub(got[tt.calls-1].at); !between(gap, tt.low, tt.high) {
				t.Errorf("after %d calls: wait = %v, want %v to %v", tt.calls, gap, tt.low, tt.high)
			}
		})
	}
}

// The doubling ends at 20 times RateWait.
func TestLongestRateWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, enterpriseDirect, 200, enterpriseDirect.refusal(1012, "频率"))
		_, err := v.client(func(cfg *wangdiantong.Config) { cfg.Attempts, cfg.RateWait = 8, time.Second }).Page(t.Context(), enterpriseDirect.call(0))
		if after := fault.Delay(err, 0); !between(after, 20*time.Second, 25*time.Second) {
			t.Errorf("come back after %v", after)
		}
	})
}

// A limit holds all callers of the account back.
func TestHoldIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVendor(t, enterpriseDirect, 200, "")
		v.answer = func(_ arrival, n int) (int, string) {
			if n == 1 {
				return 200, enterpriseDirect.refusal(1012, "频率")
			}
			return 200, enterpriseDirect.ok("", "[]")
		}
		c := v.client(usual)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				if _, err := c.Page(t.Context(), enterpriseDirect.call(0)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		got := v.seen()
		if gap := got[1].at.Sub(got[0].at); len(got) != 4 || gap < time.Minute {
			t.Errorf("%d calls, the second %v after the refusal", len(got), gap)
		}
	})
}

// Trouble on the way waits 0.5, 1, 2, 4 seconds, with up to a quarter on top.
func TestBackoff(t *testing.T) {
	for _, body := range []string{enterpriseDirect.refusal(1020, "系统异常"), "<html>502</html>"} {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, enterpriseDirect, 200, body)
			if _, err := v.client(nil).Page(t.Context(), enterpriseDirect.call(0)); fault.KindOf(err) != fault.BusyKind {
				t.Errorf("err = %v", err)
			}
			got := v.seen()
			for i := range len(got) - 1 {
				least := 500 * time.Millisecond << i
				if gap := got[i+1].at.Sub(got[i].at); !between(gap, least, least*5/4+time.Millisecond) {
					t.Errorf("wait %d = %v, want %v and a little", i+1, gap, least)
				}
			}
		})
	}
}

// Every wait ends with its context, which the error then is.
func TestWaitsEndWithContext(t *testing.T) {
	for name, body := range map[string]string{
		"spacing": enterpriseDirect.ok("", "[]"),
		"rate":    enterpriseDirect.refusal(1012, "频率"),
		"backoff": enterpriseDirect.refusal(1020, "系统异常"),
	} {
		synctest.Test(t, func(t *testing.T) {
			v := newVendor(t, enterpriseDirect, 200, body)
			limit := interval + 300*time.Millisecond
			if name == "spacing" {
				limit = interval / 2
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			_, err := v.client(usual).Page(ctx, enterpriseDirect.call(0))
			if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Unknown {
				t.Errorf("%s: err = %v (%v)", name, err, fault.KindOf(err))
			}
			if took := time.Since(start); took != limit {
				t.Errorf("%s: returned after %v, want %v", name, took, limit)
			}
		})
	}
}
