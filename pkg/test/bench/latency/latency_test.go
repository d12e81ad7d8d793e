package latency

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

func TestMain(m *testing.M) { rig.Servers().TestMain(m.Run) }

// A benchmark that does not work is none.
func TestEachVariantBooks(t *testing.T) {
	s := Scenario()
	s.Open = func(ctx context.Context, _ measure.Options) (measure.Sides, error) { return open(ctx, time.Second) }
	rows, err := measure.Run(t.Context(), s, measure.Options{Repeat: 1}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range variants {
		if rows[i].Name != v.line || rows[i].Ours.Median == 0 {
			t.Errorf("%+v, want a share of %s", rows[i], v.line)
		}
	}
}

// Whoever calls too often, or books twice, is found out.
func TestTheVendorCounts(t *testing.T) {
	v := &vendor{accounts: map[string]*account{}}
	from := time.Now()
	for i := range perMinute {
		if _, ok := v.save("a", fmt.Sprint(i)); !ok {
			t.Fatalf("call %d was refused", i)
		}
	}
	if calls, err := v.count(from, time.Now()); calls != perMinute || err != nil {
		t.Errorf("count = %d, %v, want %d", calls, err, perMinute)
	}
	if _, ok := v.save("b", "0"); !ok {
		t.Error("a call of another account set was refused")
	}
	if _, ok := v.save("a", "one more"); ok {
		t.Error("one call too many was let through")
	}
	if _, err := v.count(from, time.Now()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("count = %v, want the refusal", err)
	}
	v.forget()
	v.save("a", "twice")
	v.save("a", "twice")
	if _, err := v.count(from, time.Now()); err == nil || !strings.Contains(err.Error(), "2 times") {
		t.Errorf("count = %v, want the bill that was booked twice", err)
	}
}
