package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

// Where the parts listen, counted from the first port; servicePorts is the room of one replica of
// every service.
const (
	natsPort = iota
	sandboxPort
	mysqlPort
	servicePorts = 20
)

// startNATS starts the embedded server, or connects to the one that was named.
func (m *machine) startNATS(context.Context) (err error) {
	m.natsURL = m.NATS
	if m.natsURL == "" {
		if err := m.embedNATS(); err != nil {
			return err
		}
	}
	if m.js, err = m.connect(topology.RoleOperator); err != nil {
		return err
	}
	m.provisioner, err = m.connect(topology.RoleProvision)
	return err
}

// connect opens a connection, as a role where the server knows roles, for as long as the machine runs.
func (m *machine) connect(role string) (jetstream.JetStream, error) {
	options := []nats.Option{nats.Name("erpstream up"), nats.MaxReconnects(-1), nats.CustomInboxPrefix(topology.InboxPrefix(topology.Command))}
	if m.Identities != "" {
		who, err := natsconfig.LoginOf(m.Identities, role)
		if err != nil {
			return nil, err
		}
		known, err := who.Options(func(err error) { m.Log.Error("the identity on NATS can't be renewed", "err", err) })
		if err != nil {
			return nil, err
		}
		options = append(options, known...)
	}
	nc, err := nats.Connect(m.natsURL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", m.natsURL, err)
	}
	m.onStop(func() error { nc.Close(); return nil })
	return jetstream.New(nc)
}

// identity is the environment of a service that says who it is on NATS; nothing where the server does not
// know roles.
func (m *machine) identity(service string) ([]string, error) {
	if m.Identities == "" {
		return nil, nil
	}
	who, err := natsconfig.LoginOf(m.Identities, service)
	return who.Env(), err
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
	options, err := m.permissions()
	if err != nil {
		return err
	}
	options.ServerName, options.Host, options.Port, options.NoSigs, options.MaxPayload = "erpstream", "127.0.0.1", port, true, natsconfig.MaxPayload
	options.JetStream, options.StoreDir, options.SyncAlways = true, filepath.Join(m.Data, "nats"), true
	s, err := server.NewServer(options)
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

// guest is who has no identity: whoever is on this machine may do what operators do, backups too, with any client of NATS.
const guest = "guest"

// permissions are the accounts of the embedded server: each service has the identity that it has in
// production, by keys that stay in the data folder.
func (m *machine) permissions() (*server.Options, error) {
	m.Identities = filepath.Join(m.Data, "identities")
	folder, err := natsconfig.Open(m.Identities, natsconfig.Nkey)
	if err != nil {
		return nil, err
	}
	roles := m.roles()
	if _, err := folder.Keep(roles); err != nil {
		return nil, err
	}
	path, err := folder.Write(roles)
	if err != nil {
		return nil, err
	}
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		return nil, fmt.Errorf("accounts of the embedded NATS server: %w", err)
	}
	options.NoAuthUser = folder.Newest(guest).Public
	return options, nil
}

// roles are those of any installation, of the sinks of other teams that flows write to, and of guests.
func (m *machine) roles() []topology.Role {
	roles := topology.Roles(topology.Scope{})
	for kind := range natsconfig.ScopeOf(flow.Set{}.With(m.Documents...)).Written {
		sink := topology.SinkRole(kind, topology.Scope{})
		if !slices.ContainsFunc(roles, func(r topology.Role) bool { return r.Name == sink.Name }) {
			roles = append(roles, sink)
		}
	}
	anyone := topology.Role{Name: guest, Subscribe: []string{nats.InboxPrefix + ">"}}
	for _, r := range roles {
		if r.Name == topology.RoleOperator || r.Name == topology.RoleBackup {
			anyone.Publish, anyone.Subscribe = append(anyone.Publish, r.Publish...), append(anyone.Subscribe, r.Subscribe...)
		}
	}
	return append(roles, anyone)
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

// anyPort is a free port on loopback.
const anyPort = "127.0.0.1:0"

// local is the first port plus offset, on loopback.
func (m *machine) local(offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.Port+offset))
}

// address returns where a part listens: at the first port plus offset, or at a free port.
func (m *machine) address(offset int) (string, error) {
	if m.Port != 0 {
		return m.local(offset), nil
	}
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
