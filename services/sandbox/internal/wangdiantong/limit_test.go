package wangdiantong

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	type call struct {
		at     time.Duration
		method string
		want   limit
	}
	const s = time.Second
	for _, test := range []struct {
		name  string
		set   func(*Settings)
		calls []call
	}{
		{"a minute of the clock", func(*Settings) {}, []call{
			{50 * s, "a", within}, {55 * s, "b", within}, {59 * s, "a", tooOften}, {60 * s, "a", within}, {61 * s, "a", within}, {62 * s, "a", tooOften},
		}},
		{"any 60 seconds", func(s *Settings) { s.RateWindow = "sliding" }, []call{
			{50 * s, "a", within}, {55 * s, "b", within}, {60 * s, "a", tooOften}, {109 * s, "a", tooOften}, {110 * s, "a", within}, {111 * s, "a", tooOften},
		}},
		{"per method", func(s *Settings) { s.LimitPerMethod = true }, []call{
			{0, "a", within}, {0, "a", within}, {0, "a", tooOften}, {0, "b", within}, {0, "b", within}, {0, "b", tooOften},
		}},
		{"no limit", func(s *Settings) { s.PerMinute = 0 }, []call{{0, "a", within}, {0, "a", within}, {0, "a", within}}},
	} {
		settings := Default()
		settings.PerMinute = 2
		test.set(&settings)
		a, refused := newAccounts(settings), 0
		for i, c := range test.calls {
			if got := a.admit("me", c.method, anchor.Add(c.at)); got != c.want {
				t.Errorf("%s: call %d at %v: %v, want %v", test.name, i, c.at, got, c.want)
			}
			if c.want != within {
				refused++
			}
		}
		if got := a.stats()[0].RateViolations; got != refused {
			t.Errorf("%s: %d violations, want %d", test.name, got, refused)
		}
		if got := a.admit("someone else", "a", anchor); got != within {
			t.Errorf("%s: the calls of one count for another", test.name)
		}
	}
}

func TestDefaultLimits(t *testing.T) {
	v := start(t, func(s *Settings) { *s = Default() })
	for n := range 61 {
		want := 0
		if n == 60 {
			want = 1012
		}
		wantCode(t, "call", v.enterprise("warehouse_query", nil), want)
	}
	wantCode(t, "another account", v.qimen(fields{"method": "wdt.warehouse.query"}), 0)
}

func TestCallsAtOnce(t *testing.T) {
	v := start(t, func(s *Settings) { s.Concurrent = 1 })
	query := "[" + allRefunds(v, "") + "]"
	for account, call := range map[string]func() reply{
		"enterprise demo2 demo2-test":     func() reply { return v.enterprise("stockin_order_query", gains(v)) },
		"enterprise demo2 qimen 12345678": func() reply { return v.qimen(gains(v)) },
		"flagship wdtdemo3 demo3-test":    func() reply { return v.flagship(nil, query) },
	} {
		leave := v.server.accounts.arrive(account, v.clock.Now())
		r := call()
		if want := map[bool]int{true: 100, false: 1012}[account[0] == 'f']; r.Code != want {
			t.Errorf("%s, two at once: %d %s, want %d", account, r.Code, r.Message, want)
		}
		leave()
		wantCode(t, account+", one at once", call(), 0)
	}
	leave := v.server.accounts.arrive("flagship wdtdemo3 demo3-test", v.clock.Now())
	defer leave()
	if r := v.flagship(nil, query); r.Message != tooManyTexts[1] {
		t.Errorf("second text is %q", r.Message)
	}
	for _, account := range v.server.Stats().Accounts {
		if account.Concurrent != 2 || account.ConcurrencyViolations == 0 {
			t.Errorf("%+v", account)
		}
	}
}
