package pace_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/pace"
)

// vendor counts calls as they arrive, the refused ones too, in windows that slide.
type vendor struct {
	second, minute int

	mu       sync.Mutex
	arrivals []time.Time
	refused  int
}

func (v *vendor) arrive() {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	within := func(span time.Duration) int { // with this one
		first, _ := slices.BinarySearchFunc(v.arrivals, now.Add(-span), time.Time.Compare)
		return len(v.arrivals) - first + 1
	}
	if v.second > 0 && within(time.Second) > v.second || v.minute > 0 && within(time.Minute) > v.minute {
		v.refused++
	}
	v.arrivals = append(v.arrivals, now)
	if old := len(v.arrivals) / 2; now.Sub(v.arrivals[old]) > time.Minute {
		v.arrivals = v.arrivals[old:]
	}
}

// job is what one replica does before the next one may: callers that call side by side.
type job struct {
	replica, callers, calls int
}

// way is how long a call is on its way there and back, and how long its caller does something else then.
type way struct{ there, back, pause time.Duration }

// Whatever the way of a call takes, and whichever replica makes it, the vendor refuses none.
func TestTheVendorRefusesNone(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		v := &vendor{second: rapid.IntRange(0, 60).Draw(r, "second"), minute: rapid.SampledFrom([]int{0, 1, 10, 60, 100, 500}).Draw(r, "minute")}
		budget := pace.Budget{PerSecond: v.second, PerMinute: v.minute}
		jobs := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) job {
			return job{rapid.IntRange(0, 2).Draw(r, "replica"), rapid.IntRange(1, 4).Draw(r, "callers"), rapid.IntRange(1, 40).Draw(r, "calls")}
		}), 1, 8).Draw(r, "jobs")
		// Within what a replica does ways differ at will; where another one takes over, no more than calls
		// are made up for.
		slowest := time.Duration(rapid.SampledFrom([]int{1, 30, 300, 3000}).Draw(r, "slowest")) * time.Millisecond
		if rapid.Bool().Draw(r, "taken over") {
			slowest = time.Millisecond
		} else {
			for i := range jobs {
				jobs[i].replica = 0
			}
		}
		ways := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) way {
			part := func(name string) time.Duration {
				return slowest * time.Duration(rapid.IntRange(0, 100).Draw(r, name)) / 100
			}
			return way{part("there"), part("back"), 300 * part("pause") / time.Duration(rapid.SampledFrom([]int{1, 300, 30000}).Draw(r, "of"))}
		}), 1, 20).Draw(r, "ways")
		synctest.Test(t, func(t *testing.T) { play(t, v, budget, jobs, ways) })
		if v.refused > 0 {
			r.Fatalf("%d of %d calls are refused", v.refused, len(v.arrivals))
		}
	})
}

// play does the jobs, one after the other, and the calls of each as many at once as it has callers.
func play(t *testing.T, v *vendor, budget pace.Budget, jobs []job, ways []way) {
	replicas := map[int]*pace.Limiter{}
	before := -1
	for i, j := range jobs {
		l := replicas[j.replica]
		switch {
		case l == nil:
			l = pace.New(budget)
			replicas[j.replica] = l
		case j.replica != before:
			l.Rest()
		}
		before = j.replica
		var callers sync.WaitGroup
		for c := range j.callers {
			callers.Go(func() {
				for n := range j.calls {
					call(t, v, l, ways[(i+c+n)%len(ways)])
				}
			})
		}
		callers.Wait()
	}
}

func call(t *testing.T, v *vendor, l *pace.Limiter, w way) {
	_, end, err := l.Begin(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	time.Sleep(w.there)
	v.arrive()
	time.Sleep(w.back)
	end()
	time.Sleep(w.pause)
}

// A caller that has something else to do after each few calls uses what the budget allows all the same,
// also when another replica takes over every five minutes.
func TestTheBudgetIsUsed(t *testing.T) {
	tests := map[string]struct {
		second, minute int
		way            time.Duration
		stall          time.Duration // after each 17 calls
	}{
		"documented":           {5, 100, 300 * time.Millisecond, 400 * time.Millisecond},
		"by the minute":        {0, 60, 500 * time.Millisecond, 0},
		"of an account set":    {0, 500, 80 * time.Millisecond, 90 * time.Millisecond},
		"as fast as it should": {50, 3000, 8 * time.Millisecond, 20 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &vendor{second: tt.second, minute: tt.minute}
				begin, calls := time.Now(), 0
				for range 3 {
					l := pace.New(pace.Budget{PerSecond: tt.second, PerMinute: tt.minute})
					for job := time.Now(); time.Since(job) < 5*time.Minute; calls++ {
						call(t, v, l, way{tt.way / 2, tt.way / 2, 0})
						if calls%17 == 0 {
							time.Sleep(tt.stall)
						}
					}
				}
				allowed := time.Since(begin).Minutes() * float64(tt.minute)
				if tt.minute == 0 {
					allowed = time.Since(begin).Seconds() * float64(tt.second)
				}
				share := float64(calls) / allowed
				t.Logf("%.2f %% of the calls are used", 100*share)
				if v.refused > 0 || share < 0.98 || share > 1.001 {
					t.Errorf("%.2f %% of the calls are used, %d refused", 100*share, v.refused)
				}
			})
		})
	}
}
