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
