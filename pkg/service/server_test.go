package service

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestProfilesAreForThisMachine asks for them from elsewhere, and while they are off.
func TestProfilesAreForThisMachine(t *testing.T) {
	complaints := slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)
	for _, tt := range []struct {
		from string
		on   bool
		want int
	}{
		{"127.0.0.1:4711", true, 200},
		{"[::1]:4711", true, 200},
		{"10.1.2.3:4711", true, 403},
		{"[2001:db8::1]:4711", true, 403},
		{"@", true, 403},
		{"127.0.0.1:4711", false, 404},
	} {
		handler := routes(&Health{}, prometheus.NewRegistry(), complaints, tt.on)
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr = tt.from
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%s from %s, profiles %v: %d, want %d", path, tt.from, tt.on, w.Code, tt.want)
			}
		}
	}
}
