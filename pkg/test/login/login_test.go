package login_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/test/certtest"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// file writes a file and returns where it is.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// seed makes a user's key.
func seed(t *testing.T) (public, text string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := pair.Seed()
	if err == nil {
		public, err = pair.PublicKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return public, string(secret)
}

func TestFaults(t *testing.T) {
	_, secret := seed(t)
	good, junk := file(t, "nkey", secret), file(t, "junk", "SUDO-secret")
	certificates := certtest.Issue(t, t.TempDir())
	for name, tt := range map[string]struct {
		login login.Login
		want  string // the faults by name, with what they hold
	}{
		"none":               {login.Login{}, ""},
		"all of a user":      {login.Login{User: "a", PasswordFile: good, CA: certificates.CA, Cert: certificates.ClientCert, Key: certificates.ClientKey}, ""},
		"user from a file":   {login.Login{UserFile: good, PasswordFile: good}, ""},
		"nkey":               {login.Login{Nkey: good}, ""},
		"no password":        {login.Login{User: "a"}, "NATS_USER and NATS_PASSWORD_FILE are set both or not at all"},
		"two users":          {login.Login{User: "a", UserFile: good, PasswordFile: good}, "NATS_USER and NATS_USER_FILE are both set"},
		"user and token":     {login.Login{User: "a", PasswordFile: good, Creds: good}, "NATS_USER and NATS_CREDS are both set"},
		"nkey and token":     {login.Login{Nkey: good, Creds: good}, "NATS_NKEY is set beside another identity"},
		"no such file":       {login.Login{Nkey: "/nowhere/nkey"}, "NATS_NKEY can't be read"},
		"no seed":            {login.Login{Nkey: junk}, "NATS_NKEY can't be used: it holds no seed"},
		"no authority":       {login.Login{CA: junk}, "NATS_CA can't be used"},
		"key is missing":     {login.Login{Cert: certificates.ClientCert}, "NATS_CERT and NATS_KEY are set both or not at all"},
		"key of another one": {login.Login{Cert: certificates.ClientCert, Key: certificates.ServerKey}, "NATS_CERT can't be used"},
	} {
		var got []string
		for _, f := range tt.login.Faults() {
			got = append(got, f.Name+" "+f.Err.Error())
		}
		all := strings.Join(got, "; ")
		if (tt.want == "") != (all == "") || !strings.Contains(all, tt.want) || strings.Contains(all, "SUDO") || len(got) > 1 {
			t.Errorf("%s: %q, want %q alone", name, all, tt.want)
		}
	}
}

func TestEnvSetsAllThereIs(t *testing.T) {
	var l login.Login
	for _, s := range login.Settings() {
		l.Set(s.Name, "x-"+s.Name)
	}
	env := l.Env()
	for i, s := range login.Settings() {
		if want := s.Name + "=x-" + s.Name; env[i] != want {
			t.Errorf("variable %q, want %q", env[i], want)
		}
	}
	if (login.Login{}).Env()[0] != "NATS_CREDS=" {
		t.Error("what is empty does not take the place of what the environment had")
	}
}

// TestAnotherKeyIsSaid: the client can't change its nkey, so whoever runs must hear of it and start again.
func TestAnotherKeyIsSaid(t *testing.T) {
	public, secret := seed(t)
	s := natstest.Start(t, &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, Nkeys: []*server.NkeyUser{{Nkey: public}}})
	path := file(t, "nkey", secret)
	said := make(chan error, 100)
	options, err := login.Login{Nkey: path}.Options(func(err error) { said <- err })
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.ClientURL(), append(options, nats.ReconnectWait(time.Millisecond), nats.IgnoreAuthErrorAbort(), nats.MaxReconnects(-1))...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, secret = seed(t)
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	cid, err := nc.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DisconnectClientByID(cid); err != nil {
		t.Fatal(err)
	}
	if err := <-said; !errors.Is(err, login.ErrOtherKey) || strings.Contains(err.Error(), secret) {
		t.Errorf("said %v", err)
	}
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

func TestExposed(t *testing.T) {
	plain := natstest.Start(t, &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT})
	certificates := certtest.Issue(t, t.TempDir())
	options, err := server.ProcessConfigFile(file(t, "server.conf", certificates.Server()))
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port = "127.0.0.1", server.RANDOM_PORT
	encrypted := natstest.Start(t, options)
	client := login.Login{CA: certificates.CA, Cert: certificates.ClientCert, Key: certificates.ClientKey}
	for name, tt := range map[string]struct {
		server *server.Server
		login  login.Login
		far    bool
		want   string
	}{
		"plain, this machine":        {plain, login.Login{}, false, ""},
		"plain, another machine":     {plain, login.Login{}, true, "192.0.2.7:4222"},
		"encrypted, another machine": {encrypted, client, true, ""},
	} {
		options, err := tt.login.Options(func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		if tt.far {
			options = append(options, nats.SetCustomDialer(farDialer{}))
		}
		nc, err := nats.Connect(tt.server.ClientURL(), options...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := login.Exposed(nc); got != tt.want {
			t.Errorf("%s: exposed at %q, want %q", name, got, tt.want)
		}
		nc.Close()
	}
	// With an authority given, a server without TLS is refused: nobody can talk a client out of it.
	options2, err := login.Login{CA: certificates.CA}.Options(func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	if nc, err := nats.Connect(plain.ClientURL(), options2...); err == nil {
		nc.Close()
		t.Error("a client with an authority connects to a server without TLS")
	}
}
