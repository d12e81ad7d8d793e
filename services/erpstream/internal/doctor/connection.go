package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// expiresSoon is how long before its end a certificate is worth a look: what renews it does so a third of
// its life before.
const expiresSoon = 14 * 24 * time.Hour

// connection looks at whether others can read what goes over it, and whether the server asks who is there.
func (e *examination) connection() {
	nc := e.js.Conn()
	state, err := nc.TLSConnectionState()
	switch address := login.Exposed(nc); {
	case address != "":
		e.found("tls", probe.Fail, "the connection to %s is not encrypted: passwords, keys of tokens and records can be read and changed on the way; have the server offer TLS, and write tls:// in NATS_URL", address)
	case err != nil:
		e.found("tls", probe.OK, "the connection does not leave this machine")
	default:
		e.certificates(state, nc.Opts.TLSCertCB)
	}
	switch {
	case nc.AuthRequired():
		e.found("identity", probe.OK, "the server asks who connects")
	case local(nc.ConnectedAddr()):
		e.found("identity", probe.OK, "whoever is on this machine may connect")
	default:
		e.found("identity", probe.Fail, "whoever reaches the server may connect, read all records and change them: give it the accounts that `erpstream nats-config` writes, without no_auth_user")
	}
}

// certificates looks at those of the server and of this client, where it has one.
func (e *examination) certificates(state tls.ConnectionState, own nats.TLSCertHandler) {
	if state.VerifiedChains == nil {
		e.found("tls", probe.Fail, "the server's certificate was not verified: anybody can be that server")
	}
	e.certificate("the server's certificate", state.PeerCertificates[0])
	if own == nil {
		return
	}
	client, err := own()
	if err != nil {
		e.found("tls", probe.Fail, "the client's certificate can't be read again: %v", err)
		return
	}
	e.certificate("the client's certificate", client.Leaf)
}

// certificate looks at how long a certificate is valid yet.
func (e *examination) certificate(whose string, c *x509.Certificate) {
	text := fmt.Sprintf("%s is valid until %s", whose, c.NotAfter.UTC().Format(time.DateTime))
	if time.Until(c.NotAfter) < expiresSoon {
		e.found("tls", probe.Warn, "%s: renew it; services read it again at each connect", text)
		return
	}
	e.found("tls", probe.OK, "%s", text)
}

// local reports whether a server is on this machine, or in this process.
func local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
