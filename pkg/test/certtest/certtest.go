// Package certtest makes certificates for tests of encrypted connections to loopback.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Files are the PEM files of an authority that is made for them, of a server at 127.0.0.1 and of a client.
type Files struct {
	CA, ServerCert, ServerKey, ClientCert, ClientKey string
}

// valid is how long certificates are.
const valid = 30 * 24 * time.Hour

// Issue writes all files into a folder.
func Issue(t testing.TB, dir string) Files {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	f := Files{at("ca.crt"), at("server.crt"), at("server.key"), at("client.crt"), at("client.key")}
	f.Renew(t)
	return f
}

// Renew writes them anew, with another authority: what the old one signed is worth nothing any more.
func (f Files) Renew(t testing.TB) {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
	}
	authorityKey := newKey(t)
	write(t, f.CA, "CERTIFICATE", sign(t, authority, authority, authorityKey, authorityKey))
	for name, files := range map[string][2]string{"server": {f.ServerCert, f.ServerKey}, "client": {f.ClientCert, f.ClientKey}} {
		key := newKey(t)
		der := sign(t, &x509.Certificate{
			SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}, authority, key, authorityKey)
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, files[0], "CERTIFICATE", der)
		write(t, files[1], "PRIVATE KEY", secret)
	}
}

// Server is the part of a NATS server's configuration that uses them, and asks clients for theirs.
func (f Files) Server() string {
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", f.ServerCert, f.ServerKey, f.CA)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sign(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
