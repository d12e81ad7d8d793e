package jushuitan

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/erpstream/erpstream/pkg/fault"
)

// withoutRedirects returns a copy of h that hands a redirect back like any other answer.
func withoutRedirects(h *http.Client) *http.Client {
	c := *h
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// reply is an HTTP answer, read to its end.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// post sends form to path. Its errors are classified.
func (c *Client) post(ctx context.Context, path string, form map[string]string) (reply, error) {
	values := url.Values{}
	for key, value := range form {
		values.Set(key, value)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.Endpoint+path, strings.NewReader(values.Encode()))
	if err != nil {
		return reply{}, fault.Permanent("request", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "erpstream/"+c.cfg.Version)
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return reply{}, transportFault(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, c.cfg.MaxBody))
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return reply{}, fault.Permanent("size", fmt.Errorf("answer is larger than %d bytes: ask for smaller pages", over.Limit))
	}
	if err != nil {
		return reply{}, transportFault(fmt.Errorf("read answer: %w", err))
	}
	return reply{resp.StatusCode, resp.Header.Get("Content-Type"), body}, nil
}

// transportFault says what a failed exchange means: nobody there, too slow, or cut.
func transportFault(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fault.Down("connection", fmt.Errorf("%w; check the endpoint, and that it is up", err))
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return fault.Down("connection", fmt.Errorf("%w; check the endpoint's name", err))
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Down("connection", fmt.Errorf("%w; check the endpoint, and this machine's clock and certificates", err))
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return fault.Busy("timeout", 0, err)
	}
	return fault.Busy("network", 0, err)
}

// read returns the envelope in r. The vendor's own refusals come with HTTP 200 (seen in
// use); under another status only a code that the table knows counts as one.
func (r reply) read(req request, hidden []string) (envelope, error) {
	env, err := decodeEnvelope(r.body)
	ok := r.status/100 == 2
	if err == nil && env.failed() {
		if _, known := lookUp(env.code, env.msg); ok || known {
			return envelope{}, env.refusal(req.path, hidden).classified()
		}
	}
	switch {
	case !ok:
		return envelope{}, fault.Busy("http", 0, fmt.Errorf("jushuitan %s: HTTP %d: %s", req.path, r.status, r.describe(req, hidden)))
	case err != nil:
		return envelope{}, fault.Busy("answer", 0, fmt.Errorf("jushuitan %s: %s: %w", req.path, r.describe(req, hidden), err))
	}
	return env, nil
}

// refusal returns the vendor's refusal in e.
func (e envelope) refusal(path string, hidden []string) *Error {
	return &Error{
		Code:      e.code,
		Msg:       cut(mask(e.msg, hidden), 1000),
		Path:      path,
		RequestID: cut(mask(e.requestID, hidden), 100),
	}
}

// describe tells what came instead of an answer. The beginning of a page of a gateway
// helps; that of a half answer would show tokens or personal data.
func (r reply) describe(req request, hidden []string) string {
	about := fmt.Sprintf("%d bytes of %q", len(r.body), cut(r.contentType, 100))
	head := strings.TrimSpace(cut(string(r.body), 4096))
	half := strings.HasPrefix(head, "{") || strings.HasPrefix(head, "[")
	if head == "" || req.auth || half && r.status/100 == 2 {
		return about
	}
	return fmt.Sprintf("%s beginning %q", about, cut(longHex.ReplaceAllString(mask(head, hidden), "***"), 200))
}

// hide lists what no text may show of a request, the longest first: one may begin another.
func hide(secret string, form map[string]string) []string {
	hidden := []string{secret, form["sign"], form["access_token"], form["refresh_token"], form["code"]}
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	return hidden
}

// longHex is what the vendor's keys, tokens and signs look like.
var longHex = regexp.MustCompile(`[0-9a-fA-F]{32,}`)

// mask replaces hidden values, plain or percent-encoded.
func mask(s string, hidden []string) string {
	for _, value := range hidden {
		if len(value) < 4 { // too short to be a secret, and to be told from other text
			continue
		}
		s = strings.ReplaceAll(s, value, "***")
		s = strings.ReplaceAll(s, url.QueryEscape(value), "***")
	}
	return s
}

// cut returns at most n bytes of s, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
