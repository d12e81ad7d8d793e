package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestReadyz(t *testing.T) {
	var h Health
	check := func(code int, want readiness) {
		t.Helper()
		w := httptest.NewRecorder()
		h.serveReady(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		var got readiness
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if w.Code != code || got.Ready != want.Ready || len(got.Parts) != len(want.Parts) {
			t.Errorf("%d %+v, want %d %+v", w.Code, got, code, want)
		}
		for name, text := range want.Parts {
			if got.Parts[name] != text {
				t.Errorf("part %s: %q, want %q", name, got.Parts[name], text)
			}
		}
	}
	check(200, readiness{Ready: true})
	h.Set("nats", errors.New("connecting"))
	h.Set("config", nil)
	check(503, readiness{Parts: map[string]string{"nats": "connecting", "config": "ok"}})
	if err := h.Err(); err == nil || err.Error() != "nats: connecting" {
		t.Errorf("Err = %v", err)
	}
	h.Set("nats", nil)
	check(200, readiness{Ready: true, Parts: map[string]string{"nats": "ok", "config": "ok"}})
	h.Set("jst-main", errors.New("gone"))
	h.Forget("jst-main")
	if err := h.Err(); err != nil {
		t.Errorf("Err = %v", err)
	}
}

func TestHealthLogsChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		h := Health{log: slog.New(slog.NewTextHandler(&b, nil))}
		lines := func(want int, why string) {
			t.Helper()
			if got := strings.Count(b.String(), "\n"); got != want {
				t.Errorf("%s: %d lines, want %d:\n%s", why, got, want, b.String())
			}
		}
		h.Set("nats", errors.New("refused"))
		h.Set("nats", errors.New("refused"))
		lines(1, "the same again")
		h.Set("nats", errors.New("authorization violation"))
		lines(1, "another text at once")
		time.Sleep(retellAfter)
		h.Set("nats", errors.New("authorization violation"))
		h.Set("nats", errors.New("authorization violation"))
		lines(2, "another text later")
		h.Set("nats", nil)
		h.Set("nats", nil)
		lines(3, "ready")
		h.Set("nats", errors.New("refused"))
		lines(4, "not ready again")
	})
}

func TestHealthIsSafe(t *testing.T) {
	var h Health
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { h.Set("a", nil); _ = h.Err(); h.Forget("a"); h.quietly("a", nil) })
	}
	wg.Wait()
}

func TestRoutes(t *testing.T) {
	tests := []struct {
		method, path string
		profiles     bool
		code         int
	}{
		{"GET", "/healthz", false, 200},
		{"HEAD", "/healthz", false, 200},
		{"POST", "/healthz", false, 405},
		{"GET", "/metrics", false, 200},
		{"GET", "/debug/pprof/", false, 404},
		{"GET", "/debug/pprof/", true, 200},
		{"GET", "/debug/pprof/cmdline", true, 200},
		{"GET", "/", false, 404},
	}
	for _, tt := range tests {
		w, r := httptest.NewRecorder(), httptest.NewRequest(tt.method, tt.path, nil)
		r.RemoteAddr = "127.0.0.1:4711"
		routes(&Health{}, prometheus.NewRegistry(), nil, tt.profiles).ServeHTTP(w, r)
		if w.Code != tt.code {
			t.Errorf("%s %s, profiles %v: %d, want %d", tt.method, tt.path, tt.profiles, w.Code, tt.code)
		}
	}
}
