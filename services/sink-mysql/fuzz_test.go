package main

import (
	"net"
	"strings"
	"testing"
)

// Whatever an endpoint says, it leads to a host, a port and one database, or is refused without being
// repeated: it may hold a password.
func FuzzEndpoint(f *testing.F) {
	for _, seed := range []string{
		"mysql://db:3306/bi", "mysql://[::1]/bi", "mysql://u:s3cr3t@db/bi", "db:3306", "mysql://db:x/bi", "mysql://db/a/b", "mysql://db/bi?tls=x",
		"mysql:///bi", "mysql://db:99999/bi", "mysql://db/%2f", "mysql://db/bi#x", "mysql://a%00b/bi", "MYSQL://db/bi", "mysql://db:/bi",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		addr, database, err := parseEndpoint(endpoint)
		if err != nil {
			if rest, ok := strings.CutPrefix(endpoint, "mysql://"); ok && len(rest) > 12 && strings.Contains(err.Error(), rest) {
				t.Errorf("the error repeats %q: %v", endpoint, err)
			}
			return
		}
		host, port, split := net.SplitHostPort(addr)
		if split != nil || host == "" || port == "" || database == "" || strings.Contains(database, "/") {
			t.Errorf("%q leads to %q, database %q", endpoint, addr, database)
		}
	})
}
