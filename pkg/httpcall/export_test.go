package httpcall

import (
	"crypto/tls"
	"net/http"
)

// Trusting is the transport of all Clients with another TLS configuration.
func Trusting(c *tls.Config) http.RoundTripper {
	t := transport().Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: c.RootCAs, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	return t
}
