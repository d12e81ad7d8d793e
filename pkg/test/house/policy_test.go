//go:build linux

package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

// TestFirewall holds the rules that become of policies against what Kubernetes would let through.
func TestFirewall(t *testing.T) {
	var policies []object
	if err := json.Unmarshal([]byte(`[
		{"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
		{"spec": {"podSelector": {"matchExpressions": [{"key": "name", "operator": "In", "values": ["poller", "sink"]}]}, "policyTypes": ["Egress"],
			"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, {"ipBlock": {"cidr": "2000::/3"}}], "ports": [{"protocol": "TCP", "port": 443}]}]}},
		{"spec": {"podSelector": {"matchLabels": {"name": "sink"}}, "policyTypes": ["Egress"], "egress": [{"ports": [{"protocol": "TCP", "port": 3306}]}]}},
		{"spec": {"podSelector": {}, "policyTypes": ["Ingress"],
			"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}], "ports": [{"protocol": "TCP", "port": "metrics"}]}]}}
	]`), &policies); err != nil {
		t.Fatal(err)
	}
	p := &pod{labels: map[string]string{"name": "poller"}}
	if err := json.Unmarshal([]byte(`{"containers": [{"ports": [{"name": "metrics", "containerPort": 8080}]}]}`), &p.spec); err != nil {
		t.Fatal(err)
	}
	pods := []*pod{p, {namespace: "monitoring", addr: netip.MustParseAddr("10.77.1.9")}}
	got, err := firewall(p, policies, pods)
	if err != nil {
		t.Fatal(err)
	}
	const want = `:INPUT DROP
:OUTPUT DROP
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -s 10.77.0.1 -j ACCEPT
:PEER-1 -
-A OUTPUT -j PEER-1
-A PEER-1 -d 10.0.0.0/8 -j RETURN
-A PEER-1 -d 0.0.0.0/0 -p tcp --dport 443 -j ACCEPT
:PEER-2 -
-A INPUT -j PEER-2
-A PEER-2 -s 10.77.1.9 -p tcp --dport 8080 -j ACCEPT
`
	if got := strings.TrimSuffix(strings.TrimPrefix(got, "*filter\n"), "COMMIT\n"); got != want {
		t.Errorf("rules are\n%s\nwant\n%s", got, want)
	}
}

func TestCompared(t *testing.T) {
	want := holding{"kept": {"1"}, "edited": {"2"}, "lost": {"1"}, "twice": {"1"}}
	got := holding{"kept": {"1"}, "edited": {"1"}, "twice": {"1", "1"}, "unknown": {"1"}}
	if t1, all := compared("rows", want, got), (target{Name: "rows", Expected: 4, Missing: 1, Duplicated: 2, Stale: 1}); t1 != all {
		t.Errorf("%+v, want %+v", t1, all)
	}
}
