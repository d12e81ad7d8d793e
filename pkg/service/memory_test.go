package service

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// free is how much memory of the heap is not in use and not given back.
func free() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestAtRestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var resting sync.WaitGroup
		resting.Go(func() { rest(ctx) })
		burst := make([][]byte, 64)
		for i := range burst {
			burst[i] = make([]byte, 1<<20)
			burst[i][0] = 1
		}
		clear(burst)
		time.Sleep(2*restEvery + time.Second) // the first look sees the burst, the second that there is none
		synctest.Wait()
		if left := free(); left > 16<<20 {
			t.Errorf("%d MB are free and kept", left>>20)
		}
		cancel()
		resting.Wait()
	})
}

func TestTheCollectorIsTightWhileAServiceStarts(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(77))
	percent := func() int {
		now := debug.SetGCPercent(77)
		debug.SetGCPercent(now)
		return now
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var resting sync.WaitGroup
		resting.Go(func() { rest(ctx) })
		synctest.Wait()
		if got := percent(); got != startPercent {
			t.Errorf("%d %% while it starts, want %d", got, startPercent)
		}
		time.Sleep(restEvery + time.Second)
		synctest.Wait()
		if got := percent(); got != 77 {
			t.Errorf("%d %% after that, want what it was", got)
		}
		cancel()
		resting.Wait()
	})
}
