package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Where the parts listen, counted from the first port; servicePorts is the room of one replica of
// every service.
const (
	natsPort = iota
	sandboxPort
	mysqlPort
	servicePorts = 20
)

// maxPayload is the largest message in bytes: documents with thousands of lines exist.
const maxPayload = 8 << 20

// startNATS starts the embedded server, or connects to the one that was named.
func (m *machine) startNATS(context.Context) error {
	m.natsURL = m.NATS
	if m.natsURL == "" {
		if err := m.embedNATS(); err != nil {
			return err
		}
	}
	nc, err := nats.Connect(m.natsURL, nats.Name("erpstream up"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect to NATS at %s: %w", m.natsURL, err)
	}
	m.onStop(func() error { nc.Close(); return nil })
	m.js, err = jetstream.New(nc)
	return err
}

// natsReplicas is how many servers are to keep each stream. What there is already is not made less.
func (m *machine) natsReplicas(ctx context.Context) (int, error) {
	if m.NATSReplicas > 0 {
		return m.NATSReplicas, nil
	}
	stream, err := m.js.Stream(ctx, topology.Raw)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 1, nil
	case err != nil:
		return 0, fmt.Errorf("look up stream %s: %w", topology.Raw, err)
	default:
		return stream.CachedInfo().Config.Replicas, nil
	}
}

func (m *machine) embedNATS() error {
	port := -1
	if m.Port != 0 {
		port = m.Port + natsPort
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "erpstream", Host: "127.0.0.1", Port: port, NoSigs: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: filepath.Join(m.Data, "nats"), SyncAlways: true,
	})
	if err != nil {
		return fmt.Errorf("embedded NATS server: %w", err)
	}
	complaints := natsLog{log: m.Log, fatal: make(chan string, 1)}
	s.SetLoggerV2(complaints, false, false, false)
	go s.Start()
	m.onStop(func() error { s.Shutdown(); s.WaitForShutdown(); return nil })
	for range 300 {
		select {
		case text := <-complaints.fatal:
			return fmt.Errorf("embedded NATS server: %s", text)
		default:
		}
		if s.ReadyForConnections(100 * time.Millisecond) {
			m.natsURL = s.ClientURL()
			return nil
		}
	}
	return errors.New("embedded NATS server: not ready after 30 s")
}

// natsLog passes on what the embedded server complains about.
type natsLog struct {
	log   *slog.Logger
	fatal chan string
}

func (l natsLog) Noticef(string, ...any) {}
func (l natsLog) Debugf(string, ...any)  {}
func (l natsLog) Tracef(string, ...any)  {}
func (l natsLog) Warnf(format string, args ...any) {
	l.log.Warn("nats: " + fmt.Sprintf(format, args...))
}
func (l natsLog) Errorf(format string, args ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, args...))
}
func (l natsLog) Fatalf(format string, args ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, args...):
	default:
	}
}

// address returns where a part listens: at the first port plus offset, or at a free port.
func (m *machine) address(offset int) (string, error) {
	if m.Port != 0 {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.Port+offset)), nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
