package faults

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"time"
)

// AtGateway plays the faults that strike before a vendor looks at the call r, and reports whether that
// was all. page is what HTML answers. failed is called when one of them takes the place of an answer;
// CutBefore then panics with http.ErrAbortHandler.
func (s Struck) AtGateway(w http.ResponseWriter, r *http.Request, page string, failed func()) bool {
	if f, ok := s[Slow]; ok {
		wait(r.Context(), f.Delay())
	}
	if _, ok := s[CutBefore]; ok {
		failed()
		panic(http.ErrAbortHandler)
	}
	html, isPage := s[HTML]
	failure, isFailure := s[HTTP500]
	if !isPage && !isFailure {
		return false
	}
	failed()
	if isPage {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	w.WriteHeader(cmp.Or(failure.Status, html.Status))
	if isPage {
		_, _ = io.WriteString(w, page) // the caller may have gone
	}
	return true
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
