package main

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/erpstream/erpstream/pkg/sink"
)

// hostile is a server that takes any user, and answers each statement with what statement returns. With
// certificates it wants TLS.
type hostile struct {
	certificates *tls.Config
	answer       func(c *packets)

	mu   sync.Mutex
	took []byte // what clients sent as files
}

// start serves on a free port and returns its address.
func (h *hostile) start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); clients.Wait() })
	clients.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			clients.Go(func() { h.serve(conn) })
		}
	})
	return l.Addr().String()
}

// What the server says that it can do: protocol 4.1, a database, files, transactions, plugins; and TLS.
const (
	abilities  = 0x00082000 | 0x8000 | 0x0200 | 0x0080 | 0x0008 | 0x0001
	abilityTLS = 0x0800
)

func (h *hostile) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	c := &packets{Conn: conn}
	can := uint32(abilities)
	if h.certificates != nil {
		can |= abilityTLS
	}
	hello := append([]byte("\x0a8.0.36\x00\x01\x00\x00\x00salt-one\x00"), byte(can), byte(can>>8), 45, 2, 0, byte(can>>16), byte(can>>24), 21)
	c.write(append(append(hello, make([]byte, 10)...), "salt-two-two\x00mysql_native_password\x00"...))
	if h.certificates != nil {
		if _, err := c.read(); err != nil {
			return
		}
		c.Conn = tls.Server(conn, h.certificates)
	}
	if _, err := c.read(); err != nil {
		return
	}
	c.ok()
	for {
		c.seq = 0
		if command, err := c.read(); err != nil || command[0] == 1 { // it quits
			return
		}
		h.answer(c)
	}
}

// wants asks the client for a file, and keeps what comes.
func (h *hostile) wants(c *packets, file string) {
	c.write(append([]byte{0xfb}, file...))
	for {
		part, err := c.read()
		if err != nil || len(part) == 0 {
			break
		}
		h.mu.Lock()
		h.took = append(h.took, part...)
		h.mu.Unlock()
	}
	c.ok()
}

// packets are those of MySQL's protocol.
type packets struct {
	net.Conn
	seq byte
}

func (c *packets) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
		return nil, err
	}
	c.seq = head[3] + 1
	head[3] = 0
	body := make([]byte, binary.LittleEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.Conn, body)
	return body, err
}

func (c *packets) write(body []byte) {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	head[3] = c.seq
	c.seq++
	_, _ = c.Conn.Write(append(head, body...))
}

func (c *packets) ok() { c.write([]byte{0, 0, 0, 2, 0, 0, 0}) }

// TestAServerGetsNoFile has a server that answers every statement with the wish for a file of this machine:
// it gets nothing of any.
func TestAServerGetsNoFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "client_secret")
	if err := os.WriteFile(secret, []byte("s3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{secret, "/etc/passwd", "Reader::", "Reader::" + secret, "../../etc/passwd"} {
		h := &hostile{}
		h.answer = func(c *packets) { h.wants(c, file) }
		w := openSink(t, map[string]string{"connection": "bi", "endpoint": "mysql://" + h.start(t) + "/bi", "user": "u", "password": "p"})
		if err := w.Write(t.Context(), many(t, loadFrom, 1, modeReplace, "")); err == nil {
			t.Errorf("%s: the batch is taken for written", file)
		}
		_ = w.db.Close()
		h.mu.Lock()
		if len(h.took) > 0 {
			t.Errorf("%s: the server got %q", file, h.took)
		}
		h.mu.Unlock()
	}
}

// TestTheCertificateIsVerified has a server whose certificate nobody knows: only where its authority stands in
// the secret file ca, or the connection says that it takes any, is it spoken to.
func TestTheCertificateIsVerified(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate, which is good for 127.0.0.1
	defer web.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	tests := []struct{ name, mode, ca, want string }{
		{"unknown", "true", "", "certificate signed by unknown authority"},
		{"known", "true", authority, ""},
		{"no certificate", "true", "hello", "the secret file ca of connection bi holds no certificate"},
		{"not verified", "skip-verify", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reached := make(chan struct{})
			var once sync.Once
			h := &hostile{certificates: &tls.Config{Certificates: web.TLS.Certificates}}
			h.answer = func(c *packets) { once.Do(func() { close(reached) }); _ = c.Close() }
			w := openSink(t, map[string]string{"connection": "bi", "endpoint": "mysql://" + h.start(t) + "/bi", "user": "u", "password": "p", "tls": tt.mode, "ca": tt.ca})
			err := w.Write(t.Context(), []sink.Message{receipt(t, 1, 1)})
			_ = w.db.Close()
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Write = %v, want %q", err, tt.want)
				}
				return
			}
			select {
			case <-reached:
			default:
				t.Errorf("the server was not spoken to: %v", err)
			}
		})
	}
}
