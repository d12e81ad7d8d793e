// Package probe finds out how a connection behaves, without changing anything at the other side:
// whether it can be used, and what its vendor leaves undocumented.
package probe

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/erpstream/erpstream/pkg/httpcall"
)

// State says what a finding means.
type State string

// The states: what works, what deserves a look, what does not work, and what could not be told.
const (
	OK      State = "ok"
	Warn    State = "warn"
	Fail    State = "fail"
	Unknown State = "unknown"
)

// Finding is one thing that was found out.
type Finding struct {
	// Check names what was looked at, for example "sign in" or "page clamp".
	Check string `json:"check"`
	State State  `json:"state"`
	// Text says what was seen, with the vendor's own words where it refused.
	Text string `json:"text"`
}

func found(check string, state State, format string, args ...any) Finding {
	return Finding{check, state, fmt.Sprintf(format, args...)}
}

// Failed reports whether one of the findings is a failure.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.State == Fail {
			return true
		}
	}
	return false
}

// The call that reads the other side's clock is bounded in time, and in the bytes of an answer that should
// have none.
const (
	clockWait     = 10 * time.Second
	longestAnswer = 1 << 20
)

// Clock compares the clock of this machine with that of a web server, as its Date header says, to
// the second. The vendors refuse signatures whose time is off by 2 to 15 minutes.
func Clock(ctx context.Context, endpoint string) Finding {
	const check = "clock skew"
	client := httpcall.New(&http.Client{}, clockWait, longestAnswer, "check")
	answer, err := client.Do(ctx, httpcall.Request{Method: http.MethodHead, URL: endpoint})
	if err != nil {
		return found(check, Fail, "the endpoint does not answer: %v", err)
	}
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return found(check, Unknown, "the answer has no Date")
	}
	skew := time.Since(theirs).Round(time.Second)
	if skew.Abs() > time.Minute {
		return found(check, Warn, "this machine is %s ahead of the endpoint: set its clock", skew)
	}
	return found(check, OK, "this machine is %s ahead of the endpoint", skew)
}
