package service

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.opentelemetry.io/otel/trace"
)

// newLog returns a logger that writes JSON lines with times in UTC, the ids of the span in the
// context, and no value under a key that names a secret.
func newLog(w io.Writer, level slog.Level, name, instance string) *slog.Logger {
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})
	return slog.New(traced{h}).With("service", name, "instance", instance)
}

// traced adds trace_id and span_id to the records of a context that has a span.
type traced struct{ slog.Handler }

// Handle writes the record.
func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, r)
}

// WithAttrs keeps the ids.
func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }

// WithGroup keeps the ids, inside of the group.
func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name)} }

const masked = "***"

// replace is the last thing that happens to an attribute before it is written.
func replace(groups []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case time.Time:
		a.Value = slog.TimeValue(v.UTC())
	case *url.URL:
		a.Value = slog.StringValue(v.Redacted())
	}
	if isSecret(a.Key) || slices.ContainsFunc(groups, isSecret) {
		a.Value = slog.StringValue(masked)
	}
	return a
}

// isSecret reports whether a key names something that must not be shown: one of its words does.
// So app_secret, accessToken and sign are masked, design and tokenizer are not.
func isSecret(key string) bool {
	return slices.ContainsFunc(words(key), func(word string) bool {
		switch strings.TrimSuffix(word, "s") {
		case "secret", "token", "password", "passwd", "pwd", "sign", "signature", "credential",
			"cred", "authorization", "cookie", "seed", "apikey":
			return true
		}
		return false
	})
}

// words splits a key at punctuation and before capitals, in lower case: appSecret is app, secret.
func words(key string) []string {
	var b strings.Builder
	var last rune
	for _, r := range key {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			b.WriteByte(' ')
		case unicode.IsUpper(r) && unicode.IsLower(last):
			b.WriteByte(' ')
			fallthrough
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		last = r
	}
	return strings.Fields(b.String())
}

// repeatAfter is how long the same complaint is not logged again.
const repeatAfter = time.Minute

// sparse lets the same text through once a minute, so that a fault that lasts is seen and does
// not flood the log. Its zero value is ready; it may be used by many goroutines.
type sparse struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (s *sparse) allow(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.seen[text]; ok && time.Since(at) < repeatAfter {
		return false
	}
	if s.seen == nil || len(s.seen) > 100 {
		s.seen = map[string]time.Time{}
	}
	s.seen[text] = time.Now()
	return true
}
