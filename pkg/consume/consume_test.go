package consume_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/consume"
)

func TestGraceOutlivesTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		work, release := consume.WithGrace(ctx, time.Minute)
		defer release()
		cancel()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if work.Err() != nil {
			t.Error("the work ended before its grace")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if work.Err() == nil {
			t.Error("the work outlived its grace")
		}
	})
}

func TestInsistEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, broken := 0, errors.New("no leader")
		err := consume.Insist(t.Context(), func() error {
			if tries++; tries < 3 {
				return broken
			}
			return nil
		})
		if err != nil || tries != 3 {
			t.Errorf("Insist = %v after %d tries", err, tries)
		}
		began := time.Now()
		if err := consume.Insist(t.Context(), func() error { return broken }); !errors.Is(err, broken) || time.Since(began) > 10*time.Second {
			t.Errorf("Insist = %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		tries = 0
		if err := consume.Insist(ctx, func() error { tries++; return broken }); err == nil || tries != 1 {
			t.Errorf("Insist = %v after %d tries with a context that is done", err, tries)
		}
	})
}
