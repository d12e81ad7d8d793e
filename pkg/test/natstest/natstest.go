// Package natstest runs real NATS servers inside a test's process.
package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Run starts a server with file storage and without a port, provisions all streams on it, and
// returns a connection. Both are gone with the test.
func Run(t testing.TB) jetstream.JetStream {
	t.Helper()
	js := Connect(t, Server(t))
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	return js
}

// Server starts an empty server, with JetStream on file storage and without a port.
func Server(t testing.TB) *server.Server {
	t.Helper()
	return Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, SyncAlways: true})
}

// Start starts a server with the given options; it is stopped with the test.
func Start(t testing.TB, opts *server.Options) *server.Server {
	t.Helper()
	opts.ServerName = t.Name()
	opts.NoSigs, opts.NoLog = true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server did not come up in 10 s")
	}
	return s
}

// Connect opens a further connection to a server inside this process.
func Connect(t testing.TB, s *server.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Eventually calls check until it returns nil, for ten minutes at most, which no
// machine is too slow for; the last error fails the test. It is for what another process or the server
// does in its own time.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	err := check()
	for err != nil && time.Now().Before(deadline) {
		<-time.After(50 * time.Millisecond)
		err = check()
	}
	if err != nil {
		t.Fatal(err)
	}
}
