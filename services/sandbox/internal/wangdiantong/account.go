package wangdiantong

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/traffic"
)

// AccountStats is what was seen of the calls of one account since the vendor was started.
type AccountStats struct {
	Account string `json:"account"`
	// Calls counts all calls that named the account, Accepted those that were answered with success.
	Calls    int `json:"calls"`
	Accepted int `json:"accepted"`
	// PerSecond and PerMinute are the most calls in any window of one second and of 60.
	PerSecond int `json:"peak_per_second"`
	PerMinute int `json:"peak_per_minute"`
	// Concurrent is the most calls at once.
	Concurrent int `json:"peak_concurrent"`
	// RateViolations and ConcurrencyViolations count calls that a limit refused.
	RateViolations        int `json:"rate_violations"`
	ConcurrencyViolations int `json:"concurrency_violations"`
}

// account is one account while its calls are counted.
type account struct {
	AccountStats
	calls    traffic.Meter          // accepted or not
	admitted map[string][]time.Time // calls that count against the limit, by method if those are apart
	inFlight int
}

// accounts keeps the limits of all accounts. Only accounts that there are take part in it: what
// callers make up is not remembered.
type accounts struct {
	settings Settings

	mu     sync.Mutex
	byName map[string]*account
}

func newAccounts(s Settings) *accounts {
	return &accounts{settings: s, byName: map[string]*account{}}
}

// arrive counts a call of the named account that came at now, and returns what to call when it is
// over. An empty name is nobody's.
func (a *accounts) arrive(name string, now time.Time) (leave func()) {
	if name == "" {
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	acc := a.named(name)
	acc.Calls++
	acc.calls.Count(now)
	acc.PerSecond, acc.PerMinute = acc.calls.PerSecond, acc.calls.PerMinute
	acc.inFlight++
	acc.Concurrent = max(acc.Concurrent, acc.inFlight)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		acc.inFlight--
	}
}

// limit is one that a call can exceed.
type limit int

// The limits, and none.
const (
	within limit = iota
	tooOften
	tooManyAtOnce
)

// admit counts a call to method against the limits of the account and tells which of them it
// exceeds. Calls that are refused do not count against the rate.
func (a *accounts) admit(name, method string, now time.Time) limit {
	a.mu.Lock()
	defer a.mu.Unlock()
	acc := a.named(name)
	if a.settings.Concurrent > 0 && acc.inFlight > a.settings.Concurrent {
		acc.ConcurrencyViolations++
		return tooManyAtOnce
	}
	if !a.settings.LimitPerMethod {
		method = ""
	}
	calls := traffic.Since(acc.admitted[method], a.windowStart(now))
	if a.settings.PerMinute > 0 && len(calls) >= a.settings.PerMinute {
		acc.RateViolations++
		return tooOften
	}
	acc.admitted[method] = append(calls, now)
	return within
}

// windowStart is the moment after which calls count against the rate.
func (a *accounts) windowStart(now time.Time) time.Time {
	if a.settings.RateWindow == "fixed" {
		return now.Truncate(time.Minute).Add(-1)
	}
	return now.Add(-time.Minute)
}

// refused counts a call that a fault refused as if it had come too often.
func (a *accounts) refused(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.named(name).RateViolations++
}

// accepted counts a call that was answered with success.
func (a *accounts) accepted(name string) {
	if name == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.named(name).Accepted++
}

func (a *accounts) named(name string) *account {
	acc, ok := a.byName[name]
	if !ok {
		acc = &account{AccountStats: AccountStats{Account: name}, admitted: map[string][]time.Time{}}
		a.byName[name] = acc
	}
	return acc
}

// stats returns what was seen, by ascending name.
func (a *accounts) stats() []AccountStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []AccountStats{}
	for _, name := range slices.Sorted(maps.Keys(a.byName)) {
		all = append(all, a.byName[name].AccountStats)
	}
	return all
}
