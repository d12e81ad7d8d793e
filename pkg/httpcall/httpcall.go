// Package httpcall makes one HTTP call to a vendor's API: bounded in time and size, without
// redirects, its failures classified with pkg/fault, its texts free of secrets.
package httpcall

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Client makes calls. It is safe for concurrent use.
type Client struct {
	http    *http.Client
	timeout time.Duration
	maxBody int64
	agent   string
	skew    *skew
}

// New returns a Client that sends with h, which is not changed. Where h names no transport nothing of a
// request is sent after its deadline. timeout limits one call from connecting to the last byte, maxBody
// an answer in bytes after decompression. version goes into the User-Agent, erpstream/<version>.
// Redirects are never followed: they would carry what is secret to another host.
func New(h *http.Client, timeout time.Duration, maxBody int64, version string) *Client {
	own := *h
	if own.Transport == nil {
		own.Transport = transport()
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: &own, timeout: timeout, maxBody: maxBody, agent: "erpstream/" + version, skew: &skew{}}
}

// Request is what is sent.
type Request struct {
	// Method is GET, POST and so on.
	Method string
	// URL may carry signatures in its query: no error shows it.
	URL string
	// Header is sent as it is, beside Accept and User-Agent. It is not changed.
	Header http.Header
	Body   string
}

// Form returns a POST of values as a form in UTF-8.
func Form(address string, values map[string]string) Request {
	form := url.Values{}
	for key, value := range values {
		form.Set(key, value)
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=UTF-8"}}
	return Request{Method: http.MethodPost, URL: address, Header: header, Body: form.Encode()}
}

// JSON returns v as JSON for a body: HTML characters as they are, and no end of line.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// CheckEndpoint refuses what a vendor's paths can't be joined to. It never quotes the endpoint, which
// may carry a password.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return errNoAddress // url.Parse quotes it
	}
	var errs []error
	if u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		errs = append(errs, errNoAddress)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("endpoint carries more than scheme, host and path"))
	}
	return errors.Join(errs...)
}

var errNoAddress = errors.New("endpoint is not an http(s) address")

// Answer is an HTTP answer of any status, read to its end.
type Answer struct {
	Status      int
	ContentType string
	Header      http.Header
	Body        []byte
}

// OK reports whether the status says success.
func (a Answer) OK() bool { return a.Status/100 == 2 }

// Do sends r and reads the answer, blocking for the Client's timeout at most. An answer of any
// status is no error. Every error is classified: Permanent (request, size), Busy (timeout,
// network) or Down (connection: nobody is there), except that of ctx, which is its cause.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.exchange(limited, r)
	if err != nil && ctx.Err() != nil {
		return Answer{}, context.Cause(ctx)
	}
	return answer, err
}

func (c *Client) exchange(ctx context.Context, r Request) (Answer, error) {
	req, err := http.NewRequestWithContext(punctually(ctx), r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return Answer{}, fault.Permanent("request", errors.New("method or address is not usable"))
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	sent := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, failure(bare(err))
	}
	defer resp.Body.Close()
	c.skew.note(sent, time.Now(), resp.Header)
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < c.maxBody { // else it is copied from one size to the next
		body.Grow(int(n) + bytes.MinRead)
	}
	_, err = body.ReadFrom(http.MaxBytesReader(nil, resp.Body, c.maxBody))
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Answer{}, fault.Permanent("size", fmt.Errorf("answer is larger than %d bytes: ask for smaller pages", over.Limit))
	}
	if err != nil {
		return Answer{}, failure(fmt.Errorf("read answer: %w", err))
	}
	return Answer{resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header, body.Bytes()}, nil
}

// bare returns err without the query of the address, where signatures stand.
func bare(err error) error {
	of, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	address, _, _ := strings.Cut(of.URL, "?")
	return fmt.Errorf("%s %s: %w", strings.ToUpper(of.Op), address, of.Err)
}

// failure says what a failed exchange means: nobody there, too slow, or cut.
func failure(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fault.Down("connection", fmt.Errorf("%w; check the endpoint, and that it is up", err))
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return fault.Down("connection", fmt.Errorf("%w; check the endpoint's name", err))
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Down("connection", fmt.Errorf("%w; check the endpoint, and this machine's clock and certificates", err))
	}
	if slow, ok := errors.AsType[net.Error](err); errors.Is(err, errLate) || ok && slow.Timeout() {
		return fault.Unanswered(fault.Busy("timeout", 0, err))
	}
	return fault.Unanswered(fault.Busy("network", 0, err))
}
