package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Node is one server of a Cluster. Its methods may be called at the same time.
type Node struct {
	// Name is the server's own, URL where clients reach it.
	Name, URL string

	t            testing.TB
	program, dir string

	mu      sync.Mutex
	process *os.Process
	gone    chan struct{} // closed when the process has ended
}

const kill = syscall.SIGKILL

// configure writes the server's configuration.
func (n *Node) configure(port, clusterPort int, routes []string) error {
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf(`server_name: %s
listen: "127.0.0.1:%d"
max_payload: 8MB
log_file: %q
jetstream { store_dir: %q, sync_interval: always }
cluster { name: erpstream, listen: "127.0.0.1:%d", routes: ["%s"] }
`, n.Name, port, n.Log(), n.dir, clusterPort, strings.Join(routes, `", "`))
	file, err := os.Create(n.config())
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close()) // it is to outlive a power cut
}

func (n *Node) config() string { return filepath.Join(n.dir, "server.conf") }

// Log is the file that the server logs to.
func (n *Node) Log() string { return filepath.Join(n.dir, "server.log") }

// Start starts the server unless it runs; it does not wait until it answers.
func (n *Node) Start() {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		return
	}
	started, gone := make(chan error, 1), make(chan struct{})
	cmd := exec.CommandContext(context.Background(), n.program, "-c", n.config()) // until it is killed
	cmd.SysProcAttr = childAttributes()
	go func() {
		// The system ends the server when the thread that started it is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		n.t.Errorf("start NATS server %s: %v", n.Name, err)
		return
	}
	n.process, n.gone = cmd.Process, gone
}

// Kill ends the server by SIGKILL, also one that stands still, and waits until it is gone.
func (n *Node) Kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return
	}
	_ = n.process.Signal(kill)
	<-n.gone
	n.process = nil
}

// Pause makes the server stand still (SIGSTOP): to others it is as if the network to it were cut.
func (n *Node) Pause() { n.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (n *Node) Resume() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s os.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		_ = n.process.Signal(s)
	}
}

// freePorts returns ports of loopback that are free now, each a different one.
func freePorts(count int) ([]int, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	ports := make([]int, count)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
