package rootfs

import (
	"bytes"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Certificates is the module that the certificates come from. Those of the machine that builds would
// give other bytes on another machine; the module's version is pinned in go.mod and its hash in go.sum,
// and it is updated like any other.
const Certificates = "golang.org/x/crypto/x509roots/fallback"

// certificates returns the roots that Mozilla trusts, as PEM. Those that it trusts only for
// certificates of before some day are left out: a PEM file can't say so.
func certificates() ([]byte, error) {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("encode a root certificate: %w", err)
		}
	}
	return out.Bytes(), nil
}
