package gateway

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
)

// maxBody bounds the body of a call.
const maxBody = 4 << 20

// DoorConfig is what a Door works with.
type DoorConfig struct {
	Faults *faults.Plan
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
	// PerMinute limits the business calls in any minute; 0: no limit.
	PerMinute int
	// AtOnce is how many business calls at once are no violation; 0: any number.
	AtOnce int
	// TooMany is the answer to calls beyond the limit.
	TooMany Refusal
}

// Door is what calls of one account set pass on their way in and out: it counts them, limits them,
// and plays the faults. Its methods may be called at once.
type Door struct {
	faults  *faults.Plan
	now     func() time.Time
	log     *slog.Logger
	meter   *meter
	tooMany Refusal
}

// NewDoor returns a Door.
func NewDoor(c DoorConfig) *Door {
	d := &Door{faults: c.Faults, now: c.Now, log: c.Log, meter: newMeter(c.PerMinute, c.AtOnce), tooMany: c.TooMany}
	if d.now == nil {
		d.now = time.Now
	}
	return d
}

// Call is a call as the endpoints see it.
type Call struct {
	*http.Request
	// Name is the path in its usual spelling.
	Name string
	// Now is when the call came.
	Now time.Time
	// Text is its body.
	Text   []byte
	Struck faults.Struck
	// Changed is to be set when the call has changed data.
	Changed bool
}

// Whole is an answer that needs no envelope around it.
type Whole struct{ Body any }

// Stats returns what was seen so far.
func (d *Door) Stats() Stats { return d.meter.snapshot() }

// Serve answers the call r of the path name by answer, unless a fault has it otherwise.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request, name string, business bool, answer func(*Call) (any, error)) {
	c := &Call{Request: r, Name: name, Now: d.now(), Struck: d.faults.Take(name, business)}
	d.meter.begin(name, business, c.Now)
	defer d.meter.end(business)
	var err error
	c.Text, err = readBody(w, r) // before anything slow: only then does the server notice who hangs up
	if c.Struck.AtGateway(w, r, webPage, d.meter.Failed) {
		return
	}
	var data any
	if err == nil {
		data, err = answer(c)
	}
	if d.loses(c) {
		d.meter.Failed()
		panic(http.ErrAbortHandler)
	}
	if _, late := c.Struck[faults.TimeoutAfter]; late {
		data, err = nil, ErrTimeout
	}
	d.reply(c.Struck.Within(w), c, business, data, err)
}

// Admit counts a business call against the limit and refuses it if it is one too many.
func (d *Door) Admit(c *Call) error {
	_, struck := c.Struck[faults.RateLimit]
	if struck || !d.meter.admit(c.Now) {
		return d.tooMany
	}
	return nil
}

// AuditFails reports whether a fault lets the audit within c fail, and whether what c saved is
// rolled back then.
func (d *Door) AuditFails(c *Call) (fails, rollback bool) {
	if d.faults.Strike(faults.AuditRollback, c.Name) {
		return true, true
	}
	return d.faults.Strike(faults.AuditDraft, c.Name), false
}

// loses reports whether the answer to c is lost.
func (d *Door) loses(c *Call) bool {
	_, lost := c.Struck[faults.CutAfter]
	if c.Changed {
		lost = lost || d.faults.Strike(faults.LostReply, c.Name)
		d.meter.changed(lost)
	}
	return lost
}

// reply sends data, or the refusal that err is.
func (d *Door) reply(w http.ResponseWriter, c *Call, business bool, data any, err error) {
	status, code, body := http.StatusOK, 0, any(envelope{Text: "success", Data: data})
	if whole, ok := data.(Whole); ok {
		body = whole.Body
	}
	if err != nil {
		refused, ok := errors.AsType[Refusal](err)
		if !ok {
			d.log.ErrorContext(c.Context(), "answer call", "path", c.Name, "err", err)
			refused = errInternal
		}
		status, code, body = refused.Status, refused.Code, refused.body()
	}
	d.meter.Answered(code, business, c.Now)
	d.log.DebugContext(c.Context(), "call", "path", c.Name, "code", code)
	_, half := c.Struck[faults.Truncated]
	if err := write(w, status, body, half); err != nil {
		d.log.DebugContext(c.Context(), "send answer", "path", c.Name, "err", err)
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return text, nil
}

// webPage is what a gateway says that has lost its way.
const webPage = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
