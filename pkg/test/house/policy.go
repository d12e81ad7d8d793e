//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// policy is what is used of a NetworkPolicy.
type policy struct {
	PodSelector     selector
	PolicyTypes     []string
	Ingress, Egress []rule
}

type selector struct {
	MatchLabels      map[string]string
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	}
}

// rule allows what its peers and ports have in common; none of either is all.
type rule struct {
	From, To []peer
	Ports    []struct {
		Protocol string
		Port     json.RawMessage // a number or a name
	}
}

type peer struct {
	NamespaceSelector *selector
	PodSelector       *selector
	IPBlock           *struct {
		CIDR   string
		Except []string
	}
}

// namespaceLabel is what Kubernetes itself writes on every namespace.
const namespaceLabel = "kubernetes.io/metadata.name"

// matches reports whether labels are those that are looked for.
func (s selector) matches(labels map[string]string) bool {
	for key, value := range s.MatchLabels {
		if labels[key] != value {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		if e.Operator != "In" || !slices.Contains(e.Values, labels[e.Key]) {
			return false
		}
	}
	return true
}

// firewall writes, for iptables-restore, what the policies let a pod do: what selects it denies first and then
// allows. Answers go back the way the question came, and the node asks for health, as everywhere.
func firewall(p *pod, policies []object, pods []*pod) (string, error) {
	f := chains{pods: pods}
	closed := map[string]string{"Ingress": "ACCEPT", "Egress": "ACCEPT"}
	for _, o := range policies {
		if !o.Spec.PodSelector.matches(p.labels) {
			continue
		}
		for _, kind := range o.Spec.PolicyTypes {
			closed[kind] = "DROP"
		}
		for _, r := range o.Spec.Ingress {
			if err := f.allow(p, "INPUT", "-s", r.From, r); err != nil {
				return "", fmt.Errorf("NetworkPolicy %s: %w", o.Metadata.Name, err)
			}
		}
		for _, r := range o.Spec.Egress {
			if err := f.allow(p, "OUTPUT", "-d", r.To, r); err != nil {
				return "", fmt.Errorf("NetworkPolicy %s: %w", o.Metadata.Name, err)
			}
		}
	}
	return fmt.Sprintf(`*filter
:INPUT %s
:OUTPUT %s
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -s %s -j ACCEPT
%sCOMMIT
`, closed["Ingress"], closed["Egress"], nodeAddress, f.text.String()), nil
}

// chains collects rules.
type chains struct {
	pods  []*pod
	text  strings.Builder
	count int
}

// allow adds a rule for each pair of a peer and a port.
func (f *chains) allow(p *pod, chain, direction string, peers []peer, r rule) error {
	ports := []string{""}
	if len(r.Ports) > 0 {
		ports = nil
	}
	for _, port := range r.Ports {
		number := string(port.Port)
		if name := strings.Trim(number, `"`); name != number {
			number = fmt.Sprint(p.spec.port(name))
		}
		ports = append(ports, fmt.Sprintf(" -p %s --dport %s", strings.ToLower(port.Protocol), number))
	}
	if len(peers) == 0 {
		peers = []peer{{IPBlock: &struct {
			CIDR   string
			Except []string
		}{CIDR: "0.0.0.0/0"}}}
	}
	for _, each := range peers {
		if err := f.peer(each, chain, direction, ports); err != nil {
			return err
		}
	}
	return nil
}

// peer writes the rules for one peer. Blocks of IPv6 are left out: the pods have no such address.
func (f *chains) peer(each peer, chain, direction string, ports []string) error {
	var blocks, except []string
	switch {
	case each.PodSelector != nil:
		return fmt.Errorf("a peer by podSelector is not known here")
	case each.NamespaceSelector != nil:
		for _, other := range f.pods {
			if each.NamespaceSelector.matches(map[string]string{namespaceLabel: other.namespace}) {
				blocks = append(blocks, other.addr.String())
			}
		}
	default:
		prefix, err := netip.ParsePrefix(each.IPBlock.CIDR)
		if err != nil {
			return err
		}
		if !prefix.Addr().Is4() {
			return nil
		}
		blocks, except = []string{each.IPBlock.CIDR}, each.IPBlock.Except
	}
	if len(blocks) == 0 {
		return nil
	}
	f.count++
	own := fmt.Sprintf("PEER-%d", f.count)
	fmt.Fprintf(&f.text, ":%s -\n-A %s -j %s\n", own, chain, own)
	for _, block := range except {
		fmt.Fprintf(&f.text, "-A %s %s %s -j RETURN\n", own, direction, block)
	}
	for _, block := range blocks {
		for _, port := range ports {
			fmt.Fprintf(&f.text, "-A %s %s %s%s -j ACCEPT\n", own, direction, block, port)
		}
	}
	return nil
}
