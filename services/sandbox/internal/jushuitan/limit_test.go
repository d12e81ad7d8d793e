package jushuitan

import (
	"errors"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	type call struct {
		at   time.Duration
		code int
	}
	const ms = time.Millisecond
	for _, test := range []struct {
		name  string
		set   func(*Settings)
		calls []call
	}{
		{"five a second, the window slides", func(s *Settings) {}, []call{
			{0, 0}, {100 * ms, 0}, {200 * ms, 0}, {300 * ms, 0}, {400 * ms, 0},
			{999 * ms, 199}, {1000 * ms, 199}, // the rejected call counts
			{1300 * ms, 0},
		}},
		{"rejected calls don't count", func(s *Settings) { s.CountRejected = false }, []call{
			{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {999 * ms, 199}, {1000 * ms, 0},
		}},
		{"a minute", func(s *Settings) { s.PerSecond, s.PerMinute = 2, 3 }, []call{
			{0, 0}, {1000 * ms, 0}, {2000 * ms, 0}, {59_999 * ms, 200}, {60_000 * ms, 200}, {62_000 * ms, 0},
		}},
		{"both", func(s *Settings) { s.PerSecond, s.PerMinute = 1, 1 }, []call{{0, 0}, {0, 199}}},
		{"both, the other way", func(s *Settings) { s.PerSecond, s.PerMinute, s.BothExceeded = 1, 1, 200 }, []call{{0, 0}, {0, 200}}},
		{"no limits", func(s *Settings) { s.PerSecond, s.PerMinute = 0, 0 }, []call{{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}},
	} {
		s := Default()
		test.set(&s)
		l := newLimiter(s)
		for i, c := range test.calls {
			code := 0
			if refused, ok := errors.AsType[refusal](l.admit("app token", anchor.Add(c.at))); ok {
				code = refused.code
			}
			if code != c.code {
				t.Errorf("%s: call %d at %v: code %d, want %d", test.name, i, c.at, code, c.code)
			}
		}
	}
}

func TestLimiterKeepsCallersApart(t *testing.T) {
	s := Default()
	s.PerSecond = 1
	l := newLimiter(s)
	for _, caller := range []string{"app one", "app two"} {
		if err := l.admit(caller, anchor); err != nil {
			t.Errorf("%s: %v", caller, err)
		}
	}
}
