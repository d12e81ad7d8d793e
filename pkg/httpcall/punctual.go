package httpcall

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// errLate is the error of a request that would have been sent after its deadline.
var errLate = errors.New("not sent: the time for the request was over")

// maxHeader bounds the headers of an answer, in bytes. Go would read ten times as much.
const maxHeader = 1 << 20

// maxIdle is how many connections are kept for the next calls. All accounts of a vendor are at one host,
// where Go would keep two, and make a new one for nearly every call.
const maxIdle = 256

// transport is what sends the requests of all Clients that are not given another one. Nothing of a
// request leaves this machine after its deadline: a process that was stopped in between, or a network
// that was away, must not let a vendor carry out what somebody else has taken over by then. It speaks
// HTTP/1.1 only, where a connection has one request at a time. Certificates are verified, always. The proxy
// is that of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY): it is the operator's.
var transport = sync.OnceValue(func() *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, Protocols: protocols,
		MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second,
		MaxResponseHeaderBytes: maxHeader,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &punctual{Conn: c}, nil
		},
	}
})

// punctually returns a context whose requests are bound to its deadline on a connection of transport.
func punctually(ctx context.Context) context.Context {
	until, ok := ctx.Deadline()
	if !ok {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		c := info.Conn
		if secured, ok := c.(interface{ NetConn() net.Conn }); ok {
			c = secured.NetConn()
		}
		if p, ok := c.(*punctual); ok {
			p.bind(until)
		}
	}})
}

// punctual is a connection that sends nothing after the deadline of the request that has it.
type punctual struct {
	net.Conn
	until atomic.Pointer[time.Time]
}

// bind sets the deadline. What was sent until then and is not confirmed is given up by the system, too.
func (c *punctual) bind(until time.Time) {
	c.until.Store(&until)
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		giveUp(tcp, max(time.Until(until), time.Millisecond))
	}
}

// late reports whether the deadline is over. The wall clock goes on while a virtual machine is paused,
// the other one when the wall clock is set back.
func (c *punctual) late() bool {
	until := c.until.Load()
	if until == nil {
		return false
	}
	now := time.Now()
	return !now.Before(*until) || !now.Round(0).Before(until.Round(0))
}

// Write looks at the clock last.
func (c *punctual) Write(b []byte) (int, error) {
	if c.late() {
		return 0, errLate
	}
	return c.Conn.Write(b)
}

// Close lets the system forget what it has not sent yet, once it is too late for that.
func (c *punctual) Close() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && c.late() {
		_ = tcp.SetLinger(0)
	}
	return c.Conn.Close()
}
