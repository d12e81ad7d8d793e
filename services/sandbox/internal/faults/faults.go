// Package faults makes an imitated vendor misbehave on demand.
package faults

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Kind names a way to misbehave.
type Kind string

// The kinds of faults.
const (
	// RateLimit answers the vendor's "too many calls" (Code 199 or 200).
	RateLimit Kind = "rate_limit"
	// HTTP500 answers an HTTP error (Status, default 500) without a body.
	HTTP500 Kind = "http_500"
	// HTML answers a web page (Status, default 200), as gateways do.
	HTML Kind = "html"
	// Truncated does what was asked for and answers the first half of what there is to say, as if
	// that were all.
	Truncated Kind = "truncated"
	// Slow waits DelayMS before the call is looked at.
	Slow Kind = "slow"
	// CutBefore closes the connection before the call is looked at.
	CutBefore Kind = "cut_before"
	// CutAfter does what was asked for and closes the connection instead of answering.
	CutAfter Kind = "cut_after"
	// CutWithin does what was asked for and closes the connection when half of the answer is sent.
	CutWithin Kind = "cut_within"
	// ExpireToken lets the token expire when the call comes.
	ExpireToken Kind = "expire_token"
	// Shift edits the first Rows rows of a page once it was read, so that all rows after them
	// move towards the front.
	Shift Kind = "shift"
	// NullRows answers a page whose rows are null; its totals stay.
	NullRows Kind = "null_rows"
	// EndlessHasNext says that a further page follows, always.
	EndlessHasNext Kind = "endless_has_next"
	// WrongTotal answers a total that is Rows too high (or too low, if negative).
	WrongTotal Kind = "wrong_total"
	// LostReply lets a call change data and then closes the connection instead of answering. It
	// strikes no call that changes nothing.
	LostReply Kind = "lost_reply"
	// TimeoutAfter does what was asked for and answers that it took too long.
	TimeoutAfter Kind = "timeout_after"
	// AuditDraft lets the audit of a bill fail; a bill saved by the same call stays as a draft.
	AuditDraft Kind = "audit_draft"
	// AuditRollback lets the audit of a bill fail; a bill saved by the same call is gone.
	AuditRollback Kind = "audit_rollback"
	// RotateSecret changes the secret of the account set and ends its tokens when the call comes.
	RotateSecret Kind = "rotate_secret"
	// Offline takes the customer's machine off the net for DelayMS, beginning with the call (Code
	// 5003 or 5004).
	Offline Kind = "offline"
)

// Kinds lists all kinds.
var Kinds = []Kind{RateLimit, HTTP500, HTML, Truncated, Slow, CutBefore, CutAfter, CutWithin, ExpireToken, Shift, NullRows, EndlessHasNext, WrongTotal, LostReply, TimeoutAfter, AuditDraft, AuditRollback, RotateSecret, Offline}

// late are the kinds that strike in the midst of a call: Strike takes them, Take does not.
var late = []Kind{LostReply, AuditDraft, AuditRollback}

// Fault is one order to misbehave.
type Fault struct {
	ID   int  `json:"id"`
	Kind Kind `json:"kind"`
	// Count is how many calls it still strikes.
	Count int `json:"count"`
	// Path limits it to calls of one path; empty means every business call.
	Path string `json:"path,omitempty"`
	// Probability is the chance with which it strikes a call; 0 means always.
	Probability float64 `json:"probability,omitempty"`
	DelayMS     int     `json:"delay_ms,omitempty"`
	Status      int     `json:"status,omitempty"`
	Code        int     `json:"code,omitempty"`
	Rows        int     `json:"rows,omitempty"`
}

// Delay is how long a slow answer takes.
func (f Fault) Delay() time.Duration { return time.Duration(f.DelayMS) * time.Millisecond }

// Plan holds the faults still to strike.
type Plan struct {
	mu     sync.Mutex
	faults []Fault
	nextID int
	rng    *rand.Rand
}

// NewPlan returns an empty Plan. Equal seeds let faults with a probability strike the same calls.
func NewPlan(seed uint64) *Plan {
	return &Plan{nextID: 1, rng: rand.New(rand.NewPCG(seed, 0))}
}

// Add puts f into the plan and returns it with its defaults filled in.
func (p *Plan) Add(f Fault) (Fault, error) {
	f = f.withDefaults()
	if err := f.check(); err != nil {
		return Fault{}, fmt.Errorf("add fault: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f.ID = p.nextID
	p.nextID++
	p.faults = append(p.faults, f)
	return f, nil
}

// List returns the faults still to strike.
func (p *Plan) List() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Fault{}, p.faults...)
}

// Clear removes all faults and returns how many there were.
func (p *Plan) Clear() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.faults)
	p.faults = nil
	return n
}

// Take returns the faults that strike a call of path, the oldest of each kind. Faults without a
// path strike business calls only.
func (p *Plan) Take(path string, business bool) Struck {
	p.mu.Lock()
	defer p.mu.Unlock()
	struck := Struck{}
	for i := range p.faults {
		f := &p.faults[i]
		if _, twice := struck[f.Kind]; twice || slices.Contains(late, f.Kind) || !f.matches(path, business) || !p.chance(f) {
			continue
		}
		f.Count--
		struck[f.Kind] = *f
	}
	p.faults = slices.DeleteFunc(p.faults, func(f Fault) bool { return f.Count <= 0 })
	return struck
}

// Strike reports whether a fault of the kind strikes a business call of path now, and takes it.
// It is for the kinds that wait for a moment within the call: LostReply, AuditDraft, AuditRollback.
func (p *Plan) Strike(kind Kind, path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.faults {
		f := &p.faults[i]
		if f.Kind != kind || !f.matches(path, true) || !p.chance(f) {
			continue
		}
		if f.Count--; f.Count == 0 {
			p.faults = slices.Delete(p.faults, i, i+1)
		}
		return true
	}
	return false
}

// chance throws the dice of f.
func (p *Plan) chance(f *Fault) bool { return f.Probability == 0 || p.rng.Float64() < f.Probability }

// Struck holds the faults that one call meets.
type Struck map[Kind]Fault

func (f Fault) matches(path string, business bool) bool {
	if f.Path != "" {
		return f.Path == path
	}
	return business
}

func (f Fault) withDefaults() Fault {
	if f.Count == 0 {
		f.Count = 1
	}
	switch f.Kind {
	case RateLimit:
		f.Code = cmp.Or(f.Code, 199)
	case HTTP500:
		f.Status = cmp.Or(f.Status, 500)
	case HTML:
		f.Status = cmp.Or(f.Status, 200)
	case Slow:
		f.DelayMS = cmp.Or(f.DelayMS, 1000)
	case Offline:
		f.DelayMS, f.Code = cmp.Or(f.DelayMS, 30_000), cmp.Or(f.Code, 5003)
	case Shift, WrongTotal:
		f.Rows = cmp.Or(f.Rows, 1)
	}
	return f
}

// maxDelay bounds slow answers: a client gives up long before.
const maxDelay = 10 * time.Minute

func (f Fault) check() error {
	var errs []error
	if !slices.Contains(Kinds, f.Kind) {
		errs = append(errs, fmt.Errorf("kind is %q, want one of %q", f.Kind, Kinds))
	}
	if f.Count < 0 {
		errs = append(errs, fmt.Errorf("count is %d, want at least 1", f.Count))
	}
	if !(f.Probability >= 0 && f.Probability <= 1) {
		errs = append(errs, fmt.Errorf("probability is %v, want 0 to 1", f.Probability))
	}
	if f.DelayMS < 0 || f.Delay() > maxDelay {
		errs = append(errs, fmt.Errorf("delay_ms is %d, want 0 to %d", f.DelayMS, maxDelay.Milliseconds()))
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		errs = append(errs, fmt.Errorf("status is %d, want 200 to 599", f.Status))
	}
	if f.Kind == Offline && f.Code != 5003 && f.Code != 5004 {
		errs = append(errs, fmt.Errorf("code is %d, want 5003 or 5004", f.Code))
	}
	if f.Kind == Shift && f.Rows < 0 {
		errs = append(errs, fmt.Errorf("rows is %d, want at least 1", f.Rows))
	}
	return errors.Join(errs...)
}
