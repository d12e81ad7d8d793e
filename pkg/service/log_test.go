package service

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"
)

func TestLogMasksSecrets(t *testing.T) {
	var b bytes.Buffer
	log := newLog(&b, slog.LevelInfo, "x", "x-1")
	log.With("access_token", "v-1").Info("call", "password", "v-2", "app_secret", "v-3", "sign", "v-4",
		"accessToken", []string{"v-5"}, "Authorization", "v-6", slog.Group("secrets", "a", "v-7"),
		slog.Group("request", "app-secret", "v-8", "design", "kept-1"), "app_key", "kept-2",
		"url", &url.URL{Scheme: "nats", Host: "h", User: url.UserPassword("u", "v-9")})
	line := b.String()
	if strings.Contains(line, "v-") {
		t.Errorf("a secret was logged: %s", line)
	}
	if !strings.Contains(line, "kept-1") || !strings.Contains(line, "kept-2") {
		t.Errorf("too much is masked: %s", line)
	}
}

func TestLogLine(t *testing.T) {
	var b bytes.Buffer
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	log := newLog(&b, slog.LevelInfo, "x", "x-1")
	log.DebugContext(ctx, "not written")
	log.With("a", 1).InfoContext(ctx, "hello", "at", time.Date(2026, 1, 1, 8, 0, 0, 0, time.FixedZone("CST", 8*3600)))
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	want := map[string]any{
		"level": "INFO", "msg": "hello", "service": "x", "instance": "x-1", "a": 1.0, "at": "2026-01-01T00:00:00Z",
		"trace_id": span.TraceID().String(), "span_id": span.SpanID().String(),
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %v, want %v", k, got[k], v)
		}
	}
	if at, _ := got["time"].(string); !strings.HasSuffix(at, "Z") {
		t.Errorf("time = %s, not UTC", at)
	}
}

func TestSparseRepeatsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sparse
		if !s.allow("a") || s.allow("a") || !s.allow("b") {
			t.Error("the first of each text goes through, and no other")
		}
		time.Sleep(repeatAfter)
		if !s.allow("a") || s.allow("a") {
			t.Error("after a minute it is said again")
		}
	})
}
