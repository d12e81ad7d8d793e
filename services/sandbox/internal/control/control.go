// Package control serves /_sandbox/: a look behind the imitated vendors, and the levers to make
// them change their data and misbehave. It asks for no credentials: keep it on loopback.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
)

// maxBody bounds the body of an order.
const maxBody = 1 << 20

// Config is what the control endpoints work on.
type Config struct {
	Jushuitan *jushuitan.Server
	Store     *dataset.Store
	Params    dataset.Params
	Faults    *faults.Plan
	Now       func() time.Time
	Log       *slog.Logger
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
	links []link
}

// New returns the handler of all paths below /_sandbox/.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &control{Config: c}
	mux := http.NewServeMux()
	for _, e := range []struct {
		link
		serve func(w http.ResponseWriter, r *http.Request) error
	}{
		{link{"GET", "/_sandbox/", "this index"}, h.index},
		{link{"GET", "/_sandbox/jushuitan/purchasein", "all purchase receipts as they are now; ?status=Confirmed, ?path=" + jushuitan.PurchaseInNewer}, h.receipts},
		{link{"GET", "/_sandbox/jushuitan/purchasein/checksum", "number of documents and lines, and a checksum of them; ?status=Confirmed"}, h.checksum},
		{link{"GET", "/_sandbox/jushuitan/stats", "calls, peaks, rejections, edits"}, h.stats},
		{link{"POST", "/_sandbox/jushuitan/edit", `edit receipts: {"io_ids":[…]} or {"count":n}, with add_line, remove_line, status, modified_ago_s`}, h.edit},
		{link{"GET", "/_sandbox/jushuitan/faults", "faults still to strike"}, h.listFaults},
		{link{"POST", "/_sandbox/jushuitan/faults", `add a fault: {"kind":…,"count":n}, with path, probability, delay_ms, status, code, rows`}, h.addFault},
		{link{"DELETE", "/_sandbox/jushuitan/faults", "remove all faults"}, h.clearFaults},
	} {
		h.links = append(h.links, e.link)
		path := e.Path
		if path == "/_sandbox/" {
			path += "{$}"
		}
		mux.HandleFunc(e.Method+" "+path, h.reply(e.serve))
	}
	return http.NewCrossOriginProtection().Handler(mux) // no web page may pull the levers
}

// errOrder wraps what is wrong with an order, as opposed to what went wrong with it.
type errOrder struct{ error }

// reply turns the error of a handler into an answer.
func (h *control) reply(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		status := http.StatusInternalServerError
		if _, ok := errors.AsType[errOrder](err); ok {
			status = http.StatusBadRequest
		} else {
			h.Log.ErrorContext(r.Context(), "control", "path", r.URL.Path, "err", err)
		}
		write(w, status, map[string]string{"error": err.Error()})
	}
}

func (h *control) index(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, map[string]any{
		"links":      h.links,
		"vendors":    map[string]any{"jushuitan": map[string]any{"paths": h.Jushuitan.Paths()}},
		"dataset":    h.Params,
		"faultKinds": faults.Kinds,
	})
	return nil
}

// keep returns the filter that the query of r asks for.
func keep(r *http.Request) func(*dataset.Receipt) bool {
	status := r.URL.Query().Get("status")
	return func(d *dataset.Receipt) bool { return status == "" || d.Status == status }
}

func (h *control) receipts(w http.ResponseWriter, r *http.Request) error {
	path := jushuitan.PurchaseIn
	if asked := r.URL.Query().Get("path"); asked == jushuitan.PurchaseInNewer {
		path = asked
	} else if asked != "" && asked != path {
		return errOrder{fmt.Errorf("path %q has no purchase receipts", asked)}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, begun := io.WriteString(w, `{"datas":`)
	sent := h.Jushuitan.WriteReceipts(w, path, keep(r))
	_, ended := io.WriteString(w, "}\n")
	if err := errors.Join(begun, sent, ended); err != nil {
		h.Log.DebugContext(r.Context(), "send receipts", "err", err)
		panic(http.ErrAbortHandler) // half a list must not look whole
	}
	return nil
}

func (h *control) checksum(w http.ResponseWriter, r *http.Request) error {
	var kept []*dataset.Receipt
	for _, d := range h.Store.Receipts() {
		if keep(r)(d) {
			kept = append(kept, d)
		}
	}
	write(w, http.StatusOK, dataset.Sum(kept))
	return nil
}

func (h *control) stats(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, h.Jushuitan.Stats())
	return nil
}

// editOrder says which receipts to edit, and how.
type editOrder struct {
	IOIDs        []int64 `json:"io_ids"`
	Count        int     `json:"count"`
	AddLine      bool    `json:"add_line"`
	RemoveLine   bool    `json:"remove_line"`
	Status       string  `json:"status"`
	ModifiedAgoS int     `json:"modified_ago_s"`
}

// edited is a receipt after an edit.
type edited struct {
	IOID     int64  `json:"io_id"`
	TS       int64  `json:"ts"`
	Modified string `json:"modified"`
	Lines    int    `json:"lines"`
}

func (h *control) edit(w http.ResponseWriter, r *http.Request) error {
	var order editOrder
	if err := read(w, r, &order); err != nil {
		return err
	}
	if (len(order.IOIDs) > 0) == (order.Count > 0) || order.Count < 0 || order.ModifiedAgoS < 0 {
		return errOrder{errors.New("edit: want either io_ids or a count above 0, and modified_ago_s of 0 or more")}
	}
	change := dataset.Change{
		AddLine: order.AddLine, RemoveLine: order.RemoveLine, Status: order.Status,
		ModifiedAgo: time.Duration(order.ModifiedAgoS) * time.Second,
	}
	var changed []*dataset.Receipt
	var err error
	if order.Count > 0 {
		changed, err = h.Store.EditAny(order.Count, change, dataset.Control, h.Now())
	} else {
		changed, err = h.Store.Edit(order.IOIDs, change, dataset.Control, h.Now())
	}
	if errors.Is(err, dataset.ErrUnknown) {
		return errOrder{err}
	}
	if err != nil {
		return err
	}
	all := make([]edited, len(changed))
	for i, d := range changed {
		all[i] = edited{d.IOID, d.TS, d.Modified.Format(time.DateTime), len(d.Items)}
	}
	write(w, http.StatusOK, map[string]any{"edited": all})
	return nil
}

func (h *control) listFaults(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, map[string]any{"faults": h.Faults.List()})
	return nil
}

func (h *control) addFault(w http.ResponseWriter, r *http.Request) error {
	var f faults.Fault
	if err := read(w, r, &f); err != nil {
		return err
	}
	f, err := h.Faults.Add(f)
	if err != nil {
		return errOrder{err}
	}
	write(w, http.StatusCreated, f)
	return nil
}

func (h *control) clearFaults(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, map[string]int{"removed": h.Faults.Clear()})
	return nil
}

// read reads an order. Unknown fields are refused: a lever that was misspelt does nothing.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return errOrder{fmt.Errorf("read order: %w", err)}
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
