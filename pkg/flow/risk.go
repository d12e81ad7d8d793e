package flow

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Settings that say how safe the way of a connection is. Each is spelt out in its document, or is not so.
const (
	// SettingAllowHTTP with the value "true" lets an endpoint on another machine be plain http.
	SettingAllowHTTP = "allow_http"
	// SettingTLS is how a database is reached: one of the values of DatabaseTLS.
	SettingTLS = "tls"
)

// The values of SettingTLS.
const (
	TLSVerified   = "true"        // encrypted, and the server's certificate is verified
	TLSUnverified = "skip-verify" // encrypted with whoever answers
	TLSPreferred  = "preferred"   // encrypted with whoever answers, where he wants that
	TLSNone       = "false"
)

// DatabaseTLS returns how a database on that host is reached: as setting says, and where that is "",
// verified, or preferred on this machine, which no network lies between.
func DatabaseTLS(setting, host string) (string, error) {
	usual := TLSVerified
	if Loopback(host) {
		usual = TLSPreferred
	}
	switch mode := cmp.Or(setting, usual); mode {
	case TLSVerified, TLSUnverified, TLSPreferred, TLSNone:
		return mode, nil
	default:
		return "", fmt.Errorf("tls is %q: want %s (encrypted and verified, the default for other machines), %s (encrypted, not verified), %s (encrypted where the server can, not verified) or %s",
			mode, TLSVerified, TLSUnverified, TLSPreferred, TLSNone)
	}
}

// SecretCA is the secret file of a database's connection with the certificates, in PEM, of the authority that
// signed the server's. Without it those of this machine's system count.
const SecretCA = "ca"

// DatabaseCA returns the certificates in SecretCA, nil where there is none. get is as Connection.Getter
// returns it.
func DatabaseCA(get func(name string) string) (*x509.CertPool, error) {
	text := get(SecretCA)
	if text == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, fmt.Errorf("the secret file %s of connection %s holds no certificate: put the PEM of the authority there that signed the server's", SecretCA, get("connection"))
	}
	return pool, nil
}

// Loopback reports whether a host, without its port, is this machine itself.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Risk is what the document spells out by which others could read or change what the connection carries,
// with its place; nil is none.
func (c Connection) Risk() *Error {
	scheme, host := c.way()
	switch {
	case host == "" || Loopback(host):
		return nil
	case scheme == "http":
		return c.Fault("endpoint", "%s is plain http: whoever is on the way reads the credentials and the data, and can change them; use https", host)
	case c.System != "mysql":
		return nil
	}
	const at = "settings." + SettingTLS
	switch mode, _ := DatabaseTLS(c.Settings[SettingTLS], host); mode {
	case TLSNone:
		return c.Fault(at, "%s is spoken to without TLS: whoever is on the way reads and changes what is stored; set tls: \"true\"", host)
	case TLSPreferred:
		return c.Fault(at, "%s decides whether there is TLS, and its certificate is not verified: whoever is on the way can pose as it; set tls: \"true\"", host)
	case TLSUnverified:
		return c.Fault(at, "the certificate of %s is not verified: whoever is on the way can pose as it; set tls: \"true\", and put the authority's PEM into the secret file ca", host)
	default:
		return nil
	}
}

// way returns the scheme of the endpoint and the machine that it leads to, "" where it is no address.
func (c Connection) way() (scheme, host string) {
	if u, err := url.Parse(c.Endpoint); err == nil {
		return u.Scheme, u.Hostname()
	}
	return "", ""
}

// checkWay refuses ways that are not safe and that the document doesn't allow in so many words.
func (c Connection) checkWay() *Error {
	const allow = "settings." + SettingAllowHTTP
	scheme, host := c.way()
	allowed, given := c.Settings[SettingAllowHTTP]
	switch {
	case given && allowed != "true" && allowed != "false":
		return c.Fault(allow, `is %q: want "true" or "false"`, allowed)
	case scheme == "http" && !Loopback(host) && allowed != "true":
		return c.Fault("endpoint", "is plain http, which shows credentials and data to everybody on the way: use https, or say settings: {%s: \"true\"}", SettingAllowHTTP)
	case c.System != "mysql":
		return nil
	}
	if _, err := DatabaseTLS(c.Settings[SettingTLS], host); err != nil {
		return c.Fault("settings."+SettingTLS, "%v", err)
	}
	return nil
}
