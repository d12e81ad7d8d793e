// Package control serves /_sandbox/: a look behind the imitated vendors, and the levers to make
// them change their data and misbehave. It asks for no credentials: keep it on loopback.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// root is where all paths begin.
const root = "/_sandbox/"

// maxBody bounds the body of an order.
const maxBody = 1 << 20

// Config is what the control endpoints work on.
type Config struct {
	Vendors []Vendor
	World   World
	// Params is what the data was made from, as the index shows it.
	Params any
	Log    *slog.Logger
}

// link is an entry of the index.
type link struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	About  string `json:"about"`
}

// control holds the handlers.
type control struct {
	Config
	mux   *http.ServeMux
	links []link
}

// handler answers one path. An error becomes the answer, as long as nothing was sent.
type handler func(w http.ResponseWriter, r *http.Request) error

// New returns the handler of all paths below /_sandbox/.
func New(c Config) http.Handler {
	h := &control{Config: c, mux: http.NewServeMux()}
	h.serve(http.MethodGet, "", "this index", h.index)
	h.serve(http.MethodGet, "stats", "what all vendors have seen, and the edits that are still to come", h.stats)
	h.serve(http.MethodGet, "world", "the master data that all vendors share", h.world)
	h.serve(http.MethodPost, "world/release", "let the finance systems know the late goods", h.release)
	for _, v := range c.Vendors {
		h.vendor(v)
	}
	return http.NewCrossOriginProtection().Handler(h.mux) // no web page may pull the levers
}

// serve puts a path into the index and has it served.
func (h *control) serve(method, path, about string, serve handler) {
	h.links = append(h.links, link{method, root + path, about})
	if path == "" {
		path = "{$}"
	}
	h.mux.HandleFunc(method+" "+root+path, h.reply(serve))
}

// vendor serves the paths of one vendor.
func (h *control) vendor(v Vendor) {
	for _, l := range v.Lists {
		h.serve(http.MethodGet, v.Name+"/"+l.Name, l.About, h.list(l))
		if l.Checksum != nil {
			h.serve(http.MethodGet, v.Name+"/"+l.Name+"/checksum", "number of documents and lines, and a checksum of them", h.checksum(l))
		}
	}
	h.serve(http.MethodGet, v.Name+"/stats", "calls, peaks, rejections and, where there are any, edits", func(w http.ResponseWriter, _ *http.Request) error {
		write(w, http.StatusOK, v.Stats())
		return nil
	})
	for _, o := range v.Orders {
		h.serve(http.MethodPost, v.Name+"/"+o.Name, o.About, h.order(o))
	}
	if v.Faults == nil {
		return
	}
	h.serve(http.MethodGet, v.Name+"/faults", "faults still to strike", listFaults(v.Faults))
	h.serve(http.MethodPost, v.Name+"/faults", `add a fault: {"kind":…,"count":n}, with path, probability, delay_ms, status, code, rows`, addFault(v.Faults))
	h.serve(http.MethodDelete, v.Name+"/faults", "remove all faults", clearFaults(v.Faults))
}

// refusal is what is wrong with an order, as opposed to what went wrong with it.
type refusal struct{ error }

// Refuse returns an error that says what is wrong with an order or a query, err.
func Refuse(err error) error { return refusal{err} }

// reply turns the error of a handler into an answer.
func (h *control) reply(serve handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		status := http.StatusInternalServerError
		if _, ok := errors.AsType[refusal](err); ok {
			status = http.StatusBadRequest
		} else {
			h.Log.ErrorContext(r.Context(), "control", "path", r.URL.Path, "err", err)
		}
		write(w, status, map[string]string{"error": err.Error()})
	}
}

func (h *control) index(w http.ResponseWriter, _ *http.Request) error {
	vendors := map[string]any{}
	for _, v := range h.Vendors {
		vendors[v.Name] = map[string]any{"paths": v.Paths}
	}
	write(w, http.StatusOK, map[string]any{
		"links": h.links, "vendors": vendors, "dataset": h.Params, "faultKinds": faults.Kinds,
	})
	return nil
}

func (h *control) stats(w http.ResponseWriter, _ *http.Request) error {
	remaining, vendors := 0, map[string]any{}
	for _, v := range h.Vendors {
		vendors[v.Name] = v.Stats()
		if v.EditsRemaining != nil {
			remaining += v.EditsRemaining()
		}
	}
	write(w, http.StatusOK, map[string]any{"edits_remaining": remaining, "vendors": vendors})
	return nil
}

func (h *control) list(l List) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		query := r.URL.Query()
		if err := l.check(query); err != nil {
			return err
		}
		rows, err := l.Rows(query)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if err := writeRows(w, rows); err != nil {
			h.Log.DebugContext(r.Context(), "send rows", "path", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler) // half a list must not look whole
		}
		return nil
	}
}

func (h *control) checksum(l List) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		query := r.URL.Query()
		if err := l.check(query); err != nil {
			return err
		}
		sum, err := l.Checksum(query)
		if err != nil {
			return err
		}
		write(w, http.StatusOK, sum)
		return nil
	}
}

func (h *control) order(o Order) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		answer, err := o.Do(func(into any) error { return read(w, r, into) })
		if err != nil {
			return err
		}
		write(w, http.StatusOK, answer)
		return nil
	}
}

func listFaults(plan *faults.Plan) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		write(w, http.StatusOK, map[string]any{"faults": plan.List()})
		return nil
	}
}

func addFault(plan *faults.Plan) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		var f faults.Fault
		if err := read(w, r, &f); err != nil {
			return err
		}
		f, err := plan.Add(f)
		if err != nil {
			return Refuse(err)
		}
		write(w, http.StatusCreated, f)
		return nil
	}
}

func clearFaults(plan *faults.Plan) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		write(w, http.StatusOK, map[string]int{"removed": plan.Clear()})
		return nil
	}
}

// check refuses filters that l does not have: one that was misspelt would filter nothing.
func (l List) check(query url.Values) error {
	for name := range query {
		if !l.has(name) {
			return Refuse(fmt.Errorf("%s has no filter %q, only %q", l.Name, name, l.Filters))
		}
	}
	return nil
}

// read reads an order. Unknown fields are refused: a lever that was misspelt does nothing.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return Refuse(fmt.Errorf("read order: %w", err))
	}
	return nil
}

// write sends v. An error means that the reader has gone.
func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
}
