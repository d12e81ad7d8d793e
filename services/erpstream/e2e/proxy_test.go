package e2e

import (
	"net"
	"sync"
	"testing"
)

// proxy passes connections on to a server until it is told to cut them.
type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	pairs map[net.Conn]net.Conn
	// tearing makes the next statement the last of its connection: only half of it goes through.
	tearing bool
}

// newProxy listens until the test ends.
func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, pairs: map[net.Conn]net.Conn{}}
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(in)
		}
	}()
	return p
}

// address is where clients find it.
func (p *proxy) address() string { return p.listener.Addr().String() }

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for in, out := range p.pairs {
		_, _ = in.Close(), out.Close()
	}
}

// tear cuts a connection in the midst of the next long statement.
func (p *proxy) tear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tearing = true
}

// calm takes back a tear that met no statement.
func (p *proxy) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tearing = false
}

func (p *proxy) serve(in net.Conn) {
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = in.Close()
		return
	}
	p.mu.Lock()
	p.pairs[in] = out
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(out, in, true) })
	both.Go(func() { p.pass(in, out, false) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, in)
	p.mu.Unlock()
}

// pass copies until either end is closed, and closes the other.
func (p *proxy) pass(to, from net.Conn, statements bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if statements && p.tears(n) {
			_, _ = to.Write(buf[:n/2])
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// long is how many bytes make a statement one that writes.
const long = 1 << 10

func (p *proxy) tears(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.tearing || n < long {
		return false
	}
	p.tearing = false
	return true
}
