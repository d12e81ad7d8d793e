package httpcall_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// stopped is the context of a process that is stopped when it has its connection: the deadline passes, and
// no timer fires before it goes on.
type stopped struct {
	context.Context
	until time.Time
}

func (s stopped) Deadline() (time.Time, bool) { return s.until, true }

// stop returns a context that ends after some time, and a process that stands still until then.
func stop(ctx context.Context, after time.Duration) context.Context {
	until := time.Now().Add(after)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { time.Sleep(time.Until(until)) }})
	return stopped{ctx, until}
}

func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"plain": httptest.NewServer, "TLS": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			srv := start(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
			t.Cleanup(srv.Close)
			h := &http.Client{}
			if name == "TLS" {
				h = srv.Client()
				h.Transport = httpcall.Trusting(h.Transport.(*http.Transport).TLSClientConfig)
			}
			client := httpcall.New(h, time.Minute, 1<<20, "dev")
			call := func(ctx context.Context) error {
				_, err := client.Do(ctx, httpcall.Request{Method: http.MethodPost, URL: srv.URL, Body: strings.Repeat("x", 100_000)})
				return err
			}
			for range 2 { // on a new connection, and on one that was used before
				if err := call(t.Context()); err != nil {
					t.Fatal(err)
				}
				before := calls.Load()
				if err := call(stop(t.Context(), time.Second)); fault.ClassOf(err) != "timeout" || !strings.Contains(err.Error(), "not sent") {
					t.Errorf("a request that is too late: %v", err)
				}
				srv.CloseClientConnections()
				if calls.Load() != before {
					t.Error("the server has got a request after its deadline")
				}
			}
		})
	}
}

// What the system has not delivered when the deadline is over must not be delivered later: the
// connection is reset, not closed in order.
func TestConnectionIsResetAfterTheDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ended := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer c.Close()
		_, err = io.Copy(io.Discard, bufio.NewReader(c)) // and no answer
		ended <- err
	}()
	client := httpcall.New(&http.Client{}, time.Second, 1<<20, "dev")
	if _, err := client.Do(t.Context(), httpcall.Request{Method: http.MethodPost, URL: "http://" + l.Addr().String()}); fault.ClassOf(err) != "timeout" {
		t.Errorf("err = %v, want a timeout", err)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}
