package doctor_test

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/certtest"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/services/erpstream/internal/doctor"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// TestConnection tells what others could do on the way to the server.
func TestConnection(t *testing.T) {
	certificates := certtest.Issue(t, t.TempDir())
	path := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(path, []byte(certificates.Server()), 0o600); err != nil {
		t.Fatal(err)
	}
	encrypted, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain := &server.Options{}
	for _, o := range []*server.Options{encrypted, plain} {
		o.JetStream, o.StoreDir, o.Host, o.Port = true, t.TempDir(), "127.0.0.1", server.RANDOM_PORT
	}
	encrypted.Username, encrypted.Password = "u", "p"
	find := func(s *server.Server, options ...nats.Option) []probe.Finding {
		nc, err := nats.Connect(s.ClientURL(), options...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		return doctor.Examine(t.Context(), js, doctor.Options{Service: "watchdog"})
	}
	open := natstest.Start(t, plain)
	findings := find(open)
	wantFinding(t, findings, "tls", probe.OK, "does not leave this machine")
	wantFinding(t, findings, "identity", probe.OK, "whoever is on this machine")
	findings = find(open, nats.SetCustomDialer(farDialer{}))
	wantFinding(t, findings, "tls", probe.Fail, "the connection to 192.0.2.7:4222 is not encrypted")
	wantFinding(t, findings, "identity", probe.Fail, "whoever reaches the server may connect")

	closed := natstest.Start(t, encrypted)
	known := []nats.Option{nats.RootCAs(certificates.CA), nats.ClientCert(certificates.ClientCert, certificates.ClientKey), nats.UserInfo("u", "p")}
	findings = find(closed, known...)
	wantFinding(t, findings, "tls", probe.OK, "the server's certificate is valid until")
	wantFinding(t, findings, "tls", probe.OK, "the client's certificate is valid until")
	wantFinding(t, findings, "identity", probe.OK, "the server asks who connects")
	unverified := []nats.Option{nats.Secure(&tls.Config{InsecureSkipVerify: true}), nats.ClientCert(certificates.ClientCert, certificates.ClientKey), nats.UserInfo("u", "p")}
	wantFinding(t, find(closed, unverified...), "tls", probe.Fail, "was not verified")
}

// elsewhere makes a connection look as if it led to another machine.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4222}
}

type farDialer struct{}

func (farDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	return elsewhere{conn}, err
}
