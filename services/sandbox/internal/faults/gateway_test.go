package faults

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAtGateway(t *testing.T) {
	tests := []struct {
		name   string
		struck Struck
		done   bool
		status int
		body   string
	}{
		{"nothing", Struck{}, false, 200, ""},
		{"later kinds", Struck{CutAfter: {}, Truncated: {}}, false, 200, ""},
		{"a wait alone", Struck{Slow: {DelayMS: 1}}, false, 200, ""},
		{"error", Struck{HTTP500: {Status: 503}}, true, 503, ""},
		{"page", Struck{HTML: {Status: 200}}, true, 200, "<html>"},
		{"page with an error", Struck{HTML: {Status: 200}, HTTP500: {Status: 502}}, true, 502, "<html>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r, failed := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), 0
			done := tt.struck.AtGateway(w, r, "<html>", func() { failed++ })
			if done != tt.done || (failed == 1) != tt.done || w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("done %t after %d failures: %d %q", done, failed, w.Code, w.Body)
			}
		})
	}
}

// A cut connection counts as a failure before it is cut.
func TestAtGatewayCuts(t *testing.T) {
	failed := 0
	defer func() {
		got := recover()
		if err, ok := got.(error); !ok || !errors.Is(err, http.ErrAbortHandler) || failed != 1 {
			t.Errorf("panic %v after %d failures", got, failed)
		}
	}()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	Struck{CutBefore: {}}.AtGateway(httptest.NewRecorder(), r, "<html>", func() { failed++ })
	t.Error("the connection was not cut")
}
