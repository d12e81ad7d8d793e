package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/world"
)

func lateWorld() *world.World {
	return world.New(world.Params{Seed: 1, Goods: 20, LateShare: 0.5})
}

func openLate(t *testing.T, after time.Duration, file string) *lateGoods {
	t.Helper()
	l, err := openLateGoods(lateWorld(), after, file, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLateGoodsAreReleasedAfterTheFirstCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openLate(t, time.Minute, "")
		done := make(chan error)
		go func() { done <- l.run(context.Background()) }()
		time.Sleep(time.Hour)
		if !l.world.Released().IsZero() {
			t.Error("released before any call")
		}
		system := l.watch(http.NotFoundHandler())
		for range 2 {
			system.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}
		called := time.Now()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := l.world.Released().Sub(called); got != time.Minute {
			t.Errorf("released %v after the first call, want a minute", got)
		}
	})
}

func TestLateGoodsAreReleasedOnDemandOnly(t *testing.T) {
	l := openLate(t, 0, "")
	l.watch(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if err := l.run(context.Background()); err != nil || !l.world.Released().IsZero() {
		t.Errorf("released at %v, %v", l.world.Released(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := openLate(t, time.Hour, "").run(ctx); err != nil {
		t.Error(err)
	}
}

func TestTheReleaseIsRemembered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "released.json")
	first := openLate(t, 0, file)
	for range 2 {
		if err := first.release(); err != nil {
			t.Fatal(err)
		}
	}
	again := openLate(t, 0, file)
	if at := again.world.Released(); at.IsZero() || !at.Equal(first.world.Released()) {
		t.Errorf("released at %v, want %v", at, first.world.Released())
	}
	if err := os.WriteFile(file, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLateGoods(lateWorld(), 0, file, time.Now); err == nil || !strings.Contains(err.Error(), "late goods") {
		t.Errorf("err = %v, want one about late goods", err)
	}
	lost := openLate(t, 0, filepath.Join(t.TempDir(), "gone", "released.json"))
	if err := lost.release(); err == nil || !lost.world.Released().IsZero() {
		t.Errorf("released at %v, %v, though it can't be remembered", lost.world.Released(), err)
	}
}
