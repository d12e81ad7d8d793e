package hpa_test

import (
	"slices"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/test/scale/hpa"
)

// free lets any number of replicas come and go.
func free() hpa.Rules {
	return hpa.Rules{Policies: []hpa.Policy{{Percent: true, Value: 100_000, Period: time.Minute}, {Value: 100_000, Period: time.Minute}}}
}

// TestTheRatioDecides has the examples of Kubernetes' documentation: twice the target doubles, half of it halves,
// a tenth to either side is let be.
func TestTheRatioDecides(t *testing.T) {
	for _, tt := range []struct {
		current int
		metric  float64 // of all replicas together
		want    int
	}{
		{4, 4 * 200, 8}, {4, 4 * 50, 2}, {4, 4 * 109, 4}, {4, 4 * 110, 4}, {4, 4 * 111, 5}, {4, 4 * 91, 4}, {4, 4 * 89, 4},
		{5, 5 * 70, 4}, {1, 0, 1}, {3, 1e9, 100}, {10, 950, 10},
	} {
		a := &hpa.Autoscaler{Min: 1, Max: 100, Target: 100, Up: free(), Down: free()}
		if got := a.Decide(0, tt.current, tt.metric); got != tt.want {
			t.Errorf("%d replicas with %v: %d, want %d", tt.current, tt.metric, got, tt.want)
		}
	}
}

// steps lets an autoscaler look every so often with a steady metric.
func steps(a *hpa.Autoscaler, current int, metric float64, every time.Duration, n int) []int {
	var all []int
	for i := range n {
		current = a.Decide(time.Duration(i)*every, current, metric)
		all = append(all, current)
	}
	return all
}

// TestDownByPercentThenByPods is the documentation's example: 80 replicas, 10 wanted, ten percent or four pods a
// minute. First 8 go, then 8 of 72 (7.2, rounded up), and below 40 four at a time.
func TestDownByPercentThenByPods(t *testing.T) {
	a := &hpa.Autoscaler{Min: 1, Max: 100, Target: 100, Up: free(), Down: hpa.Rules{Policies: []hpa.Policy{
		{Value: 4, Period: time.Minute}, {Percent: true, Value: 10, Period: time.Minute},
	}}}
	got := steps(a, 80, 1000, time.Minute, 14)
	want := []int{72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestUpByRate has the examples of the enhancement that brought the rules: 900 percent is 1, 10, 100, 1000; and what
// came within the period counts.
func TestUpByRate(t *testing.T) {
	fast := &hpa.Autoscaler{Min: 1, Max: 5000, Target: 1, Down: free(), Up: hpa.Rules{Policies: []hpa.Policy{{Percent: true, Value: 900, Period: time.Minute}}}}
	if got, want := steps(fast, 1, 1000, time.Minute, 4), []int{10, 100, 1000, 1000}; !slices.Equal(got, want) {
		t.Errorf("900 percent: %v, want %v", got, want)
	}
	one := &hpa.Autoscaler{Min: 1, Max: 5000, Target: 1, Down: free(), Up: hpa.Rules{Policies: []hpa.Policy{{Value: 1, Period: time.Minute}}}}
	if got, want := steps(one, 1, 1000, 15*time.Second, 9), []int{2, 2, 2, 2, 3, 3, 3, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("one a minute: %v, want %v", got, want)
	}
	both := &hpa.Autoscaler{Min: 1, Max: 5000, Target: 1, Down: free(), Up: hpa.Rules{Policies: []hpa.Policy{{Percent: true, Value: 100, Period: 15 * time.Second}, {Value: 4, Period: 15 * time.Second}}}}
	if got, want := steps(both, 1, 1000, 15*time.Second, 5), []int{5, 10, 20, 40, 80}; !slices.Equal(got, want) {
		t.Errorf("the default rules: %v, want %v", got, want)
	}
}

func TestWindowsTakeTheMostCarefulRecommendation(t *testing.T) {
	a := &hpa.Autoscaler{Min: 1, Max: 100, Target: 1, Up: free(), Down: free()}
	a.Up.Window, a.Down.Window = 30*time.Second, 5*time.Minute
	looks := []struct {
		after  time.Duration
		metric float64
		want   int
	}{
		{0, 2, 2},
		{15 * time.Second, 9, 2},  // the last half minute wanted 2
		{30 * time.Second, 8, 8},  // what wanted 2 is half a minute ago
		{45 * time.Second, 3, 8},  // five minutes wanted up to 9
		{320 * time.Second, 3, 8}, // 9 is over five minutes ago, 8 not yet
		{335 * time.Second, 3, 3},
	}
	current := 2
	for _, l := range looks {
		if current = a.Decide(l.after, current, l.metric); current != l.want {
			t.Errorf("after %s with %v: %d, want %d", l.after, l.metric, current, l.want)
		}
	}
}

func TestBounds(t *testing.T) {
	a := &hpa.Autoscaler{Min: 2, Max: 4, Target: 1, Up: free(), Down: free()}
	for _, tt := range []struct{ current, want int }{{0, 0}, {1, 2}, {9, 4}} {
		if got := a.Decide(0, tt.current, 3); got != tt.want {
			t.Errorf("%d replicas: %d, want %d", tt.current, got, tt.want)
		}
	}
	if got := a.Hold(3); got != 3 {
		t.Errorf("without a metric: %d of 3", got)
	}
}
