//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The network of the house, in a namespace of this program's own: a bridge, the node; pods have addresses of a
// cluster, and what is outside of it has public ones (TEST-NET-3), as the policies tell them apart.
const (
	nodeAddress = "10.77.0.1"
	inside      = "10.77.0.0/16"
	outside     = "203.0.113.0/24"
)

// pod is a network namespace, and what runs in it.
type pod struct {
	name, namespace string
	labels          map[string]string
	addr            netip.Addr
	// Of pods of ours.
	spec    podSpec
	process *process
	memory  int64 // the most that a process had, in bytes
}

// newNetwork makes the bridge. Names of namespaces are kept in memory, and end with this program.
func newNetwork(ctx context.Context) error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("a /run of our own: %w", err)
	}
	return shell(ctx, fmt.Sprintf(`ip link set lo up
ip link add pods type bridge
ip addr add %s/16 dev pods
ip link set pods up
ip route add %s dev pods`, nodeAddress, outside))
}

// add gives a pod its namespace, with one way out. It has no address of IPv6, so the policies for IPv4 are all.
func (h *house) add(ctx context.Context, p *pod) error {
	h.pods = append(h.pods, p)
	p.addr = netip.AddrFrom4([4]byte{10, 77, 1, byte(len(h.pods))})
	if p.namespace == internet {
		p.addr = netip.AddrFrom4([4]byte{203, 0, 113, byte(len(h.pods))})
	}
	return shell(ctx, strings.NewReplacer("POD", p.name, "PORT", fmt.Sprint("port", len(h.pods)), "ADDR", p.addr.String(), "INSIDE", inside, "OUTSIDE", outside).Replace(`ip netns add POD
ip link add PORT type veth peer name eth0 netns POD
ip link set PORT master pods up
ip -n POD link set lo up
ip -n POD link set eth0 addrgenmode none
ip -n POD addr add ADDR/32 dev eth0
ip -n POD link set eth0 up
ip -n POD route add INSIDE dev eth0
ip -n POD route add OUTSIDE dev eth0`))
}

func shell(ctx context.Context, script string) error {
	if out, err := exec.CommandContext(ctx, "sh", "-ec", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return nil
}

// confine applies the policies to a pod.
func (h *house) confine(ctx context.Context, p *pod) error {
	rules, err := firewall(p, of("NetworkPolicy", h.manifests), h.pods)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", p.name, "iptables-restore")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("policies of %s: %w: %s\n%s", p.name, err, out, rules)
	}
	return nil
}

// refused is how many packets the policies have kept from a pod, or in it.
func (p *pod) refused(ctx context.Context) (packets int, err error) {
	for _, chain := range []string{"INPUT", "OUTPUT"} {
		out, err := exec.CommandContext(ctx, "ip", "netns", "exec", p.name, "iptables", "-nvxL", chain).Output()
		if err != nil {
			return 0, err
		}
		var n int
		if _, err := fmt.Sscanf(string(out), "Chain "+chain+" (policy DROP %d packets", &n); err != nil {
			return 0, fmt.Errorf("%s: chain %s denies nothing: %.60s", p.name, chain, out)
		}
		packets += n
	}
	return packets, nil
}

// within runs do on a thread in the pod's network. Sockets stay where they were made.
func (p *pod) within(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine: nobody else gets it
		done <- func() error {
			ns, err := os.Open("/run/netns/" + p.name)
			if err != nil {
				return err
			}
			defer func() { _ = ns.Close() }()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter the network of %s: %w", p.name, err)
			}
			return do()
		}()
	}()
	return <-done
}

// listen opens a port of the pod's.
func (p *pod) listen(ctx context.Context, port int) (l net.Listener, err error) {
	err = p.within(func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", fmt.Sprintf("%s:%d", p.addr, port))
		return err
	})
	return l, err
}

// reaches reports whether the pod gets a connection to a port of another.
func (p *pod) reaches(ctx context.Context, to *pod, port int) bool {
	return p.within(func() error { return dial(ctx, to, port) }) == nil
}

// dial is bounded: what policies refuse is not answered.
func dial(ctx context.Context, to *pod, port int) error {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp4", fmt.Sprintf("%s:%d", to.addr, port))
	if err != nil {
		return err
	}
	return conn.Close()
}
