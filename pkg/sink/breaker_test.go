package sink

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
)

func TestWhatAWriteSaysOfTheTarget(t *testing.T) {
	refused := fault.Permanent("data", errors.New("refused"))
	locked := fault.Busy("lock", 0, errors.New("locked"))
	down := fault.Down("connection", errors.New("down"))
	silent := fault.Unanswered(fault.Busy("timeout", 0, errors.New("no answer")))
	untried := fault.Untried(fault.Busy("link", 0, errors.New("not called")))
	cancelled := fmt.Errorf("call: %w", context.Canceled)
	tests := map[string]struct {
		err  error
		n    int
		want error
	}{
		"stored":                            {nil, 3, nil},
		"a business refusal":                {refused, 3, nil},
		"a lock":                            {locked, 3, nil},
		"an error of nobody":                {errors.New("odd"), 3, nil},
		"down":                              {down, 3, errFailed},
		"no answer":                         {silent, 3, errFailed},
		"no answer, said by a caller":       {fmt.Errorf("book: %w", fault.Spent(silent, 3, 0)), 1, errFailed},
		"not called":                        {untried, 3, errNeutral},
		"cancelled":                         {cancelled, 3, errNeutral},
		"cancelled, and so not reached":     {fault.Down("stopping", context.Canceled), 3, errNeutral},
		"no answer for one of three":        {&BatchError{Errs: map[int]error{1: silent}}, 3, nil},
		"no answer for one of one":          {&BatchError{Errs: map[int]error{0: silent}}, 1, errFailed},
		"none answered, one not called":     {&BatchError{Errs: map[int]error{0: silent, 1: untried}}, 2, errNeutral},
		"one refused, the other not called": {&BatchError{Errs: map[int]error{0: refused, 1: untried}}, 2, nil},
	}
	for name, tt := range tests {
		if got := verdict(tt.err, tt.n); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestALateAnswerIsNoProbe ends calls that began before the breaker opened when it is open: what they found
// neither closes it nor makes its next probe rarer.
func TestALateAnswerIsNoProbe(t *testing.T) {
	reports := 0
	b := newBreaker(nil, Options{ProbeAfter: time.Hour, Report: func(err error) {
		if err == nil {
			reports++
		}
	}})
	for range silentAfter {
		_, _ = b.circuit.Execute(func() (struct{}, error) { return struct{}{}, errFailed })
	}
	b.open, b.silent = true, time.Hour
	b.failed(t.Context(), fault.Unanswered(fault.Busy("timeout", 0, errors.New("no answer"))), false)
	b.answered(t.Context())
	if !b.open || b.silent != time.Hour || reports > 0 {
		t.Errorf("open %t, next probe after %s, %d reports that all is well: want it as it was", b.open, b.silent, reports)
	}
	b.failed(t.Context(), fault.Unanswered(fault.Busy("timeout", 0, errors.New("no answer"))), true)
	if b.silent != 2*time.Hour {
		t.Errorf("next probe after %s, want it later when one had no answer", b.silent)
	}
}
