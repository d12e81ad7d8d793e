package kingdee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// statusGateway is the HTTP status of the gateway's own errors (documented).
const statusGateway = 519

// Request is one call, without what is new in each attempt.
type Request struct {
	Method, Path string
	// Query is sent byte for byte.
	Query string
	// Body is JSON; nil for none.
	Body []byte
	// Header holds what the system wants besides Content-Type, Accept and User-Agent.
	Header http.Header
	// Write says that the call changes something: it is sent once, and its error says whether it may
	// have been carried out (Uncertain).
	Write bool
	// Hidden are the secrets in the request, which no text may show.
	Hidden []string
}

// Send makes one attempt, of a call that needs no session, and returns the answer's data. Its errors
// are classified, and marked as uncertain where they are.
func (c Config) Send(ctx context.Context, r Request) (json.RawMessage, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("kingdee %s: %w", r.Path, context.Cause(ctx))
	}
	var asked, connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	answer, err := c.client().Do(traced, r.call(c.Endpoint))
	if err != nil {
		err = fmt.Errorf("kingdee %s: %w", r.Path, err)
		// Without a connection nothing was sent. A transport that doesn't tell of them is not trusted.
		unsent := asked.Load() && !connected.Load() || fault.ClassOf(err) == classRequest
		if r.Write && !unsent {
			err = MarkUncertain(err)
		}
		return nil, err
	}
	data, uncertain, err := read(r, answer)
	if uncertain {
		err = fault.Unanswered(err)
	}
	if uncertain && r.Write {
		err = MarkUncertain(err)
	}
	return data, err
}

func (c Config) client() *httpcall.Client {
	return httpcall.New(c.HTTP, c.Timeout, c.MaxBody, c.Version)
}

// call is r as it goes to the endpoint.
func (r Request) call(endpoint string) httpcall.Request {
	header := http.Header{}
	if r.Header != nil {
		header = r.Header.Clone()
	}
	header.Set("Content-Type", "application/json")
	address := endpoint + r.Path
	if r.Query != "" {
		address += "?" + r.Query
	}
	return httpcall.Request{Method: r.Method, URL: address, Header: header, Body: string(r.Body)}
}

// read returns the data of the envelope in an answer, or its refusal, and whether a write with this
// answer may have been carried out.
func read(r Request, a httpcall.Answer) (data json.RawMessage, uncertain bool, err error) {
	env, notOurs := decodeEnvelope(a.Body)
	switch {
	case notOurs == nil && env.failed():
		e := &Error{Path: r.Path, Status: a.Status, Code: env.code, Text: r.shown(env.text)}
		return nil, e.meaning().uncertain, e.classified(retryAfter(a))
	case a.Status == http.StatusTooManyRequests:
		return nil, false, fault.Busy(classRate, retryAfter(a), unexpected(r, a, nil))
	case a.Status == http.StatusUnauthorized:
		return nil, false, fault.Down(classToken, unexpected(r, a, nil))
	case a.Status == http.StatusNotFound:
		return nil, false, fault.Down(classRoute, fmt.Errorf("%w; %s", unexpected(r, a, nil), adviceRoute))
	case !a.OK():
		refused := a.Status/100 == 4 && a.Status != http.StatusRequestTimeout
		return nil, !refused, fault.Busy(classHTTP, 0, unexpected(r, a, nil))
	case notOurs != nil:
		return nil, true, fault.Busy(classAnswer, 0, unexpected(r, a, notOurs))
	}
	return env.data, false, nil
}

// retryAfter returns the wait that the gateway asks for, up to two minutes; 0 when it asks for none.
func retryAfter(a httpcall.Answer) time.Duration {
	after, err := time.ParseDuration(a.Header.Get("Retry-After") + "s")
	if err != nil {
		return 0
	}
	return min(max(after, 0), 2*time.Minute)
}

// unexpected tells what came instead of an answer.
func unexpected(r Request, a httpcall.Answer, cause error) error {
	text := fmt.Sprintf("kingdee %s: HTTP %d: %s", r.Path, a.Status, a.Describe(httpcall.Hide(r.Hidden...)))
	if cause != nil {
		return fmt.Errorf("%s: %w", text, cause)
	}
	return errors.New(text)
}

// shown is a text of the vendor as errors show it.
func (r Request) shown(text string) string {
	return httpcall.Cut(withoutEcho(httpcall.Hide(r.Hidden...).Mask(text)), 1000)
}

// echo is what KIS repeats of a request that it could not read, with its credentials and our data
// (seen in use).
var echo = regexp.MustCompile(`(?s)\{.*\}`)

func withoutEcho(text string) string {
	if !strings.Contains(text, "ParseRequest") {
		return text
	}
	return echo.ReplaceAllLiteralString(text, "{…}")
}
