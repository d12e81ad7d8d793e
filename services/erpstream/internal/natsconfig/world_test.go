package natsconfig_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

// world is a server with the accounts of a folder, and the folder.
type world struct {
	t      *testing.T
	dir    string
	folder *natsconfig.Folder
	roles  []topology.Role
	server *server.Server
	// tls says how clients know the server and it knows them; the zero Login is without TLS.
	tls login.Login
}

// newWorld starts a server that includes the accounts of roles, and provisions it. tls is a further part of
// its configuration.
func newWorld(t *testing.T, kind natsconfig.Kind, roles []topology.Role, tls login.Login, tlsBlock string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), roles: roles, tls: tls}
	w.open(kind)
	if _, err := w.folder.Keep(roles); err != nil {
		t.Fatal(err)
	}
	accounts := w.write()
	config := filepath.Join(w.dir, "server.conf")
	text := fmt.Sprintf("server_name: %q\nlisten: \"127.0.0.1:-1\"\nmax_payload: 8MB\njetstream { store_dir: %q }\n%s\ninclude %q\n", t.Name(), t.TempDir(), tlsBlock, filepath.Base(accounts))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(config)
	if err != nil {
		t.Fatal(err)
	}
	w.server = natstest.Start(t, options)
	if _, err := topology.Provision(t.Context(), w.as(topology.RoleProvision), 1); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) open(kind natsconfig.Kind) {
	w.t.Helper()
	folder, err := natsconfig.Open(w.dir, kind)
	if err != nil {
		w.t.Fatal(err)
	}
	folder.BcryptCost = 4 // the least: there are many connections
	w.folder = folder
}

func (w *world) write() string {
	w.t.Helper()
	path, err := w.folder.Write(w.roles)
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// reload makes the server take the folder's accounts and its certificates.
func (w *world) reload() {
	w.t.Helper()
	w.write()
	if err := w.server.Reload(); err != nil {
		w.t.Fatal(err)
	}
}

// login is how a role signs in.
func (w *world) login(role string) login.Login {
	w.t.Helper()
	who, err := natsconfig.LoginOf(w.dir, role)
	if err != nil {
		w.t.Fatal(err)
	}
	who.CA, who.Cert, who.Key = w.tls.CA, w.tls.Cert, w.tls.Key
	return who
}

// dial connects as a role does.
func (w *world) dial(role string, more ...nats.Option) (*nats.Conn, error) {
	w.t.Helper()
	who := w.login(role)
	if faults := who.Faults(); len(faults) > 0 {
		w.t.Fatal(faults)
	}
	options, err := who.Options(func(error) {})
	if err != nil {
		w.t.Fatal(err)
	}
	more = append(more, nats.Name(role), nats.CustomInboxPrefix(topology.InboxPrefix(topology.Program(role))))
	return nats.Connect(w.server.ClientURL(), append(options, more...)...)
}

// as is JetStream for a role; the connection ends with the test.
func (w *world) as(role string, more ...nats.Option) jetstream.JetStream {
	w.t.Helper()
	nc, err := w.dial(role, more...)
	if err != nil {
		w.t.Fatalf("connect as %s: %v", role, err)
	}
	w.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	return js
}

// refused does something about a subject and reports whether the server said that the user may not.
func refused(t *testing.T, nc *nats.Conn, subject string, do func() error) bool {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(10 * time.Second); err != nil { // the refusal comes before the answer to this
		t.Fatal(err)
	}
	err := nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`)
}

// golden compares with a committed file below deploy/nats, which -update rewrites.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "deploy", "nats", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what `erpstream nats-config` writes: go test ./internal/natsconfig -update (%v)", path, err)
	}
}
