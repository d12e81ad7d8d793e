package jushuitan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Error is a refusal by the vendor: an answer whose code is not 0. Get it with
// errors.AsType[*Error]; what it means is said by pkg/fault.
type Error struct {
	Code      int    // the vendor's; 0 only where issuccess was false all the same
	Msg       string // verbatim, except that secrets are masked and a very long text is cut
	Path      string // of the endpoint
	RequestID string // "" when the vendor gave none
}

// Error names the endpoint, the vendor's code and text, and what an operator can do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "jushuitan %s: code %d: %s", e.Path, e.Code, e.Msg)
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %s)", e.RequestID)
	}
	if advice := e.meaning().advice; advice != "" {
		b.WriteString("; " + advice)
	}
	return b.String()
}

// remedy is what the client itself can do about an error.
type remedy int

const (
	giveUp     remedy = iota
	renewToken        // once
	restamp           // once, at once
	waitSecond        // the calls of this second are used up
	waitMinute        // the calls of this minute are used up
	backOff
)

// meaning is what a code stands for.
type meaning struct {
	code   int
	text   string // the message contains it, in lower case; "" = any message
	kind   fault.Kind
	class  string
	remedy remedy
	advice string
}

const (
	adviceSign  = "check that app_key and the secret app_secret belong together"
	adviceClock = "set this machine's clock: the vendor allows a few minutes"
	adviceIP    = "add this machine's address to the app's IP list in the vendor's console"
	adviceAPI   = "apply for this API in the vendor's console, or set another path"
	adviceKind  = "this is a service provider's app: set the app kind to isv"
	adviceToken = "check that app key, app kind and account belong together" //nolint:gosec // advice, and no secret
	adviceAuth  = "let the merchant authorise the app again and put the new code (valid 15 minutes) " +
		"into the secret code, or the new token into access_token"
)

// meanings is the vendor's error table. The first that fits counts: where one code means
// two things, the text comes before the bare code. 10, 100, 110, 130, 190, 199 and 200 are
// documented; 时间戳, 10015 and -4 are assumed; the others were seen in use.
func meanings() []meaning {
	return []meaning{
		{10, "", fault.DownKind, "signature", giveUp, adviceSign},
		{120, "", fault.DownKind, "signature", giveUp, adviceSign}, // an older number for 10
		{100, "", fault.DownKind, "token", renewToken, adviceToken},
		{110, "", fault.DownKind, "ip", giveUp, adviceIP},
		{130, "", fault.PermanentKind, "request", giveUp, ""},
		{140, "timestamp", fault.DownKind, "clock", restamp, adviceClock},
		{140, "时间戳", fault.DownKind, "clock", restamp, adviceClock},
		{140, "", fault.PermanentKind, "request", giveUp, ""},
		{150, "禁止刷新", fault.DownKind, "token", giveUp, adviceAuth},
		{150, "重新授权", fault.DownKind, "token", giveUp, adviceAuth},
		{150, "", fault.BusyKind, "vendor", backOff, ""}, // internal error
		{160, "", fault.PermanentKind, "request", giveUp, ""},
		{170, "", fault.PermanentKind, "request", giveUp, ""},
		{180, "", fault.DownKind, "clock", restamp, adviceClock}, // an older number for 140
		{190, "", fault.DownKind, "permission", giveUp, adviceAPI},
		{199, "", fault.BusyKind, "rate", waitSecond, ""},
		{200, "", fault.BusyKind, "rate", waitMinute, ""},
		{21024, "", fault.DownKind, "token", giveUp, adviceKind},
		{10015, "", fault.PermanentKind, "request", giveUp, ""},
		{-4, "", fault.PermanentKind, "request", giveUp, ""},
	}
}

// lookUp returns what a refusal means. A code that is not in the table is not retried.
func lookUp(code int, msg string) (m meaning, known bool) {
	msg = strings.ToLower(msg)
	for _, m := range meanings() {
		if m.code == code && strings.Contains(msg, m.text) {
			return m, true
		}
	}
	return meaning{code: code, kind: fault.PermanentKind, class: "vendor"}, false
}

func (e *Error) meaning() meaning {
	m, _ := lookUp(e.Code, e.Msg)
	return m
}

// classified returns e marked with what it means.
func (e *Error) classified() error {
	m := e.meaning()
	return fault.Mark(m.kind, m.class, 0, e)
}

// remedyFor says what the client can do about any error of an attempt.
func remedyFor(err error) remedy {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.meaning().remedy
	}
	if fault.KindOf(err) == fault.BusyKind || fault.ClassOf(err) == "connection" {
		return backOff
	}
	return giveUp
}

// wantsToken reports whether the vendor refused the token.
func wantsToken(err error) bool { return err != nil && remedyFor(err) == renewToken }
