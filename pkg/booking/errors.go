package booking

import "errors"

// verdict is what an error says of the target.
type verdict int

const (
	unbooked verdict = iota + 1
	exists
	gone
)

// verdictError gives an error its verdict without changing its text.
type verdictError struct {
	verdict verdict
	err     error
}

func (e *verdictError) Error() string { return e.err.Error() }
func (e *verdictError) Unwrap() error { return e.err }

// Unbooked marks err as one after which the target certainly holds nothing of the call: it refused,
// or was never reached. Unbooked(nil) is nil.
func Unbooked(err error) error { return judge(unbooked, err) }

// Exists marks err as the target's refusal to create a document whose number it has already.
func Exists(err error) error { return judge(exists, err) }

// Gone marks err as the target's answer that it has no such document.
func Gone(err error) error { return judge(gone, err) }

func judge(v verdict, err error) error {
	if err == nil {
		return nil
	}
	return &verdictError{verdict: v, err: err}
}

// verdictOf returns the outermost verdict in err's chain, 0 when it leaves the outcome open.
func verdictOf(err error) verdict {
	if e, ok := errors.AsType[*verdictError](err); ok {
		return e.verdict
	}
	return 0
}
