package natstest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// serverPackage is the program of NATS itself, at the version that the module requires.
const serverPackage = "github.com/nats-io/nats-server/v2"

// BuildServer builds the nats-server that the tests' module requires into a folder and returns the
// program. It is what a user runs, and being a process it can be killed.
func BuildServer(folder string) (program string, err error) {
	program = filepath.Join(folder, "nats-server")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", program, serverPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", serverPackage, err, out)
	}
	return program, nil
}

// Servers is how many a Cluster has.
const Servers = 3

// Cluster is three NATS servers, each a process of its own, which have what they acknowledge on the
// disk (sync_interval: always). They end with the test.
type Cluster struct {
	Nodes [Servers]*Node
	t     testing.TB
}

// StartCluster starts the servers of a cluster and waits until JetStream answers. What they store
// lies in dir, where a later cluster finds it again.
func StartCluster(t testing.TB, program, dir string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	ports, err := freePorts(2 * Servers)
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, port := range ports[Servers:] {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	for i := range c.Nodes {
		name := fmt.Sprintf("n%d", i+1)
		c.Nodes[i] = &Node{
			t: t, Name: name, URL: fmt.Sprintf("nats://127.0.0.1:%d", ports[i]),
			program: program, dir: filepath.Join(dir, name),
		}
		if err := c.Nodes[i].configure(ports[i], ports[Servers+i], routes); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(c.Kill)
	c.Start()
	c.Wait()
	return c
}

// URL is that of all servers, with commas between.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		urls[i] = n.URL
	}
	return strings.Join(urls, ",")
}

// Start starts the servers that do not run; it does not wait until they answer.
func (c *Cluster) Start() {
	c.t.Helper()
	for _, n := range c.Nodes {
		n.Start()
	}
}

// Kill ends all servers at once, by SIGKILL, and waits until they are gone.
func (c *Cluster) Kill() {
	for _, n := range c.Nodes {
		n.signal(kill)
	}
	for _, n := range c.Nodes {
		n.Kill()
	}
}

// Connect opens a connection that goes to whichever server is there, for ever, and ends with the test.
func (c *Cluster) Connect() jetstream.JetStream {
	c.t.Helper()
	nc, err := nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		c.t.Fatal(err)
	}
	return js
}

// Wait returns when JetStream answers, each stream has a leader, and its replicas are current.
func (c *Cluster) Wait() {
	c.t.Helper()
	c.wait(0)
}

// WaitQuorum returns when JetStream answers, each stream has a leader, and not more than one replica is
// not current: a stream works on, and a replica whose disk went back in time may never catch up.
func (c *Cluster) WaitQuorum() {
	c.t.Helper()
	c.wait(1)
}

// wait lets each stream have that many replicas that are not current.
func (c *Cluster) wait(late int) {
	c.t.Helper()
	js := c.Connect()
	defer js.Conn().Close()
	Eventually(c.t, func() error {
		ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		defer cancel()
		if _, err := js.AccountInfo(ctx); err != nil {
			return fmt.Errorf("NATS cluster: %w", err)
		}
		if late == 0 {
			if err := placed(ctx, js); err != nil {
				return fmt.Errorf("NATS cluster: %w", err)
			}
		}
		streams := js.ListStreams(ctx)
		for info := range streams.Info() {
			if err := current(info, late); err != nil {
				return err
			}
		}
		return streams.Err()
	})
}

// placed makes a stream on all servers, which the leader does once it sees them, and takes it away again.
func placed(ctx context.Context, js jetstream.JetStream) error {
	const name = "PLACED"
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: name, Storage: jetstream.MemoryStorage, Replicas: Servers}); err != nil {
		return err
	}
	return js.DeleteStream(ctx, name)
}

func current(info *jetstream.StreamInfo, late int) error {
	if info.Cluster == nil || info.Cluster.Leader == "" {
		return fmt.Errorf("stream %s has no leader", info.Config.Name)
	}
	for _, r := range info.Cluster.Replicas {
		if r.Current && !r.Offline {
			continue
		}
		if late--; late < 0 {
			return fmt.Errorf("stream %s: replica %s is %d messages behind", info.Config.Name, r.Name, r.Lag)
		}
	}
	return nil
}

// Leader returns the server that leads a stream.
func (c *Cluster) Leader(ctx context.Context, js jetstream.JetStream, stream string) (*Node, error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("leader of stream %s: %w", stream, err)
	}
	info := s.CachedInfo()
	for _, n := range c.Nodes {
		if info.Cluster != nil && info.Cluster.Leader == n.Name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("stream %s has no leader", stream)
}
