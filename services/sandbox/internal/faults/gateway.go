package faults

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"
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

// Within returns the writer of the answer: w, or one that cuts the answer within.
func (s Struck) Within(w http.ResponseWriter) http.ResponseWriter {
	if _, cut := s[CutWithin]; cut {
		return &cutter{ResponseWriter: w, status: http.StatusOK}
	}
	return w
}

// cutter announces a whole answer, sends half of it and closes the connection.
type cutter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status for Write.
func (c *cutter) WriteHeader(status int) { c.status = status }

// Write panics with http.ErrAbortHandler.
func (c *cutter) Write(answer []byte) (int, error) {
	c.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	c.ResponseWriter.WriteHeader(c.status)
	_, _ = c.ResponseWriter.Write(answer[:len(answer)/2]) // the caller may have gone
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
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
