package httpcall_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
)

// serve returns a client and the address of a server that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) (*httpcall.Client, string) {
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return httpcall.New(srv.Client(), time.Minute, 1000, "v1"), srv.URL
}

func TestForm(t *testing.T) {
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Own", "yes")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, r.Method, " ", r.Header.Get("Content-Type"), " ", r.Header.Get("User-Agent"), " ", r.Header.Get("Accept"), " ")
		io.Copy(w, r.Body)
	})
	a, err := c.Do(t.Context(), httpcall.Form(address, map[string]string{"time": "2024-06-03 14:00:00", "name": "a+b&中"}))
	const want = "POST application/x-www-form-urlencoded; charset=UTF-8 erpstream/v1 application/json name=a%2Bb%26%E4%B8%AD&time=2024-06-03+14%3A00%3A00"
	if err != nil || string(a.Body) != want || a.Status != 202 || !a.OK() || a.ContentType != "text/plain" || a.Header.Get("X-Own") != "yes" {
		t.Errorf("%d %s %s, %v", a.Status, a.ContentType, a.Body, err)
	}
}

func TestJSON(t *testing.T) {
	text, err := httpcall.JSON(map[string]string{"b": "<中&>", "a": "1"})
	if err != nil || string(text) != `{"a":"1","b":"<中&>"}` {
		t.Errorf("JSON = %q, %v", text, err)
	}
	if _, err := httpcall.JSON(make(chan int)); err == nil {
		t.Error("a channel is no JSON")
	}
}

func TestCheckEndpoint(t *testing.T) {
	const noAddress, more = "endpoint is not an http(s) address", "endpoint carries more than scheme, host and path"
	for endpoint, want := range map[string]string{
		"https://host": "", "http://127.0.0.1:8080/path": "",
		"host": noAddress, "ftp://host": noAddress, "https://": noAddress, "::secret": noAddress,
		"https://user:secret@host": more, "https://host?a=secret": more, "https://host/#a": more, "ftp://secret@host": noAddress + "\n" + more,
	} {
		text := ""
		if err := httpcall.CheckEndpoint(endpoint); err != nil {
			text = err.Error()
		}
		if text != want {
			t.Errorf("%s: %q, want %q", endpoint, text, want)
		}
	}
}

// The caller's headers go along and stay as they are.
func TestHeader(t *testing.T) {
	c, address := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, r.Header.Get("X-Sign")) })
	header := http.Header{"X-Sign": {"abc"}}
	a, err := c.Do(t.Context(), httpcall.Request{Method: http.MethodGet, URL: address, Header: header})
	if err != nil || string(a.Body) != "GETabc" || len(header) != 1 {
		t.Errorf("%s, %v, header %v", a.Body, err, header)
	}
}

// Any status is an answer, a redirect too: it is not followed.
func TestStatus(t *testing.T) {
	for _, status := range []int{204, 302, 404, 500} {
		c, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		a, err := c.Do(t.Context(), httpcall.Request{Method: http.MethodPost, URL: address})
		if err != nil || a.Status != status || a.OK() != (status == 204) {
			t.Errorf("%d: %d %v, %v", status, a.Status, a.OK(), err)
		}
	}
}

func TestFailures(t *testing.T) {
	const secret = "?sign=0123456789abcdef"
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	tests := []struct {
		name    string
		handler http.HandlerFunc // nil = nobody listens
		network error            // what the network says instead
		kind    fault.Kind
		class   string
		text    string
	}{
		{"refused", nil, nil, fault.DownKind, "connection", "check the endpoint"},
		{"no such host", nil, &net.DNSError{Err: "no such host", IsNotFound: true}, fault.DownKind, "connection", "endpoint's name"},
		{"bad certificate", nil, &tls.CertificateVerificationError{Err: errors.New("expired")}, fault.DownKind, "connection", "certificates"},
		{"slow name server", nil, &net.DNSError{Err: "slow", IsTimeout: true}, fault.BusyKind, "timeout", "slow"},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, fault.BusyKind, "network", "EOF"},
		{"cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
		}, nil, fault.BusyKind, "network", "read answer"},
		{"slow", func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }, nil, fault.BusyKind, "timeout", "deadline"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1001)) }, nil, fault.PermanentKind, "size", "larger than 1000 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address, h := "http://"+free.Addr().String(), &http.Client{}
			if tt.handler != nil {
				srv := httptest.NewServer(tt.handler)
				defer srv.Close()
				address = srv.URL
			}
			if tt.network != nil {
				h.Transport = failing{tt.network}
			}
			timeout := time.Minute
			if tt.name == "slow" {
				timeout = 20 * time.Millisecond
			}
			_, err := httpcall.New(h, timeout, 1000, "v1").Do(t.Context(), httpcall.Request{Method: http.MethodPost, URL: address + secret})
			if fault.KindOf(err) != tt.kind || fault.ClassOf(err) != tt.class || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("%v %s: %v, want %v %s with %q", fault.KindOf(err), fault.ClassOf(err), err, tt.kind, tt.class, tt.text)
			}
			if strings.Contains(fmt.Sprint(err), "sign") || tt.network != nil && !errors.Is(err, tt.network) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// failing is a network on which nothing works.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestJustNotTooMuch(t *testing.T) {
	c, address := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1000)) })
	if a, err := c.Do(t.Context(), httpcall.Request{Method: http.MethodGet, URL: address}); err != nil || len(a.Body) != 1000 {
		t.Errorf("%d bytes, %v", len(a.Body), err)
	}
}

func TestAddressThatIsNone(t *testing.T) {
	_, err := httpcall.New(&http.Client{}, time.Second, 1, "v1").Do(t.Context(), httpcall.Request{Method: "P O", URL: "http://h/?sign=abc"})
	if !fault.IsPermanent(err) || strings.Contains(err.Error(), "abc") {
		t.Errorf("err = %v", err)
	}
}

// A caller's end stops the call; the error is its cause, unclassified.
func TestContext(t *testing.T) {
	own := errors.New("own")
	ctx, cancel := context.WithCancelCause(t.Context())
	c, address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(own)
		<-r.Context().Done()
	})
	if _, err := c.Do(ctx, httpcall.Request{Method: http.MethodGet, URL: address}); !errors.Is(err, own) || fault.KindOf(err) != fault.Unknown {
		t.Errorf("err = %v (%v)", err, fault.KindOf(err))
	}
}

func TestMask(t *testing.T) {
	h := httpcall.Hide("abc", "", "secret+1/2", "secret+1", "中文密码")
	got := h.Mask("abc secret+1/2 secret+1 " + url.QueryEscape("secret+1/2") + " 中文密码")
	if got != "abc *** *** *** ***" {
		t.Errorf("Mask = %q", got)
	}
	h = httpcall.Hide(`a/b c"d<`)
	for _, text := range []string{`a\/b c\"d<`, `a\/b c\"d\u003c`, `a/b c\"d\u003C`, `a%2Fb+c%22d%3C`, `a%2Fb%20c%22d%3C`, `a%2fb%20c%22d%3c`} {
		if got := h.Mask(text); got != "***" {
			t.Errorf("Mask(%s) = %s", text, got)
		}
	}
}

func TestDescribe(t *testing.T) {
	h := httpcall.Hide("password")
	long := strings.Repeat("页", 100)
	tests := map[string]struct {
		answer httpcall.Answer
		want   string
	}{
		"page":            {httpcall.Answer{Status: 502, ContentType: "text/html", Body: []byte("<b>password 0123456789abcdef0123456789ABCDEF</b>")}, `48 bytes of "text/html" beginning "<b>*** ***</b>"`},
		"nothing":         {httpcall.Answer{Status: 502}, `0 bytes of ""`},
		"half an answer":  {httpcall.Answer{Status: 200, Body: []byte(`{"name":"张三`)}, `15 bytes of ""`},
		"refusal in JSON": {httpcall.Answer{Status: 500, Body: []byte(`{"error":1}`)}, `11 bytes of "" beginning "{\"error\":1}"`},
		"long":            {httpcall.Answer{Status: 500, Body: []byte(long)}, `300 bytes of "" beginning "` + strings.Repeat("页", 66) + `…"`},
	}
	for name, tt := range tests {
		if got := tt.answer.Describe(h); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := (httpcall.Answer{ContentType: "text/html", Body: []byte("<b>")}).Size(); got != `3 bytes of "text/html"` {
		t.Errorf("Size = %s", got)
	}
	if got := httpcall.Cut("中文", 5); got != "中…" {
		t.Errorf("Cut = %q", got)
	}
}

// TestConnectionsAreKept makes ten calls at once, and ten more: all accounts of a vendor are at one host.
func TestConnectionsAreKept(t *testing.T) {
	const calls = 10
	var opened atomic.Int64
	var here sync.WaitGroup
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		here.Done()
		here.Wait()
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	client := httpcall.New(&http.Client{}, time.Minute, 1<<20, "dev")
	for range 2 {
		here.Add(calls)
		var done sync.WaitGroup
		for range calls {
			done.Go(func() {
				if _, err := client.Do(t.Context(), httpcall.Request{Method: http.MethodGet, URL: srv.URL}); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
	}
	// The client may find that an answer is over a moment before its connection is free again.
	if n := opened.Load(); n > calls+calls/2 {
		t.Errorf("%d connections for %d calls at once, twice", n, calls)
	}
}
