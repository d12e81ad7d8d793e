package doctor_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/services/erpstream/internal/doctor"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// startCluster starts three servers that write to disk before they acknowledge.
func startCluster(t *testing.T) (servers []*server.Server) {
	t.Helper()
	ports := make([]int, 3)
	routes := make([]string, 3)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", ports[i])
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i+1), Host: "127.0.0.1", Port: -1, HTTPHost: "127.0.0.1", HTTPPort: -1, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: 8 << 20,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		})
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(time.Minute) {
			t.Fatalf("server %s is not up", s.Name())
		}
	}
	natstest.Eventually(t, func() error {
		for _, s := range servers {
			if s.JetStreamIsLeader() && seesAll(s) {
				return nil
			}
		}
		return fmt.Errorf("no leader that sees three servers")
	})
	return servers
}

// seesAll reports whether a leader can place replicas on both of the other servers.
func seesAll(leader *server.Server) bool {
	state, err := leader.Jsz(nil)
	if err != nil || state.Meta == nil {
		return false
	}
	away := slices.ContainsFunc(state.Meta.Replicas, func(p *server.PeerInfo) bool { return p.Offline || !p.Current })
	return len(state.Meta.Replicas) == 2 && !away
}

// TestCluster looks at three servers, and at two when one is down.
func TestCluster(t *testing.T) {
	servers := startCluster(t)
	nc, err := nats.Connect(servers[0].ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	furnish(t, js, 3)
	var monitors []string
	for _, s := range servers {
		monitors = append(monitors, "http://"+s.MonitorAddr().String())
	}
	natstest.Eventually(t, func() error {
		findings := doctor.Examine(t.Context(), js, doctor.Options{Monitors: monitors})
		for _, f := range findings {
			if f.State != probe.OK && f.Check != "services" {
				return fmt.Errorf("%s: %s", f.Check, f.Text)
			}
		}
		return nil
	})
	wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{Monitors: monitors[:1]}), "sync", probe.Warn, "not asked: servers n2, n3")
	servers[2].Shutdown()
	servers[2].WaitForShutdown()
	natstest.Eventually(t, func() error {
		findings := doctor.Examine(t.Context(), js, doctor.Options{})
		for _, f := range findings {
			if f.Check == "cluster" && f.State == probe.Fail {
				return nil
			}
		}
		return fmt.Errorf("nothing is said of the server that is down: %s", show(findings))
	})
}
