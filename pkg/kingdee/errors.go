package kingdee

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
)

var (
	// ErrExists says that the number, the name or the bill number is taken. It is recognised by the
	// vendor's text (已存在: seen in use; 组合值…重复: seen in use), for the code is not known.
	ErrExists = errors.New("exists already")
	// ErrNotFound says that there is no such document (数据不存在: seen in use).
	ErrNotFound = errors.New("not found")
)

// Error is an answer that is a refusal. Get it with errors.AsType[*Error]; what it means for a
// message is said by pkg/fault.
type Error struct {
	// Path is that of the API, without its query.
	Path string
	// Status is that of HTTP. Refusals by the product come with 200, those of the gateway with
	// 519 (documented).
	Status int
	// Code is the vendor's errcode.
	Code int64
	// Text is the vendor's, verbatim, except that secrets are masked, an echoed request is left out
	// and a very long text is cut.
	Text string
}

// Error names the API, the vendor's code and text, and what an operator can do.
func (e *Error) Error() string {
	text := fmt.Sprintf("kingdee %s: errcode %d: %s", e.Path, e.Code, e.Text)
	if advice := e.meaning().advice; advice != "" {
		text += "; " + advice
	}
	return text
}

// Is says whether e is target, ErrExists or ErrNotFound, by the vendor's text.
func (e *Error) Is(target error) bool {
	switch {
	case e.meaning().class != classRefused:
		return false
	case target == ErrExists:
		return strings.Contains(e.Text, "已存在") || strings.Contains(e.Text, "组合值") && strings.Contains(e.Text, "重复")
	case target == ErrNotFound:
		return strings.Contains(e.Text, "数据不存在")
	default:
		return false
	}
}

// uncertainError is the error of a write of which nobody knows whether it was carried out.
type uncertainError struct{ err error }

func (e *uncertainError) Error() string {
	return e.err.Error() + "; whether it was carried out is not known"
}
func (e *uncertainError) Unwrap() error { return e.err }

// MarkUncertain marks err as that of a write which may have been carried out all the same. It is for
// callers that can't read what a write answered. MarkUncertain(nil) is nil.
func MarkUncertain(err error) error {
	if err == nil {
		return nil
	}
	return &uncertainError{err}
}

// Uncertain reports whether err is that of a write which may have been carried out all the same:
// before it is sent again the system has to be asked. It is false for reads, and where the write
// surely was not carried out:
//
//   - nothing was sent: no session, no connection (refused, unknown host, bad certificate), ctx ended
//     while waiting for its turn
//   - HTTP 429, and any other 4xx but 408: turned away before a program saw it
//   - an errcode of the gateway that says that it forwarded nothing: 4001 to 4012, 5001, 5002, and the
//     codes of an ended token
//   - any other errcode but those below, with HTTP 200 or 519: the product refused. A save that was to
//     audit as well may have left a draft (assumed): look for it
//
// It is true for a time-out, a lost connection, an end of ctx while the call was under way, HTTP 5xx
// other than 519, an answer that can't be read, errcode 5000, 5003 to 5007 of the gateway (fused and
// overloaded, too: the call that trips a fuse was forwarded; assumed), 2000002000 and 3000002000
// (system error), and any text that speaks of a time-out (assumed).
func Uncertain(err error) bool {
	_, ok := errors.AsType[*uncertainError](err)
	return ok
}

// The classes of errors, in the words of pkg/fault.
const (
	classRefused  = "refused"
	classToken    = "token"
	classRate     = "rate"
	classGateway  = "gateway"
	classRoute    = "route"
	classAnswer   = "answer"
	classHTTP     = "http"
	classRequest  = "request"
	classSecret   = "secret"
	classAccount  = "account"
	classTimeout  = "timeout"
	classNoServer = "connection"
)

// remedy is what a client itself can do about an error.
type remedy int

const (
	giveUp      remedy = iota
	renewToken         // once, and send once more
	reauthorise        // the app secret was rotated: ask for it again
	holdBack           // the limit of calls was reached
	backOff
)

// meaning is what an errcode stands for.
type meaning struct {
	kind      fault.Kind
	class     string
	remedy    remedy
	uncertain bool // a write with this answer may have been carried out
	advice    string
}

const (
	adviceClient  = "check client_id and the secret client_secret"
	adviceClock   = "set this machine's clock: the vendor allows five minutes"
	adviceAPI     = "let the app have the permission for this API at open.jdy.com"
	adviceRoute   = "check the path, and the connection's setting domain"
	adviceAccount = "check outer_instance_id, app_key and account_id, and that the account set authorised the app"
)

// meaningOf returns what an errcode stands for. 4001 to 5007 are the gateway's (documented);
// 1000202001 is documented, 1030002006 and 10201 were seen in use, 1020002008, 2000002000 and
// 3000002000 by single sources. What is not listed is the product's refusal of the document.
func meaningOf(code int64) meaning {
	switch code {
	case 4001, 4007, 4008:
		return meaning{fault.DownKind, "signature", giveUp, false, adviceClient}
	case 4002, 4003, 4004, 4005:
		return meaning{fault.DownKind, "credentials", giveUp, false, adviceClient}
	case 4006:
		return meaning{fault.DownKind, "clock", giveUp, false, adviceClock}
	case 4009, 4010, 4011, 1000202001, 1020002008:
		return meaning{fault.DownKind, classToken, renewToken, false, adviceAccount}
	case 1030002006:
		return meaning{fault.DownKind, classToken, reauthorise, false, adviceAccount}
	case 4012:
		return meaning{fault.DownKind, "permission", giveUp, false, adviceAPI}
	case 5001:
		return meaning{fault.DownKind, classRoute, giveUp, false, adviceRoute}
	case 5002:
		return meaning{fault.PermanentKind, classRequest, giveUp, false, ""}
	case 5000, 5003, 5005:
		return meaning{fault.BusyKind, classGateway, backOff, true, ""}
	case 5004:
		return meaning{fault.BusyKind, classTimeout, backOff, true, ""}
	case 5006, 5007:
		return meaning{fault.BusyKind, classRate, holdBack, true, ""}
	case 2000002000, 3000002000:
		return meaning{fault.BusyKind, "vendor", backOff, true, ""}
	default:
		return meaning{kind: fault.PermanentKind, class: classRefused}
	}
}

func (e *Error) meaning() meaning {
	m := meaningOf(e.Code)
	if m.class == classRefused && speaksOfTimeout(e.Text) {
		return meaning{fault.BusyKind, classTimeout, backOff, true, ""}
	}
	if e.Status == http.StatusTooManyRequests {
		return meaning{fault.BusyKind, classRate, holdBack, false, ""}
	}
	m.uncertain = m.uncertain || e.Status/100 == 5 && e.Status != statusGateway
	return m
}

// speaksOfTimeout finds the refusals of KIS that are none: its agent gave up waiting (assumed).
func speaksOfTimeout(text string) bool {
	return strings.Contains(text, "超时") || strings.Contains(strings.ToLower(text), "timeout")
}

// classified returns e marked with what it means; after is the wait that came with it.
func (e *Error) classified(after time.Duration) error {
	m := e.meaning()
	return fault.Mark(m.kind, m.class, after, e)
}
