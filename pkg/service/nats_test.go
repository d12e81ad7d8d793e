package service

import (
	"bufio"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
)

// fakeNATS speaks as much of the protocol as a connection needs; the tests against the real
// server are in the module test.
type fakeNATS struct {
	addr     string
	password string // empty: anyone may come
	clients  chan connect
	l        net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

// connect is what a client says of itself.
type connect struct{ Name, Pass string }

// serveNATS listens on addr until the end of the test.
func serveNATS(t *testing.T, addr, password string) *fakeNATS {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeNATS{addr: l.Addr().String(), password: password, l: l, clients: make(chan connect, 100)}
	f.wg.Go(f.accept)
	t.Cleanup(f.stop)
	return f
}

// freeAddr returns an address at which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (f *fakeNATS) stop() {
	_ = f.l.Close()
	f.mu.Lock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *fakeNATS) accept() {
	for {
		c, err := f.l.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, c)
		f.mu.Unlock()
		f.wg.Go(func() { f.talk(c) })
	}
}

func (f *fakeNATS) talk(c net.Conn) {
	defer func() { _ = c.Close() }()
	say := func(line string) { _, _ = c.Write([]byte(line + "\r\n")) }
	say(`INFO {"server_id":"fake","version":"2.15.2","headers":true,"proto":1,"nonce":"n","max_payload":1048576}`)
	for lines := bufio.NewScanner(c); lines.Scan(); {
		switch verb, rest, _ := strings.Cut(lines.Text(), " "); verb {
		case "CONNECT":
			var who connect
			_ = json.Unmarshal([]byte(rest), &who)
			f.clients <- who
			if f.password != "" && who.Pass != f.password {
				say("-ERR 'Authorization Violation'")
				return
			}
		case "PING":
			say("PONG")
		}
	}
}
