// Package fault says what an error means for the message or call that it happened to:
// it can never work (permanent), it may work later (busy), or the other side is not
// there (down). Only the runtimes (pkg/sink, pkg/poll, the transformer) act on it.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what an error means for what was being done.
type Kind int

const (
	// Unknown is an error that nobody classified. The runtimes retry it like Busy.
	Unknown Kind = iota
	// PermanentKind will fail every time: bad data, a refused document. To DEAD at once.
	PermanentKind
	// BusyKind may succeed later: a rate limit, a lock, a time-out. Retried with a growing delay.
	BusyKind
	// DownKind means the other side can't be used at all: no connection, wrong credentials,
	// a missing table. The circuit breaker counts it; no message is blamed for it.
	DownKind
)

// String returns the kind in lower case, as headers, logs and metrics carry it.
func (k Kind) String() string {
	switch k {
	case PermanentKind:
		return "permanent"
	case BusyKind:
		return "busy"
	case DownKind:
		return "down"
	default:
		return "unknown"
	}
}

// kindError gives an error its kind without changing its text.
type kindError struct {
	kind  Kind
	class string
	after time.Duration
	err   error
}

func (e *kindError) Error() string { return e.err.Error() }
func (e *kindError) Unwrap() error { return e.err }

// Permanent marks err as one that no retry mends; class is a short stable word for
// filters and metrics, such as "validation" or "data". Permanent(…, nil) is nil.
func Permanent(class string, err error) error { return Mark(PermanentKind, class, 0, err) }

// Busy marks err as one that may pass after the given wait; 0 leaves the wait to the caller.
func Busy(class string, after time.Duration, err error) error {
	return Mark(BusyKind, class, after, err)
}

// Down marks err as the other side being out of use; the text should say what an operator can do.
func Down(class string, err error) error { return Mark(DownKind, class, 0, err) }

// Mark gives err a kind that is chosen at run time, by a table of codes for example: it is Permanent,
// Busy or Down. after counts for BusyKind alone.
func Mark(kind Kind, class string, after time.Duration, err error) error {
	if err == nil {
		return nil
	}
	if kind != BusyKind {
		after = 0
	}
	return &kindError{kind: kind, class: class, after: after, err: err}
}

// markError says of err's call how far it came, without changing its text or kind.
type markError struct {
	mark mark
	err  error
}

func (e *markError) Error() string { return e.err.Error() }
func (e *markError) Unwrap() error { return e.err }

type mark int

const (
	unanswered mark = iota + 1
	untried
)

// Unanswered marks err as that of a call that the other side did not answer itself: a time-out, a
// lost connection, a gateway that stands before it. One may be chance; the circuit breaker counts
// several in a row. Kind, class and wait stay as they are. Unanswered(nil) is nil.
func Unanswered(err error) error { return marked(unanswered, err) }

// Untried marks err as one for which the other side was not called at all, so that it says nothing
// about it. Kind, class and wait stay as they are. Untried(nil) is nil.
func Untried(err error) error { return marked(untried, err) }

func marked(m mark, err error) error {
	if err == nil {
		return nil
	}
	return &markError{m, err}
}

// IsUnanswered reports whether the outermost mark in err's chain is that of Unanswered.
func IsUnanswered(err error) bool { return markOf(err) == unanswered }

// IsUntried reports whether the outermost mark in err's chain is that of Untried.
func IsUntried(err error) bool { return markOf(err) == untried }

func markOf(err error) mark {
	if e, ok := errors.AsType[*markError](err); ok {
		return e.mark
	}
	return 0
}

// Spent marks err, of kind and class as before, as what is left after so many attempts; after is a
// good time for the next where it is busy. Spent(nil, …) is nil.
func Spent(err error, attempts int, after time.Duration) error {
	if err == nil {
		return nil
	}
	return Mark(KindOf(err), ClassOf(err), after, fmt.Errorf("%w (attempts: %d)", err, attempts))
}

// KindOf returns the outermost kind in err's chain, Unknown when nobody gave it one.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*kindError](err); ok {
		return e.kind
	}
	return Unknown
}

// ClassOf returns the outermost class in err's chain, "unclassified" when there is none.
func ClassOf(err error) string {
	if e, ok := errors.AsType[*kindError](err); ok {
		return e.class
	}
	return "unclassified"
}

// IsPermanent reports whether err can't be mended by a retry.
func IsPermanent(err error) bool { return KindOf(err) == PermanentKind }

// Delay returns the wait that a busy error asked for, or fallback when it named none.
func Delay(err error, fallback time.Duration) time.Duration {
	if e, ok := errors.AsType[*kindError](err); ok && e.after > 0 {
		return e.after
	}
	return fallback
}
