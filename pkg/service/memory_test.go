package service

import (
	"context"
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
