package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Health knows which parts of the service are ready; /readyz shows it. The service is ready when
// no part has an error. A part that can work without the other side (an ERP that is down) stays
// ready: readiness is about this process. The zero value is ready to use, by many goroutines.
type Health struct {
	mu    sync.Mutex
	parts map[string]part
	log   *slog.Logger // nil: silent
}

type part struct {
	err    error
	logged string // the text that the log last said
	at     time.Time
}

// retellAfter is how long a part that stays away gets no second line, even for another reason.
const retellAfter = 10 * time.Second

// Set says that a part is ready (nil) or what it is missing. The text is shown to operators: no
// secrets in it. Each change between ready and not is logged, another text at most every 10 seconds;
// so it may be called as often as there is news.
func (h *Health) Set(name string, err error) {
	h.mu.Lock()
	p, known := h.parts[name]
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	flipped := !known || (p.err == nil) != (err == nil)
	say := text != p.logged && (flipped || err != nil && time.Since(p.at) >= retellAfter)
	p.err = err
	if say {
		p.logged, p.at = text, time.Now()
	}
	h.put(name, p)
	h.mu.Unlock()
	if say {
		h.say(name, err)
	}
}

// Forget removes a part that is no more, such as a connection that was deleted.
func (h *Health) Forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.parts, name)
}

// Err returns nil when the service is ready, else what each part is missing.
func (h *Health) Err() error {
	state := h.state()
	var missing []error
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if err := state[name]; err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(missing...)
}

// quietly is Set without a log line, for what the caller logs himself.
func (h *Health) quietly(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.parts[name]
	p.err = err
	h.put(name, p)
}

func (h *Health) put(name string, p part) {
	if h.parts == nil {
		h.parts = map[string]part{}
	}
	h.parts[name] = p
}

func (h *Health) say(name string, err error) {
	switch {
	case h.log == nil:
	case err != nil:
		h.log.Warn("not ready", "part", name, "err", err)
	default:
		h.log.Info("ready", "part", name)
	}
}

// state returns the error of each part.
func (h *Health) state() map[string]error {
	h.mu.Lock()
	defer h.mu.Unlock()
	state := make(map[string]error, len(h.parts))
	for name, p := range h.parts {
		state[name] = p.err
	}
	return state
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready bool              `json:"ready"`
	Parts map[string]string `json:"parts"`
}

// serveReady answers 200 when ready, else 503; the body says what is missing.
func (h *Health) serveReady(w http.ResponseWriter, _ *http.Request) {
	answer, code := readiness{Ready: true, Parts: map[string]string{}}, http.StatusOK
	for name, err := range h.state() {
		answer.Parts[name] = "ok"
		if err != nil {
			answer.Parts[name] = err.Error()
			answer.Ready, code = false, http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // who asked is gone, if anything
}
