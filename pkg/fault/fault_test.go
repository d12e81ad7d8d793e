package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
)

func TestKinds(t *testing.T) {
	base := errors.New("no")
	tests := []struct {
		err   error
		kind  fault.Kind
		class string
		delay time.Duration
	}{
		{nil, fault.Unknown, "unclassified", time.Second},
		{base, fault.Unknown, "unclassified", time.Second},
		{fault.Permanent("data", base), fault.PermanentKind, "data", time.Second},
		{fmt.Errorf("write: %w", fault.Busy("rate", 3*time.Second, base)), fault.BusyKind, "rate", 3 * time.Second},
		{fault.Down("table", base), fault.DownKind, "table", time.Second},
		{fault.Permanent("outer", fault.Busy("inner", 0, base)), fault.PermanentKind, "outer", time.Second},
	}
	for _, tt := range tests {
		if got := fault.KindOf(tt.err); got != tt.kind {
			t.Errorf("KindOf(%v) = %v, want %v", tt.err, got, tt.kind)
		}
		if got := fault.ClassOf(tt.err); got != tt.class {
			t.Errorf("ClassOf(%v) = %q, want %q", tt.err, got, tt.class)
		}
		if got := fault.Delay(tt.err, time.Second); got != tt.delay {
			t.Errorf("Delay(%v) = %v, want %v", tt.err, got, tt.delay)
		}
	}
	if err := fault.Permanent("data", nil); err != nil {
		t.Errorf("Permanent(nil) = %v, want nil", err)
	}
	if !errors.Is(fault.Down("table", base), base) {
		t.Error("the marked error hides its cause")
	}
}

// A kind from a table marks as the function of its name does; only a busy error keeps a wait.
func TestMark(t *testing.T) {
	base := errors.New("base")
	for _, kind := range []fault.Kind{fault.PermanentKind, fault.BusyKind, fault.DownKind} {
		err := fault.Mark(kind, "class", time.Minute, base)
		want := time.Second
		if kind == fault.BusyKind {
			want = time.Minute
		}
		if fault.KindOf(err) != kind || fault.ClassOf(err) != "class" || !errors.Is(err, base) || fault.Delay(err, time.Second) != want {
			t.Errorf("%v: %v %s, wait %v", kind, fault.KindOf(err), fault.ClassOf(err), fault.Delay(err, time.Second))
		}
	}
	if fault.Mark(fault.BusyKind, "class", 0, nil) != nil {
		t.Error("Mark(nil) is an error")
	}
}

func TestSpent(t *testing.T) {
	err := fault.Spent(fault.Busy("rate", time.Second, errors.New("slow down")), 5, time.Minute)
	if err.Error() != "slow down (attempts: 5)" || fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != "rate" || fault.Delay(err, 0) != time.Minute {
		t.Errorf("%v: %v %s, wait %v", err, fault.KindOf(err), fault.ClassOf(err), fault.Delay(err, 0))
	}
	err = fault.Spent(fault.Down("connection", errors.New("nobody there")), 3, time.Minute)
	if fault.KindOf(err) != fault.DownKind || fault.ClassOf(err) != "connection" || fault.Delay(err, time.Hour) != time.Hour {
		t.Errorf("%v: %v %s, wait %v", err, fault.KindOf(err), fault.ClassOf(err), fault.Delay(err, time.Hour))
	}
	if fault.Spent(nil, 1, 0) != nil {
		t.Error("Spent(nil) is an error")
	}
}

func TestHowFarACallCame(t *testing.T) {
	silent := fault.Unanswered(fault.Busy("timeout", time.Minute, errors.New("no answer")))
	if fault.KindOf(silent) != fault.BusyKind || fault.ClassOf(silent) != "timeout" || fault.Delay(silent, 0) != time.Minute || silent.Error() != "no answer" {
		t.Errorf("the mark changed the error: %s %s %v", fault.KindOf(silent), fault.ClassOf(silent), silent)
	}
	for name, tt := range map[string]struct {
		err                 error
		unanswered, untried bool
	}{
		"unanswered":            {silent, true, false},
		"spent":                 {fault.Spent(silent, 3, time.Second), true, false},
		"wrapped":               {fmt.Errorf("book: %w", silent), true, false},
		"untried":               {fault.Untried(errors.New("x")), false, true},
		"untried for the other": {fault.Untried(silent), false, true},
		"unmarked":              {fault.Down("x", errors.New("x")), false, false},
		"none":                  {fault.Unanswered(nil), false, false},
	} {
		if fault.IsUnanswered(tt.err) != tt.unanswered || fault.IsUntried(tt.err) != tt.untried {
			t.Errorf("%s: unanswered %v, untried %v", name, fault.IsUnanswered(tt.err), fault.IsUntried(tt.err))
		}
	}
	if fault.Untried(nil) != nil {
		t.Error("a mark on nothing is something")
	}
}
